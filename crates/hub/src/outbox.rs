//! What is owed to one connection: bytes that wait for the end of a batch, and bytes that the kernel did not take.

use crate::fd::Place;
use crate::tape::{Stretch, Tape};
use crate::wire::{Sent, Wire};
use std::collections::VecDeque;
use std::io::IoSlice;
use wirewool_proto::block::{Block, Pool};
use wirewool_proto::websocket::deflate::Inflaters;
use wirewool_proto::websocket::message::Payload;

/// A batch's bytes for one connection go out in between when they are this many.
pub const BATCH_BYTES_MAX: usize = 64 << 10;

/// How many buffers are kept for the next batches.
const BUFFERS_MAX: usize = 64;

/// The size from which a piece of a backlog stands alone; below it small frames share one.
const CHUNK_BYTES: usize = 64 << 10;

/// How many pieces go out in one call.
const PARTS_MAX: usize = 16;

/// What is left after an attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing.
    Empty,
    /// Something: the kernel takes no more now.
    Blocked,
    /// Nothing ever again: the connection is broken.
    Broken,
}

/// A loop's spare memory, so that an idle connection owns none.
#[derive(Debug, Default)]
pub struct Spares {
    buffers: Vec<Vec<u8>>,
    /// What connections are owed at the end of the batch.
    pub(crate) tape: Tape,
    /// Blocks for messages.
    pub pool: Pool,
    /// Inflaters for messages.
    pub inflaters: Inflaters,
}

impl Spares {
    fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= 2 * BATCH_BYTES_MAX && self.buffers.len() < BUFFERS_MAX {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}

/// What the kernel did not take, in order.
#[derive(Debug, Default)]
struct Backlog {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

#[derive(Debug)]
enum Chunk {
    Small(Vec<u8>, usize),
    Whole(Block, usize),
}

impl Chunk {
    fn rest(&self) -> &[u8] {
        match self {
            Chunk::Small(bytes, at) => &bytes[*at..],
            Chunk::Whole(block, at) => &block.bytes()[*at..],
        }
    }

    fn advance(&mut self, n: usize) {
        match self {
            Chunk::Small(_, at) | Chunk::Whole(_, at) => *at += n,
        }
    }
}

impl Backlog {
    fn push(&mut self, chunk: Chunk) {
        self.bytes += chunk.rest().len();
        self.chunks.push_back(chunk);
    }

    fn append(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        if let Some(Chunk::Small(last, _)) = self.chunks.back_mut()
            && last.capacity() - last.len() >= bytes.len()
        {
            last.extend_from_slice(bytes);
            return;
        }
        let mut chunk = Vec::with_capacity(bytes.len().max(CHUNK_BYTES));
        chunk.extend_from_slice(bytes);
        self.chunks.push_back(Chunk::Small(chunk, 0));
    }
}

/// What is owed to one connection.
///
/// Either bytes that wait for the end of a batch, or a backlog: never both. The former are a stretch of the tape as long
/// as they follow each other there, which they do when all are owed the same, or one is owed all; else a copy.
#[derive(Debug, Default)]
pub struct Outbox {
    stretch: Stretch,
    batch: Vec<u8>,
    backlog: Option<Box<Backlog>>,
}

impl Outbox {
    /// How many bytes are owed.
    #[inline]
    pub fn owed(&self) -> usize {
        self.stretch.len() + self.batch.len() + self.backlog.as_ref().map_or(0, |backlog| backlog.bytes)
    }

    /// Did the kernel refuse some?
    #[inline]
    pub fn has_backlog(&self) -> bool {
        self.backlog.is_some()
    }

    /// Adds a copy of bytes behind what is owed.
    #[inline]
    pub fn append(&mut self, parts: [&[u8]; 2], spares: &mut Spares) {
        match &mut self.backlog {
            None => {
                if self.batch.is_empty()
                    && let Some(stretch) = spares.tape.extend(self.stretch, parts)
                {
                    self.stretch = stretch;
                    return;
                }
                self.leave_tape(spares);
                for part in parts {
                    self.batch.extend_from_slice(part);
                }
            }
            Some(backlog) => {
                for part in parts {
                    backlog.append(part);
                }
            }
        }
    }

    /// From now on the batch is a copy of its own.
    fn leave_tape(&mut self, spares: &mut Spares) {
        if self.batch.capacity() == 0 {
            self.batch = spares.buffer();
        }
        self.batch.extend_from_slice(spares.tape.read(std::mem::take(&mut self.stretch)));
    }

    /// Sends the batch. With a backlog it waits for room instead: see [`Outbox::drain`].
    #[inline]
    pub fn flush(&mut self, place: Place, wire: &mut dyn Wire, spares: &mut Spares) -> Flushed {
        if self.backlog.is_some() {
            return Flushed::Blocked;
        }
        if !self.stretch.is_empty() {
            let stretch = std::mem::take(&mut self.stretch);
            let bytes = spares.tape.read(stretch);
            return match wire.send(place, bytes) {
                Sent::Bytes(n) if n == bytes.len() => Flushed::Empty,
                Sent::Bytes(n) => {
                    self.backlog.get_or_insert_default().push(Chunk::Small(bytes[n..].to_vec(), 0));
                    Flushed::Blocked
                }
                Sent::Broken => Flushed::Broken,
            };
        }
        if self.batch.is_empty() {
            return Flushed::Empty;
        }
        match wire.send(place, &self.batch) {
            Sent::Bytes(n) if n == self.batch.len() => {
                spares.give(std::mem::take(&mut self.batch));
                Flushed::Empty
            }
            Sent::Bytes(n) => {
                self.backlog.get_or_insert_default().push(Chunk::Small(std::mem::take(&mut self.batch), n));
                Flushed::Blocked
            }
            Sent::Broken => Flushed::Broken,
        }
    }

    /// Sends the batch, a header and a payload in one call and without a copy; what the kernel refuses is kept.
    ///
    /// # Panics
    /// When there is a backlog.
    #[cold]
    #[inline(never)]
    pub fn send_through(
        &mut self,
        header: &[u8],
        payload: Payload<'_>,
        place: Place,
        wire: &mut dyn Wire,
        spares: &mut Spares,
    ) -> Flushed {
        assert!(self.backlog.is_none(), "a backlog goes out first");
        if !self.stretch.is_empty() {
            self.leave_tape(spares);
        }
        let fixed = self.batch.len() + header.len();
        let first = usize::from(self.batch.is_empty());
        let parts = [IoSlice::new(&self.batch), IoSlice::new(header), IoSlice::new(payload.bytes())];
        let Sent::Bytes(sent) = wire.send_gathered(place, &parts[first..]) else { return Flushed::Broken };
        let mut batch = std::mem::take(&mut self.batch);
        if sent == fixed + payload.bytes().len() {
            spares.give(batch);
            return Flushed::Empty;
        }
        let backlog = self.backlog.get_or_insert_default();
        if sent < fixed {
            batch.extend_from_slice(header);
            backlog.push(Chunk::Small(batch, sent));
        } else {
            spares.give(batch);
        }
        let at = sent.saturating_sub(fixed);
        match payload {
            Payload::Whole(block) => backlog.push(Chunk::Whole(std::mem::take(block), at)),
            Payload::Borrowed(bytes) => {
                let mut block = spares.pool.take();
                block.append(&bytes[at..]);
                backlog.push(Chunk::Whole(block, 0));
            }
        }
        Flushed::Blocked
    }

    /// There is room again: sends as much of the backlog as fits one call.
    pub fn drain(&mut self, place: Place, wire: &mut dyn Wire, spares: &mut Spares) -> Flushed {
        let Some(backlog) = &mut self.backlog else { return Flushed::Empty };
        let mut parts = [IoSlice::new(&[]); PARTS_MAX];
        let mut count = 0;
        for (part, chunk) in parts.iter_mut().zip(&backlog.chunks) {
            *part = IoSlice::new(chunk.rest());
            count += 1;
        }
        let Sent::Bytes(mut sent) = wire.send_gathered(place, &parts[..count]) else { return Flushed::Broken };
        backlog.bytes -= sent;
        while let Some(chunk) = backlog.chunks.front_mut() {
            let len = chunk.rest().len();
            if sent < len {
                chunk.advance(sent);
                return Flushed::Blocked;
            }
            sent -= len;
            match backlog.chunks.pop_front() {
                Some(Chunk::Whole(block, _)) => spares.pool.give(block),
                Some(Chunk::Small(bytes, _)) => spares.give(bytes),
                None => {}
            }
        }
        self.backlog = None;
        Flushed::Empty
    }
}

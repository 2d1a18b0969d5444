//! Fake sockets with a level-triggered readiness, and what a hub may do with them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::rc::Rc;
use std::time::SystemTime;
use wirewool_hub::event::Status;
use wirewool_hub::fd::{Fd, Place};
use wirewool_hub::time::Moment;
use wirewool_hub::wire::{Interest, Sent, Signs, Wire};

/// One socket, its peer's side included.
#[derive(Debug)]
pub(crate) struct Socket {
    place: Place,
    /// What the peer sent and the hub has not read.
    pub(crate) input: VecDeque<u8>,
    /// The peer sends nothing more.
    pub(crate) ended: bool,
    /// Every call fails.
    pub(crate) broken: bool,
    /// How much the kernel still takes.
    pub(crate) room: usize,
    /// All that it took.
    pub(crate) sent: Vec<u8>,
    /// It did not take all that it was last given.
    pub(crate) blocked: bool,
    /// What the hub said last is stuck of what it owes.
    pub(crate) stuck: usize,
    pub(crate) interest: Interest,
    pub(crate) shut_down: bool,
    pub(crate) closed: bool,
    pub(crate) heard_at: Moment,
    sent_at: Moment,
    pub(crate) protected: bool,
}

/// What a socket is ready for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) write: bool,
    pub(crate) end: bool,
    pub(crate) read: bool,
    /// Both ends are done, or it failed: that is reported unasked.
    pub(crate) hung_up: bool,
}

/// What a read brought.
#[derive(Debug)]
pub(crate) enum Received {
    Bytes(usize),
    Nothing,
    End,
    Broken,
}

impl Socket {
    fn new(place: Place, now: Moment) -> Socket {
        Socket {
            heard_at: now,
            sent_at: now,
            protected: false,
            place,
            input: VecDeque::new(),
            ended: false,
            broken: false,
            room: usize::MAX,
            sent: Vec::new(),
            blocked: false,
            stuck: 0,
            interest: Interest { read: true, write: false, end: false },
            shut_down: false,
            closed: false,
        }
    }

    /// What epoll would report, if anything.
    pub(crate) fn ready(&self) -> Option<Ready> {
        let hung_up = self.broken || self.ended && self.shut_down;
        let ready = Ready {
            write: self.interest.write && (self.room > 0 || self.broken),
            end: self.interest.end && self.ended,
            read: self.interest.read && (!self.input.is_empty() || self.ended),
            hung_up,
        };
        (!self.closed && (ready.write || ready.end || ready.read || hung_up)).then_some(ready)
    }

    pub(crate) fn receive(&mut self, into: &mut [u8]) -> Received {
        assert!(!self.closed && !into.is_empty(), "a read from a closed socket, or of nothing");
        if self.broken {
            return Received::Broken;
        }
        let n = into.len().min(self.input.len());
        for (to, from) in into.iter_mut().zip(self.input.drain(..n)) {
            *to = from;
        }
        match n {
            0 if self.ended => Received::End,
            0 => Received::Nothing,
            n => Received::Bytes(n),
        }
    }

    fn send<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> Sent {
        assert!(!self.closed && !self.shut_down, "sent behind the end");
        if self.broken {
            return Sent::Broken;
        }
        let (mut given, mut taken) = (0, 0);
        for part in parts {
            let n = part.len().min(self.room - taken);
            self.sent.extend_from_slice(&part[..n]);
            given += part.len();
            taken += n;
        }
        assert!(given > 0, "sent nothing");
        self.room -= if self.room == usize::MAX { 0 } else { taken };
        self.blocked = taken < given;
        Sent::Bytes(taken)
    }
}

/// All sockets that there were, and the clock.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    all: Vec<Socket>,
    pub(crate) established: Vec<Fd>,
    pub(crate) closing: Vec<Fd>,
    pub(crate) released: Vec<Fd>,
    pub(crate) clock: Rc<Cell<u64>>,
}

impl Sockets {
    pub(crate) fn open(&mut self, place: Place) {
        assert!(self.all.iter().all(|socket| socket.place != place), "a place was given out twice");
        self.all.push(Socket::new(place, Moment(self.clock.get())));
    }

    pub(crate) fn of(&mut self, place: Place) -> &mut Socket {
        let found = self.all.iter_mut().find(|socket| socket.place == place);
        found.expect("the hub names places that it gave out")
    }
}

impl Wire for Sockets {
    fn send(&mut self, place: Place, bytes: &[u8]) -> Sent {
        self.of(place).send([bytes].into_iter())
    }

    fn send_gathered(&mut self, place: Place, parts: &[IoSlice<'_>]) -> Sent {
        self.of(place).send(parts.iter().map(|part| &**part))
    }

    fn wait_for(&mut self, place: Place, interest: Interest) {
        let socket = self.of(place);
        assert!(!socket.closed, "the interest of a closed socket");
        assert_ne!(std::mem::replace(&mut socket.interest, interest), interest, "a call for nothing");
    }

    fn shut_down(&mut self, place: Place) {
        let socket = self.of(place);
        assert!(!socket.closed && !socket.blocked, "shut down with a backlog");
        assert!(!std::mem::replace(&mut socket.shut_down, true), "shut down twice");
    }

    fn close(&mut self, place: Place) {
        assert!(!std::mem::replace(&mut self.of(place).closed, true), "closed twice");
    }

    fn status(&mut self, fd: Fd, status: Status) {
        assert!(!self.released.contains(&fd), "{fd} is {status:?} and was released");
        if status == Status::Active {
            assert!(!self.established.contains(&fd), "{fd} became a WebSocket twice");
            self.established.push(fd);
        }
    }

    fn closing(&mut self, fd: Fd) {
        assert!(!self.closing.contains(&fd), "{fd} was closed twice");
        self.closing.push(fd);
    }

    fn released(&mut self, _: Place, fd: Fd) {
        assert!(self.closing.contains(&fd), "{fd} was released and not closed");
        assert!(!self.released.contains(&fd), "{fd} was released twice");
        self.released.push(fd);
    }

    fn owes(&mut self, place: Place, bytes: usize) {
        let socket = self.of(place);
        assert!(!socket.closed, "what is owed to a closed socket");
        socket.stuck = bytes;
    }

    fn signs(&self, place: Place) -> Signs {
        let socket =
            self.all.iter().find(|socket| socket.place == place).expect("the hub names places that it gave out");
        assert!(!socket.closed, "the signs of a closed socket");
        Signs { heard_at: socket.heard_at, sent_at: socket.sent_at, protected: socket.protected }
    }

    fn has_input(&self, place: Place) -> bool {
        self.all.iter().any(|socket| socket.place == place && !socket.input.is_empty())
    }

    fn time_of_day(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn micros(&self) -> u64 {
        self.clock.get() * 1000
    }
}

//! Compression of one connection: what was agreed on, and the compressor that its messages go through.

use wirewool_proto::websocket::deflate::Deflater;
use wirewool_proto::websocket::extension::{Agreement, WINDOW_BITS_MAX, WINDOW_BITS_MIN};
use wirewool_proto::websocket::receiver::Receiver;

/// How one connection's messages are compressed.
#[derive(Debug)]
pub(crate) struct Deflation {
    agreement: Agreement,
    /// Its own compressor, once it has compressed something; only if messages refer back to earlier ones.
    own: Option<Deflater>,
}

impl Deflation {
    pub(crate) fn new(agreement: &Agreement) -> Deflation {
        Deflation { agreement: *agreement, own: None }
    }

    /// What reads the other direction.
    pub(crate) fn receiver(&self) -> Receiver {
        let window_bits = self.agreement.client_max_window_bits.unwrap_or(WINDOW_BITS_MAX);
        Receiver::inflating(self.agreement.client_context_takeover, window_bits)
    }

    /// The compressed message; none if it is not worth it, and the connection may do without.
    ///
    /// With a context that is kept there is no way back: what the compressor has seen, the peer must see too.
    pub(crate) fn deflate(&mut self, payload: &[u8], level: u8, shared: &mut Deflaters) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let window_bits = self.agreement.server_max_window_bits;
        if self.agreement.server_context_takeover {
            let own = self.own.get_or_insert_with(|| Deflater::new(level, window_bits));
            own.deflate(payload, &mut bytes);
            return Some(bytes);
        }
        let deflater = shared.of(level, window_bits);
        deflater.deflate(payload, &mut bytes);
        deflater.reset();
        (bytes.len() < payload.len()).then_some(bytes)
    }
}

/// The most that compressing may add to a payload, in bytes: a stored block's header for each 16 KiB, and the flush.
pub(crate) fn growth_max(len: usize) -> usize {
    len / (16 << 10) * 5 + 32
}

/// A loop's compressors for connections that keep no context between messages: one for each window.
#[derive(Debug, Default)]
pub(crate) struct Deflaters {
    by_bits: [Option<Deflater>; (WINDOW_BITS_MAX - WINDOW_BITS_MIN + 1) as usize],
}

impl Deflaters {
    fn of(&mut self, level: u8, window_bits: u8) -> &mut Deflater {
        let slot = &mut self.by_bits[usize::from(window_bits - WINDOW_BITS_MIN)];
        slot.get_or_insert_with(|| Deflater::new(level, window_bits))
    }
}

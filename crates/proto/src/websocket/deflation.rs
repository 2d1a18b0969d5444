//! Compression of one connection: what was agreed on, and the compressor that this side's messages go through.

use crate::websocket::deflate::Deflater;
use crate::websocket::extension::{Agreement, WINDOW_BITS_MAX, WINDOW_BITS_MIN};
use crate::websocket::receiver::Receiver;
use crate::websocket::role::Role;

/// How one side compresses its messages.
#[derive(Debug)]
pub struct Deflation {
    role: Role,
    agreement: Agreement,
    /// Its own compressor, once it has compressed something; only if messages refer back to earlier ones.
    own: Option<Deflater>,
}

impl Deflation {
    /// The compression of this side.
    pub fn new(role: Role, agreement: &Agreement) -> Deflation {
        Deflation { role, agreement: *agreement, own: None }
    }

    /// What reads the other side's messages.
    pub fn receiver(&self) -> Receiver {
        let Agreement { server_context_takeover, client_context_takeover, .. } = self.agreement;
        let (takeover, window_bits) = match self.role {
            Role::Server => (client_context_takeover, self.client_window_bits()),
            Role::Client => (server_context_takeover, self.agreement.server_max_window_bits),
        };
        Receiver::new(self.role).inflating(takeover, window_bits)
    }

    fn client_window_bits(&self) -> u8 {
        self.agreement.client_max_window_bits.unwrap_or(WINDOW_BITS_MAX)
    }

    /// The compressed message; none if it is not worth it or not possible, and the connection may do without.
    ///
    /// With a context that is kept there is no way back: what the compressor has seen, the peer must see too.
    ///
    /// # Panics
    /// When `payload` is empty or `level` is not from 1 to 9.
    pub fn deflate(&mut self, payload: &[u8], level: u8, shared: &mut Deflaters) -> Option<Vec<u8>> {
        let (takeover, window_bits) = match self.role {
            Role::Server => (self.agreement.server_context_takeover, self.agreement.server_max_window_bits),
            Role::Client => (self.agreement.client_context_takeover, self.client_window_bits()),
        };
        // A window of 8 bits can be agreed on, but zlib knows no smaller one than 9: then nothing is compressed.
        if window_bits < WINDOW_BITS_MIN {
            return None;
        }
        let mut bytes = Vec::new();
        if takeover {
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

/// A loop's compressors for connections that keep no context between messages: one for each window.
#[derive(Debug, Default)]
pub struct Deflaters {
    by_bits: [Option<Deflater>; (WINDOW_BITS_MAX - WINDOW_BITS_MIN + 1) as usize],
}

impl Deflaters {
    fn of(&mut self, level: u8, window_bits: u8) -> &mut Deflater {
        let slot = &mut self.by_bits[usize::from(window_bits - WINDOW_BITS_MIN)];
        slot.get_or_insert_with(|| Deflater::new(level, window_bits))
    }
}

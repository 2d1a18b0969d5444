//! Keeps the order of the data frames that one side sends (RFC 6455 §5.4).

use crate::websocket::frame::Opcode;

/// What the sending half is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sequence {
    /// Between two messages.
    #[default]
    Between,
    /// Within a fragmented message: its next frame is a continuation.
    Within,
}

/// What becomes of a frame that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It goes out now.
    Now,
    /// It is a whole message, and another one is under way in fragments: it goes out behind that.
    Later,
}

/// A frame that cannot follow what was sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutOfSequence {
    /// A continuation with nothing to continue.
    #[error("a continuation frame although no fragmented message is under way")]
    NothingToContinue,
    /// The first fragment of a message inside another.
    #[error("a new fragmented message although the previous one is not finished")]
    NotFinished,
}

impl Sequence {
    /// Decides what becomes of a frame, and takes note of it.
    ///
    /// # Errors
    /// When no receiver could make sense of it.
    #[inline]
    pub fn admit(&mut self, opcode: Opcode, fin: bool) -> Result<Admission, OutOfSequence> {
        match (*self, opcode, fin) {
            (_, Opcode::Close | Opcode::Ping | Opcode::Pong, _) => Ok(Admission::Now),
            (Sequence::Between, Opcode::Continuation, _) => Err(OutOfSequence::NothingToContinue),
            (Sequence::Between, _, true) => Ok(Admission::Now),
            (Sequence::Between, _, false) => {
                *self = Sequence::Within;
                Ok(Admission::Now)
            }
            (Sequence::Within, Opcode::Continuation, fin) => {
                if fin {
                    *self = Sequence::Between;
                }
                Ok(Admission::Now)
            }
            (Sequence::Within, _, true) => Ok(Admission::Later),
            (Sequence::Within, _, false) => Err(OutOfSequence::NotFinished),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::websocket::frame::Opcode::{Binary, Continuation, Ping, Text};
    use crate::websocket::sender::{Admission, OutOfSequence, Sequence};

    #[test]
    fn table() {
        use Sequence::{Between, Within};
        let rows = [
            (Between, Text, true, Ok(Admission::Now), Between),
            (Between, Binary, false, Ok(Admission::Now), Within),
            (Between, Continuation, true, Err(OutOfSequence::NothingToContinue), Between),
            (Within, Continuation, false, Ok(Admission::Now), Within),
            (Within, Continuation, true, Ok(Admission::Now), Between),
            (Within, Ping, true, Ok(Admission::Now), Within),
            (Within, Text, true, Ok(Admission::Later), Within),
            (Within, Text, false, Err(OutOfSequence::NotFinished), Within),
        ];
        for (before, opcode, fin, wanted, after) in rows {
            let mut sequence = before;
            assert_eq!(sequence.admit(opcode, fin), wanted, "{before:?} {opcode:?} {fin}");
            assert_eq!(sequence, after);
        }
    }
}

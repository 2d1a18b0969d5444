//! Checks that a stream of pieces is UTF-8, and says no at the first byte that cannot be right.

/// The piece, or the end of the stream, makes it something other than UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUtf8;

/// The state between two pieces: the bytes of a character that is not complete yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Utf8 {
    carry: [u8; 4],
    len: u8,
}

impl Utf8 {
    /// Takes the next piece.
    ///
    /// # Errors
    /// As soon as no continuation could make it UTF-8 (RFC 3629).
    pub fn push(&mut self, piece: &[u8]) -> Result<(), NotUtf8> {
        let rest = self.complete(piece)?;
        if let Err(error) = simdutf8::compat::from_utf8(rest) {
            if error.error_len().is_some() {
                return Err(NotUtf8);
            }
            let tail = &rest[error.valid_up_to()..];
            self.carry[..tail.len()].copy_from_slice(tail);
            self.len = tail.len() as u8;
        }
        Ok(())
    }

    /// The stream ends here.
    ///
    /// # Errors
    /// When it ends inside a character.
    pub fn finish(self) -> Result<(), NotUtf8> {
        if self.len == 0 { Ok(()) } else { Err(NotUtf8) }
    }

    /// Completes the carried character, byte by byte; what is left of the piece.
    fn complete<'a>(&mut self, mut piece: &'a [u8]) -> Result<&'a [u8], NotUtf8> {
        while self.len > 0 {
            let [byte, rest @ ..] = piece else { break };
            self.carry[usize::from(self.len)] = *byte;
            self.len += 1;
            piece = rest;
            match std::str::from_utf8(&self.carry[..usize::from(self.len)]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return Err(NotUtf8),
                Err(_) => {}
            }
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use crate::websocket::utf8::{NotUtf8, Utf8};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    fn check(pieces: &[&[u8]]) -> Result<(), NotUtf8> {
        let mut state = Utf8::default();
        for piece in pieces {
            state.push(piece)?;
        }
        state.finish()
    }

    #[test]
    fn says_no_at_the_first_wrong_byte() {
        let rows: &[(&[u8], usize)] = &[
            (b"\xc0\x80", 1),
            (b"\xe0\x80\x80", 2),
            (b"\xed\xa0\x80", 2),
            (b"\xf0\x80\x80\x80", 2),
            (b"\xf4\x90\x80\x80", 2),
            (b"\xf5\x80", 1),
            (b"a\xffb", 2),
            (b"\xe2\x82a", 3),
        ];
        for (bytes, wanted) in rows {
            let mut state = Utf8::default();
            let at = bytes.iter().position(|byte| state.push(&[*byte]).is_err()).map(|i| i + 1);
            assert_eq!(at, Some(*wanted), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_agrees_with_the_standard_library(text: String, noise: Option<(u8, u8)>, cut: Vec<proptest::sample::Index>) {
            let mut bytes = text.into_bytes();
            if let Some((at, byte)) = noise && !bytes.is_empty() {
                let at = usize::from(at) % bytes.len();
                bytes[at] = byte;
            }
            let mut cuts: Vec<usize> = cut.iter().map(|i| i.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(check(&pieces).is_ok(), std::str::from_utf8(&bytes).is_ok());
        }

        #[test]
        fn noise(bytes: Vec<u8>, cut in any::<proptest::sample::Index>()) {
            let at = cut.index(bytes.len() + 1);
            prop_assert_eq!(check(&[&bytes[..at], &bytes[at..]]).is_ok(), std::str::from_utf8(&bytes).is_ok());
        }
    }
}

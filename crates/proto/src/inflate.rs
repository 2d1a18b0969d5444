//! Decompresses into a block, never beyond a limit: what messages and the bodies of responses have in common.

use crate::block::Block;
use flate2::{Decompress, FlushDecompress, Status};

/// Why something cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InflateError {
    /// It is more than the limit.
    TooBig,
    /// It is not what a compressor makes.
    Corrupt,
}

/// How far decompressing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inflated {
    /// All input was used and said what it has to say.
    More,
    /// The stream ended; input may be left.
    StreamEnd,
}

/// Appends what `input` says until it or the stream ends, and moves it past what was read. The block has at most
/// `bytes_max` bytes then, those before included.
///
/// # Errors
/// More than that, found out while inflating; or a corrupt stream, which is of no more use then.
pub(crate) fn append(
    stream: &mut Decompress,
    input: &mut &[u8],
    out: &mut Block,
    bytes_max: usize,
) -> Result<Inflated, InflateError> {
    loop {
        let (read, written) = (stream.total_in(), stream.total_out());
        let room = bytes_max.saturating_sub(out.len());
        let mut beyond = [0u8; 1];
        let to = if room == 0 { &mut beyond[..] } else { out.spare(room) };
        let size = to.len();
        let status = stream.decompress(input, to, FlushDecompress::Sync);
        let (read, written) = (stream.total_in() - read, (stream.total_out() - written) as usize);
        if room == 0 && written > 0 {
            return Err(InflateError::TooBig);
        }
        // Also what came before a mistake: where the bytes were cut must not matter.
        out.fill(if room == 0 { 0 } else { written });
        let status = status.map_err(|_| InflateError::Corrupt)?;
        *input = &input[read as usize..];
        if status == Status::StreamEnd {
            return Ok(Inflated::StreamEnd);
        }
        if input.is_empty() && written < size {
            return Ok(Inflated::More);
        }
        if read == 0 && written == 0 {
            return Err(InflateError::Corrupt);
        }
    }
}

//! Takes the compression off an answer of an upstream that compresses though it was asked not to.

use http::HeaderMap;

use super::Unfilterable;

/// A content coding (RFC 9110, section 8.4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coding {
    /// None.
    Identity,
    /// `gzip`, `x-gzip`
    Gzip,
    /// `deflate`
    Deflate,
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
}

impl Coding {
    /// The content coding of an answer.
    ///
    /// # Errors
    /// Where there are several, or one that we do not unpack.
    pub fn of(headers: &HeaderMap) -> Result<Self, Unfilterable> {
        let _ = headers;
        Ok(Self::Identity)
    }
}

/// Unpacks an answer piece by piece.
#[derive(Debug)]
pub struct Unpacker;

impl Unpacker {
    /// For an answer of one coding.
    ///
    /// # Errors
    /// Where the decoder cannot be made.
    pub fn new(coding: Coding) -> Result<Self, Unfilterable> {
        let _ = coding;
        Ok(Self)
    }

    /// Unpacks a piece, and gives away what comes out of it in pieces of at most 32 KiB.
    ///
    /// # Errors
    /// [`Unfilterable::Packed`], [`Unfilterable::Bomb`], and what `sink` returns.
    pub fn push_into(
        &mut self,
        chunk: &[u8],
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Unfilterable>,
    ) -> Result<(), Unfilterable> {
        sink(chunk)
    }

    /// Unpacks a piece.
    ///
    /// # Errors
    /// [`Unfilterable::Packed`], [`Unfilterable::Bomb`]
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        self.push_into(chunk, &mut |piece| {
            out.extend_from_slice(piece);
            Ok(())
        })
    }

    /// The end of the answer.
    ///
    /// # Errors
    /// [`Unfilterable::Packed`] where it is cut off.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let _ = out;
        Ok(())
    }
}

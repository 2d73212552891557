//! Takes the compression off an answer of an upstream that compresses though it was asked not to.
//!
//! What comes out leaves in small pieces ([`Unpacker::push_into`]), so a piece that unpacks to much takes no more memory than
//! the decoder's window: 32 KiB for gzip and deflate, at most 16 MiB for br (RFC 7932, section 9.1), 8 MiB for zstd.

use std::fmt;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};

use super::{MOST_UNPACKED_AT_ONCE, Unfilterable};

/// The largest window of zstd: what every decoder should take (RFC 8878, section 3.1.1.1.2), and what browsers take at most.
const ZSTD_WINDOW_LOG: u32 = 23;
/// The size of the pieces that leave.
const PIECE: usize = 16 * 1024;

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
        let mut coding = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            let unknown = || Unfilterable::Coding(String::from_utf8_lossy(value.as_bytes()).chars().take(80).collect());
            let text = value.to_str().map_err(|_| unknown())?;
            for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let next = match name.to_ascii_lowercase().as_str() {
                    "identity" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "deflate" => Self::Deflate,
                    "br" => Self::Brotli,
                    "zstd" => Self::Zstd,
                    _ => return Err(unknown()),
                };
                if coding != Self::Identity {
                    return Err(Unfilterable::Coding("several".to_owned()));
                }
                coding = next;
            }
        }
        Ok(coding)
    }
}

/// Unpacks an answer piece by piece. No bytes at all are no bytes in every coding: many an upstream labels an empty body so.
#[derive(Debug)]
pub struct Unpacker {
    decoder: State,
    has_begun: bool,
}

enum State {
    Identity,
    Gzip(Box<Gzip>),
    /// With or without the zlib wrapper (RFC 1950); some servers leave it out, and browsers take both.
    Deflate {
        inflate: Option<Box<Decompress>>,
        first: Option<u8>,
        is_done: bool,
    },
    Brotli {
        state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
        is_done: bool,
    },
    Zstd {
        decoder: Decoder<'static>,
        at_frame_end: bool,
    },
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Identity => "identity",
            Self::Gzip(_) => "gzip",
            Self::Deflate { .. } => "deflate",
            Self::Brotli { .. } => "br",
            Self::Zstd { .. } => "zstd",
        })
    }
}

/// Takes what is unpacked.
type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), Unfilterable> + 'a;

fn packed(what: &str) -> Unfilterable {
    Unfilterable::Packed(what.to_owned())
}

impl Unpacker {
    /// For an answer of one coding.
    ///
    /// # Errors
    /// Where the decoder cannot be made.
    pub fn new(coding: Coding) -> Result<Self, Unfilterable> {
        let decoder = match coding {
            Coding::Identity => State::Identity,
            Coding::Gzip => State::Gzip(Box::new(Gzip::new())),
            Coding::Deflate => State::Deflate { inflate: None, first: None, is_done: false },
            Coding::Brotli => {
                let allocators = (StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
                // Strict: without the larger windows that no content coding has.
                let state = BrotliState::new_strict(allocators.0, allocators.1, allocators.2);
                State::Brotli { state: Box::new(state), is_done: false }
            }
            Coding::Zstd => {
                let failed = |_| packed("no decoder for zstd");
                let mut decoder = Decoder::new().map_err(failed)?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(failed)?;
                State::Zstd { decoder, at_frame_end: false }
            }
        };
        Ok(Self { decoder, has_begun: false })
    }

    /// Unpacks a piece, and gives away what comes out of it in pieces of a few KiB.
    ///
    /// # Errors
    /// [`Unfilterable::Packed`], [`Unfilterable::Bomb`], and what `sink` returns.
    pub fn push_into(&mut self, chunk: &[u8], sink: &mut Sink<'_>) -> Result<(), Unfilterable> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.has_begun = true;
        if matches!(self.decoder, State::Identity) {
            return sink(chunk);
        }
        let mut count = 0_usize;
        let mut counted = |piece: &[u8]| {
            count = count.saturating_add(piece.len());
            if count > MOST_UNPACKED_AT_ONCE { Err(Unfilterable::Bomb) } else { sink(piece) }
        };
        match &mut self.decoder {
            State::Identity => Ok(()),
            State::Gzip(gzip) => gzip.push(chunk, &mut counted),
            State::Deflate { inflate, first, is_done } => deflate(inflate, first, is_done, chunk, &mut counted),
            State::Brotli { state, is_done } => brotli(state, is_done, chunk, &mut counted),
            State::Zstd { decoder, at_frame_end } => zstandard(decoder, at_frame_end, chunk, &mut counted),
        }
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

    /// The end of the answer. All has left already; `out` is here for the sake of a shape that all engines share.
    ///
    /// # Errors
    /// [`Unfilterable::Packed`] where it is cut off.
    pub fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        let is_whole = match &self.decoder {
            _ if !self.has_begun => true,
            State::Identity => true,
            State::Gzip(gzip) => gzip.is_between_members(),
            State::Deflate { is_done, .. } | State::Brotli { is_done, .. } => *is_done,
            State::Zstd { at_frame_end, .. } => *at_frame_end,
        };
        if is_whole { Ok(()) } else { Err(packed("it is cut off")) }
    }
}

/// A member of gzip (RFC 1952), and the next one.
struct Gzip {
    part: Part,
    /// The bytes of a header or trailer so far.
    header: Vec<u8>,
    inflate: Decompress,
    crc: Crc,
    members: usize,
}

/// Where in a member.
#[derive(Clone, Copy)]
enum Part {
    /// In the first ten bytes.
    Head,
    /// In what the flags announce.
    Extra,
    Text(TextField),
    /// In the header's checksum, which begins here.
    HeaderCrc(usize),
    Body,
    Trailer,
}

#[derive(Clone, Copy)]
enum TextField {
    Name,
    Comment,
}

/// The longest header of a member that is read: its file name and comment are of no use here.
const MOST_HEADER: usize = 128 * 1024;

impl Gzip {
    fn new() -> Self {
        Self { part: Part::Head, header: Vec::new(), inflate: Decompress::new(false), crc: Crc::new(), members: 0 }
    }

    fn is_between_members(&self) -> bool {
        matches!(self.part, Part::Head) && self.header.is_empty() && self.members > 0
    }

    fn flags(&self) -> u8 {
        self.header.get(3).copied().unwrap_or_default()
    }

    fn push(&mut self, mut chunk: &[u8], sink: &mut Sink<'_>) -> Result<(), Unfilterable> {
        while !chunk.is_empty() {
            if matches!(self.part, Part::Body) {
                let (rest, is_done) = inflate(&mut self.inflate, chunk, &mut |piece| {
                    self.crc.update(piece);
                    sink(piece)
                })?;
                chunk = rest;
                if is_done {
                    self.part = Part::Trailer;
                    self.header.clear();
                }
                continue;
            }
            let Some((byte, rest)) = chunk.split_first() else { return Ok(()) };
            chunk = rest;
            if self.header.len() >= MOST_HEADER {
                return Err(packed("a header of gzip is too long"));
            }
            self.header.push(*byte);
            self.part = self.next_part(*byte)?;
        }
        Ok(())
    }

    /// Where the reading is after one more byte of header or trailer.
    fn next_part(&mut self, byte: u8) -> Result<Part, Unfilterable> {
        let len = self.header.len();
        match self.part {
            Part::Head => {
                let is_right = match len {
                    1 => byte == 0x1f,
                    2 => byte == 0x8b,
                    3 => byte == 8,
                    4 => byte & 0b1110_0000 == 0,
                    _ => true,
                };
                match (is_right, len) {
                    (false, _) if self.members > 0 => Err(packed("something follows behind its end")),
                    (false, _) => Err(packed("it is not gzip")),
                    (true, 10) => Ok(self.after_head()),
                    (true, _) => Ok(Part::Head),
                }
            }
            Part::Extra => {
                let length = match self.header.get(10..12) {
                    Some([low, high]) => usize::from(u16::from_le_bytes([*low, *high])),
                    _ => return Ok(Part::Extra),
                };
                if len < 12 + length { Ok(Part::Extra) } else { Ok(self.after_extra()) }
            }
            Part::Text(_) if byte != 0 => Ok(self.part),
            Part::Text(TextField::Name) => Ok(self.after_name()),
            Part::Text(TextField::Comment) => Ok(self.after_comment()),
            Part::HeaderCrc(start) => {
                let (head, Some([low, high])) = (self.header.get(..start), self.header.get(start..)) else {
                    return Ok(self.part);
                };
                let mut crc = Crc::new();
                crc.update(head.unwrap_or_default());
                if crc.sum() & 0xffff != u32::from(u16::from_le_bytes([*low, *high])) {
                    return Err(packed("the checksum of its header is wrong"));
                }
                Ok(Part::Body)
            }
            Part::Trailer => {
                let Ok(trailer) = <[u8; 8]>::try_from(self.header.as_slice()) else { return Ok(Part::Trailer) };
                let [a, b, c, d, e, f, g, h] = trailer;
                let is_right = u32::from_le_bytes([a, b, c, d]) == self.crc.sum()
                    && u32::from_le_bytes([e, f, g, h]) == self.crc.amount();
                if !is_right {
                    return Err(packed("its checksum is wrong"));
                }
                let members = self.members.saturating_add(1);
                *self = Self { members, ..Self::new() };
                Ok(Part::Head)
            }
            Part::Body => Ok(Part::Body),
        }
    }

    fn after_head(&self) -> Part {
        if self.flags() & 4 != 0 { Part::Extra } else { self.after_extra() }
    }

    fn after_extra(&self) -> Part {
        if self.flags() & 8 != 0 { Part::Text(TextField::Name) } else { self.after_name() }
    }

    fn after_name(&self) -> Part {
        if self.flags() & 16 != 0 { Part::Text(TextField::Comment) } else { self.after_comment() }
    }

    fn after_comment(&self) -> Part {
        if self.flags() & 2 != 0 { Part::HeaderCrc(self.header.len()) } else { Part::Body }
    }
}

/// Inflates as much as there is; what is left of the chunk, and whether the stream has ended.
fn inflate<'a>(
    inflate: &mut Decompress,
    mut chunk: &'a [u8],
    sink: &mut Sink<'_>,
) -> Result<(&'a [u8], bool), Unfilterable> {
    let mut buffer = [0; PIECE];
    loop {
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(chunk, &mut buffer, FlushDecompress::None);
        let taken = usize::try_from(inflate.total_in() - before_in).unwrap_or(usize::MAX);
        let given = usize::try_from(inflate.total_out() - before_out).unwrap_or(usize::MAX);
        let status = status.map_err(|_| packed("its deflated data are wrong"))?;
        chunk = chunk.get(taken..).unwrap_or_default();
        if given > 0 {
            sink(buffer.get(..given).unwrap_or_default())?;
        }
        if status == Status::StreamEnd {
            return Ok((chunk, true));
        }
        // A buffer that was filled up may not have held all that there is.
        if given < PIECE && (chunk.is_empty() || (taken == 0 && given == 0)) {
            return if chunk.is_empty() { Ok((chunk, false)) } else { Err(packed("its deflated data are wrong")) };
        }
    }
}

fn deflate(
    decoder: &mut Option<Box<Decompress>>,
    first: &mut Option<u8>,
    is_done: &mut bool,
    chunk: &[u8],
    sink: &mut Sink<'_>,
) -> Result<(), Unfilterable> {
    if *is_done {
        return Err(packed("something follows behind its end"));
    }
    let made = match (decoder.as_mut(), *first, chunk) {
        (Some(made), ..) => made,
        (None, None, [only]) => {
            *first = Some(*only);
            return Ok(());
        }
        (None, Some(earlier), [next, ..]) => {
            let made = decoder.insert(Box::new(Decompress::new(is_zlib(earlier, *next))));
            // The byte that was held back for the question goes first; no stream ends with it.
            inflate(made, &[earlier], sink)?;
            made
        }
        (None, None, [one, two, ..]) => decoder.insert(Box::new(Decompress::new(is_zlib(*one, *two)))),
        (None, _, []) => return Ok(()),
    };
    let (rest, ended) = inflate(made, chunk, sink)?;
    *is_done = ended;
    if ended && !rest.is_empty() { Err(packed("something follows behind its end")) } else { Ok(()) }
}

/// Whether two bytes begin a wrapper of zlib (RFC 1950, section 2.2).
fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8 && first >> 4 <= 7 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0
}

fn brotli(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    is_done: &mut bool,
    chunk: &[u8],
    sink: &mut Sink<'_>,
) -> Result<(), Unfilterable> {
    if *is_done {
        return Err(packed("something follows behind its end"));
    }
    let mut buffer = [0; PIECE];
    let (mut left, mut offset, mut total) = (chunk.len(), 0, 0);
    loop {
        let (mut room, mut given) = (PIECE, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut offset,
            chunk,
            &mut room,
            &mut given,
            &mut buffer,
            &mut total,
            state,
        );
        if given > 0 {
            sink(buffer.get(..given).unwrap_or_default())?;
        }
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput if left == 0 => return Ok(()),
            BrotliResult::ResultSuccess if left == 0 => {
                *is_done = true;
                return Ok(());
            }
            BrotliResult::ResultSuccess => return Err(packed("something follows behind its end")),
            BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure => return Err(packed("its br data are wrong")),
        }
    }
}

fn zstandard(
    decoder: &mut Decoder<'static>,
    at_frame_end: &mut bool,
    chunk: &[u8],
    sink: &mut Sink<'_>,
) -> Result<(), Unfilterable> {
    let mut buffer = [0; PIECE];
    let mut input = InBuffer::around(chunk);
    loop {
        let before = input.pos();
        let mut output = OutBuffer::around(&mut buffer[..]);
        let hint = decoder
            .run(&mut input, &mut output)
            .map_err(|_| packed("its zstd data are wrong, or its window is too large"))?;
        let given = output.pos();
        if given > 0 {
            sink(buffer.get(..given).unwrap_or_default())?;
        }
        let is_at_rest = input.pos() == before && given == 0;
        // Asked at the end of a frame without new input, the decoder speaks of the next frame.
        if !is_at_rest {
            *at_frame_end = hint == 0;
        }
        if input.pos() == chunk.len() && given < PIECE {
            return Ok(());
        }
        if is_at_rest {
            return Err(packed("its zstd data are wrong"));
        }
    }
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;

//! One answer's way through the filters: unpacked where it is packed, then read as what it is.

use super::csv::CsvFilter;
use super::html::HtmlFilter;
use super::json::{Documents, JsonFilter};
use super::media::Media;
use super::unpack::{Coding, Unpacker};
use super::{Unfilterable, Work};

/// Filters one answer piece by piece.
#[derive(Debug)]
pub struct AnswerFilter {
    unpacker: Option<Unpacker>,
    engine: Engine,
    /// Whether it has come to an end, good or bad: nothing follows then.
    is_over: bool,
}

/// What reads the bytes. The set is closed.
#[derive(Debug)]
enum Engine {
    Json(Box<JsonFilter>),
    Csv(Box<CsvFilter>),
    Html(Box<HtmlFilter>),
}

impl AnswerFilter {
    /// For an answer of this kind, packed like this.
    ///
    /// # Errors
    /// Where none of the filters reads it.
    pub fn new(work: &Work, media: &Media, coding: Coding) -> Result<Self, Unfilterable> {
        let engine = match media {
            Media::Json => Engine::Json(Box::new(JsonFilter::new(work, Documents::One)?)),
            Media::JsonLines => Engine::Json(Box::new(JsonFilter::new(work, Documents::EachLine)?)),
            Media::Csv { delimiter } => Engine::Csv(Box::new(CsvFilter::new(work, *delimiter)?)),
            Media::Html { charset } => Engine::Html(Box::new(HtmlFilter::new(work, *charset)?)),
            Media::Other => return Err(Unfilterable::Kind("there is no filter for its content type")),
        };
        let unpacker = (coding != Coding::Identity).then(|| Unpacker::new(coding)).transpose()?;
        Ok(Self { unpacker, engine, is_over: false })
    }

    /// Takes the next piece, and appends to `out` what may leave.
    ///
    /// # Errors
    /// [`Unfilterable`]; nothing more may leave then, and nothing more does: each later call fails too.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        self.begin()?;
        let Self { unpacker, engine, .. } = self;
        match unpacker {
            None => engine.push(chunk, out)?,
            Some(unpacker) => unpacker.push_into(chunk, &mut |piece| engine.push(piece, out))?,
        }
        self.is_over = false;
        Ok(())
    }

    /// Ends the answer.
    ///
    /// # Errors
    /// [`Unfilterable`], also where the answer is cut off.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        self.begin()?;
        let mut rest = Vec::new();
        if let Some(unpacker) = &mut self.unpacker {
            unpacker.finish(&mut rest)?;
        }
        if !rest.is_empty() {
            self.engine.push(&rest, out)?;
        }
        self.engine.finish(out)
    }

    /// It is over unless what follows comes to a good end.
    fn begin(&mut self) -> Result<(), Unfilterable> {
        if std::mem::replace(&mut self.is_over, true) {
            return Err(Unfilterable::Kind("the answer goes on after its end"));
        }
        Ok(())
    }
}

impl Engine {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        match self {
            Self::Json(filter) => filter.push(chunk, out),
            Self::Csv(filter) => filter.push(chunk, out),
            Self::Html(filter) => filter.push(chunk, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        match self {
            Self::Json(filter) => filter.finish(out),
            Self::Csv(filter) => filter.finish(out),
            Self::Html(filter) => filter.finish(out),
        }
    }
}

//! One answer's way through the filters: unpacked where it is packed, then read as what it is.

use super::bar::BarFilter;
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
    /// What adds the bar of a preview to what is left.
    bar: Option<Box<BarFilter>>,
    /// Whether it has come to an end, good or bad: nothing follows then.
    is_over: bool,
}

/// What reads the bytes. The set is closed.
#[derive(Debug)]
enum Engine {
    Json(Box<JsonFilter>),
    Csv(Box<CsvFilter>),
    Html(Box<HtmlFilter>),
    /// Nothing is taken out.
    Whole,
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
        Self::by(engine, coding)
    }

    /// For an answer that nothing is taken out of, packed like this.
    ///
    /// # Errors
    /// Where it cannot be unpacked.
    pub fn whole(coding: Coding) -> Result<Self, Unfilterable> {
        Self::by(Engine::Whole, coding)
    }

    fn by(engine: Engine, coding: Coding) -> Result<Self, Unfilterable> {
        let unpacker = (coding != Coding::Identity).then(|| Unpacker::new(coding)).transpose()?;
        Ok(Self { unpacker, engine, bar: None, is_over: false })
    }

    /// With the bar of a preview in the page that is left.
    #[must_use]
    pub fn with_bar(self, bar: BarFilter) -> Self {
        Self { bar: Some(Box::new(bar)), ..self }
    }

    /// Takes the next piece, and appends to `out` what may leave.
    ///
    /// # Errors
    /// [`Unfilterable`]; nothing more may leave then, and nothing more does: each later call fails too.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        self.begin()?;
        let Self { unpacker, engine, bar, .. } = self;
        let mut filtered = Vec::new();
        let left = if bar.is_some() { &mut filtered } else { &mut *out };
        match unpacker {
            None => engine.push(chunk, left)?,
            Some(unpacker) => unpacker.push_into(chunk, &mut |piece| engine.push(piece, left))?,
        }
        if let Some(bar) = bar {
            bar.push(&filtered, out)?;
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
        let mut filtered = Vec::new();
        let left = if self.bar.is_some() { &mut filtered } else { &mut *out };
        if !rest.is_empty() {
            self.engine.push(&rest, left)?;
        }
        self.engine.finish(left)?;
        if let Some(bar) = &mut self.bar {
            bar.push(&filtered, out)?;
            bar.finish(out)?;
        }
        Ok(())
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
            Self::Whole => {
                out.extend_from_slice(chunk);
                Ok(())
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unfilterable> {
        match self {
            Self::Json(filter) => filter.finish(out),
            Self::Csv(filter) => filter.finish(out),
            Self::Html(filter) => filter.finish(out),
            Self::Whole => Ok(()),
        }
    }
}

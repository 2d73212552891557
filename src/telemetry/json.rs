//! One JSON object a line, written as the event is read.
//!
//! Every request has a line, so what stands between an event and its bytes is kept short: nothing is collected, and nothing is
//! allocated but the line, whose memory its thread uses again.

use std::error::Error;
use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The format: `timestamp`, `level`, `fields` and `target`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        write!(line, "\",\"level\":\"{}\",\"fields\":{{", metadata.level())?;
        let mut fields = Fields { line: &mut line, is_first: true, written: Ok(()) };
        event.record(&mut fields);
        fields.written?;
        line.write_str("},\"target\":\"")?;
        escape(&mut line, metadata.target())?;
        line.write_str("\"}\n")
    }
}

/// The fields of an event, one after another.
struct Fields<'a, W> {
    line: &'a mut W,
    is_first: bool,
    written: fmt::Result,
}

impl<W: Write> Fields<'_, W> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        if self.written.is_ok() {
            self.written = self.try_field(field.name(), value);
        }
    }

    fn try_field(&mut self, name: &str, value: impl FnOnce(&mut W) -> fmt::Result) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.line.write_char(',')?;
        }
        self.line.write_char('"')?;
        // A name that is a keyword of Rust's is written raw.
        escape(self.line, name.strip_prefix("r#").unwrap_or(name))?;
        self.line.write_str("\":")?;
        value(self.line)
    }

    fn number(&mut self, field: &Field, number: impl fmt::Display) {
        self.field(field, |line| write!(line, "{number}"));
    }
}

impl<W: Write> Visit for Fields<'_, W> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is no number (RFC 8259, section 6).
        self.field(field, |line| if value.is_finite() { write!(line, "{value}") } else { line.write_str("null") });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.number(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |line| line.write_str(if value { "true" } else { "false" }));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |line| {
            line.write_char('"')?;
            escape(line, value)?;
            line.write_char('"')
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |line| {
            line.write_char('"')?;
            write!(Escaped(line), "{value:?}")?;
            line.write_char('"')
        });
    }
}

/// Takes text and writes it as part of a JSON string.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text)
    }
}

/// Writes text as it stands in a JSON string (RFC 8259, section 7).
fn escape(out: &mut impl Write, text: &str) -> fmt::Result {
    // Looks at all bytes, for that is many at a time.
    if !text.bytes().fold(false, |found, byte| found | matches!(byte, 0..=0x1f | b'"' | b'\\')) {
        return out.write_str(text);
    }
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            ..=0x1f => "",
            _ => continue,
        };
        out.write_str(text.get(plain..at).unwrap_or_default())?;
        match short {
            "" => write!(out, "\\u{byte:04x}")?,
            short => out.write_str(short)?,
        }
        plain = at + 1;
    }
    out.write_str(text.get(plain..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn line_of(tell: impl FnOnce()) -> Value {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().event_format(Json).with_writer(lines.clone()).finish();
        tracing::subscriber::with_default(subscriber, tell);
        let text = String::from_utf8(lines.0.lock().expect("nobody panicked").clone()).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn a_line_is_one_object_with_all_fields() {
        let (nobody, somebody) = (None::<&str>, Some("ann"));
        let line = line_of(|| {
            tracing::warn!(
                target: "access",
                number = -3,
                part = 0.25,
                none = f64::NAN,
                yes = true,
                nobody,
                somebody,
                r#for = ?std::time::Duration::from_secs(3),
                error = %io::Error::other("a \"quoted\"\nline"),
                "it \\ happened"
            );
        });
        assert_eq!((&line["level"], &line["target"]), (&json!("WARN"), &json!("access")));
        let expected = json!({"message": "it \\ happened", "number": -3, "part": 0.25, "none": null, "yes": true,
            "somebody": "ann", "for": "3s", "error": "a \"quoted\"\nline"});
        assert_eq!(line["fields"], expected);
        let told = line["timestamp"].as_str().expect("text");
        told.parse::<jiff::Timestamp>().expect("RFC 3339");
    }

    proptest! {
        #[test]
        fn attack_09_no_text_breaks_a_line(text in "[\\x00-\\x7f\"\\\\\u{80}\u{2028}é]{0,60}") {
            let line = line_of(|| tracing::info!(text, debug = ?text));
            prop_assert_eq!(&line["fields"]["text"], &json!(text));
            prop_assert_eq!(&line["fields"]["debug"], &json!(format!("{text:?}")));
        }
    }
}

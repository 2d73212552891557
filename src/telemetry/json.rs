//! One JSON object a line, written as the event is read.
//!
//! Every request has a line, so what stands between an event and its bytes is kept short: nothing is collected, and nothing is
//! allocated but the line, whose memory its thread uses again.

use std::cell::Cell;
use std::error::Error;
use std::fmt;

use serde::Serializer as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
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
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        thread_local! {
            static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
        }
        out.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut out)?;
        // Taken, for what is told may have something to tell while it is looked at.
        let mut line = LINE.take();
        line.clear();
        let written = write_rest(&mut line, event).map_err(|_| fmt::Error).and_then(|()| {
            let text = std::str::from_utf8(&line).map_err(|_| fmt::Error)?;
            out.write_str(text)
        });
        LINE.set(line);
        written
    }
}

/// Writes all that stands behind the time.
fn write_rest(line: &mut Vec<u8>, event: &Event<'_>) -> serde_json::Result<()> {
    let metadata = event.metadata();
    line.extend_from_slice(b"\",\"level\":\"");
    line.extend_from_slice(metadata.level().as_str().as_bytes());
    line.extend_from_slice(b"\",\"fields\":{");
    let mut fields = Fields { line, is_first: true, written: Ok(()) };
    event.record(&mut fields);
    fields.written?;
    line.extend_from_slice(b"},\"target\":");
    serde_json::to_writer(&mut *line, metadata.target())?;
    line.extend_from_slice(b"}\n");
    Ok(())
}

/// The fields of an event, one after another.
struct Fields<'a> {
    line: &'a mut Vec<u8>,
    is_first: bool,
    written: serde_json::Result<()>,
}

impl Fields<'_> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>) {
        if self.written.is_ok() {
            self.written = self.try_field(field.name(), value);
        }
    }

    fn try_field(
        &mut self,
        name: &str,
        value: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
    ) -> serde_json::Result<()> {
        if !std::mem::take(&mut self.is_first) {
            self.line.push(b',');
        }
        // A name that is a keyword of Rust's is written raw.
        serde_json::to_writer(&mut *self.line, name.strip_prefix("r#").unwrap_or(name))?;
        self.line.push(b':');
        value(self.line)
    }

    fn value(&mut self, field: &Field, value: impl serde::Serialize) {
        self.field(field, |line| serde_json::to_writer(line, &value));
    }
}

impl Visit for Fields<'_> {
    /// JSON has no word for what is no number (RFC 8259, section 6): that is `null`.
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.value(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.value(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |line| serde_json::Serializer::new(line).collect_str(&format_args!("{value:?}")));
    }
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
                large = u128::from(u64::MAX),
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
        let expected = json!({"message": "it \\ happened", "number": -3, "large": u64::MAX, "part": 0.25, "none": null, "yes": true,
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

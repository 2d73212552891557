//! A sample of the app's answer: what the person would get of it, through the very filters of the running gateway.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::diff::unified;
use super::access::Answers;
use super::facts::{Counts, ResponseFacts, ResponseOutcome};
use super::judged::unjudged;
use super::question::Sample;
use crate::filters::answer::AnswerFilter;
use crate::filters::media::{ContentType, Media, Treatment, plan};
use crate::filters::unpack::Coding;
use crate::filters::{Unfilterable, Work};
use crate::policy::Access;

/// Longer answers are counted, not shown: in lines, before and after.
const MOST_LINES: usize = 200;
/// So are those with more bytes.
const MOST_BYTES: usize = 32 * 1024;

/// What becomes of the sample. `answers` is nothing where the request is not allowed.
pub(super) fn facts(
    sample: &Sample,
    answers: Option<Answers>,
    access: &Arc<Access>,
    now: Timestamp,
    most_row_bytes: usize,
) -> ResponseFacts {
    let content_type = ContentType::parse(sample.content_type.as_bytes());
    let media = content_type.as_ref().ok().map(|content_type| &content_type.media);
    let mut told = ResponseFacts {
        file: sample.file.display().to_string(),
        content_type: sample.content_type.clone(),
        status: sample.status.as_u16(),
        outcome: ResponseOutcome::NotAsked,
        reason: None,
        why: None,
        before: count(media, &sample.bytes),
        after: None,
        unjudged_rows: 0,
        unjudged_why: None,
        diff: None,
        bytes: Vec::new(),
    };
    let Some(Answers(filters)) = answers else { return told };
    let (outcome, bytes) = match filters.filter(|filters| filters.filters().touches_answers()) {
        None => (ResponseOutcome::Passed, sample.bytes.clone()),
        Some(filters) => {
            let is_error = sample.status.as_u16() >= 400;
            let work = Work { filters, access: Arc::clone(access), now, most_row_bytes, is_error };
            if let Some(media) = media {
                (told.unjudged_rows, told.unjudged_why) = unjudged(&work, media, &sample.bytes);
            }
            match content_type.clone().and_then(|content_type| filter(&work, &content_type, &sample.bytes)) {
                Ok(None) => (ResponseOutcome::Passed, sample.bytes.clone()),
                Ok(Some(bytes)) => (ResponseOutcome::Filtered, bytes),
                Err(unfilterable) => {
                    told.outcome = ResponseOutcome::Refused;
                    told.reason = Some(unfilterable.name().to_owned());
                    told.why = Some(unfilterable.to_string());
                    return told;
                }
            }
        }
    };
    told.outcome = outcome;
    told.after = Some(count(media, &bytes));
    told.diff = difference(media, &sample.bytes, &bytes);
    told.bytes = bytes;
    told
}

/// The answer through the filters; nothing where it passes as it is.
fn filter(work: &Work, content_type: &ContentType, bytes: &[u8]) -> Result<Option<Vec<u8>>, Unfilterable> {
    let Treatment::Filter(media) = plan(work.filters(), content_type)? else { return Ok(None) };
    let mut filter = AnswerFilter::new(work, &media, Coding::Identity)?;
    let mut out = Vec::with_capacity(bytes.len());
    // In pieces, as a socket would bring it.
    for piece in bytes.chunks(16 * 1024) {
        filter.push(piece, &mut out)?;
    }
    filter.finish(&mut out)?;
    Ok(Some(out))
}

/// The difference, where both are short.
fn difference(media: Option<&Media>, before: &[u8], after: &[u8]) -> Option<String> {
    let readable = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MOST_BYTES)?;
        let text = match media {
            Some(Media::Json) => unfold(text),
            _ => text.to_owned(),
        };
        (text.lines().count() <= MOST_LINES).then_some(text)
    };
    Some(unified(&readable(before)?, &readable(after)?))
}

/// JSON in lines, members and elements one below the other; what is no JSON, somehow. It does not read values, so it shows what is
/// there: numbers with their digits, names that stand twice.
fn unfold(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let (mut is_text, mut is_escaped, mut is_open) = (false, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(64)));
    };
    for letter in text.chars() {
        if is_text {
            out.push(letter);
            (is_text, is_escaped) = (letter != '"' || is_escaped, letter == '\\' && !is_escaped);
            continue;
        }
        let is_closing = matches!(letter, '}' | ']');
        if is_open && !is_closing && !letter.is_whitespace() {
            line(&mut out, depth);
        }
        match letter {
            '{' | '[' => {
                out.push(letter);
                depth += 1;
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !is_open {
                    line(&mut out, depth);
                }
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            letter if letter.is_whitespace() => continue,
            letter => {
                is_text = letter == '"';
                out.push(letter);
            }
        }
        is_open = matches!(letter, '{' | '[');
    }
    out.push('\n');
    out
}

/// How large an answer is.
fn count(media: Option<&Media>, bytes: &[u8]) -> Counts {
    let mut counts = Counts { bytes: bytes.len(), rows: None, members: None };
    match media {
        Some(Media::Json) => {
            if let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) {
                (counts.rows, counts.members) = (Some(rows(&value)), Some(members(&value)));
            }
        }
        Some(Media::JsonLines) => {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let values: Vec<_> = lines.map(serde_json::from_slice::<serde_json::Value>).collect();
            counts.rows = Some(values.len());
            counts.members = Some(values.iter().flatten().map(members).sum());
        }
        Some(Media::Csv { .. }) => {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
            counts.rows = Some(lines.saturating_sub(1));
        }
        Some(Media::Html { .. } | Media::Other) | None => {}
    }
    counts
}

/// The elements of the outermost arrays.
fn rows(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(elements) => elements.len(),
        serde_json::Value::Object(members) => members.values().map(rows).sum(),
        _ => 0,
    }
}

/// The members of all objects.
fn members(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(elements) => elements.iter().map(members).sum(),
        serde_json::Value::Object(found) => found.len() + found.values().map(members).sum::<usize>(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_unfolded_without_being_read() {
        let text = r#"{"a":[1.50,{"b":"x, {y\"}"}],"a":{},"c":[]}"#;
        let expected =
            "{\n  \"a\": [\n    1.50,\n    {\n      \"b\": \"x, {y\\\"}\"\n    }\n  ],\n  \"a\": {},\n  \"c\": []\n}\n";
        assert_eq!(unfold(text), expected);
        assert_eq!(unfold(expected), expected, "what is in lines stays so");
        assert_eq!(unfold("]]}"), "\n]\n]\n}\n");
    }

    #[test]
    fn an_answer_is_counted() {
        let json = br#"{"rows":[{"a":1,"b":{"c":2}},{"a":2}],"next":null}"#;
        assert_eq!(count(Some(&Media::Json), json), Counts { bytes: json.len(), rows: Some(2), members: Some(6) });
        assert_eq!(count(Some(&Media::Csv { delimiter: None }), b"a,b\n1,2\n").rows, Some(1));
        assert_eq!(count(None, b"abc").rows, None);
    }
}

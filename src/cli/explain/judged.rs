//! Rows of a sample that `rows` cannot judge: they are dropped, and whoever wrote the condition should know.

use serde_json::Value as Json;

use crate::filters::Work;
use crate::filters::media::Media;
use crate::policy::{Element, MemberPath, RowsAt, Step, Verdict};

/// How many rows cannot be judged, and why the first cannot.
pub(super) fn unjudged(work: &Work, media: &Media, bytes: &[u8]) -> (usize, Option<String>) {
    let Some(rows) = &work.filters().rows else { return (0, None) };
    let judge = work.access.judge(&rows.keep, work.now);
    let mut failures = elements(media, &rows.at, bytes).into_iter().filter_map(|element| {
        match element.map(|element| judge.verdict(element)) {
            Ok(Verdict::True | Verdict::False) => None,
            Ok(Verdict::Failed(why)) | Err(why) => Some(why),
        }
    });
    let first = failures.next();
    (usize::from(first.is_some()) + failures.count(), first)
}

/// The rows of an answer, as conditions see them. Which these are is for the engines to say; this is a hint for people.
fn elements(media: &Media, at: &RowsAt, bytes: &[u8]) -> Vec<Result<Element, String>> {
    let element = |bytes: &[u8]| Element::from_json(bytes).map_err(|error| error.to_string());
    let of_value = |value: &Json| element(value.to_string().as_bytes());
    match media {
        Media::Json => {
            let Ok(document) = serde_json::from_slice::<Json>(bytes) else { return Vec::new() };
            match at {
                RowsAt::Found => outermost(&document).into_iter().map(of_value).collect(),
                RowsAt::Top => match &document {
                    Json::Array(rows) => rows.iter().map(of_value).collect(),
                    row => vec![of_value(row)],
                },
                RowsAt::Path(path) => at_path(&document, path).into_iter().map(of_value).collect(),
            }
        }
        Media::JsonLines => {
            bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).map(element).collect()
        }
        Media::Csv { delimiter } => {
            let guess = if bytes.split(|byte| *byte == b'\n').next().is_some_and(|line| line.contains(&b',')) {
                b','
            } else {
                b';'
            };
            let mut table =
                csv::ReaderBuilder::new().delimiter(delimiter.unwrap_or(guess)).flexible(true).from_reader(bytes);
            let Ok(headers) = table.headers().cloned() else { return Vec::new() };
            let rows = table.records().map_while(Result::ok);
            rows.map(|row| Ok(Element::from_fields(headers.iter().zip(row.iter())))).collect()
        }
        Media::Html { .. } | Media::Other => Vec::new(),
    }
}

fn outermost(value: &Json) -> Vec<&Json> {
    match value {
        Json::Array(rows) => rows.iter().collect(),
        Json::Object(members) => members.values().flat_map(outermost).collect(),
        _ => Vec::new(),
    }
}

fn at_path<'a>(document: &'a Json, path: &MemberPath) -> Vec<&'a Json> {
    let MemberPath::From(steps) = path else { return Vec::new() };
    let mut values = vec![document];
    for step in steps {
        values = match step {
            Step::Each => values.into_iter().filter_map(Json::as_array).flatten().collect(),
            Step::Name(name) => {
                let members = values.into_iter().filter_map(Json::as_object).flatten();
                members.filter(|(member, _)| member.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
            }
        };
    }
    values.into_iter().filter_map(Json::as_array).flatten().collect()
}

//! The nearest known word, for "did you mean".

/// The known word most like a word, if any is much like it.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LIKE: f64 = 0.72;
    known
        .into_iter()
        .map(|candidate| (candidate, strsim::jaro_winkler(word, candidate)))
        .filter(|(_, likeness)| *likeness >= LIKE)
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .map(|(candidate, _)| candidate)
}

/// "did you mean `x`? otherwise …", or just the otherwise.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, otherwise: &str) -> String {
    match nearest(word, known) {
        Some(candidate) => format!("did you mean `{candidate}`? otherwise {otherwise}"),
        None => otherwise.to_owned(),
    }
}

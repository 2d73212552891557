//! The gateway's own pages and answers: templates, texts and Reply.
/// x
#[derive(Clone, Debug, PartialEq)]
pub struct Brand {
    /// x
    pub title: String,
    /// x
    pub logo: Option<Logo>,
    /// x
    pub color: crate::types::Color,
}
/// x
#[derive(Clone, Debug, PartialEq)]
pub struct Logo {
    /// x
    pub content_type: &'static str,
    /// x
    pub bytes: bytes::Bytes,
}

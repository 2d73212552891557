//! The gateway's own pages and answers: templates, texts and Reply.

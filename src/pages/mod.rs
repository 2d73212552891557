//! The gateway's own pages and answers: templates, texts and Reply.
//!
//! Plain functions from a [`Brand`] and a view to a [`Reply`]; nothing here knows a request, a session or a clock. Pages
//! are rendered on the server and work without a script wherever a browser does; the policy each one carries lets none in
//! but, on the few pages where a passkey can be used, the one file [`passkey_script`]. Everything a person reads stands in [`texts`]; everything they see is named after the brand.

pub mod mail;
pub mod texts;
mod contrast;
mod passkeys;
mod reply;
mod style;
mod views;
#[cfg(test)]
mod tests;

pub use passkeys::{PasskeyOfferView, PasskeyView, PasskeysView, passkey_offer, passkey_script};
pub use reply::Reply;
pub use style::stylesheet;
pub use views::{
    AccountView, CheckView, ChoiceView, CodeProblem, DeniedView, ErrorView, LoginProblem, LoginView, SessionView,
    account, check_mail, choose, confirm_link, denied, disabled, error, link_ended, logged_out, login, other_browser,
    wrong_browser,
};

/// How a domain presents itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Brand {
    /// The name people know the app by.
    pub title: String,
    /// A picture of their own, served at `/.access/logo`. Without one, pages show the title and its first letter.
    pub logo: Option<Logo>,
    /// The colour of buttons, links and focus rings.
    pub color: crate::types::Color,
}

/// A brand's picture, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Logo {
    /// Its media type, such as `image/svg+xml`.
    pub content_type: &'static str,
    /// The file as it was read.
    pub bytes: bytes::Bytes,
}

//! The gateway's own pages and answers: templates, texts and Reply.
//!
//! Plain functions from a [`Look`] and a view to a [`Reply`]; nothing here knows a request, a session or a clock. Pages
//! are rendered on the server and work without script wherever a browser does, but for passkeys; the few that have one name a
//! file of ours, and the policy that each page carries lets no other in. Everything a person reads stands in [`texts`];
//! everything they see is named after the brand.

pub mod console;
pub mod mail;
pub mod people_mail;
pub mod texts;
pub mod when;
mod chart;
mod contrast;
mod dashboard;
mod languages;
mod login_views;
mod notifications;
mod passkeys;
mod preview;
mod reply;
mod style;
pub mod team;
mod views;
#[cfg(test)]
mod tests;

pub use dashboard::{DashboardView, DayView, PickView, dashboard};
pub use languages::ChosenOn;
pub use login_views::{
    AddressField, LoginProblem, LoginView, NoAccessView, ProviderButton, ProviderProblem, StepUpView, TicketView,
    continue_script, hub_lost, leave_for, login, no_access, start_again, step_up, ticket,
};
pub use notifications::{
    NotificationMail, TopicView, UnsubscribeView, notification_letter, notification_settings, unsubscribe,
};
pub use passkeys::{PasskeyOfferView, PasskeyView, PasskeysView, passkey_offer, passkey_script};
pub use preview::{
    BarView, FoundView, OtherView, PersonView, PreviewBar, PreviewPageView, PreviewState, closed_in_preview, preview,
    preview_bar, preview_reads_only, preview_stylesheet,
};
pub use reply::Reply;
pub use style::{shade_of_links, stylesheet};
pub use views::{
    AccountView, CheckView, ChoiceView, CodeProblem, DeniedView, ErrorView, SessionView, account, check_mail, choose,
    confirm_link, denied, disabled, error, link_ended, log_out_there, logged_out, logged_out_there, other_browser,
    too_many, too_many_json, wrong_browser,
};

use crate::types::Language;

/// How a domain presents itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Brand {
    /// The name people know the app by.
    pub title: String,
    /// A picture of their own. Without one, pages show the title and its first letter.
    pub logo: Option<Logo>,
    /// The same for dark pages. Without one, the other stands on a white ground there.
    pub logo_dark: Option<Logo>,
    /// A small square picture for the browser's tab. Without one, the logo is shown there.
    pub icon: Option<Logo>,
    /// The colour of buttons, links and focus rings.
    pub color: crate::types::Color,
}

/// How a page looks and speaks: the domain's brand, and the reader's language.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The domain's brand.
    pub brand: &'a Brand,
    /// The language that whoever reads it is spoken to in.
    pub language: Language,
}

impl Look<'_> {
    /// The texts in its language.
    #[must_use]
    pub const fn texts(self) -> &'static texts::Texts {
        texts::Texts::of(self.language)
    }
}

impl Brand {
    /// A picture by the hash that stands in its address.
    #[must_use]
    pub fn picture(&self, hash: &str) -> Option<&Logo> {
        [&self.logo, &self.logo_dark, &self.icon].into_iter().flatten().find(|logo| logo.hash() == hash)
    }

    /// What the browser's tab shows.
    fn tab_icon(&self) -> Option<&Logo> {
        self.icon.as_ref().or(self.logo.as_ref())
    }
}

/// A brand's picture, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Logo {
    /// Its media type, such as `image/svg+xml`.
    pub content_type: &'static str,
    /// The file as it was read.
    pub bytes: bytes::Bytes,
    hash: std::sync::Arc<str>,
}

impl Logo {
    /// A picture of this media type.
    #[must_use]
    pub fn new(content_type: &'static str, bytes: bytes::Bytes) -> Self {
        const HASH_BYTES: usize = 12;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let start = digest.as_ref().iter().take(HASH_BYTES).copied().collect::<Vec<u8>>();
        Self { content_type, bytes, hash: data_encoding::HEXLOWER.encode(&start).into() }
    }

    /// What its address is told from another's by. With other bytes it is another, so browsers may keep it for good.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Its address on our pages.
    fn path(&self) -> String {
        format!("/.access/logo/{}", self.hash)
    }
}

//! What a member of staff sees of a preview: the page where it begins, the bar that stands on every page meanwhile, and what is closed.
//!
//! The bar stands in pages of the app, whose styles, scripts and policies are not ours. So it brings its own tree (declarative shadow DOM)
//! and its own stylesheet by one address, has no script, and is written in ASCII, which every character set reads alike.

use std::fmt::Write as _;

use askama::Template;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::texts::Texts;
use super::texts::{PreviewTexts, Sentence, fill};
use super::views::{Frame, render};
use super::{Look, Reply};

/// How long a browser may keep the stylesheet: short, so that it fits the bar soon after an upgrade.
const MAX_AGE_SECONDS: u32 = 300;

/// What the bar tells.
#[derive(Clone, Copy, Debug)]
pub struct BarView<'a> {
    /// The domain's origin: an app may have its relative addresses begin elsewhere.
    pub origin: &'a str,
    /// Whose eyes it is.
    pub email: &'a str,
    /// Their name.
    pub name: Option<&'a str>,
    /// The customer's name.
    pub customer: Option<&'a str>,
    /// The role.
    pub role: &'a str,
    /// How many minutes are left.
    pub minutes: u32,
    /// Whom to switch to.
    pub others: &'a [OtherView<'a>],
    /// The page to stay on.
    pub to: &'a str,
    /// Whether the page's policy lets forms be sent. Links always work.
    pub has_forms: bool,
}

/// Somebody to switch to.
#[derive(Clone, Copy, Debug)]
pub struct OtherView<'a> {
    /// The address.
    pub email: &'a str,
    /// The name.
    pub name: Option<&'a str>,
    /// The customer's id, as posted.
    pub customer: Option<&'a str>,
    /// The customer's name.
    pub customer_name: Option<&'a str>,
}

/// A bar, ready to be placed.
#[derive(Clone, Debug)]
pub struct PreviewBar {
    /// Itself, in ASCII.
    pub html: String,
    /// The address of its stylesheet.
    pub style: String,
    /// The addresses that its forms post to.
    pub forms: Vec<String>,
}

/// The page where previews begin, and where they are switched and ended.
#[derive(Clone, Debug)]
pub struct PreviewPageView<'a> {
    /// What the session is now.
    pub state: PreviewState<'a>,
    /// What was searched for.
    pub query: &'a str,
    /// Who was found, where somebody was searched for.
    pub found: Option<FoundView<'a>>,
    /// Whom the person looked at last.
    pub recent: Vec<OtherView<'a>>,
    /// Why somebody cannot be previewed, by the reason's name.
    pub refusal: Option<&'static str>,
    /// Where to go on to.
    pub to: &'a str,
    /// Whether previews of this app change things.
    pub writes: bool,
}

/// What a session is, as to previews.
#[derive(Clone, Copy, Debug)]
pub enum PreviewState<'a> {
    /// None: one may begin.
    Own,
    /// One.
    On {
        /// Whose eyes it is, in words.
        who: &'a str,
        /// How many minutes are left.
        minutes: u32,
    },
    /// One that is over.
    Over {
        /// Why, by the reason's name.
        reason: &'static str,
    },
}

/// Who was found.
#[derive(Clone, Debug)]
pub struct FoundView<'a> {
    /// The people.
    pub people: Vec<PersonView<'a>>,
    /// Whether there are more.
    pub is_cut: bool,
    /// Whether some list could not be searched.
    pub is_partial: bool,
}

/// Somebody who was found.
#[derive(Clone, Debug)]
pub struct PersonView<'a> {
    /// Who.
    pub who: OtherView<'a>,
    /// The role, as staff know it.
    pub role: String,
    /// Whether they are invited and have not come yet.
    pub is_invited: bool,
    /// Why they cannot be previewed, by the reason's name.
    pub refusal: Option<&'static str>,
}

impl OtherView<'_> {
    /// In words: name, address, customer.
    #[must_use]
    pub fn in_words(&self) -> String {
        let customer = self.customer_name.or(self.customer).filter(|customer| *customer != self.email);
        [self.name, Some(self.email), customer].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }
}

#[derive(Template)]
#[template(path = "preview_bar.html")]
struct BarTemplate<'a> {
    t: &'static Texts,
    view: &'a BarView<'a>,
    style: &'a str,
    end: &'a str,
    switch: &'a str,
    page: &'a str,
    left: String,
}

#[derive(Template)]
#[template(path = "preview.html")]
struct PreviewPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    view: &'a PreviewPageView<'a>,
    action: &'static str,
    problem: Option<&'static str>,
    is_over: bool,
    now: Option<(Sentence<'a>, String)>,
}

#[derive(Template)]
#[template(path = "preview_closed.html")]
struct ClosedPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    text: &'static str,
    to: &'a str,
    request_id: &'a str,
}

impl PreviewPage<'_> {
    fn as_whom(&self, who: &OtherView<'_>) -> String {
        fill(self.t.preview.start_as, &[("who", &who.in_words())])
    }
}

impl PreviewTexts {
    /// Why a preview is over, by the reason's name.
    fn over(&self, reason: &str) -> &'static str {
        match reason {
            "time" => self.over_time,
            "not-allowed" => self.over_actor,
            _ => self.over_subject,
        }
    }

    /// Why somebody cannot be previewed, by the reason's name.
    fn refusal(&self, reason: &str) -> &'static str {
        match reason {
            "nested" => self.nested,
            "oneself" => self.oneself,
            "staff" => self.staff,
            "no-grant" => self.no_grant,
            "no-customer" => self.no_customer,
            "role-too-high" => self.role,
            _ => self.not_allowed,
        }
    }
}

/// The bar; `None` only where it cannot be rendered.
#[must_use]
pub fn preview_bar(look: Look<'_>, view: &BarView<'_>) -> Option<PreviewBar> {
    let at = |path: &str| format!("{}/.access/{path}", view.origin);
    let (style, end, switch, page) = (at("preview.css"), at("preview/end"), at("preview/switch"), at("preview"));
    let t = look.texts();
    let template = BarTemplate {
        t,
        view,
        style: &style,
        end: &end,
        switch: &switch,
        page: &page,
        left: (t.preview.left)(view.minutes),
    };
    let html = in_ascii(&template.render().ok()?);
    Some(PreviewBar { html, style, forms: vec![end, switch] })
}

/// The bar's stylesheet. A page in a sandbox is of no origin, and has to be able to load it too.
#[must_use]
pub fn preview_stylesheet() -> Reply {
    const STYLE: &[u8] = include_bytes!("preview.css");
    let reply = Reply::asset("text/css; charset=utf-8", Bytes::from_static(STYLE), MAX_AGE_SECONDS);
    let everywhere = HeaderValue::from_static("cross-origin");
    reply.with_header(HeaderName::from_static("cross-origin-resource-policy"), everywhere)
}

/// The page of previews.
#[must_use]
pub fn preview(look: Look<'_>, view: &PreviewPageView<'_>) -> Reply {
    let p = &look.texts().preview;
    let is_over = matches!(view.state, PreviewState::Over { .. });
    let heading = if is_over { p.over_heading } else { p.heading };
    let problem = match view.state {
        PreviewState::Over { reason } if view.refusal.is_none() => Some(p.over(reason)),
        _ => view.refusal.map(|reason| p.refusal(reason)),
    };
    let now = match view.state {
        PreviewState::On { who, minutes } => Some((Sentence::new(p.now, &[("who", who)]), (p.left)(minutes))),
        _ => None,
    };
    let status = match (view.refusal, is_over) {
        (Some(_), _) | (None, true) => StatusCode::FORBIDDEN,
        (None, false) => StatusCode::OK,
    };
    let page = PreviewPage {
        t: look.texts(),
        frame: Frame { problem: view.refusal.is_some(), wide: true, ..Frame::new(look, heading) },
        view,
        action: if matches!(view.state, PreviewState::Own) { "/.access/preview" } else { "/.access/preview/switch" },
        problem,
        is_over,
        now,
    };
    render(status, &page)
}

/// A page of ours that is closed during a preview: 403.
#[must_use]
pub fn closed_in_preview(look: Look<'_>, request_id: &str) -> Reply {
    let p = &look.texts().preview;
    closed(look, p.closed_heading, p.closed, "/", request_id)
}

/// Something that would have changed the app: 403.
#[must_use]
pub fn preview_reads_only(look: Look<'_>, to: &str, request_id: &str) -> Reply {
    let p = &look.texts().preview;
    closed(look, p.read_only_heading, p.read_only, to, request_id)
}

fn closed(look: Look<'_>, heading: &str, text: &'static str, to: &str, request_id: &str) -> Reply {
    let (t, frame) = (look.texts(), Frame::new(look, heading));
    render(StatusCode::FORBIDDEN, &ClosedPage { t, frame, text, to, request_id })
}

/// What the account page calls the way to previews.
pub(super) fn account_link(look: Look<'_>) -> &'static str {
    look.texts().preview.account_link
}

/// What the list of sessions says of one that is a preview.
pub(super) fn session_mark(look: Look<'_>, who: &str) -> String {
    fill(look.texts().preview.session, &[("who", who)])
}

/// The same markup with every other character as a reference.
fn in_ascii(html: &str) -> String {
    let mut ascii = String::with_capacity(html.len());
    for character in html.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            // Writing to a string does not fail.
            let _ = write!(ascii, "&#{};", u32::from(character));
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Brand;
    use crate::types::{Color, Language};

    #[test]
    fn a_bar_is_ascii_and_escapes_what_tables_say() {
        let brand = Brand {
            title: "Orders".to_owned(),
            logo: None,
            logo_dark: None,
            icon: None,
            color: Color::parse("#0b5fff").expect("a colour"),
        };
        let other = OtherView {
            email: "b@example.com",
            name: Some("</template><script>"),
            customer: Some("\"><b>"),
            customer_name: Some("Übermaß"),
        };
        for language in Language::ALL {
            let view = BarView {
                origin: "https://a.test",
                email: "<i>@example.com",
                name: Some("Zoë <b>"),
                customer: Some("</access-preview>"),
                role: "manager",
                minutes: 7,
                others: &[other],
                to: "/a?b=\"<&c",
                has_forms: true,
            };
            let bar = preview_bar(Look { brand: &brand, language }, &view).expect("it renders");
            assert!(bar.html.is_ascii());
            for hostile in ["<i>", "<b>", "<script>", "\"><b>"] {
                assert!(!bar.html.contains(hostile), "{hostile}: {}", bar.html);
            }
            assert_eq!(bar.html.matches("</template>").count(), 1);
            assert_eq!(bar.html.matches("</access-preview>").count(), 1);
            assert!(bar.html.contains("Zo&#235;"));
            let sandboxed = preview_bar(Look { brand: &brand, language }, &BarView { has_forms: false, ..view });
            let sandboxed = sandboxed.expect("it renders").html;
            assert!(!sandboxed.contains("<form") && sandboxed.contains("https://a.test/.access/preview\""));
        }
    }
}

//! A visit to one of our own pages: what the corridor has found out before it hands a request to a side door.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, header};
use jiff::Timestamp;

use super::sessions::Live;
use super::snapshot::Site;
use crate::pages::Look;
use crate::types::{HostName, Language, RequestPath};

/// What is known of a request to one of our own pages.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The domain and app.
    pub site: Arc<Site>,
    /// The session, where there is a good one.
    pub live: Option<Arc<Live>>,
    /// Whose address it comes from.
    pub client: IpAddr,
    /// The domain's origin as the browser writes it, `https://host[:port]`.
    pub origin: String,
    /// The request's id.
    pub request_id: String,
    /// When it came.
    pub now: Timestamp,
    /// The language that its person is spoken to in.
    pub language: Language,
}

/// Whether one of our own pages is a place to be, and not a step on the way to one.
fn is_a_place(path: &str) -> bool {
    const PLACES: [&str; 6] = [
        "/.access/account",
        "/.access/choose",
        "/.access/preview",
        "/.access/team",
        "/.access/team/leave",
        "/.access/independent",
    ];
    PLACES.contains(&path)
}

/// What is known of a request to the hub, which people come through on their way to and from providers. It is no app's, and
/// has neither pages to stay on nor sessions.
#[derive(Clone, Debug)]
pub struct HubVisit {
    /// The hub.
    pub hub: HostName,
    /// Its origin as the browser writes it, `https://host[:port]`.
    pub origin: String,
    /// Whose address it comes from.
    pub client: IpAddr,
    /// The request's id.
    pub request_id: String,
    /// When it came.
    pub now: Timestamp,
    /// The language that its person is spoken to in.
    pub language: Language,
}

impl Visit {
    /// How its page looks and speaks.
    #[must_use]
    pub fn look(&self) -> Look<'_> {
        Look { brand: &self.site.domain.brand, language: self.language }
    }

    /// The origin of another of our host names, on the port that this request came by.
    #[must_use]
    pub fn origin_of(&self, host: &HostName) -> String {
        let authority = self.origin.strip_prefix("https://").unwrap_or(&self.origin);
        match authority.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => format!("https://{host}:{port}"),
            _ => format!("https://{host}"),
        }
    }

    /// The longest way back after log-in, in bytes.
    pub const MOST_RETURN_BYTES: usize = 2048;

    /// Whether a request that changes something comes from one of our own pages: browsers say so in `Sec-Fetch-Site`
    /// (Fetch Metadata, section 2.4), and older ones in `Origin`. A request that says neither is nobody's form.
    #[must_use]
    pub fn is_same_origin(&self, method: &Method, headers: &HeaderMap) -> bool {
        if matches!(*method, Method::GET | Method::HEAD) {
            return true;
        }
        let only = |name: &str| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (Some(value), None) => Some(value.as_bytes()),
                _ => None,
            }
        };
        match only("sec-fetch-site") {
            Some(site) => site == b"same-origin",
            None => {
                !headers.contains_key("sec-fetch-site")
                    && only(header::ORIGIN.as_str()).is_some_and(|origin| origin == self.origin.as_bytes())
            }
        }
    }

    /// Where to go on to after log-in: a path of this origin as it was asked for, or `/` for anything else.
    ///
    /// It is parsed as a request would be, so nothing passes here that would not pass the corridor.
    #[must_use]
    pub fn return_path(&self, text: &str) -> String {
        let home = || "/".to_owned();
        if text.len() > Self::MOST_RETURN_BYTES {
            return home();
        }
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        let Ok(path) = RequestPath::parse(path.as_bytes(), &self.site.app.path_allowances) else { return home() };
        // With an app that allows empty segments, `//host` is a path to the corridor and a host to a browser.
        if path.as_str().starts_with("//") {
            return home();
        }
        // Of our own pages only these are places to be; the others would log out again, or lead in a circle.
        let is_ours = path.as_str() == "/.access" || path.as_str().starts_with("/.access/");
        if is_ours && !is_a_place(path.as_str()) {
            return home();
        }
        match query {
            None => path.as_str().to_owned(),
            Some(query) if query.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\')) => {
                format!("{}?{query}", path.as_str())
            }
            Some(_) => home(),
        }
    }
}

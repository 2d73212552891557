//! A person's way through the pages of a provider and back: whole, or step by step for stories that stop in between.
//!
//! No script runs here: what a page would do by itself, the person does by its button or its link.

use reqwest::Url;

use crate::browser::{Answer, Browser, attribute, encode};

/// Hops that no honest way needs.
const MOST_HOPS: usize = 12;

impl Answer {
    /// Where this answer sends a browser by itself: a redirect, or a page that refreshes to somewhere else.
    pub(crate) fn onward(&self) -> Option<String> {
        if matches!(self.status, 302 | 303) {
            return Some(self.location().to_owned());
        }
        let text = self.text();
        let tags = text.split('<').filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag);
        let mut refreshes =
            tags.filter(|tag| attribute(tag, "http-equiv").is_some_and(|kind| kind.eq_ignore_ascii_case("refresh")));
        let content = attribute(refreshes.next()?, "content")?;
        Some(content.split_once("url=")?.1.to_owned())
    }

    /// The targets of all links of a page.
    pub(crate) fn links(&self) -> Vec<String> {
        let text = self.text();
        let tags = text.split('<').filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag);
        tags.filter(|tag| tag.starts_with("a ")).filter_map(|tag| attribute(tag, "href")).collect()
    }

    /// The link that begins a log-in at a provider.
    pub(crate) fn button_of(&self, provider: &str) -> Option<String> {
        let start = format!("/.access/oidc/start?provider={provider}");
        let is_it = |link: &String| link == &start || link.starts_with(&format!("{start}&"));
        self.links().into_iter().find(is_it)
    }
}

/// A value of a URL's query.
pub(crate) fn query(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap_or_else(|error| panic!("{url:?}: {error}"));
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The same URL with another value in its query, or without one.
pub(crate) fn with_query(url: &str, name: &str, value: Option<&str>) -> String {
    let mut url = Url::parse(url).unwrap_or_else(|error| panic!("{url:?}: {error}"));
    let kept: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
    let mut pairs = url.query_pairs_mut();
    pairs.clear().extend_pairs(kept);
    if let Some(value) = value {
        pairs.append_pair(name, value);
    }
    drop(pairs);
    url.into()
}

impl Browser {
    /// An address of a page's, made whole.
    pub(crate) fn whole(&self, base: &str, target: &str) -> String {
        let base = Url::parse(base).unwrap_or_else(|error| panic!("{base:?}: {error}"));
        base.join(target).unwrap_or_else(|error| panic!("{target:?}: {error}")).into()
    }

    fn is_ours(&self, url: &str) -> bool {
        let url = Url::parse(url).unwrap_or_else(|error| panic!("{url:?}: {error}"));
        url.scheme() == "https" && url.port_or_known_default() == Some(self.port())
    }

    /// Follows a link from another site to one of our hosts.
    pub(crate) async fn follow(&self, url: &str) -> Answer {
        assert!(self.is_ours(url), "{url} is not ours");
        let there = Url::parse(url).expect("parsed before");
        let at = self.at(there.host_str().expect("it has a host"));
        let path = url.strip_prefix(&there.origin().ascii_serialization()).expect("a URL begins with its origin");
        let headers = [
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-site", "cross-site"),
        ];
        at.send("GET", path, &headers, "").await
    }

    /// Logs in by a provider, the whole way from the log-in page; gives the answer that opens the session, or what came instead.
    pub(crate) async fn log_in_by_provider(&self, provider: &str, login: &str) -> Answer {
        self.log_in_by_provider_to(provider, login, "/").await
    }

    /// The same, on the way to a page.
    pub(crate) async fn log_in_by_provider_to(&self, provider: &str, login: &str, to: &str) -> Answer {
        let there = self.begin_at_provider_to(provider, to).await;
        let back = self.approve(&there, login).await;
        self.callback(&back).await
    }

    /// Presses a provider's button and follows, through the hub where there is one, to the provider's address.
    pub(crate) async fn begin_at_provider(&self, provider: &str) -> String {
        self.begin_at_provider_to(provider, "/").await
    }

    /// The same, on the way to a page. Where the provider is the only way in, the page leads there by itself.
    pub(crate) async fn begin_at_provider_to(&self, provider: &str, to: &str) -> String {
        let page = self.navigate(&format!("/.access/login?to={}", encode(to))).await;
        let link = match page.status {
            303 => page.location().to_owned(),
            _ => {
                let page = page.expect(200);
                page.button_of(provider).unwrap_or_else(|| panic!("no button of {provider}:\n{}", page.text()))
            }
        };
        self.to_provider(&link).await
    }

    /// Follows a link or an address of ours until it leaves our hosts.
    pub(crate) async fn to_provider(&self, link: &str) -> String {
        let mut url = self.whole(&self.origin(), link);
        for _ in 0..MOST_HOPS {
            if !self.is_ours(&url) {
                self.flow_is_secret(&url);
                return url;
            }
            let answer = self.follow(&url).await;
            let onward = answer.onward();
            let onward = onward.unwrap_or_else(|| panic!("{url} leads nowhere: {} {}", answer.status, answer.text()));
            url = self.whole(&url, &onward);
        }
        panic!("{link} leads in a circle, last to {url}");
    }

    /// Logs in on the provider's pages, or is known there already; gives the address that leads back to us.
    pub(crate) async fn approve(&self, url: &str, login: &str) -> String {
        if login.contains('@') {
            self.secret(login);
        }
        self.through_provider(url, &[("login", login)]).await
    }

    /// Presses "Refuse" on the provider's page.
    pub(crate) async fn refuse(&self, url: &str) -> String {
        self.through_provider(url, &[("deny", "1")]).await
    }

    /// Goes through the provider's pages, pressing on; its log-in form gets these fields. Ends at the first address that is ours.
    pub(crate) async fn through_provider(&self, url: &str, fields: &[(&str, &str)]) -> String {
        let mut url = url.to_owned();
        let mut form: Option<Vec<(String, String)>> = None;
        for _ in 0..MOST_HOPS {
            if form.is_none() && self.is_ours(&url) {
                self.flow_is_secret(&url);
                return url;
            }
            let answer = match form.take() {
                None => self.send_abroad("GET", &url, &[("accept", "text/html")], "").await,
                Some(fields) => {
                    let pairs: Vec<String> =
                        fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
                    let headers = [("accept", "text/html"), ("content-type", "application/x-www-form-urlencoded")];
                    self.send_abroad("POST", &url, &headers, &pairs.join("&")).await
                }
            };
            if let Some(onward) = answer.onward() {
                url = self.whole(&url, &onward);
            } else if answer.status == 200 && answer.has_field("login") {
                form = Some(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
            } else if answer.status == 200 && answer.has_field("xsrf") {
                // Its own question whether to log out.
                let token = answer.fields("xsrf").remove(0);
                form = Some(vec![("xsrf".to_owned(), token), ("logout".to_owned(), "yes".to_owned())]);
                let text = answer.text();
                let action = text.split('<').find_map(|tag| attribute(tag.split('>').next()?, "action"));
                url = self.whole(&url, &action.expect("the form has an action"));
            } else {
                panic!("{url}: {} {}", answer.status, answer.text());
            }
        }
        panic!("the provider leads in a circle, last to {url}");
    }

    /// Comes back from a provider, through the hub and the page with the ticket's button where there are some; gives the answer that
    /// opens the session, or what came instead.
    pub(crate) async fn callback(&self, url: &str) -> Answer {
        let ticket = self.callback_to_ticket(url).await;
        match ticket {
            Back::Answer(answer) => answer,
            Back::Ticket(at, ticket) => self.at(&at).press_ticket(&ticket).await,
        }
    }

    /// The same, up to the page with the ticket's button.
    pub(crate) async fn callback_to_ticket(&self, url: &str) -> Back {
        let mut url = url.to_owned();
        for _ in 0..MOST_HOPS {
            let answer = self.follow(&url).await;
            let host = Url::parse(&url).expect("parsed before").host_str().expect("it has a host").to_owned();
            if answer.status == 200 && answer.has_field("ticket") {
                let ticket = answer.fields("ticket").remove(0);
                self.secret(&ticket);
                return Back::Ticket(host, ticket);
            }
            let onward = answer.onward().map(|onward| self.whole(&url, &onward));
            match onward {
                // Only the hub sends on to another host of ours.
                Some(onward) if self.is_ours(&onward) && !onward.starts_with(&format!("https://{host}:")) => {
                    url = onward
                }
                _ => return Back::Answer(answer),
            }
        }
        panic!("the way back leads in a circle, last to {url}");
    }

    /// Presses the button of the page with a ticket.
    pub(crate) async fn press_ticket(&self, ticket: &str) -> Answer {
        self.post("/.access/oidc/ticket", &[("ticket", ticket)]).await
    }

    /// What goes through the browser's address bar still has no place in our log.
    fn flow_is_secret(&self, url: &str) {
        for name in ["state", "code", "nonce", "code_challenge", "request", "ticket", "id_token_hint"] {
            if let Some(value) = query(url, name).filter(|value| value.len() >= 16) {
                self.secret(&value);
            }
        }
    }
}

/// How one comes back from a provider.
#[derive(Debug)]
pub(crate) enum Back {
    /// With an answer.
    Answer(Answer),
    /// With a ticket for this host.
    Ticket(String, String),
}

//! Answers an authority that looks for a token of ours (RFC 8555, section 8.3).
//!
//! It is the one thing on the plain listener that is no redirect, so it opens for exactly this: the path to the letter, a host
//! and token that an order of ours published, and a method that reads. Everything else goes on as if this were not here.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::http::RequestHeader;

use super::connection::{Connection, Scheme};
use super::route;
use crate::pages::Reply;
use crate::state::challenges::{Challenges, HTTP_PREFIX};
use crate::types::HostName;

/// The answer to a request for a published token.
pub(super) fn answer(head: &RequestHeader, connection: &Connection, challenges: &Challenges) -> Option<Reply> {
    let target = std::str::from_utf8(head.raw_path()).ok()?;
    if connection.scheme != Scheme::Http || !target.starts_with(HTTP_PREFIX) {
        return None;
    }
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return None;
    }
    let host = HostName::parse_authority(route::authority(head)?).ok()?;
    let text = challenges.http(&host, target)?;
    let mut reply = Reply::text(StatusCode::OK, "");
    reply.body = Bytes::copy_from_slice(text.as_bytes());
    // Without a character set, as authorities have always been answered.
    Some(reply.with_header(header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::proxy::connection::{Protocol, Speaking, Ties, Turns};

    fn connection(scheme: Scheme) -> Connection {
        let address = ([127, 0, 0, 1], 1).into();
        Connection {
            id: 1,
            peer: address,
            via: None,
            local: address,
            scheme,
            protocol: Protocol::Http1,
            server_name: None,
            certificate: None,
            tls: None,
            turns: Turns::default(),
            ties: Ties::default(),
            speaking: Speaking::default(),
        }
    }

    #[test]
    fn attack_04_a_token_opens_its_own_path_on_its_own_host_for_reading_and_nothing_else() {
        let challenges = Arc::new(Challenges::default());
        let host = HostName::parse("a.test").expect("a host");
        let _published = challenges.publish_http(host, "Token-1_x".to_owned(), "Token-1_x.print");
        let check = |method: &str, target: &str, hosts: &[&str], scheme, expected: Option<&str>| {
            let mut head = RequestHeader::build(method, target.as_bytes(), None).expect("a head");
            for host in hosts {
                head.append_header(header::HOST, *host).expect("a field");
            }
            let found = answer(&head, &connection(scheme), &challenges);
            let found = found.as_ref().map(|reply| std::str::from_utf8(&reply.body).expect("text"));
            assert_eq!(found, expected, "{method} {target} {hosts:?}");
        };
        let path = "/.well-known/acme-challenge/Token-1_x";
        let text = Some("Token-1_x.print");
        for host in ["a.test", "A.TEST", "a.test:80", "a.test."] {
            check("GET", path, &[host], Scheme::Http, text);
        }
        check("HEAD", path, &["a.test"], Scheme::Http, text);
        check("GET", path, &["a.test"], Scheme::Https, None);
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "PROPFIND"] {
            check(method, path, &["a.test"], Scheme::Http, None);
        }
        for hosts in [
            &["b.test"][..],
            &[],
            &["a.test", "a.test"],
            &["a.test", "b.test"],
            &["a.test@b.test"],
            &["a.test:x"],
            &[""],
        ] {
            check("GET", path, hosts, Scheme::Http, None);
        }
        for target in [
            "/.well-known/acme-challenge/",
            "/.well-known/acme-challenge",
            "/.well-known/acme-challenge/token-1_x",
            "/.well-known/acme-challenge/Token-1_x/",
            "/.well-known/acme-challenge/Token-1_x?",
            "/.well-known/acme-challenge/Token-1_x?a=b",
            "/.well-known/acme-challenge/Token-1_x;a",
            "/.well-known/acme-challenge/Token-1_x/../../admin",
            "/.well-known/acme-challenge/../acme-challenge/Token-1_x",
            "/.well-known/acme-challenge/%54oken-1_x",
            "/.well-known/acme-challenge//Token-1_x",
            "//.well-known/acme-challenge/Token-1_x",
            "/.Well-Known/acme-challenge/Token-1_x",
            "/.well-known/acme-challenge/Token-1_x%00",
            "/x/.well-known/acme-challenge/Token-1_x",
            "http://a.test/.well-known/acme-challenge/Token-1_x",
        ] {
            check("GET", target, &["a.test"], Scheme::Http, None);
        }
    }
}

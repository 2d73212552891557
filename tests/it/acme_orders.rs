//! Certificates are ordered from real authorities: each way to prove a name, each way an order can fail, and whatever happens to us
//! in the middle of one.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::task::Poll;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use vestibule::config::{Acme, Challenge, Eab, MacKey};
use vestibule::domains::acme::{Authority, OrderError};
use vestibule::state::issuance::{CertificateStore as _, StoredCertificate, Times};

use crate::acme_house::{Bench, Ca, name};

/// Sets a record at the DNS server beside pebble, removes it, and writes down each call.
const HOOK: &str = r#"
echo "$3 $4" >> "$1"
case $3 in
  present) body="{\"host\": \"$4.\", \"value\": \"$5\"}" path=set-txt ;;
  cleanup) body="{\"host\": \"$4.\"}" path=clear-txt ;;
esac
curl -sf --data "$body" "http://127.0.0.1:$2/$path""#;

fn now() -> Timestamp {
    vestibule::state::clock::Clock.now()
}

/// The names of a stored certificate's leaf, and that its chain is one and its key is P-256.
fn names_of(certificate: &StoredCertificate) -> Vec<String> {
    let chain: Vec<CertificateDer<'_>> =
        CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).map(|der| der.expect("PEM")).collect();
    let (_, leaf) = x509_parser::parse_x509_certificate(chain.first().expect("a leaf")).expect("a certificate");
    assert_eq!(leaf.public_key().algorithm.algorithm.to_id_string(), "1.2.840.10045.2.1", "an elliptic curve");
    let names = leaf.subject_alternative_name().expect("names").expect("names");
    names.value.general_names.iter().map(|name| name.to_string()).collect()
}

async fn obtain(authority: &Authority, text: &str) -> StoredCertificate {
    let certificate = authority.obtain(&name(text)).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(names_of(&certificate), [format!("DNSName({text})")]);
    certificate
}

async fn refused(authority: &Authority, text: &str) -> OrderError {
    authority.obtain(&name(text)).await.map(|_| ()).expect_err(text)
}

/// How many certificates pebble has issued, by name.
fn issued(ca: &Ca) -> usize {
    ca.log().matches("Issued certificate serial").count()
}

#[tokio::test]
async fn a_name_is_proven_over_http_and_its_certificate_is_kept_sealed_with_its_key() {
    let bench = Bench::start().await;
    let authority = bench.authority_of(&bench.by(&[Challenge::Http01]));
    let certificate = obtain(&authority, "a.test").await;
    let kept = bench.store.certificate(&name("a.test")).await.expect("the store").expect("it is kept");
    assert_eq!((kept.chain, kept.key), (certificate.chain, certificate.key));
    assert!(bench.store.order(&name("a.test")).await.expect("the store").is_none(), "the order is done");
    let times = certificate.times;
    let share = times.renew_at.duration_since(times.not_before).as_secs_f64()
        / times.not_after.duration_since(times.not_before).as_secs_f64();
    assert!((0.56..0.67).contains(&share), "{share}");
    // Pebble tells nothing of renewals.
    assert_eq!(
        authority
            .renewal(&bench.store.certificate(&name("a.test")).await.expect("the store").expect("it is kept"))
            .await
            .renew_at,
        times.renew_at
    );
    // The next one, and whoever starts again, uses the same account.
    obtain(&authority, "b.test").await;
    obtain(&bench.authority(), "c.test").await;
    assert_eq!(bench.ca.log().matches("There are now 1 accounts").count(), 1);
    assert_eq!(bench.ca.log().matches("There are now 2 accounts").count(), 0);
    let about = authority.about().await.expect("it tells");
    assert!(about.account.is_some_and(|account| account.starts_with("https://localhost:")));
}

#[tokio::test]
async fn a_name_is_proven_in_a_tls_handshake() {
    let bench = Bench::start().await;
    obtain(&bench.authority_of(&bench.by(&[Challenge::TlsAlpn01])), "a.test").await;
}

#[tokio::test]
async fn where_one_proof_is_not_found_the_next_is_tried() {
    let bench = Bench::start().await;
    bench.responder.http_is_lost.store(true, Ordering::SeqCst);
    let authority = bench.authority();
    obtain(&authority, "a.test").await;
    bench.responder.tls_is_lost.store(true, Ordering::SeqCst);
    let error = refused(&authority, "b.test").await;
    let OrderError::Validation(failed) = &error else { panic!("{error}") };
    let ways: Vec<_> = failed.iter().map(|failed| failed.challenge).collect();
    assert_eq!(ways, [Challenge::Http01, Challenge::TlsAlpn01], "{error}");
    assert!(error.to_string().contains("404"), "what the authority found is told: {error}");
    // What was lost is forgotten, and the next try is a new order.
    bench.responder.tls_is_lost.store(false, Ordering::SeqCst);
    obtain(&authority, "b.test").await;
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_told_apart() {
    let bench = Bench::start().await;
    bench.ca.place("a.test", "127.0.0.77").await;
    let error = refused(&bench.authority(), "a.test").await;
    assert_eq!(error.name(), "validation");
    assert!(error.to_string().contains("connection"), "{error}");
}

#[tokio::test]
async fn a_wildcard_is_proven_by_a_record_that_the_hook_sets_and_removes() {
    let bench = Bench::start().await;
    let acme = bench.with_hook(HOOK);
    let certificate = obtain(&bench.authority_of(&acme), "*.customers.test").await;
    assert!(certificate.times.not_after > now());
    let calls = std::fs::read_to_string(bench.hook_log()).expect("the hook was run");
    assert_eq!(calls, "present _acme-challenge.customers.test\ncleanup _acme-challenge.customers.test\n");
    // Any name, if so configured.
    obtain(&bench.authority_of(&Acme { challenges: vec![Challenge::Dns01], ..acme }), "inner.test").await;
    let error = refused(&bench.authority(), "*.other.test").await;
    assert_eq!(error.name(), "no-challenge");
    assert!(error.to_string().contains("`acme.dns_hook` is needed"), "{error}");
}

#[tokio::test]
async fn a_hook_that_fails_is_quoted_and_cleans_up_all_the_same() {
    let bench = Bench::start().await;
    let acme = bench.with_hook("echo \"$3\" >> \"$1\"; [ \"$3\" = cleanup ] || { echo no such zone >&2; exit 3; }");
    let error = refused(&bench.authority_of(&acme), "*.customers.test").await;
    assert_eq!(error.name(), "hook");
    let told = error.to_string();
    assert!(
        told.contains("_acme-challenge.customers.test") && told.ends_with("exit status: 3: no such zone"),
        "{told}"
    );
    assert_eq!(std::fs::read_to_string(bench.hook_log()).expect("the hook was run"), "present\ncleanup\n");
    // The order stands, and goes on when the hook is mended.
    obtain(&bench.authority_of(&bench.with_hook(HOOK)), "*.customers.test").await;
    assert_eq!(bench.ca.log().matches("Added order").count(), 1);
}

#[tokio::test]
async fn an_account_is_bound_to_an_external_one() {
    let bench = Bench::with(|pebble| crate::acme_house::Pebble { eab: true, ..pebble }).await;
    let error = refused(&bench.authority(), "a.test").await;
    assert_eq!(error.name(), "account");
    assert!(error.is_general() && error.to_string().contains("set `acme.eab`"), "{error}");
    let key = MacKey::parse(&bench.ca.eab_key()).expect("a key");
    let wrong = Eab { kid: "kid-2".to_owned(), key: key.clone() };
    let error = refused(&bench.authority_of(&Acme { eab: Some(wrong), ..bench.acme.clone() }), "a.test").await;
    assert_eq!(error.name(), "account", "{error}");
    let right = Eab { kid: "kid-1".to_owned(), key };
    obtain(&bench.authority_of(&Acme { eab: Some(right), ..bench.acme.clone() }), "a.test").await;
}

#[tokio::test]
async fn an_authority_that_is_down_is_tried_again_and_one_that_forgot_us_gets_a_new_account() {
    let mut bench = Bench::start().await;
    let authority = bench.authority();
    obtain(&authority, "a.test").await;
    bench.ca.kill();
    let error = refused(&authority, "b.test").await;
    assert_eq!(error.name(), "unreachable");
    assert!(error.is_general() && error.to_string().contains("refused"), "{error}");
    bench.ca.start_again();
    obtain(&authority, "b.test").await;
    // The same for one that starts when the authority has forgotten it.
    bench.ca.kill();
    bench.ca.start_again();
    obtain(&bench.authority(), "c.test").await;
}

#[tokio::test]
async fn a_name_that_the_authority_will_not_have_is_refused_in_its_words() {
    let bench = Bench::start().await;
    let error = refused(&bench.authority(), "blocked.test").await;
    assert!(matches!(&error, OrderError::Refused { kind, .. } if kind == "rejectedIdentifier"), "{error}");
    assert!(!error.is_general() && error.to_string().contains("policy"), "{error}");
}

#[tokio::test]
async fn nonces_that_are_refused_cost_nothing_but_time() {
    let bench = Bench::with(|pebble| crate::acme_house::Pebble { nonces_refused: 25, ..pebble }).await;
    let authority = bench.authority();
    for number in 0..5 {
        obtain(&authority, &format!("n{number}.test")).await;
    }
    assert_eq!(issued(&bench.ca), 5);
}

/// Runs something until it has waited so often, and then drops it.
async fn cut<T>(future: impl Future<Output = T>, mut waits: usize) -> Option<T> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if waits == 0 => Poll::Ready(None),
        Poll::Pending => {
            waits -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Cuts an order off where it waits for the time of that number, and takes it up again if there is no certificate then. Tells whether
/// there was one, and whether an order stood.
async fn cut_at(bench: &Bench, times: &Times, point: usize) -> (bool, bool) {
    let text = format!("cut{point}.test");
    let this = name(&text);
    let _gone = cut(bench.authority().obtain(&this), point).await;
    // What was being written is written when a later change is.
    bench.store.set_renewal(&name("nobody.test"), times).await.expect("the store");
    let is_there = bench.store.certificate(&this).await.expect("the store").is_some();
    let stands = bench.store.order(&this).await.expect("the store").is_some();
    assert!(!(is_there && stands), "{text}");
    if !is_there {
        // As after a start: nothing is known but what is in the store.
        obtain(&bench.authority(), &text).await;
        assert!(bench.store.order(&this).await.expect("the store").is_none(), "{text}");
    }
    (is_there, stands)
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_an_order_is_cut_off_it_goes_on_and_one_certificate_is_issued() {
    let bench = Bench::start().await;
    let first = obtain(&bench.authority(), "first.test").await;
    // How often an order waits depends on the weather: ever later steps are cut, until some orders came through before their cut.
    let (mut whole, mut cuts, mut standing, mut points) = (0, 0, 0, 0);
    while whole < 3 {
        let batch: Vec<usize> = (points..points + 8).collect();
        points += 8;
        let results: Vec<(bool, bool)> = futures_util::stream::iter(batch)
            .map(|point| cut_at(&bench, &first.times, point))
            .buffer_unordered(8)
            .collect()
            .await;
        for (is_there, stands) in results {
            whole += usize::from(is_there);
            cuts += usize::from(!is_there);
            standing += usize::from(stands);
        }
        assert!(points < 500, "orders end");
    }
    // Some were cut before there was an order, and some in the middle of one.
    assert!(standing > 5 && cuts > standing, "{cuts} cuts, {standing} orders");
    assert_eq!(issued(&bench.ca), 1 + points, "one certificate for each name, wherever its order was cut off");
    assert_eq!(bench.ca.log().matches("There are now 2 accounts").count(), 0);
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_ordered() {
    let bench = Bench::start().await;
    let authority = bench.authority();
    obtain(&authority, "a.test").await;
    bench.store.close().await;
    let error = refused(&authority, "b.test").await;
    assert_eq!(error.name(), "store", "{error}");
    assert!(error.is_general());
    assert_eq!(issued(&bench.ca), 1);
}

#[tokio::test]
async fn another_authority_takes_over_when_the_config_says_so() {
    let bench = Bench::start().await;
    obtain(&bench.authority(), "a.test").await;
    let other = crate::acme_house::Pebble::at(bench.responder.ports).start();
    obtain(&bench.authority_of(&other.acme()), "a.test").await;
    assert_eq!((issued(&bench.ca), issued(&other)), (1, 1));
    // And back, to the account that was there.
    obtain(&bench.authority(), "b.test").await;
    assert_eq!(bench.ca.log().matches("There are now 2 accounts").count(), 0);
}

/// The other authorities need a name service of their own, which only root can give them.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: only root can give an authority a name service of its own");
    }
    is_root
}

#[tokio::test]
async fn caddys_authority_issues_by_http_and_by_tls_and_a_challenge_may_be_tried_again() {
    if !is_root() {
        return;
    }
    let bench = Bench::other("caddy").await;
    obtain(&bench.authority_of(&bench.by(&[Challenge::Http01])), "a.test").await;
    obtain(&bench.authority_of(&bench.by(&[Challenge::TlsAlpn01])), "b.test").await;
    bench.responder.http_is_lost.store(true, Ordering::SeqCst);
    let by_http = bench.authority_of(&bench.by(&[Challenge::Http01]));
    let error = refused(&by_http, "c.test").await;
    assert_eq!(error.name(), "validation", "{error}");
    bench.responder.http_is_lost.store(false, Ordering::SeqCst);
    obtain(&by_http, "c.test").await;
    bench.responder.http_is_lost.store(true, Ordering::SeqCst);
    obtain(&bench.authority(), "d.test").await;
}

#[tokio::test]
async fn an_authority_that_wants_a_certificate_renewed_moves_the_renewal_forward() {
    if !is_root() {
        return;
    }
    let bench = Bench::other("acme2certifier").await;
    let authority = bench.authority_of(&bench.by(&[Challenge::Http01]));
    let first = obtain(&authority, "a.test").await;
    let told = authority.renewal(&first).await;
    // Two thirds of 30 days, if it said nothing.
    assert!(first.times.renew_at > now() + SignedDuration::from_hours(15 * 24), "{:?}", first.times);
    assert!(told.renew_at < now() + SignedDuration::from_hours(13), "{told:?}");
    assert!(told.ask_again > now() && told.ask_again < now() + SignedDuration::from_hours(25), "{told:?}");
    // Its successor names what it replaces.
    let second = obtain(&authority, "a.test").await;
    assert_ne!(first.chain, second.chain);
    obtain(&bench.authority_of(&bench.by(&[Challenge::TlsAlpn01])), "b.test").await;
}

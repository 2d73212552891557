//! What every store must do with certificates and domains.

use std::sync::Arc;

use jiff::Timestamp;

use super::tests::opened;
use crate::state::certificates::CertificateName;
use crate::state::domains::{Claim, DomainStore as _, Owner, Phase, Progress};
use crate::state::issuance::{CertificateStore as _, StoredCertificate, StoredOrder, Times, Which};
use crate::state::onboarding::Wish;
use crate::types::{AppName, CustomerId, HostName, Secret};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn name(text: &str) -> CertificateName {
    CertificateName::parse(text).expect("a name")
}

fn times(renew: i64) -> Times {
    Times { not_before: at(0), not_after: at(900), renew_at: at(renew), ask_again: at(renew / 2) }
}

#[tokio::test]
async fn a_certificate_takes_the_place_of_its_order_and_its_predecessor() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let key = || Secret::new("the private key".to_owned());
    let order = StoredOrder {
        name: name("*.a.test"),
        directory: "https://ca.test/dir".to_owned(),
        url: "https://ca.test/order/1".to_owned(),
        key: key(),
        begun: at(5),
    };
    store.put_order(&order).await.expect("kept");
    let found = store.order(&order.name).await.expect("read").expect("there");
    assert_eq!((found.url, found.key.expose(), found.begun), (order.url, "the private key", at(5)));
    let certificate =
        StoredCertificate { name: order.name.clone(), chain: "chain".to_owned(), key: key(), times: times(600) };
    store.put_certificate(&certificate).await.expect("kept");
    assert!(store.order(&order.name).await.expect("read").is_none());
    assert!(store.set_renewal(&order.name, &times(300)).await.expect("noted"));
    assert!(!store.set_renewal(&name("b.test"), &times(300)).await.expect("noted"));
    let found = store.certificate(&order.name).await.expect("read").expect("there");
    assert_eq!((found.chain.as_str(), found.key.expose(), found.times), ("chain", "the private key", times(300)));
    assert!(store.certificate(&name("a.test")).await.expect("read").is_none());
    store.put_certificate(&StoredCertificate { chain: "next".to_owned(), ..certificate }).await.expect("kept");
    let kept = vec![(order.name.clone(), times(600))];
    let names = [order.name.clone(), name("other.test")];
    let since = |second, after| Which::IssuedSince { since: at(second), after, most: 10 };
    for which in [Which::All, Which::Named(&names), since(0, None), Which::EndedBefore(at(901))] {
        assert_eq!(store.certificate_times(which).await.expect("read"), kept, "{which:?}");
    }
    for which in [Which::Named(&names[1..]), since(1, None), since(0, Some(&order.name)), Which::EndedBefore(at(900))] {
        assert_eq!(store.certificate_times(which).await.expect("read"), Vec::new(), "{which:?}");
    }
    store.forget_certificate(&order.name).await.expect("forgotten");
    assert!(store.certificate(&order.name).await.expect("read").is_none());
}

#[tokio::test]
async fn keys_of_certificates_orders_and_accounts_are_not_on_disk_in_the_clear() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let secret = || Secret::new("plainly-a-private-key".to_owned());
    let certificate =
        StoredCertificate { name: name("a.test"), chain: "chain".to_owned(), key: secret(), times: times(600) };
    store.put_certificate(&certificate).await.expect("kept");
    let order =
        StoredOrder { name: name("b.test"), directory: String::new(), url: String::new(), key: secret(), begun: at(0) };
    store.put_order(&order).await.expect("kept");
    store.put_acme_account("https://ca.test/dir", &secret(), at(0)).await.expect("kept");
    let found = store.acme_account("https://ca.test/dir").await.expect("read").expect("there");
    assert_eq!(found.expose(), secret().expose());
    for file in ["store.db", "store.db-wal"] {
        let bytes = std::fs::read(folder.path().join(file)).expect("read");
        let needle = b"plainly-a-private-key";
        assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{file}");
    }
    store.forget_acme_account("https://ca.test/dir").await.expect("forgotten");
    assert!(store.acme_account("https://ca.test/dir").await.expect("read").is_none());
}

#[tokio::test]
async fn progress_and_claims_come_back_as_they_were_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let progress = Progress {
        phase: Phase::BackingOff,
        problem: Some("caa".to_owned()),
        sentence: Some("Add a record.".to_owned()),
        since: at(7),
        failures: 3,
        next_try: Some(at(60)),
    };
    let other = Progress { problem: None, sentence: None, ..progress.clone() };
    let kept = vec![(name("a.test"), progress), (name("b.test"), other)];
    store.put_progress(&kept).await.expect("kept");
    assert_eq!(store.progress().await.expect("read"), kept);
    let asked = [name("a.test"), name("nobody.test")];
    assert_eq!(store.progress_of(&asked).await.expect("read"), kept[..1]);
    let names: Vec<_> = kept.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(store.names_after(None, 10).await.expect("read"), names);
    assert_eq!(store.names_after(None, 1).await.expect("read"), names[..1]);
    assert_eq!(store.names_after(names.first(), 10).await.expect("read"), names[1..]);
    store.forget_progress(&[name("a.test")]).await.expect("forgotten");
    assert_eq!(store.progress().await.expect("read"), kept[1..]);
    assert!(store.progress_of(&asked).await.expect("read").is_empty());

    let app = AppName::parse("shop").expect("a name");
    let owner = Arc::new(Owner { app: app.clone(), customer: Some(CustomerId::parse("42").expect("an id")) });
    let host = HostName::parse("a.test").expect("a host");
    let claim = Claim {
        host: host.clone(),
        owner: owner.clone(),
        brand: "{}".into(),
        proven: Some((Arc::new(Owner { app, customer: None }), at(3))),
        left: Some(at(9)),
    };
    let plain = Claim { proven: None, left: None, host: HostName::parse("b.test").expect("a host"), ..claim.clone() };
    store.put_claims(&[claim.clone(), plain.clone()]).await.expect("kept");
    assert_eq!(store.claims().await.expect("read"), vec![claim, plain.clone()]);
    store.forget_claims(&[host]).await.expect("forgotten");
    assert_eq!(store.claims().await.expect("read"), vec![plain]);
}

#[tokio::test]
async fn an_approval_is_for_one_owner_and_is_taken_up_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let host = HostName::parse("a.test").expect("a host");
    let owner = |customer: Option<&str>| Owner {
        app: AppName::parse("shop").expect("a name"),
        customer: customer.map(|id| CustomerId::parse(id).expect("an id")),
    };
    store.approve(&host, &owner(Some("1"))).await.expect("noted");
    store.approve(&host, &owner(None)).await.expect("noted");
    assert_eq!(store.approvals().await.expect("read"), vec![(host.clone(), owner(None))]);
    store.forget_approval(&host, &owner(Some("1"))).await.expect("nothing to do");
    assert_eq!(store.approvals().await.expect("read").len(), 1);
    store.forget_approval(&host, &owner(None)).await.expect("forgotten");
    assert!(store.approvals().await.expect("read").is_empty());
}

#[tokio::test]
async fn claims_of_any_number_and_any_text_are_kept_in_one_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    let owner = Arc::new(Owner {
        app: AppName::parse("shop").expect("a name"),
        customer: Some(CustomerId::parse("O'Neil \"& Söhne\" \\ 0042").expect("an id")),
    });
    let claim = |number: i64| Claim {
        host: HostName::parse(&format!("h{number:05}.test")).expect("a host"),
        owner: owner.clone(),
        brand: format!("{{\"title\":\"№ {number}\"}}").into(),
        proven: (number % 2 == 0).then(|| (owner.clone(), at(number))),
        left: (number % 3 == 0).then(|| at(number)),
    };
    let claims: Vec<Claim> = (0..12_000).map(claim).collect();
    store.put_claims(&claims).await.expect("kept");
    assert_eq!(store.claims().await.expect("read"), claims);
}

#[tokio::test]
async fn a_wish_waits_for_its_answer_and_the_answer_for_who_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path()).await;
    store.ask_for(&name("b.test"), Wish::Look, at(2)).await.expect("asked");
    store.ask_for(&name("a.test"), Wish::Retry, at(1)).await.expect("asked");
    let asked = vec![(name("a.test"), Wish::Retry), (name("b.test"), Wish::Look)];
    assert_eq!(store.asked_for(9).await.expect("read"), asked);
    assert_eq!(store.asked_for(1).await.expect("read").len(), 1);
    assert_eq!(store.take_answer(&name("b.test")).await.expect("read"), None);
    store.answer_wish(&name("b.test"), "seen").await.expect("answered");
    assert_eq!(store.asked_for(9).await.expect("read").len(), 1, "what is answered is asked for no more");
    assert_eq!(store.take_answer(&name("b.test")).await.expect("read").as_deref(), Some("seen"));
    assert_eq!(store.take_answer(&name("b.test")).await.expect("read"), None, "an answer is taken once");
    store.forget_wishes(at(1)).await.expect("forgotten");
    assert_eq!(store.asked_for(9).await.expect("read").len(), 1);
    store.forget_wishes(at(2)).await.expect("forgotten");
    store.ask_for(&name("c.test"), Wish::Look, at(3)).await.expect("asked");
    store.forget_wish(&name("c.test")).await.expect("forgotten");
    assert!(store.asked_for(9).await.expect("read").is_empty());
}

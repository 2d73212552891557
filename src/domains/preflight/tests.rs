//! Looks at names that a DNS server of the test answers for, and at doors of the test's own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CAA, CNAME};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

/// Answers as these lines say: `name A address`, `name CAA tag value`, `name SERVFAIL TYPE`; what no line names does not exist.
async fn dns(lines: &str) -> SocketAddr {
    let mut zone: HashMap<(String, RecordType), Vec<RData>> = HashMap::new();
    let mut failing = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        let (name, value) = (format!("{}.", words[0]), words[2]);
        let data = match words[1] {
            "A" => RData::A(A(value.parse().expect("an address"))),
            "AAAA" => RData::AAAA(AAAA(value.parse().expect("an address"))),
            "CNAME" => RData::CNAME(CNAME(Name::from_ascii(value).expect("a name"))),
            "CAA" => {
                let mut caa = CAA::new_issue(false, None, Vec::new());
                caa.tag = value.to_owned();
                caa.value = words[3].as_bytes().to_vec();
                RData::CAA(caa)
            }
            _ => {
                failing.push((name, value.parse::<RecordType>().expect("a type")));
                continue;
            }
        };
        zone.entry((name, data.record_type())).or_default().push(data);
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut packet = [0; 4096];
        while let Ok((count, from)) = socket.recv_from(&mut packet).await {
            let asked = Message::from_vec(&packet[..count]).expect("a question");
            let query = asked.queries.first().expect("a question").clone();
            let key = (query.name().to_ascii().to_lowercase(), query.query_type());
            let mut answer = asked.into_response();
            let alias = zone.get(&(key.0.clone(), RecordType::CNAME));
            if failing.contains(&key) {
                answer.metadata.response_code = ResponseCode::ServFail;
            } else if let Some(found) = zone.get(&key).or(alias) {
                for data in found {
                    answer.add_answer(Record::from_rdata(query.name().clone(), 60, data.clone()));
                    // What it is an alias of is answered with it, as resolvers do.
                    let RData::CNAME(target) = data else { continue };
                    for data in zone.get(&(target.0.to_ascii(), key.1)).into_iter().flatten() {
                        answer.add_answer(Record::from_rdata(target.0.clone(), 60, data.clone()));
                    }
                }
            } else if !zone.keys().any(|(name, _)| *name == key.0) {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            let bytes = answer.to_vec().expect("an answer");
            socket.send_to(&bytes, from).await.expect("sent");
        }
    });
    address
}

/// A door behind which tokens are answered, as our listener does.
async fn door(challenges: Arc<Challenges>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 2048];
            let count = stream.read(&mut head).await.expect("a request");
            let head = String::from_utf8_lossy(&head[..count]).into_owned();
            let path = head.split(' ').nth(1).expect("a path");
            let host = head.lines().find_map(|line| line.strip_prefix("Host: ")).expect("a host");
            let text = challenges.http(&HostName::parse(host).expect("a host"), path).unwrap_or_else(|| "no".into());
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{text}").as_bytes()).await;
        }
    });
    port
}

async fn look(lines: &str, keys: &str, name: &str) -> Report {
    let resolver = dns(lines).await;
    let challenges = Arc::new(Challenges::default());
    let http = Some(door(Arc::clone(&challenges)).await);
    let text = format!(
        "[server]\nhttps = '127.0.0.1:0'\nhttp = '127.0.0.1:0'\ndata = 'd'\n[acme]\ndns = ['{resolver}']\n{keys}\n"
    );
    let config = crate::config::parse(Path::new("t.toml"), &text, &|_| None).expect("a config");
    let acme = config.acme.expect("it is there");
    let preflight = Preflight::new(&acme, Ports { http, https: 1 }, challenges).expect("a resolver");
    preflight.set_issuer(vec!["ca.test".to_owned()], None);
    preflight.look(&CertificateName::parse(name).expect("a name")).await
}

#[track_caller]
fn expect(report: &Report, problem: Option<&str>, words: &[&str]) {
    assert_eq!(report.trouble.as_ref().map(|trouble| trouble.problem.as_ref()), problem, "{report:?}");
    let sentence = report.trouble.as_ref().map(|trouble| trouble.sentence.as_str()).unwrap_or_default();
    for word in words {
        assert!(sentence.contains(word), "{word}: {sentence}");
    }
}

#[tokio::test]
async fn a_name_that_leads_here_lacks_nothing() {
    let report = look("shop.example.com A 127.0.0.1", "", "shop.example.com").await;
    expect(&report, None, &[]);
    assert_eq!(report.visits, [("127.0.0.1".parse().expect("an address"), Visit::Here)]);
    let report =
        look("shop.example.com CNAME edge.example.net.\nedge.example.net A 127.0.0.1", "", "shop.example.com").await;
    expect(&report, None, &[]);
    assert_eq!(report.aliases, ["edge.example.net"]);
}

#[tokio::test]
async fn the_record_to_set_is_told_to_the_letter() {
    let target = "target = 'edge.example.net'";
    let edge = "edge.example.net A 192.0.2.7\nedge.example.net AAAA 2001:db8::7";
    let report = look(edge, target, "shop.example.com").await;
    expect(&report, Some("does-not-resolve"), &["has no address", "\nshop.example.com. CNAME edge.example.net."]);
    let report = look(edge, target, "example.com").await;
    let records = "\nexample.com. A 192.0.2.7\nexample.com. AAAA 2001:db8::7";
    expect(&report, Some("does-not-resolve"), &[records]);
    let report = look("shop.example.com CNAME gone.example.net.", target, "shop.example.com").await;
    expect(&report, Some("does-not-resolve"), &["alias (CNAME) of gone.example.net"]);
    let report = look("", "", "shop.example.com").await;
    expect(&report, Some("does-not-resolve"), &["its operator knows the address"]);
}

#[tokio::test]
async fn an_address_that_is_out_of_date_is_named() {
    let both = "shop.example.com A 127.0.0.1\nshop.example.com A 127.0.0.99";
    let report = look(both, "", "shop.example.com").await;
    expect(
        &report,
        Some("partly-elsewhere"),
        &["\nshop.example.com. A 127.0.0.99 (nothing accepts connections there)"],
    );
    let report = look("shop.example.com A 127.0.0.99", "", "shop.example.com").await;
    expect(&report, Some("elsewhere"), &["points to 127.0.0.99"]);
    let report = look("shop.example.com A 127.0.0.99", "check_reach = false", "shop.example.com").await;
    expect(&report, None, &[]);
}

#[tokio::test]
async fn name_servers_that_fail_are_told_apart_from_names_that_are_not_there() {
    expect(&look("shop.example.com SERVFAIL A", "", "shop.example.com").await, Some("dns-fails"), &["name servers"]);
    let fails = "shop.example.com A 127.0.0.1\nexample.com SERVFAIL CAA";
    expect(&look(fails, "", "shop.example.com").await, Some("caa-fails"), &["CAA records of example.com"]);
}

#[tokio::test]
async fn the_nearest_caa_records_on_the_way_to_the_root_count() {
    let here = "shop.example.com A 127.0.0.1\n";
    let forbids = format!("{here}example.com CAA issue other.test");
    let report = look(&forbids, "", "shop.example.com").await;
    expect(&report, Some("caa"), &["of example.com", "shop.example.com", "\nexample.com. CAA 0 issue \"ca.test\""]);
    let nearer = format!("{forbids}\nshop.example.com CAA issue ca.test");
    expect(&look(&nearer, "", "shop.example.com").await, None, &[]);
    let top = format!("{here}com CAA issue other.test");
    expect(&look(&top, "", "shop.example.com").await, Some("caa"), &["of com"]);
}

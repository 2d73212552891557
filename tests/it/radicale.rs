//! Radicale, unchanged, behind the config of `examples/radicale/`: it believes the header, and the header is ours.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::house::{House, eventually, plain};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/radicale").join(name)
}

pub(crate) struct Radicale {
    child: Child,
    pub(crate) address: SocketAddr,
    dir: tempfile::TempDir,
}

impl Radicale {
    /// Starts it on a port that was free a moment ago; it knows no port 0.
    async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same, with more in its own config.
    pub(crate) async fn start_with(more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let config = std::fs::read_to_string(example("radicale.conf")).expect("the example");
        let config = config.replace("127.0.0.1:5232", &address.to_string());
        let config = config.replace("= books", &format!("= {}", dir.path().join("books").display()));
        std::fs::write(dir.path().join("config"), format!("{config}\n{more}")).expect("the folder is writable");
        let log = std::fs::File::create(dir.path().join("log")).expect("the folder is writable");
        let mut child = Command::new("radicale")
            .arg("--config")
            .arg(dir.path().join("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: radicale is missing; tests/run installs it"));
        eventually("radicale listens", async || {
            let gone = child.try_wait().expect("a child can be waited for");
            assert!(gone.is_none(), "{}", std::fs::read_to_string(dir.path().join("log")).unwrap_or_default());
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
        Self { child, address, dir }
    }
}

impl Drop for Radicale {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

const CARD: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN:Private Contact\r\nN:Contact;Private;;;\r\nEND:VCARD\r\n";
const BOOK: &str = "<?xml version=\"1.0\"?><mkcol xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:carddav\"><set><prop>\
                    <resourcetype><collection/><C:addressbook/></resourcetype></prop></set></mkcol>";

const PRINCIPAL: &str =
    "<?xml version=\"1.0\"?><propfind xmlns=\"DAV:\"><prop><current-user-principal/></prop></propfind>";

#[tokio::test(flavor = "multi_thread")]
async fn an_address_book_is_its_owners_by_our_header_alone() {
    let radicale = Radicale::start().await;
    let config = std::fs::read_to_string(example("vestibule.toml")).expect("the example");
    let (_, apps) = config.split_once("[source.people]").expect("the example has a source");
    let apps = format!("[source.people]{apps}").replace("127.0.0.1:5232", &radicale.address.to_string());
    let people = std::fs::read(example("people.csv")).expect("the example");
    let house = House::plan(&apps).file("people.csv", people).start().await;
    let (ann, bob) = (house.browser("books.localhost"), house.browser("books.localhost"));
    ann.log_in("ann@acme.example").await;
    bob.log_in("bob@acme.example").await;

    let origin = ann.origin();
    let headers = [("content-type", "text/xml"), ("origin", origin.as_str())];
    ann.send("MKCOL", "/ann/book/", &headers, BOOK).await.expect(201);
    ann.send("PUT", "/ann/book/1.vcf", &[("content-type", "text/vcard")], CARD).await.expect(201);
    let card = ann.fetch("/ann/book/1.vcf").await.expect(200);
    assert!(card.text().contains("FN:Private Contact"), "{}", card.text());
    ann.send("PROPFIND", "/ann/", &[("depth", "1")], "").await.expect(207);

    // Radicale's own pages begin by asking for whose books these are.
    for (who, books) in [(&ann, "/ann/"), (&bob, "/bob/")] {
        let answer = who.send("PROPFIND", "/", &[("depth", "0")], PRINCIPAL).await.expect(207);
        assert!(answer.text().contains(books), "{}", answer.text());
    }

    // Bob is somebody else to Radicale, and to the rules: whatever he says of himself.
    for headers in [[("x-remote-user", "ann")], [("x_remote_user", "ann")], [("accept", "*/*")]] {
        let answer = bob.send("GET", "/ann/book/1.vcf", &headers, "").await.expect(403);
        assert!(!answer.text().contains("Private"));
    }
    for path in ["/%61nn/book/1.vcf", "/ANN/book/1.vcf", "/bob/../ann/book/1.vcf"] {
        assert_ne!(bob.fetch(path).await.status, 200, "{path}");
    }
    // A reader writes nothing, not even into books of his own.
    bob.send("MKCOL", "/bob/book/", &headers, BOOK).await.expect(403);
    bob.send("PUT", "/ann/book/1.vcf", &headers, "gone").await.expect(403);
    let card = ann.fetch("/ann/book/1.vcf").await.expect(200);
    assert!(card.text().contains("FN:Private Contact"));
    assert!(radicale.dir.path().join("books/collection-root/ann/book/1.vcf").exists());

    // Radicale itself believes anybody, which is why nobody else may reach it.
    let direct = "GET /ann/book/1.vcf HTTP/1.1\r\nhost: x\r\nx-remote-user: ann\r\nconnection: close\r\n\r\n";
    plain(radicale.address, direct).await.expect(200);
}

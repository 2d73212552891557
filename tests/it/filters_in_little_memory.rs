//! A large answer flows through its filter without being gathered anywhere, however slow its reader is.

use tokio::io::AsyncReadExt as _;

use crate::filters_house::house;
use crate::house::eventually;

/// Rows of a kilobyte: 48 MiB of them.
const ROWS: usize = 48 * 1024;
/// What the gateway may grow by meanwhile.
const MOST_KIB: u64 = 12 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_takes_little_memory_and_a_slow_reader_holds_the_app_back() {
    let (house, bob) = house().await;
    // What the first answers make it keep is no part of the matter.
    bob.ask("GET", "/rows?n=2000", &[]).await.whole(200);
    let before = house.resident_kib();

    let stream =
        crate::wire::tls(house.door.https(), "orders.test", house.door.ca(), &[b"http/1.1"]).await.expect("TLS");
    let (mut reader, mut writer) = tokio::io::split(stream);
    let host = house.host("orders.test");
    let head = format!(
        "GET /rows?n={ROWS} HTTP/1.1\r\nhost: {host}\r\ncookie: {}\r\nconnection: close\r\n\r\n",
        bob.cookie_header()
    );
    tokio::io::AsyncWriteExt::write_all(&mut writer, head.as_bytes()).await.expect("it reads");

    // Nobody reads: the app cannot get rid of more than the sockets between take.
    let mut last = usize::MAX;
    let mut quiet = 0;
    let stalled = eventually("the app waits", async || {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let written = house.upstream.written();
        quiet = if written == last { quiet + 1 } else { 0 };
        last = written;
        (quiet >= 10).then_some(written)
    })
    .await;
    let all = ROWS * 1024;
    assert!(stalled < all / 2, "{stalled} bytes of {all} have gone into nothing");
    let grown = house.resident_kib().saturating_sub(before);
    assert!(grown < MOST_KIB, "{grown} KiB more while nobody reads");

    let (mut buffer, mut total, mut most) = (vec![0; 64 * 1024], 0, 0);
    loop {
        let read = reader.read(&mut buffer).await.expect("the answer goes on");
        if read == 0 {
            break;
        }
        total += read;
        most = most.max(house.resident_kib().saturating_sub(before));
    }
    println!(
        "{total} of {all} bytes; {stalled} gone while nobody read; {grown} KiB more then, {most} KiB more at most"
    );
    // Every second row is Bob's, and none has its price.
    assert!(total > all / 2 - all / 20 && total < all / 2, "{total} of {all} bytes came");
    assert!(most < MOST_KIB, "{most} KiB more while it flows");
    assert!(house.upstream.written() > all - all / 20);
}

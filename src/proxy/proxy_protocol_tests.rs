//! Headers of both versions, good and bad, and where reading stops.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;

/// A header of version 2 with these bytes after its length.
fn version_2(version_and_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut header = BINARY.to_vec();
    header.extend([version_and_command, family]);
    header.extend(u16::try_from(body.len()).expect("short").to_be_bytes());
    header.extend(body);
    header
}

fn told(client: Result<Client, BadHeader>) -> String {
    match client {
        Ok(Client::At(address)) => address.to_string(),
        Ok(Client::Unnamed) => "unnamed".to_owned(),
        Err(bad) => bad.to_string(),
    }
}

#[test]
fn a_line_names_the_client() {
    for (line, expected) in [
        ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443", "192.0.2.1:56324"),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535", "255.255.255.255:65535"),
        ("PROXY TCP6 2001:db8::1 2001:db8::2 56324 443", "[2001:db8::1]:56324"),
        ("PROXY UNKNOWN", "unnamed"),
        ("PROXY UNKNOWN ffff::1 ffff::2 1 2", "unnamed"),
    ] {
        assert_eq!(told(text(format!("{line}\r\n").as_bytes())), expected, "{line}");
    }
}

#[test]
fn attack_08_a_line_that_can_be_read_in_two_ways_is_refused() {
    for line in [
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443",
        "PROXY TCP4  192.0.2.1 198.51.100.1 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 5\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 056324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 +5632 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
        "PROXY TCP4 192.0.2.01 198.51.100.1 56324 443\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.1 56324 443\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 56324 443\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.1 56324 443\r\n",
        "PROXY TCP6 ::1%1 ::1 56324 443\r\n",
        "PROXY tcp4 192.0.2.1 198.51.100.1 56324 443\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.1 56324 443\r\n",
        "PROXY \r\n",
        "proxy TCP4 192.0.2.1 198.51.100.1 56324 443\r\n",
        "PROXY TCP4 192.0.2.1\0 198.51.100.1 56324 443\r\n",
        "PROXY TCP4 name.example 198.51.100.1 56324 443\r\n",
    ] {
        assert_eq!(told(text(line.as_bytes())), "the PROXY header is malformed", "{line:?}");
    }
}

const IPV4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0xDC, 0x04, 1, 187];

#[test]
fn a_binary_header_names_the_client() {
    let mut ipv6 = [0; 36];
    ipv6[..4].copy_from_slice(&[0x20, 1, 0x0D, 0xB8]);
    ipv6[15] = 1;
    ipv6[32..].copy_from_slice(&[0xDC, 0x04, 1, 187]);
    // One that says which name the client asked for, and one without a value.
    let with_fields = [&IPV4[..], &[2, 0, 6], b"a.test", &[4, 0, 0]].concat();
    for (header, expected) in [
        (version_2(0x21, 0x11, &IPV4), "192.0.2.1:56324"),
        (version_2(0x21, 0x11, &with_fields), "192.0.2.1:56324"),
        (version_2(0x21, 0x21, &ipv6), "[2001:db8::1]:56324"),
        (version_2(0x20, 0x00, &[]), "unnamed"),
        (version_2(0x20, 0x11, &IPV4), "unnamed"),
        (version_2(0x20, 0x31, &[7; 216]), "unnamed"),
        (version_2(0x21, 0x00, &[]), "unnamed"),
        (version_2(0x21, 0x00, &[4, 0, 1, 0]), "unnamed"),
        (version_2(0x11, 0x11, &IPV4), "the PROXY header is of another version, or has a command that we do not know"),
        (version_2(0x22, 0x11, &IPV4), "the PROXY header is of another version, or has a command that we do not know"),
        (version_2(0x21, 0x12, &IPV4), "the PROXY header is of a connection that is no TCP"),
        (version_2(0x21, 0x31, &[7; 216]), "the PROXY header is of a connection that is no TCP"),
        (version_2(0x21, 0x11, &IPV4[..11]), "the PROXY header is shorter than its addresses"),
        (version_2(0x21, 0x21, &ipv6[..35]), "the PROXY header is shorter than its addresses"),
        (
            version_2(0x21, 0x11, &[&IPV4[..], &[2, 0, 7], b"a.test"].concat()),
            "the PROXY header has fields that do not fit into it",
        ),
        (version_2(0x21, 0x11, &[&IPV4[..], &[2, 0]].concat()), "the PROXY header has fields that do not fit into it"),
        (
            version_2(0x21, 0x11, &[&IPV4[..], &[3, 0, 2, 0, 0]].concat()),
            "the PROXY header has fields that do not fit into it",
        ),
    ] {
        assert_eq!(told(binary(&header)), expected, "{header:?}");
    }
}

#[test]
fn a_checksum_is_held_against_the_header() {
    // RFC 3720, appendix B.4.
    assert_eq!(crc32c([0_u8; 32].into_iter()), 0x8A91_36AA);
    assert_eq!(crc32c(b"123456789".iter().copied()), 0xE306_9283);
    let mut header = version_2(0x21, 0x11, &[&IPV4[..], &[3, 0, 4, 0, 0, 0, 0, 4, 0, 1, 9]].concat());
    let sum = crc32c(header.iter().copied());
    let at = BINARY.len() + 4 + IPV4.len() + 3;
    header[at..at + 4].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(told(binary(&header)), "192.0.2.1:56324");
    for place in [16, 20, at, header.len() - 1] {
        let mut other = header.clone();
        other[place] ^= 1;
        assert_eq!(told(binary(&other)), "the PROXY header does not have the checksum that it says", "{place}");
    }
}

/// What reading makes of these bytes, sent in pieces of a size, and what it leaves behind them.
async fn sent(bytes: &[u8], piece: usize) -> (String, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let mut client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
    client.set_nodelay(true).expect("a socket");
    let (mut socket, _) = listener.accept().await.expect("a connection");
    let sending = async {
        for piece in bytes.chunks(piece) {
            client.write_all(piece).await.expect("sent");
            tokio::task::yield_now().await;
        }
        client.shutdown().await.expect("closed");
    };
    let reading = async {
        let told = match read(&mut socket).await {
            Ok(client) => told(Ok(client)),
            Err(error) => error.to_string(),
        };
        let mut left = Vec::new();
        socket.read_to_end(&mut left).await.expect("the rest");
        (told, left)
    };
    tokio::join!(reading, sending).0
}

#[tokio::test]
async fn reading_stops_at_the_end_of_the_header_however_it_comes() {
    let binary = version_2(0x21, 0x11, &IPV4);
    let text = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec();
    for header in [binary, text] {
        for piece in [1, 5, 13, 1000] {
            let bytes = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            let (told, left) = sent(&bytes, piece).await;
            assert_eq!(
                (told.as_str(), left.as_slice()),
                ("192.0.2.1:56324", &b"GET / HTTP/1.1\r\n\r\n"[..]),
                "{piece}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_no_header_or_too_long_a_one_is_refused() {
    let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
    let mut huge = version_2(0x21, 0x11, &[]);
    huge[14..].copy_from_slice(&[0xFF, 0xFF]);
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], "the PROXY header is missing"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", "the PROXY header is missing"),
        (b"PROXY TCP4 192.0.2.1", "unexpected end of file"),
        (&long, "the PROXY header is too long"),
        (&huge, "the PROXY header is too long"),
    ] {
        assert_eq!(sent(bytes, 1000).await.0, expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), family in any::<u8>()) {
        let _ = text(&bytes);
        let _ = binary(&bytes);
        let _ = binary(&version_2(0x21, family, &bytes));
        let _ = text(&[b"PROXY TCP4 ", &bytes[..], b"\r\n"].concat());
    }

    #[test]
    fn every_address_is_read_as_it_was_written(source: (u128, u16), is_v6: bool) {
        let port = source.1;
        let ip = if is_v6 { IpAddr::V6(source.0.into()) } else { IpAddr::V4(((source.0 >> 96) as u32).into()) };
        let family = if is_v6 { "TCP6" } else { "TCP4" };
        let line = format!("PROXY {family} {ip} {ip} {port} 443\r\n");
        prop_assert_eq!(text(line.as_bytes()), Ok(Client::At(SocketAddr::new(ip, port))));
        let (family, octets) = match ip {
            IpAddr::V4(ip) => (0x11, ip.octets().to_vec()),
            IpAddr::V6(ip) => (0x21, ip.octets().to_vec()),
        };
        let body = [&octets[..], &octets, &port.to_be_bytes(), &[1, 187]].concat();
        prop_assert_eq!(binary(&version_2(0x21, family, &body)), Ok(Client::At(SocketAddr::new(ip, port))));
    }
}

//! The PROXY protocol, outwards: the first bytes of a connection tell an upstream whose it is.
//!
//! Both versions as their specification has them (HAProxy, "The PROXY protocol", sections 2.1 and 2.2). What a connection
//! has told about its customer holds for all that comes on it, so it serves nobody else: see `peer`.

use std::net::{IpAddr, SocketAddr};

use crate::config::ProxyProtocol;

/// The fixed beginning of version 2.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2 with the command PROXY, and with LOCAL: the connection is our own.
const FOR_A_CLIENT: u8 = 0x21;
const OUR_OWN: u8 = 0x20;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
const UNSPECIFIED: u8 = 0x00;

/// A customer's connection, as an upstream hears of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(in crate::proxy) struct Client {
    /// Where the customer is. The port is 0 where only a proxy before us knows it.
    pub(in crate::proxy) from: SocketAddr,
    /// Where the customer's connection has ended: at us.
    pub(in crate::proxy) to: SocketAddr,
}

impl Client {
    /// The customer at `address`, on a connection from `peer`: the same, or a proxy before us.
    pub(in crate::proxy) fn new(address: IpAddr, peer: SocketAddr, to: SocketAddr) -> Self {
        let port = if peer.ip().to_canonical() == address.to_canonical() { peer.port() } else { 0 };
        Self { from: SocketAddr::new(address.to_canonical(), port), to }
    }
}

/// What to write before anything else. Without a client, the connection is our own: a question whether the server is well.
pub(super) fn header(version: ProxyProtocol, client: Option<Client>) -> Vec<u8> {
    match version {
        ProxyProtocol::V1 => text(client),
        ProxyProtocol::V2 => binary(client),
    }
}

fn text(client: Option<Client>) -> Vec<u8> {
    let Some(Client { from, to }) = client else { return b"PROXY UNKNOWN\r\n".to_vec() };
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    let to_ip = of_one_family(from.ip(), to.ip());
    format!("PROXY {family} {} {} {} {}\r\n", from.ip(), to_ip, from.port(), to.port()).into_bytes()
}

fn binary(client: Option<Client>) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    let Some(Client { from, to }) = client else {
        header.extend([OUR_OWN, UNSPECIFIED, 0, 0]);
        return header;
    };
    let mut addresses = Vec::new();
    for ip in [from.ip(), of_one_family(from.ip(), to.ip())] {
        match ip {
            IpAddr::V4(ip) => addresses.extend(ip.octets()),
            IpAddr::V6(ip) => addresses.extend(ip.octets()),
        }
    }
    addresses.extend(from.port().to_be_bytes());
    addresses.extend(to.port().to_be_bytes());
    let family = if from.is_ipv4() { TCP_OVER_IPV4 } else { TCP_OVER_IPV6 };
    header.extend([FOR_A_CLIENT, family]);
    // 12 bytes, or 36.
    header.extend(u16::try_from(addresses.len()).unwrap_or_default().to_be_bytes());
    header.extend(addresses);
    header
}

/// Our own address in the family of the client's: a proxy before us may speak another with us than with the client. There is no
/// IPv4 address for an IPv6 one, and `0.0.0.0` says so.
fn of_one_family(client: IpAddr, own: IpAddr) -> IpAddr {
    match (client, own.to_canonical()) {
        (IpAddr::V4(_), IpAddr::V6(_)) => IpAddr::from([0, 0, 0, 0]),
        (IpAddr::V6(_), IpAddr::V4(own)) => IpAddr::V6(own.to_ipv6_mapped()),
        (_, own) => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(from: &str, to: &str) -> Option<Client> {
        Some(Client { from: from.parse().expect("an address"), to: to.parse().expect("an address") })
    }

    #[test]
    fn version_1_is_a_line_of_text() {
        let check = |client, expected: &str| {
            assert_eq!(String::from_utf8(header(ProxyProtocol::V1, client)).expect("text"), expected);
        };
        check(client("203.0.113.9:4711", "192.0.2.1:443"), "PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n");
        check(client("[2001:db8::9]:4711", "[2001:db8::1]:443"), "PROXY TCP6 2001:db8::9 2001:db8::1 4711 443\r\n");
        check(client("203.0.113.9:0", "[2001:db8::1]:443"), "PROXY TCP4 203.0.113.9 0.0.0.0 0 443\r\n");
        check(client("203.0.113.9:1", "[::ffff:192.0.2.1]:443"), "PROXY TCP4 203.0.113.9 192.0.2.1 1 443\r\n");
        check(client("[2001:db8::9]:0", "192.0.2.1:443"), "PROXY TCP6 2001:db8::9 ::ffff:192.0.2.1 0 443\r\n");
        check(None, "PROXY UNKNOWN\r\n");
        let longest = client(
            "[fe80:1111:2222:3333:4444:5555:6666:7777]:65535",
            "[fe80:1111:2222:3333:4444:5555:6666:7777]:65535",
        );
        assert!(header(ProxyProtocol::V1, longest).len() <= 107, "the specification's most");
    }

    #[test]
    fn version_2_is_binary() {
        let v4 = header(ProxyProtocol::V2, client("203.0.113.9:258", "192.0.2.1:443"));
        assert_eq!(v4.get(..12), Some(&SIGNATURE[..]));
        assert_eq!(v4.get(12..), Some(&[0x21, 0x11, 0, 12, 203, 0, 113, 9, 192, 0, 2, 1, 1, 2, 1, 0xbb][..]));
        let v6 = header(ProxyProtocol::V2, client("[2001:db8::9]:1", "[2001:db8::1]:2"));
        assert_eq!(v6.get(12..16), Some(&[0x21, 0x21, 0, 36][..]));
        assert_eq!((v6.len(), v6.get(48..)), (52, Some(&[0, 1, 0, 2][..])));
        assert_eq!(header(ProxyProtocol::V2, None).get(12..), Some(&[0x20, 0, 0, 0][..]));
    }

    #[test]
    fn the_port_of_a_proxy_is_not_the_clients() {
        let (peer, own) = ("203.0.113.9:4711".parse().expect("one"), "192.0.2.1:443".parse().expect("one"));
        let of = |address: &str| Client::new(address.parse().expect("one"), peer, own).from.to_string();
        assert_eq!(of("203.0.113.9"), "203.0.113.9:4711");
        assert_eq!(of("::ffff:203.0.113.9"), "203.0.113.9:4711");
        assert_eq!(of("198.51.100.7"), "198.51.100.7:0");
    }
}

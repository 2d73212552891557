//! The PROXY protocol, versions 1 and 2: what a proxy in front of us says of its client before the client's first byte.
//!
//! Only a trusted proxy is asked, and it must say something: without its header we would take its client for itself. A header is
//! read to its last byte and no further, for what follows is the client's. Lengths are bounded, addresses are read strictly,
//! and whatever does not fit ends the connection.
//!
//! This is the specification of <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>, sections 2.1 and 2.2. It is
//! small enough to be held here whole; the crate for it checks no checksum and leaves the reading to its user anyway.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// How a header of version 1 begins.
const TEXT: &[u8] = b"PROXY ";

/// How a header of version 2 begins: bytes that no client of TLS or HTTP sends first.
const BINARY: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, with its end.
const MOST_LINE: usize = 107;

/// The most that follows the first 16 bytes of version 2: addresses, and what a proxy adds about its client's TLS.
const MOST_BODY: usize = 4096;

/// The type of the checksum among what follows the addresses.
const CHECKSUM: u8 = 3;

/// Whom a proxy connects for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Client {
    /// This address.
    At(SocketAddr),
    /// Itself, to look whether we are there, or somebody that it cannot name.
    Unnamed,
}

/// Bytes that are no header of the PROXY protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the PROXY header {0}")]
pub(super) struct BadHeader(&'static str);

impl From<BadHeader> for io::Error {
    fn from(bad: BadHeader) -> Self {
        Self::new(io::ErrorKind::InvalidData, bad)
    }
}

/// Reads the header that a connection begins with, and nothing beyond it. Whoever calls keeps its time.
pub(super) async fn read(socket: &mut TcpStream) -> io::Result<Client> {
    // The shortest header of either version is longer.
    let mut start = [0; BINARY.len()];
    socket.read_exact(&mut start).await?;
    if start == *BINARY {
        let mut fixed = [0; 4];
        socket.read_exact(&mut fixed).await?;
        let [_, _, high, low] = fixed;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MOST_BODY {
            return Err(BadHeader("is too long").into());
        }
        let mut header = Vec::with_capacity(start.len() + fixed.len() + length);
        header.extend_from_slice(&start);
        header.extend_from_slice(&fixed);
        header.resize(header.len() + length, 0);
        socket.read_exact(header.get_mut(start.len() + fixed.len()..).unwrap_or_default()).await?;
        return Ok(binary(&header)?);
    }
    if !start.starts_with(TEXT) {
        return Err(BadHeader("is missing").into());
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\n") {
        // Looks first: what comes behind the line is not ours to take.
        let mut ahead = [0; MOST_LINE];
        let seen = socket.peek(&mut ahead).await?;
        let seen = ahead.get(..seen).unwrap_or_default();
        let take = seen.iter().position(|byte| *byte == b'\n').map_or(seen.len(), |end| end + 1);
        if take == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.len() + take > MOST_LINE {
            return Err(BadHeader("is too long").into());
        }
        let begin = line.len();
        line.resize(begin + take, 0);
        socket.read_exact(line.get_mut(begin..).unwrap_or_default()).await?;
    }
    Ok(text(&line)?)
}

/// Whether a connection begins like one of a proxy. Takes nothing from it, and waits for its first bytes.
pub(super) async fn begins(socket: &TcpStream) -> io::Result<bool> {
    let mut start = [0; BINARY.len()];
    let seen = socket.peek(&mut start).await?;
    let seen = start.get(..seen).unwrap_or_default();
    Ok(seen.starts_with(TEXT) || seen == BINARY)
}

/// Reads a line of version 1, with its end: `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`.
fn text(line: &[u8]) -> Result<Client, BadHeader> {
    const BAD: BadHeader = BadHeader("is malformed");
    let line = line.strip_suffix(b"\r\n").ok_or(BAD)?;
    let line = std::str::from_utf8(line).map_err(|_| BAD)?;
    let mut words = line.strip_prefix("PROXY ").ok_or(BAD)?.split(' ');
    let family = words.next().ok_or(BAD)?;
    if family == "UNKNOWN" {
        // Whatever the line goes on to say counts for nothing.
        return Ok(Client::Unnamed);
    }
    let [source, destination, source_port, destination_port] = [(); 4].map(|()| words.next());
    let (Some(source), Some(destination), None) = (source, destination, words.next()) else { return Err(BAD) };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let port = |text: Option<&str>| -> Option<u16> {
        let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        if text.len() > 1 && text.starts_with('0') { None } else { text.parse().ok() }
    };
    let _ = (address(destination).ok_or(BAD)?, port(destination_port).ok_or(BAD)?);
    Ok(Client::At(SocketAddr::new(address(source).ok_or(BAD)?, port(source_port).ok_or(BAD)?)))
}

/// Reads a whole header of version 2.
fn binary(header: &[u8]) -> Result<Client, BadHeader> {
    const SHORT: BadHeader = BadHeader("is shorter than its addresses");
    let [version_and_command, family, _, _, rest @ ..] = header.strip_prefix(BINARY).ok_or(BadHeader("is missing"))?
    else {
        return Err(BadHeader("is cut off"));
    };
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(BadHeader("is of another version, or has a command that we do not know")),
    };
    let (client, fields) = match family {
        // TCP over IPv4.
        0x11 => {
            let (addresses, fields) = rest.split_first_chunk::<12>().ok_or(SHORT)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
            (Some(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))), fields)
        }
        // TCP over IPv6.
        0x21 => {
            let (source, tail) = rest.split_first_chunk::<16>().ok_or(SHORT)?;
            let (tail, fields) = tail.split_first_chunk::<20>().ok_or(SHORT)?;
            let [.., high, low, _, _] = *tail;
            (Some(SocketAddr::from((*source, u16::from_be_bytes([high, low])))), fields)
        }
        // A connection of the proxy's own may be of any kind; there are no fields that we would know how to find.
        _ if is_local => return Ok(Client::Unnamed),
        // Unspecified: the fields follow at once.
        0x00 => (None, rest),
        _ => return Err(BadHeader("is of a connection that is no TCP")),
    };
    check(header, fields)?;
    Ok(client.filter(|_| !is_local).map_or(Client::Unnamed, Client::At))
}

/// Walks through the fields behind the addresses. None of them means anything to us but the checksum of the header.
fn check(header: &[u8], mut fields: &[u8]) -> Result<(), BadHeader> {
    const BAD: BadHeader = BadHeader("has fields that do not fit into it");
    while let [kind, high, low, rest @ ..] = fields {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(BAD)?;
        if *kind == CHECKSUM {
            let said = value.try_into().map(u32::from_be_bytes).map_err(|_| BAD)?;
            let begin = header.len() - rest.len() - value.len();
            // It is made with itself as zero.
            let bytes = header
                .iter()
                .enumerate()
                .map(|(at, byte)| if (begin..begin + value.len()).contains(&at) { 0 } else { *byte });
            if crc32c(bytes) != said {
                return Err(BadHeader("does not have the checksum that it says"));
            }
        }
        fields = rest;
    }
    if fields.is_empty() { Ok(()) } else { Err(BAD) }
}

/// CRC-32C (RFC 9260, appendix A), bit by bit: it is made once a connection, of a few dozen bytes.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 })
    })
}

#[cfg(test)]
#[path = "proxy_protocol_tests.rs"]
mod tests;

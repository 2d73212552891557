//! Whose tries are counted together: the network that a client's address belongs to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A client's network.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// What one host has to itself: an IPv4 address, or the /64 that an IPv6 host chooses its addresses from.
    #[must_use]
    pub fn of_host(client: IpAddr) -> Self {
        Self::of(client, 32, 64)
    }

    /// What one subscriber may have: an IPv4 /24, or the /48 that an IPv6 site chooses its /64 from (RFC 6177).
    #[must_use]
    pub fn of_site(client: IpAddr) -> Self {
        Self::of(client, 24, 48)
    }

    /// Its first address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    fn of(client: IpAddr, v4: u8, v6: u8) -> Self {
        match client.to_canonical() {
            IpAddr::V4(address) => {
                let bits = address.to_bits() & (u32::MAX << (32 - u32::from(v4)));
                Self { address: Ipv4Addr::from_bits(bits).into(), length: v4 }
            }
            IpAddr::V6(address) => {
                let bits = address.to_bits() & (u128::MAX << (128 - u32::from(v6)));
                Self { address: Ipv6Addr::from_bits(bits).into(), length: v6 }
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_network() {
        for (client, host, site) in [
            ("192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ] {
            let client = client.parse().expect("an address");
            assert_eq!(
                (Network::of_host(client).to_string(), Network::of_site(client).to_string()),
                (host.into(), site.into())
            );
        }
    }
}

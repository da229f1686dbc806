//! Networks in CIDR notation, for the proxies whose forwarded headers are believed.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A network: an address and how many of its leading bits count. An IPv4 network also holds the
/// IPv4-mapped IPv6 form of its addresses, because that is how a dual-stack socket shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix_bits: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before the slash is no IP address.
    #[error("`{0}` is no IP address; write a network like 10.0.0.0/8 or an address like ::1")]
    Address(String),
    /// The part behind the slash is no prefix length.
    #[error("`{text}` is no prefix length; it must be between 0 and {bits_max}")]
    Prefix {
        /// What stood there.
        text: String,
        /// The most bits this kind of address has.
        bits_max: u8,
    },
}

impl Network {
    /// Whether `address` lies in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(u32::from(32 - self.prefix_bits)).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(u32::from(128 - self.prefix_bits)).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let base: IpAddr = address.parse().map_err(|_| NetworkError::Address(address.to_owned()))?;
        let base = base.to_canonical();
        let bits_max = if base.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => bits_max,
            Some(text) => text
                .parse()
                .ok()
                .filter(|&bits| bits <= bits_max)
                .ok_or_else(|| NetworkError::Prefix { text: text.to_owned(), bits_max })?,
        };
        Ok(Self { base, prefix_bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_bits)
    }
}

/// Who counts as one peer when something is limited per address. One IPv6 customer owns at least a /64,
/// so counting single addresses there would count nothing.
pub(crate) fn peer_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn membership_is_decided_by_the_prefix() {
        assert!(network("10.0.0.0/8").contains(address("10.255.1.2")));
        assert!(!network("10.0.0.0/8").contains(address("11.0.0.1")));
        assert!(network("0.0.0.0/0").contains(address("203.0.113.9")));
        assert!(network("127.0.0.1").contains(address("127.0.0.1")));
        assert!(!network("127.0.0.1").contains(address("127.0.0.2")));
        assert!(network("fd00::/8").contains(address("fdff::1")));
        assert!(network("::/0").contains(address("2001:db8::1")));
        assert!(!network("::/0").contains(address("10.0.0.1")));
    }

    #[test]
    fn a_mapped_address_is_its_ipv4_self() {
        assert!(network("10.0.0.0/8").contains(address("::ffff:10.1.2.3")));
        assert!(network("::ffff:10.1.2.3").contains(address("10.1.2.3")));
    }

    #[test]
    fn what_is_refused_says_why() {
        assert_eq!("proxy".parse::<Network>(), Err(NetworkError::Address("proxy".to_owned())));
        let error = "10.0.0.0/33".parse::<Network>().expect_err("too many bits");
        assert_eq!(error.to_string(), "`33` is no prefix length; it must be between 0 and 32");
        assert!("10.0.0.0/-1".parse::<Network>().is_err());
    }

    #[test]
    fn one_ipv6_customer_is_one_peer() {
        assert_eq!(peer_key(address("2001:db8::1")), peer_key(address("2001:db8::ffff")));
        assert_ne!(peer_key(address("2001:db8:0:1::1")), peer_key(address("2001:db8::1")));
        assert_eq!(peer_key(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }
}

//! Where web-hooks may go: never inside, unless the operator has said so.
//!
//! An address is written by somebody who may not know our network and must not learn of it (server-side
//! request forgery). So a URL is parsed once, by the parser that the client uses as well; its host is
//! an address that is judged, or a name whose addresses are judged when they are known, and what was
//! judged is what is connected to. What counts is not what an address looks like but where it leads:
//! an IPv4 address inside an IPv6 one is judged as that.
//!
//! Ranges: the IANA special-purpose address registries,
//! <https://www.iana.org/assignments/iana-ipv4-special-registry> and
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::Url;

/// Characters of a URL.
pub const MAX_URL: usize = 2_048;
/// Ports below this belong to other services, but for those of HTTP.
const FIRST_FREE_PORT: u16 = 1_024;

/// IPv4 ranges that are not of the public internet: this network, private, shared (carrier NAT),
/// loopback, link-local with the clouds' metadata, protocol assignments, documentation, 6to4 relays,
/// benchmarking, multicast, reserved and broadcast; and one public address that a cloud answers inside.
const INSIDE_V4: [(Ipv4Addr, u8); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// What IANA has given out as global unicast. All else is refused: loopback, unspecified, unique local,
/// link-local, site-local, multicast, discard, IPv4-compatible, local NAT64.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// Within that: protocol assignments (Teredo and ORCHID among them), documentation, and 6to4, which
/// leads to an IPv4 address through a relay that nobody knows.
const INSIDE_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];
/// Addresses that a translator makes of public IPv4 ones (RFC 6052): judged as those.
const NAT64: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// What the operator allows beside the public internet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// These and no other.
    pub fn of(allowed: Vec<IpNet>) -> Self {
        Self(allowed)
    }

    /// Whether the operator has named the address.
    pub fn name(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether web-hooks may be sent to the address.
    pub fn allow(&self, address: IpAddr) -> bool {
        self.name(address) || is_public(address)
    }
}

/// Whether an address is one of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !holds_v4(&INSIDE_V4, address),
        IpAddr::V6(address) if holds_v6(NAT64, address) => {
            let [.., a, b, c, d] = address.octets();
            !holds_v4(&INSIDE_V4, Ipv4Addr::new(a, b, c, d))
        }
        IpAddr::V6(address) => {
            holds_v6(GLOBAL_V6, address) && !INSIDE_V6.iter().any(|net| holds_v6(*net, address))
        }
    }
}

fn holds_v4(networks: &[(Ipv4Addr, u8)], address: Ipv4Addr) -> bool {
    networks.iter().any(|(network, bits)| Ipv4Net::new_assert(*network, *bits).contains(&address))
}

fn holds_v6((network, bits): (Ipv6Addr, u8), address: Ipv6Addr) -> bool {
    Ipv6Net::new_assert(network, bits).contains(&address)
}

/// Reads the address of an endpoint, as far as it can be judged without asking for a name.
///
/// # Errors
/// What is wrong with it.
pub fn endpoint_url(text: &str, networks: &Networks) -> Result<Url, &'static str> {
    if text.chars().count() > MAX_URL {
        return Err("must have at most 2,048 characters");
    }
    // The parser would take some of these out, or for others: what somebody reads is what is meant.
    if text.chars().any(|letter| letter.is_whitespace() || letter.is_control() || letter == '\\') {
        return Err("must not hold spaces, control characters or backslashes");
    }
    let url = Url::parse(text).map_err(|_| "is no URL")?;
    may_go_to(&url, networks)?;
    Ok(url)
}

/// Whether web-hooks may be sent to a URL, as far as that can be said without asking for a name:
/// asked again before each attempt, since settings change.
///
/// # Errors
/// Why not.
pub fn may_go_to(url: &Url, networks: &Networks) -> Result<(), &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password");
    }
    if url.fragment().is_some() {
        return Err("must not hold a fragment");
    }
    let literal = literal(url)?;
    match (url.scheme(), literal) {
        ("https", _) => {}
        ("http", None) if !networks.0.is_empty() => {}
        ("http", Some(address)) if networks.name(address) => {}
        _ => {
            return Err(
                "must begin with https:// (http:// is for networks that the operator allows)",
            );
        }
    }
    let port = url.port_or_known_default().unwrap_or_default();
    if port < FIRST_FREE_PORT && ![80, 443].contains(&port) {
        return Err("must name port 80, 443, or one from 1024");
    }
    if literal.is_some_and(|address| !networks.allow(address)) {
        return Err("is no address of the public internet");
    }
    Ok(())
}

/// The address that a URL's host is, if it is one and no name.
fn literal(url: &Url) -> Result<Option<IpAddr>, &'static str> {
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("must name a host")?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(address) => address.parse().map(Some).map_err(|_| "must name a host"),
        None => Ok(host.parse().ok()),
    }
}

#[cfg(test)]
mod tests;

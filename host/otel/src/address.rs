//! Addresses of the internet in words, written without the formatter: every span of a server has one.

use std::net::{IpAddr, Ipv4Addr};

/// An IPv4 address that a socket of both families shows as one of IPv6 is what it was.
pub(super) fn words(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => dotted(address),
        IpAddr::V6(address) => address.to_string(),
    }
}

/// As `Display` writes it but faster, and in no more memory than it takes: an attribute would give back
/// the rest.
fn dotted(address: Ipv4Addr) -> String {
    let octets = address.octets();
    let digits = |octet: &u8| 1 + usize::from(*octet > 9) + usize::from(*octet > 99);
    let mut words = String::with_capacity(octets.iter().map(digits).sum::<usize>() + 3);
    for octet in octets {
        if !words.is_empty() {
            words.push('.');
        }
        if octet > 99 {
            words.push(char::from(b'0' + octet / 100));
        }
        if octet > 9 {
            words.push(char::from(b'0' + octet / 10 % 10));
        }
        words.push(char::from(b'0' + octet % 10));
    }
    words
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn an_address_is_written_as_the_standard_library_writes_it() {
        for octet in 0..=u8::MAX {
            let address = Ipv4Addr::new(octet, 0, 255 - octet, octet / 2);
            let written = words(address.into());
            assert_eq!(written, address.to_string());
            assert_eq!(written.capacity(), written.len(), "{written}");
            assert_eq!(words(address.to_ipv6_mapped().into()), written);
        }
        assert_eq!(words(Ipv6Addr::LOCALHOST.into()), "::1");
    }
}

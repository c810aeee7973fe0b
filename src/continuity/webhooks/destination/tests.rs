//! Where web-hooks may go, form by form.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().expect(text)
}

#[test]
fn what_is_not_of_the_public_internet_is_inside() {
    for inside in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::5efe:127.0.0.1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!is_public(address(inside)), "{inside}");
    }
    for public in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "192.167.1.1",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        "2001:4860:4860::8888",
    ] {
        assert!(is_public(address(public)), "{public}");
    }
}

#[test]
fn what_the_operator_names_is_allowed_and_no_more() {
    let networks = Networks::of(vec!["10.1.0.0/16".parse().unwrap(), "fd00::/64".parse().unwrap()]);
    for allowed in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::7", "1.1.1.1"] {
        assert!(networks.allow(address(allowed)), "{allowed}");
    }
    for refused in ["10.2.0.1", "127.0.0.1", "::ffff:10.2.0.1", "fd00:0:0:1::7"] {
        assert!(!networks.allow(address(refused)), "{refused}");
    }
    assert!(!networks.name(address("1.1.1.1")));
}

fn refused(text: &str) -> bool {
    endpoint_url(text, &Networks::default()).is_err()
}

#[test]
fn an_address_says_where_it_leads() {
    for wrong in [
        "",
        "example.com",
        "//example.com",
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "data:text/plain,a",
        "https://",
        "https://user@example.com/",
        "https://user:word@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com/#part",
        "https://example.com\\@127.0.0.1/",
        "https://exam ple.com/",
        "https://example.com/\n",
        "https://exam\tple.com/",
        "https://example.com:22/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.0.0.1./",
        "https://１２７.０.０.１/",
        "https://①②⑦.⓪.⓪.①/",
        "https://127。0。0。1/",
        "https://%31%32%37.0.0.1/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[0:0:0:0:0:ffff:a9fe:a9fe]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1]/",
    ] {
        assert!(refused(wrong), "{wrong}");
    }
    assert!(refused(&format!("https://example.com/{}", "a".repeat(MAX_URL))));
    for right in [
        "https://example.com/hooks?token=a",
        "https://example.com:8443/",
        "https://example.com./",
        "https://bücher.example/",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]/",
        // A name: what it leads to is judged when it is known.
        "https://localhost/",
        "https://metadata.google.internal/",
    ] {
        assert!(!refused(right), "{right}");
    }
}

#[test]
fn without_tls_only_where_the_operator_allows() {
    let networks = Networks::of(vec!["10.1.0.0/16".parse().unwrap()]);
    for (url, may) in [
        ("http://10.1.0.1/", true),
        ("http://receiver:8080/", true),
        ("http://10.2.0.1/", false),
        ("http://1.1.1.1/", false),
        ("https://10.1.0.1/", true),
        ("https://10.2.0.1/", false),
    ] {
        assert_eq!(endpoint_url(url, &networks).is_ok(), may, "{url}");
    }
}

proptest! {
    /// However an IPv4 address is wrapped, it is judged as itself or refused.
    #[test]
    fn no_form_of_an_inner_address_is_public(octets: [u8; 4]) {
        let four = Ipv4Addr::from(octets);
        let [a, b, c, d] = octets;
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let public = is_public(IpAddr::V4(four));
        let of = |segments: [u16; 8]| is_public(IpAddr::V6(Ipv6Addr::from(segments)));
        prop_assert_eq!(of([0, 0, 0, 0, 0, 0xffff, high, low]), public);
        prop_assert_eq!(of([0x64, 0xff9b, 0, 0, 0, 0, high, low]), public);
        prop_assert!(!of([0, 0, 0, 0, 0, 0, high, low]));
        prop_assert!(!of([0x2002, high, low, 0, 0, 0, 0, 1]));
        prop_assert!(!of([0x2001, 0, 1, 1, 0, 0, !high, !low]));
        let number = u32::from(four);
        for text in [
            format!("https://{four}/"),
            format!("https://{number}/"),
            format!("https://{number:#x}/"),
            format!("https://0{number:o}/"),
            format!("https://{a:#x}.0{b:o}.{c}.{d}./"),
            format!("https://[::ffff:{four}]/"),
        ] {
            prop_assert_eq!(!refused(&text), public, "{}", text);
        }
    }
}

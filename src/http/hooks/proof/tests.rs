//! Signatures, good and bad, and where an API key may be.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tonic::codegen::http::HeaderValue;
use zeroize::Zeroizing;

use super::super::zendesk;
use super::*;

/// What Zendesk signs tests of a webhook with, before it has a secret of its own.
const SECRET: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";
const NOW: Time = Time(1_793_628_000_000);

fn secrets() -> DeliverySecrets {
    DeliverySecrets::new(vec![Zeroizing::new(SECRET.as_bytes().to_vec())])
}

fn mac(message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

#[test]
fn zendesk_signs_timestamp_and_body() {
    let signed = zendesk::signed(secrets(), 300_000);
    let body = "{\"a\": 1}";
    let at = |timestamp: &str, signature: &[u8], now: i64| {
        let signature = BASE64.encode(signature);
        let headers = headers(&[
            ("x-zendesk-webhook-signature", &signature),
            ("x-zendesk-webhook-signature-timestamp", timestamp),
        ]);
        signed.check(&headers, body.as_bytes(), Time(now))
    };
    let time = "2026-11-02T14:00:00Z";
    let good = mac(&format!("{time}{body}"));
    let another = NotLetIn::Refused("the signature is another");
    assert_eq!(at(time, &good, NOW.0), Ok(()));
    assert_eq!(at(time, &good, NOW.0 + 300_000), Ok(()));
    assert_eq!(at(time, &good, NOW.0 - 300_000), Ok(()));
    assert_eq!(at(time, &good, NOW.0 + 300_001), Err(NotLetIn::Stale));
    assert_eq!(at(time, &good, NOW.0 - 300_001), Err(NotLetIn::Stale));
    assert_eq!(at("2026-11-02T14:00:01Z", &good, NOW.0), Err(another), "another time");
    assert_eq!(at(time, &mac(body), NOW.0), Err(another), "the body alone");
    // Who may sign and says no time is told so; who may not learns nothing of it.
    assert_eq!(at("soon", &mac(&format!("soon{body}")), NOW.0), Err(NotLetIn::Stale));
    assert_eq!(at("soon", &good, NOW.0), Err(another));
    let missing = NotLetIn::Refused("a header of its signature is missing");
    for part in [&[("x-zendesk-webhook-signature", "x")][..], &[]] {
        assert_eq!(signed.check(&headers(part), body.as_bytes(), NOW), Err(missing));
    }
}

#[test]
fn signatures_are_read_as_they_are_written() {
    let signed = |encoding, prefix: &str| Signed {
        encoding,
        prefix: prefix.into(),
        parts: vec![Part::Body],
        timestamp: None,
        header: HeaderName::from_static("x"),
        ..zendesk::signed(secrets(), 0)
    };
    let (hex, base64) = (HEXLOWER_PERMISSIVE.encode(&mac("b")), BASE64.encode(&mac("b")));
    let wrong = HEXLOWER_PERMISSIVE.encode(&mac("c"));
    for (encoding, prefix, header, fits) in [
        (Encoding::Hex, "", hex.clone(), true),
        (Encoding::Hex, "", hex.to_uppercase(), true),
        (Encoding::Hex, "sha256=", format!("sha256={hex}"), true),
        (Encoding::Hex, "sha256=", hex.clone(), false),
        (Encoding::Hex, "sha256=", format!("sha1=00, sha256={hex}"), true),
        (Encoding::Hex, "v1=", format!("t=17,v1={wrong},v1={hex}"), true),
        (Encoding::Base64, "v1,", format!("v2,xxxx v1,{base64}"), true),
        (Encoding::Base64, "v1,", base64.clone(), false),
        (Encoding::Base64, "", base64, true),
        (Encoding::Hex, "", wrong.clone(), false),
        (Encoding::Hex, "", String::new(), false),
        (Encoding::Hex, "", format!("{}{hex}", format!("{wrong} ").repeat(MOST_SIGNATURES)), false),
    ] {
        let headers = headers(&[("x", &header)]);
        let checked = signed(encoding, prefix).check(&headers, b"b", NOW);
        assert_eq!(checked.is_ok(), fits, "{encoding:?} {prefix} {header}");
    }
}

#[test]
fn an_api_key_comes_in_one_of_three_ways() {
    let basic = |both: &str| format!("Basic {}", BASE64.encode(both.as_bytes()));
    for (header, value, key) in [
        ("authorization", "Bearer tl_live_1".to_owned(), Some("tl_live_1")),
        ("authorization", "bearer  tl_live_1".to_owned(), Some("tl_live_1")),
        ("authorization", basic("tl_live_1:X"), Some("tl_live_1")),
        ("authorization", basic("someone:tl_live_1"), Some("tl_live_1")),
        ("authorization", basic("someone"), None),
        ("authorization", "Basic !".to_owned(), None),
        ("authorization", "tl_live_1".to_owned(), None),
        ("x-key", "tl_live_1".to_owned(), Some("tl_live_1")),
    ] {
        let header = HeaderName::from_static(header);
        let headers =
            HeaderMap::from_iter([(header.clone(), HeaderValue::try_from(&value).unwrap())]);
        let found = api_key(&headers, &header);
        assert_eq!(found.as_ref().map(|it| it.as_str()), key, "{value}");
    }
    assert_eq!(api_key(&HeaderMap::new(), &AUTHORIZATION), None);
}

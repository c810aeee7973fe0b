//! Which keys can be trusted at all.

use serde_json::{Value, json};

use super::issuer::{Issuer, key_set};
use crate::crypto::web_token::{Algorithm, TrustedKey, read_key_set};

fn usable(jwk: &Value) -> bool {
    read_key_set(json!({"keys": [jwk]}).to_string().as_bytes()).is_ok()
}

#[test]
fn a_pem_says_itself_what_it_is_for() {
    for (name, algorithm) in
        [("RS256", Algorithm::Rs256), ("ES256", Algorithm::Es256), ("EdDSA", Algorithm::EdDsa)]
    {
        let key = TrustedKey::from_pem(&Issuer::new(name, "k").pem(), None).unwrap();
        assert_eq!((key.algorithm(), key.key_id()), (algorithm, None));
    }
}

#[test]
fn what_is_no_public_key_of_the_three_is_refused() {
    let good = Issuer::new("EdDSA", "k").pem();
    // RSA of 1,024 bits, and P-384.
    let short = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDisYMgaMDx34RL2447HGiqLlCs\
                 1LCH3UHtFMgE+hyz2+EhMLenILHgi1YjHDE7bTfxqzbYaVqSAoPxN/KYFwAHhEUw\
                 Wgk3wHCLZcOKVgPc3iQoGtkxFGKLB6LC12VWSFf2myEw0Ggy7/YEQ7EeDDlhAHzV\
                 dsKysqJ2UmT8NYIdNwIDAQAB";
    let large = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEd/GdRNz15cpwEjeFJlGsap84ddzwFSFs\
                 UJ21wLx0/jDClW7NS35St3kNykendIru9gNbitY0inCMaioinhWDSzPI1Wm7aypd\
                 dfGdRyr+ClifPXidPhrR6svTAgFz5ERe";
    let pem = |text: &str| format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----");
    for odd in [
        String::new(),
        "canary".to_owned(),
        pem(short),
        pem(large),
        pem("AAAA"),
        good.replace("PUBLIC KEY", "CERTIFICATE"),
        good.replace("PUBLIC KEY", "PRIVATE KEY"),
    ] {
        let refused = TrustedKey::from_pem(&odd, None).unwrap_err().to_string();
        assert!(!refused.contains("canary"), "{refused}");
    }
    assert!(TrustedKey::from_pem(&good, Some("")).is_err());
    assert!(TrustedKey::from_pem(&good, Some(&"k".repeat(257))).is_err());
    assert!(TrustedKey::from_pem(&good, Some("k\n")).is_err());
}

#[test]
fn a_key_of_a_set_must_be_for_signatures_of_its_kind() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let good = Issuer::new(algorithm, "k").jwk();
        assert!(usable(&good), "{algorithm}");
        let with = |name: &str, value: Value| {
            let mut jwk = good.clone();
            jwk[name] = value;
            jwk
        };
        assert!(usable(&with("key_ops", json!(["verify"]))));
        for (name, value) in [
            ("use", json!("enc")),
            ("key_ops", json!(["sign"])),
            ("key_ops", json!("verify")),
            ("alg", json!("HS256")),
            ("alg", json!("none")),
            ("alg", json!(7)),
            ("kty", json!("oct")),
            ("kid", json!("")),
            ("kid", json!(7)),
            ("d", json!("AAAA")),
            ("k", json!("AAAA")),
        ] {
            assert!(!usable(&with(name, value.clone())), "{algorithm} with {name} {value}");
        }
        for part in ["n", "e", "x", "y"].into_iter().filter(|part| good.get(*part).is_some()) {
            for odd in [json!("AAAA"), json!("not base64!"), json!(7), json!("")] {
                assert!(!usable(&with(part, odd.clone())), "{algorithm} with {part} {odd}");
            }
        }
    }
    let weak = json!({"kty": "RSA", "n": data_encoding::BASE64URL_NOPAD.encode(&[0xff; 128]), "e": "AQAB"});
    assert!(!usable(&weak), "1,024 bits");
}

#[test]
fn one_bad_key_does_not_spoil_a_set_and_a_set_has_its_bounds() {
    let good = Issuer::new("EdDSA", "k").jwk();
    let mixed = json!({"keys": [{"kty": "oct", "k": "AAAA"}, 7, null, good]});
    assert_eq!(read_key_set(mixed.to_string().as_bytes()).unwrap().len(), 1);
    let hundred = json!({"keys": vec![good.clone(); 100]}).to_string();
    assert_eq!(read_key_set(hundred.as_bytes()).unwrap().len(), 100);
    let more = json!({"keys": vec![good; 101]}).to_string();
    let twice = r#"{"keys": [], "keys": []}"#;
    for odd in [&more, twice, "", "[]", "{}", r#"{"keys": {}}"#, r#"{"keys": []}"#, "<html>"] {
        assert!(read_key_set(odd.as_bytes()).is_err(), "{odd}");
    }
    assert!(read_key_set(key_set(&[]).as_bytes()).is_err());
}

//! Tokens that are to be trusted, and many that are not, all made with real keys.

mod hostile;
#[path = "../../../tests/support/issuer.rs"]
mod issuer;
mod keys;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Expected, Freshness, Refused, TrustedKey, WebToken};
use crate::clock::Time;
use issuer::Issuer;

/// The hour of every test, in seconds.
const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "https://login.example.com/";
const AUDIENCE: &str = "threadline";

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "user-17", "exp": NOW + 300, "iat": NOW})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn trust(issuer: &Issuer) -> TrustedKey {
    TrustedKey::from_pem(&issuer.pem(), Some(&issuer.key_id)).unwrap()
}

/// All that is asked of a token, in the order of the service.
fn judged(token: &str, keys: &[TrustedKey]) -> Result<(String, Freshness), Refused> {
    let read = WebToken::read(token)?;
    let expected = Expected { issuer: ISSUER, audience: AUDIENCE, now: Time(NOW * 1_000) };
    let freshness = read.check(&expected)?;
    read.verify(keys)?;
    Ok((read.subject().to_owned(), freshness))
}

fn assert_fresh(token: &str, keys: &[TrustedKey]) {
    assert_eq!(judged(token, keys), Ok(("user-17".to_owned(), Freshness::Fresh)));
}

#[test]
fn what_a_replay_signs_is_trusted() {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let pem = |name: &str, der: &[u8]| {
        let text = data_encoding::BASE64.encode(der);
        format!("-----BEGIN {name}-----\n{text}\n-----END {name}-----\n")
    };
    let private = pem("PRIVATE KEY", private.as_ref());
    let key = super::SigningKey::from_pem(&private).unwrap();
    let trusted = TrustedKey::from_pem(&pem("PUBLIC KEY", public.as_ref()), None).unwrap();
    assert_fresh(&key.token(&claims()).unwrap(), &[trusted]);
    assert!(super::SigningKey::from_pem("nonsense").is_err());
    assert_eq!(format!("{key:?}"), "SigningKey(…)");
}

#[test]
fn each_algorithm_is_verified() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let issuer = Issuer::new(algorithm, "k1");
        assert_fresh(&issuer.token(&claims()), &[trust(&issuer)]);
        let set = super::read_key_set(issuer::key_set(&[&issuer]).as_bytes()).unwrap();
        assert_fresh(&issuer.token(&claims()), &set);
    }
}

#[test]
fn what_a_header_and_claims_may_be() {
    let issuer = Issuer::new("EdDSA", "k1");
    let keys = [trust(&issuer)];
    for header in [
        r#"{"alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","typ":"jwt"}"#,
        r#"{"alg":"EdDSA","typ":"at+JWT","kid":"k1"}"#,
        r#"{ "kid":"k1", "alg":"EdDSA", "x5t":"AAAA" }"#,
    ] {
        assert_fresh(&issuer.texts(header, &claims().to_string()), &keys);
    }
    for claims in [
        with("aud", json!(["another", AUDIENCE])),
        with("exp", json!(NOW as f64 + 0.5)),
        with("nbf", json!(NOW)),
        with("roles", json!([{"a": {"b": null}}, 1e300, true])),
        without("iat"),
    ] {
        assert_fresh(&issuer.token(&claims), &keys);
    }
}

#[test]
fn clocks_may_differ_by_a_minute_and_no_more() {
    let issuer = Issuer::new("EdDSA", "k1");
    let keys = [trust(&issuer)];
    let at = |name: &str, seconds: i64| {
        judged(&issuer.token(&with(name, json!(NOW + seconds))), &keys).map(|(_, fresh)| fresh)
    };
    assert_eq!(at("exp", -60), Ok(Freshness::Fresh));
    assert_eq!(at("exp", -61), Ok(Freshness::Late));
    assert_eq!(at("exp", -600), Ok(Freshness::Late));
    assert_eq!(at("exp", -601), Err(Refused::Expired));
    for name in ["nbf", "iat"] {
        assert_eq!(at(name, 60), Ok(Freshness::Fresh));
        assert_eq!(at(name, 61), Err(Refused::NotYetValid));
        assert_eq!(at(name, -100_000), Ok(Freshness::Fresh));
    }
}

#[test]
fn a_kid_chooses_and_keys_without_one_serve_all() {
    let (old, new) = (Issuer::new("ES256", "old"), Issuer::new("ES256", "new"));
    let both = [trust(&old), trust(&new)];
    assert_fresh(&old.token(&claims()), &both);
    assert_fresh(&new.token(&claims()), &both);
    let nameless = new.texts(r#"{"alg":"ES256"}"#, &claims().to_string());
    assert_fresh(&nameless, &both);
    let unnamed = [TrustedKey::from_pem(&new.pem(), None).unwrap(), trust(&old)];
    assert_fresh(&new.token(&claims()), &unnamed);
    assert_eq!(judged(&new.token(&claims()), &both[..1]), Err(Refused::UnknownKey));
    // The name that is known is the only one that is tried.
    let borrowed = new.texts(r#"{"alg":"ES256","kid":"old"}"#, &claims().to_string());
    assert_eq!(judged(&borrowed, &unnamed), Err(Refused::BadSignature));
}

#[test]
fn nothing_of_a_token_is_printed() {
    let issuer = Issuer::new("EdDSA", "canary");
    let token = issuer.token(&with("sub", json!("canary")));
    let read = WebToken::read(&token).unwrap();
    assert!(!format!("{read:?} {:?}", trust(&issuer)).contains("canary"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever one byte becomes, the token is another and is refused.
    #[test]
    fn any_changed_byte_is_refused(at in any::<prop::sample::Index>(), byte in 0u8..128) {
        use std::sync::OnceLock;
        static MADE: OnceLock<(String, TrustedKey)> = OnceLock::new();
        let (token, key) = MADE.get_or_init(|| {
            let issuer = Issuer::new("ES256", "k1");
            (issuer.token(&claims()), trust(&issuer))
        });
        let mut bytes = token.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        // What is no UTF-8 does not come in: a protobuf string has to be.
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(judged(&changed, std::slice::from_ref(key)).is_err());
    }

    #[test]
    fn whatever_comes_in_is_read_without_a_panic(text in ".{0,200}") {
        prop_assert!(WebToken::read(&text).is_err());
    }
}

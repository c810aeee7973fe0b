//! Tokens that nobody may get in with: each is refused, for the reason that it is made for.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::issuer::Issuer;
use super::{NOW, claims, judged, trust, with, without};
use crate::crypto::web_token::{MAX_TOKEN, Refused, TrustedKey};

/// What is wrong, the token, and the reason; several reasons where it is none of ours to say which.
type Case = (&'static str, String, &'static [Refused]);

struct World {
    rsa: Issuer,
    p256: Issuer,
    ed: Issuer,
    /// Nobody trusts this one.
    stranger: Issuer,
}

impl World {
    fn new() -> Self {
        Self {
            rsa: Issuer::new("RS256", "rsa"),
            p256: Issuer::new("ES256", "p256"),
            ed: Issuer::new("EdDSA", "ed"),
            stranger: Issuer::new("EdDSA", "stranger"),
        }
    }

    fn keys(&self) -> [TrustedKey; 3] {
        [trust(&self.rsa), trust(&self.p256), trust(&self.ed)]
    }

    /// A good token but for its header.
    fn headed(&self, header: &str) -> String {
        self.ed.texts(header, &claims().to_string())
    }

    /// A good token but for its claims.
    fn claiming(&self, claims: &str) -> String {
        self.ed.texts(r#"{"alg":"EdDSA","kid":"ed"}"#, claims)
    }

    /// A good token with one more header parameter.
    fn parameter(&self, name: &str, value: &Value) -> String {
        let mut header = json!({"alg": "EdDSA", "kid": "ed"});
        header[name] = value.clone();
        self.headed(&header.to_string())
    }
}

fn encoded(text: &str) -> String {
    BASE64URL_NOPAD.encode(text.as_bytes())
}

/// A header and good claims with that signature.
fn signed(header: &str, signature: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", encoded(header), encoded(&claims().to_string()));
    let signature = BASE64URL_NOPAD.encode(&signature(message.as_bytes()));
    format!("{message}.{signature}")
}

fn authenticated(secret: &[u8]) -> impl FnOnce(&[u8]) -> Vec<u8> {
    let mut code = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    |message| {
        code.update(message);
        code.finalize().into_bytes().to_vec()
    }
}

/// The algorithm is the key's, whatever the token says.
fn algorithms(world: &World) -> Vec<Case> {
    const OTHER: &[Refused] = &[Refused::UnsupportedAlgorithm];
    let mut cases: Vec<Case> = Vec::new();
    for (what, name) in [
        ("none", "none"),
        ("None", "None"),
        ("NONE", "NONE"),
        ("no name", ""),
        ("lower case", "eddsa"),
        ("a space", "EdDSA "),
        ("the curve's own name", "Ed25519"),
        ("a stronger one of the family", "RS512"),
        ("another padding", "PS256"),
        ("another curve", "ES384"),
        ("another curve of Bitcoin", "ES256K"),
    ] {
        cases.push((what, world.headed(&json!({"alg": name}).to_string()), OTHER));
    }
    let none = format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(&claims().to_string()));
    cases.push(("none, and no signature", none, OTHER));
    cases.push(("no alg", world.headed(r#"{"kid":"ed"}"#), OTHER));
    cases.push(("alg null", world.headed(r#"{"alg":null}"#), OTHER));
    cases.push(("alg a list", world.headed(r#"{"alg":["EdDSA"]}"#), OTHER));
    let shared = r#"{"alg":"HS256","kid":"rsa"}"#;
    let pem = signed(shared, authenticated(world.rsa.pem().as_bytes()));
    cases.push(("HS256 with the public key's PEM", pem, OTHER));
    let der = signed(shared, authenticated(&world.rsa.der()));
    cases.push(("HS256 with the public key's DER", der, OTHER));
    cases.push(("HS256 with an empty secret", signed(shared, authenticated(b"")), OTHER));
    const CONFUSED: &[Refused] = &[Refused::WrongAlgorithm];
    for (what, alg, kid, by) in [
        ("an RSA key for ES256", "ES256", "rsa", &world.p256),
        ("an RSA key for EdDSA", "EdDSA", "rsa", &world.ed),
        ("a P-256 key for RS256", "RS256", "p256", &world.rsa),
        ("a P-256 key for EdDSA", "EdDSA", "p256", &world.ed),
        ("an Ed25519 key for RS256", "RS256", "ed", &world.rsa),
        ("an Ed25519 key for ES256", "ES256", "ed", &world.p256),
    ] {
        let header = json!({"alg": alg, "kid": kid}).to_string();
        cases.push((what, signed(&header, |message| by.sign(message)), CONFUSED));
    }
    cases
}

/// A token brings no key of its own, and asks for nothing that is not served.
fn headers(world: &World) -> Vec<Case> {
    const FORBIDDEN: &[Refused] = &[Refused::ForbiddenHeader];
    const MALFORMED: &[Refused] = &[Refused::Malformed];
    const TWICE: &[Refused] = &[Refused::DuplicateMember];
    let own = json!({"alg": "EdDSA", "jwk": world.stranger.jwk()}).to_string();
    let own = world.stranger.texts(&own, &claims().to_string());
    let mut cases: Vec<Case> = vec![("its own key", own, FORBIDDEN)];
    for (what, name, value) in [
        ("jwk null", "jwk", Value::Null),
        ("a key elsewhere", "jku", json!("https://attacker.example/jwks.json")),
        ("a key in a file", "jku", json!("file:///etc/passwd")),
        ("a certificate elsewhere", "x5u", json!("https://attacker.example/cert.pem")),
        ("its own certificate", "x5c", json!(["AAAA"])),
        ("something critical", "crit", json!(["exp"])),
        ("nothing critical", "crit", json!([])),
        ("not encoded", "b64", json!(false)),
        ("compressed", "zip", json!("DEF")),
        ("encrypted", "enc", json!("A256GCM")),
    ] {
        cases.push((what, world.parameter(name, &value), FORBIDDEN));
    }
    for (what, value) in [
        ("a logout token", json!("logout+jwt")),
        ("a security event", json!("secevent+jwt")),
        ("no name of a type", json!("")),
        ("typ a number", json!(7)),
    ] {
        cases.push((what, world.parameter("typ", &value), &[Refused::WrongType]));
    }
    for (what, value) in [
        ("kid a number", json!(7)),
        ("kid null", json!(null)),
        ("kid empty", json!("")),
        ("kid of 257 characters", json!("k".repeat(257))),
        ("kid with NUL", json!("ed\u{0}")),
    ] {
        cases.push((what, world.parameter("kid", &value), MALFORMED));
    }
    for (what, value) in [
        ("a path for a kid", "../../../../dev/null"),
        ("SQL for a kid", "x' UNION SELECT 'key"),
        ("a kid of another case", "ED"),
        ("a kid that nobody has", "stranger"),
    ] {
        cases.push((what, world.parameter("kid", &json!(value)), &[Refused::UnknownKey]));
    }
    for (what, header) in [
        ("alg twice", r#"{"alg":"none","alg":"EdDSA"}"#),
        ("alg twice, once escaped", r#"{"alg":"EdDSA","\u0061lg":"none"}"#),
        ("kid twice", r#"{"alg":"EdDSA","kid":"rsa","kid":"ed"}"#),
        ("something deep twice", r#"{"alg":"EdDSA","kid":"ed","a":{"b":1,"b":2}}"#),
    ] {
        cases.push((what, world.headed(header), TWICE));
    }
    for (what, header) in [
        ("a header that is a list", r#"["EdDSA"]"#),
        ("a header that is a text", r#""EdDSA""#),
        ("two headers", r#"{"alg":"EdDSA"}{"alg":"none"}"#),
        ("a cut header", r#"{"alg":"EdDSA""#),
        ("a comment", r#"{"alg":"EdDSA"/**/}"#),
        ("no header", ""),
    ] {
        cases.push((what, world.headed(header), MALFORMED));
    }
    cases
}

/// Claims are there, once, of their type, and ours.
fn claimed(world: &World) -> Vec<Case> {
    const BAD: &[Refused] = &[Refused::BadClaim];
    let mut cases: Vec<Case> = Vec::new();
    for name in ["iss", "aud", "sub", "exp"] {
        cases.push((name, world.ed.token(&without(name)), BAD));
        cases.push((name, world.ed.token(&with(name, Value::Null)), BAD));
        cases.push((name, world.ed.token(&with(name, json!({}))), BAD));
    }
    for (what, name, value) in [
        ("another issuer", "iss", json!("https://attacker.example/")),
        ("the issuer without its slash", "iss", json!("https://login.example.com")),
        ("the issuer in capitals", "iss", json!("HTTPS://login.example.com/")),
        ("an issuer that goes on", "iss", json!("https://login.example.com/.attacker.example")),
    ] {
        cases.push((what, world.ed.token(&with(name, value)), &[Refused::WrongIssuer]));
    }
    for (what, value) in [
        ("another audience", json!("billing")),
        ("an audience that goes on", json!("threadline2")),
        ("an audience in capitals", json!("Threadline")),
        ("no audience", json!([])),
        ("two other audiences", json!(["billing", "shop"])),
    ] {
        cases.push((what, world.ed.token(&with("aud", value)), &[Refused::WrongAudience]));
    }
    for (what, name, value) in [
        ("an audience among numbers", "aud", json!(["threadline", 7])),
        ("issuers in a list", "iss", json!(["https://login.example.com/"])),
        ("a subject that is a number", "sub", json!(17)),
        ("an empty subject", "sub", json!("")),
        ("a subject of 257 characters", "sub", json!("s".repeat(257))),
        ("a subject with a line end", "sub", json!("user-17\n")),
        ("a subject with NUL", "sub", json!("user-17\u{0}")),
        ("exp a text", "exp", json!(format!("{}", NOW + 300))),
        ("exp a list", "exp", json!([NOW + 300])),
        ("exp true", "exp", json!(true)),
        ("exp before 1970", "exp", json!(-1)),
        ("exp in milliseconds", "exp", json!((NOW + 300) * 1_000)),
        ("exp at the end of integers", "exp", json!(u64::MAX)),
        ("exp at the end of doubles", "exp", json!(1e308)),
        ("nbf a text", "nbf", json!("0")),
        ("nbf huge", "nbf", json!(1e300)),
        ("iat null", "iat", Value::Null),
        ("iat before 1970", "iat", json!(-1e300)),
    ] {
        cases.push((what, world.ed.token(&with(name, value)), BAD));
    }
    for (what, name, seconds, why) in [
        ("expired an hour ago", "exp", -3_600, &[Refused::Expired][..]),
        ("expired beyond repeating", "exp", -601, &[Refused::Expired]),
        ("not valid yet", "nbf", 61, &[Refused::NotYetValid]),
        ("issued in the future", "iat", 61, &[Refused::NotYetValid]),
    ] {
        cases.push((what, world.ed.token(&with(name, json!(NOW + seconds))), why));
    }
    let texts = claims().to_string();
    let twice = |more: &str| world.claiming(&texts.replacen('{', &format!("{{{more},"), 1));
    const TWICE: &[Refused] = &[Refused::DuplicateMember];
    cases.push(("sub twice", twice(r#""sub":"admin""#), TWICE));
    cases.push(("sub twice, once escaped", twice(r#""s\u0075b":"admin""#), TWICE));
    cases.push(("exp twice", twice(r#""exp":9999999999"#), TWICE));
    cases.push(("iss twice", twice(r#""iss":"https://attacker.example/""#), TWICE));
    cases.push(("something else twice", twice(r#""x":[{"y":1,"y":1}]"#), TWICE));
    let texts = |exp: &str| world.claiming(&texts.replace(&format!("{}", NOW + 300), exp));
    for (what, exp) in [("NaN", "NaN"), ("Infinity", "Infinity"), ("exp 1e999", "1e999")] {
        cases.push((what, texts(exp), &[Refused::Malformed]));
    }
    cases.push(("a lone surrogate", world.claiming(r#"{"sub":"\ud800"}"#), &[Refused::Malformed]));
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    cases.push(("a deep claim", twice(&format!(r#""x":{deep}"#)), &[Refused::Malformed]));
    cases.push(("claims that are no object", world.claiming("[]"), &[Refused::Malformed]));
    cases
}

/// One text, one token, one spelling.
fn forms(world: &World) -> Vec<Case> {
    const MALFORMED: &[Refused] = &[Refused::Malformed];
    let good = world.ed.token(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("three parts") };
    let mut cases: Vec<Case> = vec![
        ("nothing but dots", "..".into(), MALFORMED),
        ("two parts", format!("{header}.{payload}"), MALFORMED),
        ("four parts", format!("{good}.{signature}"), MALFORMED),
        ("five parts, as if encrypted", format!("{good}.AAAA.AAAA"), MALFORMED),
        ("a dot at the end", format!("{good}."), MALFORMED),
        ("a dot at the beginning", format!(".{good}"), MALFORMED),
        ("padding", format!("{good}=="), MALFORMED),
        ("a space before it", format!(" {good}"), MALFORMED),
        ("a line end after it", format!("{good}\n"), MALFORMED),
        ("a line end within", good.replacen('.', ".\n", 1), MALFORMED),
        ("NUL after it", format!("{good}\u{0}"), MALFORMED),
        ("Bearer before it", format!("Bearer {good}"), MALFORMED),
        ("quoted", format!("\"{good}\""), MALFORMED),
        (
            "letters of base64, not of base64url",
            format!("{header}.{payload}.+/{signature}"),
            MALFORMED,
        ),
        ("letters beyond ASCII", format!("{header}.{payload}.é{signature}"), MALFORMED),
        ("JSON instead of the compact form", json!({"payload": payload}).to_string(), MALFORMED),
        ("1 MB", "A".repeat(1_000_000), &[Refused::TooLong]),
        ("1 MB of dots", ".".repeat(1_000_000), &[Refused::TooLong]),
    ];
    let padded = with("x", json!("x".repeat(MAX_TOKEN)));
    cases.push(("good but too long", world.ed.token(&padded), &[Refused::TooLong]));
    // 64 bytes leave four bits of the last letter unused; they must be zero.
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = letters.find(signature.chars().last().unwrap()).unwrap();
    let other = letters.chars().nth(last + 1).unwrap();
    let spelled = format!("{}{other}", &good[..good.len() - 1]);
    cases.push(("another spelling of the same signature", spelled, MALFORMED));
    cases
}

/// Only the key's owner signs.
fn signatures(world: &World) -> Vec<Case> {
    const BAD: &[Refused] = &[Refused::BadSignature];
    let mut cases: Vec<Case> = Vec::new();
    for issuer in [&world.rsa, &world.p256, &world.ed] {
        let good = issuer.token(&claims());
        let (message, signature) = good.rsplit_once('.').unwrap();
        let other = issuer.token(&with("sub", json!("user-18")));
        let (_, others) = other.rsplit_once('.').unwrap();
        let bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        let resigned = |bytes: &[u8]| format!("{message}.{}", BASE64URL_NOPAD.encode(bytes));
        cases.push(("no signature", format!("{message}."), BAD));
        cases.push(("another token's signature", format!("{message}.{others}"), BAD));
        cases.push(("a cut signature", resigned(&bytes[..bytes.len() - 1]), BAD));
        cases.push(("half a signature", resigned(&bytes[..bytes.len() / 2]), BAD));
        cases.push(("a longer signature", resigned(&[&bytes[..], &[0]].concat()), BAD));
        cases.push(("zeros", resigned(&vec![0; bytes.len()]), BAD));
        cases.push(("ones", resigned(&vec![0xff; bytes.len()]), BAD));
        let changed = message.replace(
            &encoded(&claims().to_string()),
            &encoded(&with("sub", json!("admin")).to_string()),
        );
        cases.push(("other claims", format!("{changed}.{signature}"), BAD));
        let forged = json!({"alg": issuer.algorithm, "kid": issuer.key_id}).to_string();
        let forger = Issuer::new(issuer.algorithm, "forger");
        cases.push(("a stranger's key", signed(&forged, |it| forger.sign(it)), BAD));
    }
    let good = world.p256.token(&claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let der = BASE64URL_NOPAD.encode(&as_der(&bytes));
    cases.push(("a signature in DER", format!("{message}.{der}"), BAD));
    let zero_r = BASE64URL_NOPAD.encode(&[&[0; 32], &bytes[32..]].concat());
    cases.push(("r = 0", format!("{message}.{zero_r}"), BAD));
    let zero_s = BASE64URL_NOPAD.encode(&[&bytes[..32], &[0; 32]].concat());
    cases.push(("s = 0", format!("{message}.{zero_s}"), BAD));
    let turned = BASE64URL_NOPAD.encode(&[&bytes[32..], &bytes[..32]].concat());
    cases.push(("s before r", format!("{message}.{turned}"), BAD));
    cases
}

/// ECDSA-Sig-Value (RFC 3279): what libraries give that are not asked for JWA's form.
fn as_der(fixed: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let bare: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = if bare[0] >= 0x80 { &[0][..] } else { &[] };
        [&[2, (bare.len() + sign.len()) as u8], sign, &bare].concat()
    };
    let both = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
    [&[0x30, both.len() as u8], &both[..]].concat()
}

#[test]
fn no_hostile_token_is_accepted() {
    let world = World::new();
    let keys = world.keys();
    let tables =
        [algorithms(&world), headers(&world), claimed(&world), forms(&world), signatures(&world)];
    let cases = tables.concat();
    for (what, token, reasons) in &cases {
        let refused = judged(token, &keys).expect_err(what);
        assert!(reasons.contains(&refused), "{what}: {refused:?}");
    }
    assert!(cases.len() >= 150, "{} cases are left", cases.len());
}

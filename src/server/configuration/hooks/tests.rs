//! Hooks that are read, and those that are refused.

use super::*;
use crate::server::{Configuration, Layers};

fn read(text: &str) -> Result<Vec<HookSettings>, Vec<String>> {
    let read = Configuration::parse(text, &Layers::default());
    read.map(|it| it.hooks).map_err(|wrong| wrong.0)
}

/// Enough of a mapping.
const TAKES: &str = "takes = { interaction_id = \"$.id\", revision = \"$.at\", \
    channel = { value = \"email\" } }\ncloses = []\n";

fn hook(more: &str) -> String {
    format!("[tenants.acme.hooks.desk]\n{more}\n")
}

fn generic(more: &str) -> String {
    hook(&format!("kind = \"generic\"\n{more}\n{TAKES}"))
}

#[test]
fn zendesk_needs_a_secret_and_nothing_else() {
    let hooks = read(&hook("kind = \"zendesk\"\nsecret_env = \"X\"")).unwrap();
    assert_eq!((hooks[0].name.as_str(), hooks[0].tenant.as_str()), ("desk", "acme"));
    let Proof::Signed(signed) = &hooks[0].proof else { panic!("unsigned") };
    assert_eq!(signed.parts, [Part::Timestamp, Part::Body]);
    assert_eq!(signed.fresh_for, 300_000);
    assert_eq!(hooks[0].mapping.closes.len(), 2);
}

#[test]
fn a_signature_is_as_the_settings_say() {
    let all = "verify = \"hmac\"\nsecret_file = \"s\"\nheader = \"X-Hub-Signature\"\n\
        algorithm = \"sha1\"\nencoding = \"base64\"\nprefix = \"sha1=\"\n\
        timestamp_header = \"X-At\"\nsigned = \"v0:{timestamp}:{body}\"\nfresh_for_seconds = 60";
    let hooks = read(&generic(all)).unwrap();
    let Proof::Signed(signed) = &hooks[0].proof else { panic!("unsigned") };
    let text = |text: &str| Part::Text(text.to_owned());
    assert_eq!(signed.parts, [text("v0:"), Part::Timestamp, text(":"), Part::Body]);
    assert_eq!(signed.header, "x-hub-signature");
    assert_eq!((signed.algorithm, signed.encoding), (Algorithm::Sha1, Encoding::Base64));
    assert_eq!((signed.prefix.as_str(), signed.fresh_for), ("sha1=", 60_000));
    let least = "verify = \"hmac\"\nsecret_env = \"S\"\nheader = \"x\"";
    let hooks = read(&generic(least)).unwrap();
    let Proof::Signed(signed) = &hooks[0].proof else { panic!("unsigned") };
    assert_eq!((&*signed.parts, &signed.timestamp), (&[Part::Body][..], &None));
    let standard = "verify = \"standard_webhooks\"\nsecret_command = [\"cat\", \"s\"]";
    let hooks = read(&generic(standard)).unwrap();
    let Proof::Signed(signed) = &hooks[0].proof else { panic!("unsigned") };
    assert_eq!(signed.parts[0], Part::Id);
    assert!(hooks[0].secret.as_ref().is_some_and(|it| it.standard));
    let key = read(&generic("verify = \"api_key\"\nheader = \"X-Key\"")).unwrap();
    assert!(matches!(&key[0].proof, Proof::ApiKey(header) if header == "x-key"));
}

#[test]
fn the_time_of_receipt_is_a_revision_of_what_cannot_be_said_again() {
    let received = |more: &str| generic(more).replace("\"$.at\"", "\"received\"");
    let hmac = "verify = \"hmac\"\nsecret_env = \"S\"\nheader = \"x\"";
    assert!(read(&received(hmac)).is_err(), "a signature is good for ever");
    for fresh in [
        &format!("{hmac}\ntimestamp_header = \"t\""),
        "verify = \"standard_webhooks\"\nsecret_env = \"S\"",
        // A key is not sent by whoever has only seen a delivery, and it can be revoked.
        "verify = \"api_key\"",
    ] {
        assert!(read(&received(fresh)).is_ok(), "{fresh}");
    }
    assert!(read(&generic(hmac)).is_ok(), "with a revision of its own it is the same once more");
}

#[test]
fn every_mistake_is_named() {
    let hmac = "verify = \"hmac\"\nsecret_env = \"S\"\nheader = \"x\"\n";
    let takes = |more: &str| {
        let least = "interaction_id = \"$.id\"\nrevision = \"$.at\"\nchannel = { value = \"a\" }";
        hook(&format!("kind = \"generic\"\ncloses = []\n{hmac}"))
            + &format!("[tenants.acme.hooks.desk.takes]\n{least}\n{more}\n")
    };
    for (text, part) in [
        (hook("kind = \"jira\""), "desk.kind: must be zendesk or generic"),
        (hook("kind = \"zendesk\""), "desk.secret: one of"),
        (
            hook("kind = \"zendesk\"\nsecret_env = \"A\"\nsecret_file = \"b\""),
            "desk.secret: one of",
        ),
        (
            hook("kind = \"zendesk\"\nsecret_env = \"A\"\nheader = \"b\""),
            "desk.header: is not chosen",
        ),
        (hook("kind = \"zendesk\"\nsecret = \"A\""), "desk.secret: there is no such setting"),
        (hook(&format!("kind = \"generic\"\n{hmac}closes = []")), "desk.takes: is required"),
        (generic("verify = \"none\""), "desk.verify: must be"),
        (generic("secret_env = \"A\""), "desk.verify: must be"),
        (generic("verify = \"hmac\"\nsecret_env = \"S\""), "desk.header: is required"),
        (generic(&format!("{hmac}algorithm = \"md5\"")), "desk.algorithm"),
        (generic(&format!("{hmac}encoding = \"binary\"")), "desk.encoding"),
        (generic(&format!("{hmac}prefix = \"a b\"")), "desk.prefix"),
        (generic(&format!("{hmac}signed = \"body\"")), "desk.signed"),
        (generic(&format!("{hmac}signed = \"{{timestamp}}{{body}}\"")), "desk.signed"),
        (generic(&format!("{hmac}timestamp_header = \"a b\"")), "desk.timestamp_header"),
        (generic(&format!("{hmac}fresh_for_seconds = 9")), "needs timestamp_header"),
        (generic(&format!("{hmac}timestamp_header = \"t\"\nfresh_for_seconds = 0")), "from 1 to"),
        (generic(&format!("{hmac}source = \"A B\"")), "desk.source"),
        (generic("verify = \"api_key\"\nsecret_env = \"S\""), "desk.secret_env: means nothing"),
        (
            generic("verify = \"standard_webhooks\"\nsecret_env = \"S\"\nprefix = \"a\""),
            "desk.prefix",
        ),
        (generic("verify = \"hmac\"\nheader = \"x\"\nsecret_command = []"), "desk.secret: names"),
        (takes("summary = \"subject\""), "takes.summary: is no JSON path"),
        (takes("summary = { path = \"$.a\", value = \"b\" }"), "takes.summary: must have either"),
        (takes("summary = {}"), "takes.summary: must have either"),
        (takes("summary = { value = \"b\", otherwise = \"c\" }"), "takes.summary: words"),
        (
            takes("summary = { path = \"$.a\", ttl_seconds = 5 }"),
            "takes.summary: has no ttl_seconds",
        ),
        (takes("summary = 5"), "a JSON path, or a table"),
        (takes("subject = \"$.a\""), "subject"),
        (
            takes(
                "intents = [{ intent = \"$.a\", status = { path = \"$.s\", words = { a = \"done\" } } }]",
            ),
            "intents[0].status: must become",
        ),
        (takes("hints = { external_ids = { \"\" = \"$.a\" } }"), "hints.external_ids: a namespace"),
        (
            takes("hints = { email = { path = \"$.a\", assurance = \"verified\" } }"),
            "hints.email: assurance",
        ),
        (
            takes("hints = { visitor_id = { path = \"$.a\", assurance = \"carried\" } }"),
            "hints.visitor_id: has no",
        ),
        (
            takes("variables = { a = { path = \"$.a\", ttl_seconds = 0 } }"),
            "variables.a: ttl_seconds",
        ),
        (
            takes("").replace("\"$.at\"", "\"received\""),
            "desk.takes.revision: must be of the delivery where nothing says when it was signed",
        ),
        (takes("").replace("closes = []", ""), "desk.closes: is required"),
        (
            takes("").replace("closes = []", "closes = [{ path = \"x\" }]"),
            "closes[0].path: is no JSON path",
        ),
        (takes("").replace("hooks.desk", "hooks.Desk"), "its name must be"),
        (
            takes("") + &takes("").replace("acme", "globex"),
            "another tenant has a hook of that name",
        ),
        ("[policy.hooks.desk]\nkind = \"zendesk\"".into(), "policy.hooks"),
    ] {
        let wrong = read(&text).expect_err(&text);
        assert!(wrong.iter().any(|one| one.contains(part)), "{part} in {wrong:?}");
    }
}

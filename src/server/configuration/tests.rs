//! Settings that are read, and those that are refused.

use super::*;
use crate::identity::{Assurance, NamespaceUse};

#[test]
fn nothing_said_gives_the_defaults() {
    let read = Configuration::parse("", &Layers::default()).unwrap();
    assert_eq!(read.listen, "127.0.0.1:50051");
    assert_eq!(read.start_budget, Duration::from_millis(300));
    assert_eq!(read.policies.of("acme").identity.default_region, "US");
}

#[test]
fn names_of_files_count_from_the_folder_of_the_settings() {
    let layers = Layers { file: Some("etc/own.toml".into()), ..Layers::default() };
    let read = |name: &str| {
        let text = format!("[server]\ncheckpoint_file = \"{name}\"\nroot_key_file = \"{name}\"\n");
        let read = Configuration::parse(&text, &layers).unwrap();
        [read.checkpoint_file, read.root_key_file].map(|file| file.expect("it was chosen"))
    };
    assert_eq!(read("kept/ends"), [Path::new("etc/kept/ends"); 2]);
    assert_eq!(read("/kept/ends"), [Path::new("/kept/ends"); 2]);
}

#[test]
fn a_tenant_takes_over_what_it_does_not_choose() {
    let text = r#"
        [policy]
        default_region = "GB"
        reuse_confidence = 0.6
        [tenants.acme]
        time_zone = "Europe/London"
        confirm_discloses = "context"
        [tenants.acme.limits]
        phone = 3
        [tenants.acme.namespaces.ticket]
        policy = "ignored"
        [tenants.acme.namespaces.crm_id]
        policy = "derived"
    "#;
    let read = Configuration::parse(text, &Layers::default()).unwrap();
    let acme = read.policies.of("acme");
    assert_eq!(acme.identity.default_region, "GB");
    assert_eq!(acme.identity.reuse_confidence, 0.6);
    assert_eq!(acme.time_zone, "Europe/London");
    assert_eq!(acme.identity.namespace("ticket").policy, NamespaceUse::Ignored);
    assert_eq!(acme.identity.namespace("crm_id").policy, NamespaceUse::Derived);
    assert_eq!(acme.identity.namespace("crm_id").assurance, Assurance::Carried);
    assert_eq!((acme.identity.limit("phone"), acme.identity.limit("email")), (3, 5));
    assert_eq!(read.policies.of("other").time_zone, "UTC");
}

#[test]
fn a_certificate_stands_for_one_caller_of_one_tenant() {
    let tls = "[server.tls]\ncertificate = \"a\"\nkey = \"b\"\nclient_ca = \"c\"\n";
    let one = |tenant: &str, name: &str, more: &str| {
        let roles = if more.contains("roles") { "" } else { "roles = [\"telephony\"]" };
        format!("[[tenants.{tenant}.certificates]]\nname = \"{name}\"\n{more}\n{roles}\n")
    };
    let read = |text: &str| Configuration::parse(text, &Layers::default());
    let two = one("acme", "pbx", "dns = \"PBX.example\"") + &one("acme", "bot", "uri = \"a://b\"");
    let certified = read(&format!("{tls}{two}")).unwrap().certified;
    let names: Vec<_> =
        certified.iter().map(|(name, to)| format!("{name:?} {}", to.name)).collect();
    assert_eq!(names, ["dns pbx.example pbx", "uri a://b bot"]);
    for (text, part) in [
        (one("acme", "pbx", "dns = \"a\"") + &one("globex", "pbx", "dns = \"A\""), "the same"),
        (one("acme", "pbx", "dns = \"a\"") + &one("acme", "pbx", "dns = \"b\""), "has it"),
        (one("acme", "pbx", ""), "either dns or uri"),
        (one("acme", "pbx", "dns = \"a\"\nuri = \"a://b\""), "either dns or uri"),
        (one("acme", "pbx", "uri = \"pbx.example\""), "must be a URI"),
        (one("acme", "pbx", "dns = \"*.example\""), "no wildcards"),
        (one("acme", "PBX", "dns = \"a\""), "certificates[0].name"),
        (one("acme", "pbx", "dns = \"a\"\nroles = []"), "roles"),
        (one("acme", "pbx", "dns = \"a\"\nroles = [\"boss\"]"), "roles"),
        (one("acme", "pbx", "dns = \"a\"\nroles = [\"bot\", \"bot\"]"), "roles"),
        (one("acme", "pbx", "dns = \"a\"\nmax_assurance = \"full\""), "max_assurance"),
        ("[[policy.certificates]]\nname = \"a\"\nroles = []".into(), "policy.certificates"),
    ] {
        let Err(wrong) = read(&format!("{tls}{text}")) else { panic!("accepted: {text}") };
        assert!(wrong.0.iter().any(|one| one.contains(part)), "{part} in {wrong}");
    }
    let Err(wrong) = read(&two) else { panic!("accepted without client_ca") };
    assert!(wrong.0.iter().all(|one| one.contains("needs server.tls.client_ca")), "{wrong}");
}

#[test]
fn every_mistake_is_named_at_once() {
    let text = r#"
        [server]
        listen = "nowhere"
        start_budget_ms = 1
        [policy]
        time_zone = "Mars/Olympus"
        confirm_confidence = 0.9
        [tenants.acme]
        confirm_discloses = "all"
    "#;
    let Err(wrong) = Configuration::parse(text, &Layers::default()) else { panic!("accepted") };
    for part in ["server.listen", "start_budget_ms", "policy.time_zone", "acme.confirm_discloses"] {
        assert!(wrong.0.iter().any(|one| one.contains(part)), "{part} in {wrong}");
    }
    assert!(Configuration::parse("[polcy]", &Layers::default()).is_err());
    let tls = "[server]\nplaintext = \"everywhere\"\n[server.tls]\ncertificate = \"a\"\nkey = \"b\"\n\
               min_version = \"1.1\"\nclient_certificate = \"optional\"";
    let Err(wrong) = Configuration::parse(tls, &Layers::default()) else { panic!("accepted") };
    let named = ["server.plaintext", "tls.min_version", "needs client_ca"];
    assert!(named.iter().all(|part| wrong.0.iter().any(|one| one.contains(part))), "{wrong}");
}

//! Settings that are read, and those that are refused.

use super::*;

#[test]
fn nothing_said_gives_the_defaults() {
    let read = Configuration::parse("", &Layers::default()).unwrap();
    assert_eq!(read.listen, "127.0.0.1:50051");
    assert_eq!(read.start_budget, Duration::from_millis(300));
    assert_eq!(read.policies.of("acme").identity.default_region, "US");
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
               min_version = \"1.1\"\nclient_certificate = \"never\"";
    let Err(wrong) = Configuration::parse(tls, &Layers::default()) else { panic!("accepted") };
    let named =
        ["server.plaintext", "tls.min_version", "tls.client_certificate: must", "needs client_ca"];
    assert!(named.iter().all(|part| wrong.0.iter().any(|one| one.contains(part))), "{wrong}");
}

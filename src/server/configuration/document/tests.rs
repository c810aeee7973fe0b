//! Texts with mistakes in them, and what is said of each.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::server::{Configuration, Layers};

/// All that is wrong with a text.
fn wrong(text: &str) -> Vec<String> {
    match Configuration::parse(text, &Layers::default()) {
        Ok(_) => Vec::new(),
        Err(wrong) => wrong.0,
    }
}

#[test]
fn no_mistake_hides_another() {
    let text = r#"listen = "127.0.0.1:1"
[server]
lisen = "127.0.0.1:1"
connections = 0
cache_megabytes = "many"
plaintext = "everywhere"
log_format = 7
root_key_command = "vault"
[server.tls]
key = "a"
[polcy]
[policy]
own_numbers = ["+14155550100", 5, 6]
reuse_confidence = "high"
confirm_confidence = 2
redact_patterns = [{ name = "a", patern = "b" }, { name = 5 }]
[policy.limits]
phone = -1
[tenants.acme]
workers = 2
time_zone = "Mars/Olympus"
[tenants.acme.web_token]
issuer = 3
[[tenants.acme.certificates]]
name = "pbx"
role = ["telephony"]
"#;
    let expected = [
        "listen: there is no such setting; it belongs into [server] (line 1)",
        "server.lisen: there is no such setting; did you mean listen? (line 3)",
        "server.connections: must be a whole number from 1 to 1000000 (line 4)",
        "server.cache_megabytes: must be a whole number from 1 to 65536 (line 5)",
        "server.plaintext: must be \"loopback\" or \"anywhere\" (line 6)",
        "server.log_format: must be \"json\" or \"text\" (line 7)",
        "server.root_key_command: must be a list (line 8)",
        "server.tls: needs certificate, the name of a PEM file (line 9)",
        "polcy: there is no such setting; did you mean policy? (line 11)",
        "policy.own_numbers: each of it must be text in quotes (line 13)",
        "policy.reuse_confidence: must be a number (line 14)",
        "policy.confirm_confidence: must be from 0 to 1 (line 15)",
        "policy.confirm_confidence: must not be above reuse_confidence (line 15)",
        "policy.redact_patterns[0].patern: there is no such setting; did you mean pattern? (line 16)",
        "policy.redact_patterns[1].name: must be text in quotes (line 16)",
        "policy.limits.phone: must be a whole number, not below 0 (line 18)",
        "tenants.acme.workers: there is no such setting; it belongs into [server] (line 20)",
        "tenants.acme.time_zone: is not an IANA time zone (line 21)",
        "tenants.acme.web_token.issuer: must be text in quotes (line 23)",
    ];
    let wrong = wrong(text);
    for one in expected {
        assert!(wrong.iter().any(|said| said == one), "{one}\nis not in\n{}", wrong.join("\n"));
    }
    // These say what is asked beside what was left out.
    let more = [
        "policy.redact_patterns[0].pattern",
        "policy.redact_patterns[1].pattern",
        "tenants.acme.web_token",
        "tenants.acme.web_token.audience",
        "tenants.acme.certificates",
        "tenants.acme.certificates[0]",
        "tenants.acme.certificates[0].role",
        "tenants.acme.certificates[0].roles",
    ];
    let others: BTreeSet<&str> = wrong
        .iter()
        .filter(|said| !expected.contains(&said.as_str()))
        .filter_map(|said| said.split(": ").next())
        .collect();
    assert_eq!(others, more.into(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_no_toml_is_said_with_its_line_and_the_rest_all_the_same() {
    let text = "[server]\nlisten = nowhere\nconnections = 0\n[policy]\nlocale = \"en\nduplicates = \"x\"\n";
    let wrong = wrong(text);
    let all = wrong.join("\n");
    for part in ["(line 2)", "server.connections: must", "(line 5)", "policy.duplicates: must"] {
        assert!(all.contains(part), "{part} in\n{all}");
    }
}

#[test]
fn a_tenant_is_not_blamed_for_what_everybody_has() {
    let text = "[policy]\ntime_zone = \"Mars\"\n[tenants.acme]\nlocale = \"de\"\n[tenants.b]\n";
    assert_eq!(wrong(text), ["policy.time_zone: is not an IANA time zone (line 2)"]);
    let text = "[tenants.\"Acme Ltd\"]\nlocale = \"de\"\n";
    assert!(wrong(text)[0].starts_with("tenants.Acme Ltd: a tenant's name is"));
}

#[test]
fn nobody_is_told_of_more_than_somebody_reads() {
    let text: String = (0..500).map(|number| format!("setting_{number} = 1\n")).collect();
    assert_eq!(wrong(&text).len(), 101);
    let long = format!("\"{}\\u0007\" = 1", "a".repeat(100));
    let said = &wrong(&long)[0];
    assert!(said.len() < 200 && !said.contains('\u{7}'), "{said}");
}

/// Settings with a secret in each value that can hold one.
const SECRETS: &str = r#"
[server]
database = "postgres://me:hunter2hunter2@db.example/threadline"
root_key_file = "hunter2hunter2"
root_key_command = ["vault", "--token", "hunter2hunter2"]
checkpoint_file = "hunter2hunter2"
connections = 100
[policy]
default_region = "hunter2hunter2"
own_numbers = ["hunter2hunter2"]
primary_identifier = "hunter2hunter2"
redact_patterns = [{ name = "a", pattern = "(hunter2hunter2" }]
time_zone = "hunter2hunter2"
[tenants.acme.web_token]
issuer = "hunter2hunter2"
keys = [{ kid = "a", pem = "hunter2hunter2" }]
[tenants.acme.namespaces.crm]
policy = "hunter2hunter2"
"#;

/// Every value of that text, under every name that there is.
#[test]
fn no_value_is_repeated_wherever_it_stands() {
    let names = include_str!("../../../../threadline.example.toml").lines().filter_map(|line| {
        let line = line.trim_start_matches("# ");
        line.split_once(" = ").map(|(name, _)| name).filter(|name| !name.contains(' '))
    });
    let mut tried = 0;
    // The name of a file is no secret, and says which could not be read.
    for name in names.filter(|name| *name != "weights") {
        for value in ["\"hunter2hunter2\"", "[\"hunter2hunter2\"]", "{ a = \"hunter2hunter2\" }"] {
            for table in ["server", "server.tls", "policy", "tenants.acme", "tenants.a.web_token"] {
                let said = wrong(&format!("[{table}]\n{name} = {value}\n")).join("\n");
                assert!(!said.contains("hunter2"), "[{table}] {name} = {value}: {said}");
                tried += 1;
            }
        }
    }
    assert!(tried > 400, "the example has lost its settings");
}

proptest! {
    /// However a text is damaged, what is said of it holds no value. Names are repeated.
    #[test]
    fn no_damage_makes_a_value_be_repeated(
        changes in prop::collection::vec(
            (0..SECRETS.len(), prop::sample::select(vec!["\"", "'", "=", "\n", "[", "{", ",", "\\", "#", ""])),
            1..4,
        ),
    ) {
        let mut text = SECRETS.to_owned();
        for (at, with) in changes {
            let at = at.min(text.len() - 1);
            // Where a value begins anew as a name it is one: a name is what mistakes are told by.
            text.replace_range(at..at + 1, with);
        }
        let named = names(&text);
        let said = wrong(&text).join("\n");
        prop_assert!(named || !said.contains("hunter2"), "{text}\n{said}");
    }
}

/// Whether the damage has made a secret the name of a setting.
fn names(text: &str) -> bool {
    fn table(table: &toml::de::DeTable<'_>) -> bool {
        table
            .iter()
            .any(|(name, inner)| name.get_ref().contains("hunter2") || value(inner.get_ref()))
    }
    fn value(value_: &toml::de::DeValue<'_>) -> bool {
        match value_ {
            toml::de::DeValue::Table(inner) => table(inner),
            toml::de::DeValue::Array(entries) => entries.iter().any(|entry| value(entry.get_ref())),
            _ => false,
        }
    }
    table(toml::de::DeTable::parse_recoverable(text).0.get_ref())
}

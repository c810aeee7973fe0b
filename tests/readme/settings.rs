//! docs/configuration.md and threadline.example.toml against `src/server/configuration.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use threadline::server::{Configuration, ConfigurationError, Layers};

use crate::markdown::{code, table};

const PAGE: &str = include_str!("../../docs/configuration.md");
const EXAMPLE: &str = include_str!("../../threadline.example.toml");
const CODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/configuration");

/// Every file that settings are declared in.
fn declared() -> String {
    let files = std::fs::read_dir(CODE).expect("a folder").flatten();
    let files = files.map(|entry| entry.path()).filter(|path| path.is_file());
    files.map(|path| std::fs::read_to_string(path).expect("text")).collect()
}

fn parse(text: &str) -> Result<Configuration, ConfigurationError> {
    Configuration::parse(text, &Layers::default())
}

/// The example with every setting switched on.
fn all_of_the_example() -> String {
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let setting = bare.starts_with('[')
            || bare.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
        text.push_str(if setting { bare } else { line });
        text.push('\n');
    }
    text
}

/// The fields of a struct of the code, and the rows of the page's table below `heading`.
fn both(of: &str, heading: &str) -> (BTreeSet<String>, Vec<Vec<String>>) {
    let code = declared();
    let (_, body) = code.split_once(&format!("struct {of} {{")).expect(of);
    let (body, _) = body.split_once("\n}").expect(of);
    let lines = body.lines().map(str::trim).filter(|line| !line.starts_with(['#', '/']));
    let names = lines.filter_map(|line| line.split_once(": ")).map(|(name, _)| name);
    // What comes before the name says who sees it.
    let fields = names.map(|name| name.rsplit(' ').next().unwrap_or(name).to_owned());
    let (_, section) = PAGE.split_once(heading).expect(heading);
    (fields.filter(|name| name != "namespaces").collect(), table(section, "setting"))
}

#[test]
fn the_page_names_every_setting_and_no_other() {
    for (of, heading) in [
        ("Server", "## `[server]`"),
        ("TlsFile", "## `[server.tls]`"),
        ("OperationsFile", "## `[server.operations]`"),
        ("WebhooksFile", "## `[webhooks]`"),
        ("PolicyFile", "## `[policy]`"),
        ("NamespaceFile", "## `[policy.namespaces."),
        ("WebTokenFile", "## `[tenants.NAME.web_token]`"),
        ("KeyFile", "## `[[tenants.NAME.web_token.keys]]`"),
        ("CertificateFile", "## `[[tenants.NAME.certificates]]`"),
        ("HookFile", "## `[tenants.NAME.hooks.HOOK]`"),
    ] {
        let (fields, rows) = both(of, heading);
        assert!(fields.len() >= 2, "{of} has lost its fields");
        let named = rows.iter().filter_map(|row| code(&row[0])).map(str::to_owned);
        assert_eq!(named.collect::<BTreeSet<String>>(), fields, "{heading}");
    }
}

#[test]
fn defaults_and_limits_are_as_the_page_says() {
    let mut tried = 0;
    for (section, of, heading) in [
        ("server", "Server", "## `[server]`"),
        ("webhooks", "WebhooksFile", "## `[webhooks]`"),
        ("policy", "PolicyFile", "## `[policy]`"),
    ] {
        let (_, rows) = both(of, heading);
        for row in rows {
            let name = code(&row[0]).unwrap();
            let set = |value: &str| parse(&format!("[{section}]\n{name} = {value}\n"));
            if let Some(default) = code(&row[1]) {
                assert!(set(default).is_ok(), "{name} = {default} is the default and is refused");
            }
            let Some(limits) = row[2].strip_prefix("from ") else { continue };
            let words: Vec<&str> = limits.split([' ', ',']).collect();
            let [least, "to", most, ..] = words[..] else { panic!("{name}: {limits}") };
            let least: i64 = least.parse().unwrap();
            assert!(set(&(least - 1).to_string()).is_err(), "{name} may be less than {least}");
            tried += 1;
            if let Ok(most) = most.parse::<i64>() {
                assert!(set(&(most + 1).to_string()).is_err(), "{name} may be more than {most}");
                let alone = !limits.contains("not above");
                assert!(!alone || set(&most.to_string()).is_ok(), "{name} may not be {most}");
            }
        }
    }
    assert!(tried >= 7, "the page has lost its limits");
}

#[test]
fn the_example_is_valid_and_says_the_defaults() {
    let plain = parse("").unwrap();
    let read = parse(EXAMPLE).unwrap();
    assert_eq!(read.policies.of("acme").identity, plain.policies.of("acme").identity);
    // The example names a file of weights that a fit would have written.
    let text = all_of_the_example();
    let written = |line: &&str| !line.starts_with("weights = ");
    let text: Vec<&str> = text.lines().filter(written).collect();
    let text = text.join("\n");
    let all = parse(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    assert_eq!((&all.listen, &all.database), (&plain.listen, &plain.database));
    assert_eq!(
        (all.start_budget, plain.start_budget),
        (Duration::from_millis(300), Duration::from_millis(300))
    );
    assert_eq!((all.cache_bytes, all.sweep_every), (plain.cache_bytes, plain.sweep_every));
    let (said, default) = (all.policies.of("another"), plain.policies.of("another"));
    assert!(said.identity.primary_identifier.is_some());
    let mut identity = said.identity.clone();
    identity.primary_identifier = None;
    assert_eq!(identity.namespace("crm_id"), default.identity.namespace("crm_id"));
    identity.namespaces.clear();
    assert_eq!(identity, default.identity);
    assert_eq!((&said.time_zone, &said.locale), (&default.time_zone, &default.locale));
    assert_eq!(said.default_ttl_seconds, default.default_ttl_seconds);
    assert_eq!(said.max_ttl_seconds, default.max_ttl_seconds);
    assert_eq!(said.retention, default.retention);
    assert_eq!(all.policies.of("acme").time_zone, "Europe/London");
    assert!(["acme", "globex"].iter().all(|it| all.policies.of(it).web_token.is_some()));
    assert!(said.web_token.is_none());
}

#[test]
fn the_example_and_the_page_name_the_same_settings() {
    let text = all_of_the_example();
    let said = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "));
    let said: BTreeSet<&str> = said.map(|(name, _)| name).collect();
    let (_, settings) = PAGE.split_once("## `[server]`").unwrap();
    let rows = settings.split("## ").flat_map(|section| table(section, "setting"));
    let on_page: BTreeSet<String> =
        rows.filter_map(|row| code(&row[0]).map(str::to_owned)).collect();
    // These are tables of their own.
    let on_page = on_page.iter().map(String::as_str);
    assert_eq!(
        said,
        on_page
            .filter(|name| !["tls", "operations", "web_token", "keys", "certificates", "hooks"]
                .contains(name))
            .collect()
    );
}

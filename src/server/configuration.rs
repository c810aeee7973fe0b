//! `threadline.toml`, read and validated at start: every mistake is named at once.

mod calls;
mod redaction;
mod remembering;
mod transport;
mod web_token;
pub(crate) mod weights;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format as _, Toml};
use redaction::PatternFile;
use remembering::{lifetimes, voice};
use serde::Deserialize;
use transport::TlsFile;
use web_token::WebTokenFile;

use super::TlsSettings;
use crate::continuity::tenant::{Policies, TenantPolicy, namespace_kind};
use crate::identity::{
    Assurance, ConfirmDiscloses, Duplicates, NamespacePolicy, NamespaceUse, Policy,
    PrimaryIdentifier,
};

/// What the command line and the environment say; each wins over the file.
#[derive(Clone, Default)]
pub struct Layers {
    /// `--config` or `THREADLINE_CONFIG`; without it `threadline.toml`, if there is one.
    pub file: Option<PathBuf>,
    /// `--listen` or `THREADLINE_LISTEN`.
    pub listen: Option<String>,
    /// `--database` or `THREADLINE_DATABASE`.
    pub database: Option<String>,
}

/// All settings, valid.
#[derive(Clone)]
pub struct Configuration {
    /// Where to listen, host and port.
    pub listen: String,
    /// The certificates; none: plaintext.
    pub tls: Option<TlsSettings>,
    /// Whether plaintext is served to other machines, too.
    pub plaintext_anywhere: bool,
    /// Connections at once.
    pub connections: usize,
    /// `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// A start answers within this.
    pub start_budget: Duration,
    /// The cache's bound.
    pub cache_bytes: u64,
    /// Threads that serve.
    pub workers: usize,
    /// Between two sweeps.
    pub sweep_every: Duration,
    /// Where audit checkpoints are appended; nowhere without it.
    pub checkpoint_file: Option<PathBuf>,
    /// Between two of them.
    pub checkpoint_every: Duration,
    /// What the tenants chose.
    pub policies: Policies,
}

/// Everything that is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigurationError(pub Vec<String>);

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    server: Server,
    policy: PolicyFile,
    tenants: BTreeMap<String, PolicyFile>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Server {
    listen: Option<String>,
    tls: Option<TlsFile>,
    plaintext: Option<String>,
    connections: Option<u64>,
    database: Option<String>,
    start_budget_ms: Option<u64>,
    cache_megabytes: Option<u64>,
    workers: Option<u64>,
    sweep_every_seconds: Option<u64>,
    checkpoint_file: Option<PathBuf>,
    checkpoint_every_seconds: Option<u64>,
}

/// What a tenant may choose. Whatever it leaves out is as `[policy]` says, else the default.
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PolicyFile {
    default_region: Option<String>,
    own_numbers: Option<Vec<String>>,
    reuse_confidence: Option<f64>,
    confirm_confidence: Option<f64>,
    confirm_discloses: Option<String>,
    duplicates: Option<String>,
    primary_identifier: Option<String>,
    time_zone: Option<String>,
    locale: Option<String>,
    default_ttl_seconds: Option<i64>,
    max_ttl_seconds: Option<i64>,
    redact_cards: Option<bool>,
    redact_patterns: Option<Vec<PatternFile>>,
    web_token: Option<WebTokenFile>,
    weights: Option<PathBuf>,
    key_rate: Option<u64>,
    key_burst: Option<u64>,
    tenant_rate: Option<u64>,
    tenant_burst: Option<u64>,
    limits: BTreeMap<String, usize>,
    namespaces: BTreeMap<String, NamespaceFile>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamespaceFile {
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    assurance: Option<String>,
    #[serde(default)]
    kind: Option<String>,
}

impl Configuration {
    /// Reads the file and lays the command line and the environment over it.
    ///
    /// # Errors
    /// Every mistake at once, each with the setting it is in.
    pub fn load(layers: &Layers) -> Result<Self, ConfigurationError> {
        let text = match &layers.file {
            Some(path) => read(path)?,
            None if Path::new("threadline.toml").exists() => read(Path::new("threadline.toml"))?,
            None => String::new(),
        };
        Self::parse(&text, layers)
    }

    /// Reads settings from text.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn parse(text: &str, layers: &Layers) -> Result<Self, ConfigurationError> {
        let file: File = Figment::from(Toml::string(text)).extract().map_err(|error| {
            let said = |one: figment::Error| match one.path.join(".") {
                path if path.is_empty() => one.kind.to_string(),
                path => format!("{path}: {}", one.kind),
            };
            ConfigurationError(error.into_iter().map(said).collect())
        })?;
        let mut wrong = Vec::new();
        let folder = layers.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let default = policy(&file.policy, TenantPolicy::default(), "policy", folder, &mut wrong);
        let mut by_tenant = BTreeMap::new();
        for (name, own) in &file.tenants {
            let place = format!("tenants.{name}");
            let merged = policy(own, default.clone(), &place, folder, &mut wrong);
            by_tenant.insert(name.clone(), Arc::new(merged));
        }
        let policies = Policies { default: Arc::new(default), by_tenant };
        let configuration = server(file.server, policies, layers, folder, &mut wrong);
        if wrong.is_empty() { Ok(configuration) } else { Err(ConfigurationError(wrong)) }
    }
}

/// What `[server]` says, under what the command line and the environment say.
fn server(
    server: Server,
    policies: Policies,
    layers: &Layers,
    folder: &Path,
    wrong: &mut Vec<String>,
) -> Configuration {
    let mut chosen = |name: &str, given, default, least, most| {
        within(wrong, &format!("server.{name}"), given, default, least, most)
    };
    let budget = chosen("start_budget_ms", server.start_budget_ms, 300, 10, 60_000);
    let cache = chosen("cache_megabytes", server.cache_megabytes, 256, 1, 65_536);
    let sweep = chosen("sweep_every_seconds", server.sweep_every_seconds, 60, 1, 86_400);
    let checkpoint =
        chosen("checkpoint_every_seconds", server.checkpoint_every_seconds, 3_600, 1, 86_400);
    let workers = chosen("workers", server.workers, 0, 0, 256);
    let places = chosen("connections", server.connections, transport::CONNECTIONS, 1, 1_000_000);
    let tls = server.tls.map(|tls| transport::tls(tls, folder, wrong));
    let plaintext_anywhere = transport::plaintext_anywhere(server.plaintext.as_deref(), wrong);
    if tls.is_some() && plaintext_anywhere {
        wrong.push("server.plaintext: with [server.tls] there is no plaintext".into());
    }
    let listen = layers.listen.clone().or(server.listen);
    let listen = listen.unwrap_or_else(|| "127.0.0.1:50051".into());
    if listen.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
        wrong.push("server.listen: must be host:port".into());
    }
    let database = layers.database.clone().or(server.database);
    let database = database.unwrap_or_else(|| "sqlite:threadline.db".into());
    if let Err(error) = crate::store::Engine::of(&database) {
        wrong.push(format!("server.database: {error}"));
    }
    Configuration {
        listen,
        tls,
        plaintext_anywhere,
        connections: places as usize,
        database,
        start_budget: Duration::from_millis(budget),
        cache_bytes: cache << 20,
        workers: match workers as usize {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            chosen => chosen,
        },
        sweep_every: Duration::from_secs(sweep),
        checkpoint_file: server.checkpoint_file,
        checkpoint_every: Duration::from_secs(checkpoint),
        policies,
    }
}

fn read(path: &Path) -> Result<String, ConfigurationError> {
    std::fs::read_to_string(path)
        .map_err(|error| ConfigurationError(vec![format!("{}: {error}", path.display())]))
}

fn within(
    wrong: &mut Vec<String>,
    name: &str,
    given: Option<u64>,
    default: u64,
    least: u64,
    most: u64,
) -> u64 {
    let value = given.unwrap_or(default);
    if !(least..=most).contains(&value) {
        wrong.push(format!("{name}: must be from {least} to {most}"));
    }
    value
}

fn policy(
    file: &PolicyFile,
    base: TenantPolicy,
    place: &str,
    folder: &Path,
    wrong: &mut Vec<String>,
) -> TenantPolicy {
    let (default_ttl_seconds, max_ttl_seconds) = lifetimes(file, &base, place, wrong);
    let mut identity: Policy = base.identity;
    if let Some(region) = &file.default_region {
        identity.default_region.clone_from(region);
    }
    if let Some(numbers) = &file.own_numbers {
        identity.own_numbers = numbers.iter().cloned().collect();
    }
    identity.reuse_confidence = file.reuse_confidence.unwrap_or(identity.reuse_confidence);
    identity.confirm_confidence = file.confirm_confidence.unwrap_or(identity.confirm_confidence);
    match file.confirm_discloses.as_deref() {
        None => {}
        Some("nothing") => identity.confirm_discloses = ConfirmDiscloses::Nothing,
        Some("context") => identity.confirm_discloses = ConfirmDiscloses::Context,
        Some(_) => wrong.push(format!("{place}.confirm_discloses: must be nothing or context")),
    }
    match file.duplicates.as_deref() {
        None => {}
        Some("propose") => identity.duplicates = Duplicates::Propose,
        Some("merge") => identity.duplicates = Duplicates::Merge,
        Some(_) => wrong.push(format!("{place}.duplicates: must be propose or merge")),
    }
    match file.primary_identifier.as_deref() {
        None => {}
        Some("email") => identity.primary_identifier = Some(PrimaryIdentifier::Email),
        Some("phone") => identity.primary_identifier = Some(PrimaryIdentifier::Phone),
        Some("user_id") => identity.primary_identifier = Some(PrimaryIdentifier::UserId),
        Some(_) => {
            wrong.push(format!("{place}.primary_identifier: must be email, phone or user_id"))
        }
    }
    identity.limits.extend(file.limits.iter().map(|(kind, most)| (kind.clone(), *most)));
    for (name, own) in &file.namespaces {
        let known = identity.namespace(name);
        let chosen = namespace(own, known, &format!("{place}.namespaces.{name}"), wrong);
        identity.namespaces.insert(name.clone(), chosen);
    }
    wrong.extend(identity.validate().into_iter().map(|mistake| format!("{place}: {mistake}")));
    let (time_zone, locale) = voice(file, (base.time_zone, base.locale), place, wrong);
    let web_token = web_token::chosen(file.web_token.as_ref(), place, wrong);
    let redaction = redaction::chosen(file, base.redaction, place, wrong);
    let (key_calls, tenant_calls) =
        calls::chosen(file, base.key_calls, base.tenant_calls, place, wrong);
    let weights = weights::chosen(file.weights.as_ref(), folder, base.weights, place, wrong);
    TenantPolicy {
        identity,
        weights,
        time_zone,
        locale,
        default_ttl_seconds,
        max_ttl_seconds,
        redaction,
        web_token,
        key_calls,
        tenant_calls,
    }
}

fn namespace(
    file: &NamespaceFile,
    known: NamespacePolicy,
    place: &str,
    wrong: &mut Vec<String>,
) -> NamespacePolicy {
    let mut chosen = known;
    match file.policy.as_deref() {
        // Who says anything of a namespace takes it for one that identifies.
        None | Some("identifying") => chosen.policy = NamespaceUse::Identifying,
        Some("ignored") => chosen.policy = NamespaceUse::Ignored,
        Some("derived") => chosen.policy = NamespaceUse::Derived,
        Some(_) => {
            wrong.push(format!("{place}.policy: must be identifying, ignored or derived"));
        }
    }
    match file.assurance.as_deref() {
        None => {}
        Some("asserted") => chosen.assurance = Assurance::Asserted,
        Some("carried") => chosen.assurance = Assurance::Carried,
        Some(_) => wrong.push(format!("{place}.assurance: must be asserted or carried")),
    }
    match file.kind.as_deref().map(namespace_kind) {
        None => {}
        Some(Some(kind)) => chosen.kind = kind,
        Some(None) => wrong.push(format!("{place}.kind: must be crm or account_number")),
    }
    chosen
}

#[cfg(test)]
mod tests;

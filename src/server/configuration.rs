//! `threadline.toml`, read and validated at start: every mistake is named at once.

mod calls;
mod certificates;
mod consent;
pub(crate) mod document;
pub(crate) mod hooks;
pub(super) mod operations;
mod policy;
mod redaction;
mod remembering;
mod server;
mod transport;
mod values;
mod web_token;
mod webhooks;
pub(crate) mod weights;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use document::{Document, names_in};
use operations::{Operations, OperationsFile};
use policy::{PolicyFile, policy};
use serde::Deserialize;
use server::Server;
use tonic::codegen::http::HeaderValue;
use transport::TlsFile;
use webhooks::WebhooksFile;

pub use server::LogFormat;

use super::{HookSettings, TlsSettings};
use crate::continuity::CertifiedNames;
use crate::continuity::tenant::{Policies, TenantPolicy};
use crate::events::webhooks::Terms;

/// What the command line and the environment say; each wins over the file.
#[derive(Clone, Default)]
pub struct Layers {
    /// `--config` or `THREADLINE_CONFIG`; without it `threadline.toml`, if there is one.
    pub file: Option<PathBuf>,
    /// `--listen` or `THREADLINE_LISTEN`.
    pub listen: Option<String>,
    /// `--database` or `THREADLINE_DATABASE`.
    pub database: Option<String>,
    /// `--root-key-file` or `THREADLINE_ROOT_KEY_FILE`.
    pub root_key_file: Option<PathBuf>,
}

impl Layers {
    /// The same, with the file by its name: settings that were read from one are not read from none.
    #[must_use]
    pub fn pinned(mut self) -> Self {
        self.file = self.file.or_else(|| Path::new(FILE).exists().then(|| FILE.into()));
        self
    }

    /// The file that is read, for a person.
    pub fn said_in(&self) -> String {
        match &self.file {
            Some(file) => file.display().to_string(),
            None if Path::new(FILE).exists() => FILE.into(),
            None => "there is no file of settings".into(),
        }
    }
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
    /// What is shown to those who operate, and where.
    pub operations: Operations,
    /// Whose pages may call.
    pub allowed_origins: Vec<HeaderValue>,
    /// `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// The root key's file, if that is where it is.
    pub root_key_file: Option<PathBuf>,
    /// The command that prints the root key, if that is where it comes from.
    pub root_key_command: Option<Vec<String>>,
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
    /// How a line of the log is written.
    pub log_format: LogFormat,
    /// How long it is served on, while it is said to be not ready, once a stop was asked for.
    pub unready_for: Duration,
    /// How long open calls may go on after that.
    pub drain_within: Duration,
    /// What the tenants chose.
    pub policies: Policies,
    /// Whom client certificates stand for.
    pub certified: CertifiedNames,
    /// Their helpdesks' web-hooks, still without their secrets.
    pub hooks: Vec<HookSettings>,
    /// How web-hooks are sent.
    pub webhooks: Terms,
    /// `[server]` and `[webhooks]` as they stand in the file, by whole name: what has changed is told by
    /// this.
    said: BTreeMap<String, String>,
}

/// The file that is read where none is named.
const FILE: &str = "threadline.toml";
/// The longest name of a tenant, a source or a certificate, in characters.
const MOST_WORD: usize = 64;

/// Everything that is wrong with the settings, a line each: the setting's name, what is wrong, what
/// is allowed, and where it stands. No value is repeated: it may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigurationError(pub Vec<String>);

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    server: Server,
    webhooks: WebhooksFile,
    policy: PolicyFile,
    tenants: BTreeMap<String, PolicyFile>,
}

impl Configuration {
    /// Reads the file and lays the command line and the environment over it.
    ///
    /// # Errors
    /// Every mistake at once, each with the setting it is in.
    pub fn load(layers: &Layers) -> Result<Self, ConfigurationError> {
        let (configuration, wrong) = Self::read(layers)?;
        configuration.unless(wrong)
    }

    /// The same, and all that is wrong with it; what is wrong is as if it was not said.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn read(layers: &Layers) -> Result<(Self, Vec<String>), ConfigurationError> {
        let text = match &layers.file {
            Some(path) => read(path)?,
            None if Path::new(FILE).exists() => read(Path::new(FILE))?,
            None => String::new(),
        };
        Ok(Self::understand(&text, layers))
    }

    /// Reads settings from text.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn parse(text: &str, layers: &Layers) -> Result<Self, ConfigurationError> {
        let (configuration, wrong) = Self::understand(text, layers);
        configuration.unless(wrong)
    }

    pub(super) fn unless(self, wrong: Vec<String>) -> Result<Self, ConfigurationError> {
        if wrong.is_empty() { Ok(self) } else { Err(ConfigurationError(wrong)) }
    }

    fn understand(text: &str, layers: &Layers) -> (Self, Vec<String>) {
        let mut wrong = Vec::new();
        let document = Document::parse(text, &mut wrong);
        let homes = [
            ("server", names_in::<Server>()),
            ("server.tls", names_in::<TlsFile>()),
            ("server.operations", names_in::<OperationsFile>()),
            ("policy", names_in::<PolicyFile>()),
            ("webhooks", names_in::<WebhooksFile>()),
        ];
        let file: File = document.settings(&homes, &mut wrong);
        let named: BTreeSet<String> = wrong.iter().map(|one| name_of(one).to_owned()).collect();
        let before = wrong.len();
        let folder = layers.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let policies = policies(&file, folder, &mut wrong);
        let own = file.tenants.iter().map(|(name, own)| (name.as_str(), &*own.certificates));
        let asked = file.server.tls.as_ref().is_some_and(TlsFile::asks_clients);
        let certified = certificates::chosen(own, &file.policy.certificates, asked, &mut wrong);
        let hooks = hooks::chosen(&file.tenants, &file.policy, folder, &mut wrong);
        let webhooks = webhooks::chosen(file.webhooks, &mut wrong);
        let configuration = server::chosen(file.server, policies, layers, folder, &mut wrong);
        // What was left out must not be blamed for that as well.
        let more = wrong.split_off(before).into_iter().filter(|one| !named.contains(name_of(one)));
        wrong.extend(more);
        document.locate(&mut wrong);
        let said = ["server", "webhooks"].into_iter().flat_map(|table| {
            let settings = document.table(table).into_iter();
            settings.map(move |(name, value)| (format!("{table}.{name}"), value))
        });
        let said = said.collect();
        (Self { certified, hooks, webhooks, said, ..configuration }, wrong)
    }

    /// The settings of `[server]` and `[webhooks]` that are not as in these others, and take a start to
    /// come into force.
    pub(super) fn differs(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<_> = self.said.keys().chain(other.said.keys()).collect();
        let differs = |name: &&&String| self.said.get(**name) != other.said.get(**name);
        // What `[server.tls]` says is read anew; whether it is there is not.
        let tls = self.tls.is_some() != other.tls.is_some();
        let fixed = |name: &&&String| **name != "server.tls" || tls;
        names.iter().filter(differs).filter(fixed).map(ToString::to_string).collect()
    }
}

/// The setting that a mistake is in.
fn name_of(mistake: &str) -> &str {
    mistake.split_once(": ").map_or("", |(name, _)| name)
}

/// What the tenants chose, each over what `[policy]` says.
fn policies(file: &File, folder: &Path, wrong: &mut Vec<String>) -> Policies {
    let mut own = Vec::new();
    let default = policy(&file.policy, TenantPolicy::default(), "policy", folder, &mut own);
    let of_everybody: BTreeSet<String> =
        own.iter().filter_map(|one| one.strip_prefix("policy").map(str::to_owned)).collect();
    wrong.append(&mut own);
    let mut by_tenant = BTreeMap::new();
    for (name, chosen) in &file.tenants {
        let place = format!("tenants.{name}");
        if !is_word(name) {
            wrong
                .push(format!("{place}: a tenant's name is 1 to {MOST_WORD} of a-z, 0-9, - and _"));
        }
        let merged = policy(chosen, default.clone(), &place, folder, &mut own);
        // What it has from `[policy]` was named there.
        own.retain(|one| !one.strip_prefix(&place).is_some_and(|it| of_everybody.contains(it)));
        wrong.append(&mut own);
        by_tenant.insert(name.clone(), Arc::new(merged));
    }
    Policies { default: Arc::new(default), by_tenant }
}

/// Whether it can be the name of a tenant, a source or a certificate.
fn is_word(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    (1..=MOST_WORD).contains(&text.len()) && text.chars().all(allowed)
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

#[cfg(test)]
mod tests;

//! `[server]`, under what the command line and the environment say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::operations::{self, OperationsFile};
use super::transport::{self, TlsFile};
use super::whole::Whole;
use super::{Configuration, Layers};
use crate::continuity::CertifiedNames;
use crate::continuity::tenant::Policies;
use crate::events::webhooks::Terms;

/// Words of the command that prints the root key, at most.
const MOST_WORDS: usize = 64;

/// The settings, each with its default and its bounds where it has some.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Server {
    listen: Option<String>,
    pub(super) tls: Option<TlsFile>,
    plaintext: Plaintext,
    connections: Whole<10_000, 1, 1_000_000>,
    pub(super) operations: OperationsFile,
    allowed_origins: Vec<String>,
    database: Option<String>,
    root_key_file: Option<PathBuf>,
    root_key_command: Option<Vec<String>>,
    start_budget_ms: Whole<300, 10, 60_000>,
    cache_megabytes: Whole<256, 1, 65_536>,
    workers: Whole<0, 0, 256>,
    sweep_every_seconds: Whole<60, 1, 86_400>,
    checkpoint_file: Option<PathBuf>,
    checkpoint_every_seconds: Whole<3_600, 1, 86_400>,
    log_format: LogFormat,
    unready_seconds: Whole<3, 0, 300>,
    drain_seconds: Whole<10, 1, 3_600>,
}

/// Who is served without TLS.
#[derive(Clone, Copy, Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Plaintext {
    /// This machine alone.
    #[default]
    Loopback,
    /// Others, too.
    Anywhere,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For machines: one object a line, each field under its name.
    #[default]
    Json,
    /// For people.
    Text,
}

/// What is chosen; what is wrong with it goes to `wrong`.
pub(super) fn chosen(
    server: Server,
    policies: Policies,
    layers: &Layers,
    folder: &Path,
    wrong: &mut Vec<String>,
) -> Configuration {
    let tls = server.tls.and_then(|tls| transport::tls(tls, folder, wrong));
    let operations = operations::chosen(server.operations, wrong);
    let allowed_origins = transport::origins(server.allowed_origins, wrong);
    let plaintext_anywhere = server.plaintext == Plaintext::Anywhere;
    if tls.is_some() && plaintext_anywhere {
        wrong.push("server.plaintext: with [server.tls] there is no plaintext".into());
    }
    let of = |setting, given: &Option<String>, option| match given {
        Some(_) => option,
        None => setting,
    };
    let name = of("server.listen", &layers.listen, "--listen, or THREADLINE_LISTEN");
    let listen = layers.listen.clone().or(server.listen);
    let listen = listen.unwrap_or_else(|| "127.0.0.1:50051".into());
    if listen.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
        wrong.push(format!("{name}: must be host:port"));
    }
    let name = of("server.database", &layers.database, "--database, or THREADLINE_DATABASE");
    let database = layers.database.clone().or(server.database);
    let database = database.unwrap_or_else(|| "sqlite:threadline.db".into());
    if let Err(error) = crate::store::Engine::check(&database) {
        wrong.push(format!("{name}: {error}"));
    }
    // Whether only one of them is set is seen where the environment is known as well.
    let root_key_file = server.root_key_file.map(|file| folder.join(file));
    let root_key_file = layers.root_key_file.clone().or(root_key_file);
    let root_key_command = server.root_key_command;
    if root_key_command.as_ref().is_some_and(|words| !(1..=MOST_WORDS).contains(&words.len())) {
        let why = format!("must be a program and its arguments, 1 to {MOST_WORDS} words");
        wrong.push(format!("server.root_key_command: {why}"));
    }
    let seconds = Duration::from_secs;
    Configuration {
        listen,
        tls,
        plaintext_anywhere,
        connections: server.connections.get() as usize,
        operations,
        allowed_origins,
        database,
        root_key_file,
        root_key_command,
        start_budget: Duration::from_millis(server.start_budget_ms.get()),
        cache_bytes: server.cache_megabytes.get() << 20,
        workers: match server.workers.get() as usize {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            chosen => chosen,
        },
        sweep_every: seconds(server.sweep_every_seconds.get()),
        checkpoint_file: server.checkpoint_file.map(|file| folder.join(file)),
        checkpoint_every: seconds(server.checkpoint_every_seconds.get()),
        log_format: server.log_format,
        unready_for: seconds(server.unready_seconds.get()),
        drain_within: seconds(server.drain_seconds.get()),
        policies,
        certified: CertifiedNames::new(),
        hooks: Vec::new(),
        webhooks: Terms::default(),
        said: Default::default(),
    }
}

//! `threadline serve`, and the server behind `threadline demo`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::DatabaseArgs;
use super::demo::{self, DemoArgs, DemoKeys, KEYS};
use super::keys::{NewKey, create};
use crate::clock::Clock;
use crate::ids::Entropy;
use crate::server::{self, Configuration, Layers, Serve};
use crate::store::Schedule;

/// Serves the API until SIGTERM or Ctrl-C.
#[derive(Args)]
pub struct ServeArgs {
    /// Host and port; port 0 lets the system choose [default: 127.0.0.1:50051]
    #[arg(long, env = "THREADLINE_LISTEN", value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Serves.
///
/// # Errors
/// Settings, root key, database or address that cannot be used.
pub async fn run(arguments: ServeArgs) -> anyhow::Result<ExitCode> {
    server::keep_memory_private().context("keeping the memory private")?;
    let mut running = server::serve(arguments.database.with(arguments.listen)?).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        ended = running.ended() => {
            ended?;
            return Ok(ExitCode::FAILURE);
        }
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping");
    running.stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// The tenant that the demo's people belong to.
const DEMO_TENANT: &str = "demo";

/// Plays the demo against a server of its own.
///
/// # Errors
/// When the server cannot start, or a journey turns out otherwise than it should.
pub async fn demo(arguments: DemoArgs) -> anyhow::Result<ExitCode> {
    let folder = ThrowAway::make("demo")?;
    let database = arguments
        .database
        .unwrap_or_else(|| format!("sqlite:{}", folder.file("demo.db").display()));
    let layers =
        Layers { listen: Some("127.0.0.1:0".into()), database: Some(database), file: None };
    let mut configuration = Configuration::parse("", &layers)?;
    // A loaded laptop must not turn a story into a degraded one.
    configuration.start_budget = std::time::Duration::from_secs(5);
    let serve = Serve {
        configuration,
        root_key: std::env::var("THREADLINE_ROOT_KEY").ok(),
        clock: Clock::System,
        entropy: Entropy::System,
        schedule: Schedule::Free,
    };
    let running = server::serve(serve).await?;
    let mut keys = DemoKeys::default();
    for wanted in KEYS {
        let key = NewKey {
            tenant: DEMO_TENANT.into(),
            roles: wanted.roles.iter().map(|role| (*role).to_owned()).collect(),
            source: wanted.source.into(),
            may_address: wanted.may_address.iter().map(|source| (*source).to_owned()).collect(),
            max_assurance: None,
            test: false,
        };
        let text = create(&running.service, &key).await?;
        anyhow::ensure!(keys.set(wanted.name, text), "no place for the key {}", wanted.name);
    }
    let told = demo::run(&format!("http://{}", running.address), &keys).await;
    running.stop().await?;
    drop(folder);
    told.map(|()| ExitCode::SUCCESS)
}

/// A folder that is gone when the command ends.
pub(super) struct ThrowAway(std::path::PathBuf);

impl ThrowAway {
    /// Makes it among the temporary files; `command` is part of its name.
    pub(super) fn make(command: &str) -> anyhow::Result<Self> {
        let name = format!("threadline-{command}-{:016x}", Entropy::System.positive());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).context("a temporary folder")?;
        Ok(Self(path))
    }

    /// Where a file of that name lies in it.
    pub(super) fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name)
    }
}

impl Drop for ThrowAway {
    fn drop(&mut self) {
        // Left behind it does no harm; the people in it are invented.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

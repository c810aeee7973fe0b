//! `threadline serve`, and the server behind `threadline demo`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::demo::{self, DemoArgs, DemoKeys, KEYS};
use super::keys::{NewKey, create};
use super::{DatabaseArgs, log};
use crate::clock::Clock;
use crate::ids::Entropy;
use crate::server::{self, Configuration, ConfigurationError, Layers, Running, Serve};
use crate::store::Schedule;

/// Serves the API until SIGTERM or Ctrl-C; SIGHUP reads settings and certificates anew.
#[derive(Args, Clone)]
pub struct ServeArgs {
    /// Host and port; port 0 lets the system choose [default: 127.0.0.1:50051]
    #[arg(long, env = "THREADLINE_LISTEN", value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl ServeArgs {
    /// What says more than the file of settings does.
    pub(super) fn layers(&self) -> Layers {
        self.database.layers(self.listen.clone())
    }

    /// What to serve with.
    ///
    /// # Errors
    /// Every mistake at once: of settings, environment, and the files they name.
    pub(super) fn examined(self) -> anyhow::Result<Serve> {
        self.database.examined(self.listen)
    }
}

/// Serves.
///
/// # Errors
/// Settings, root key, database or address that cannot be used.
pub async fn run(arguments: ServeArgs) -> anyhow::Result<ExitCode> {
    server::keep_memory_private().context("keeping the memory private")?;
    // Before anything takes time: without somebody who listens for it, this signal ends a process.
    let mut hangups = signal(SignalKind::hangup())?;
    let mut stops = Stops::listen()?;
    let layers = arguments.layers().pinned();
    let serve = arguments.examined()?;
    log::speak(serve.configuration.log_format);
    let mut running = server::serve(serve).await?;
    let asked_by = loop {
        tokio::select! {
            ended = running.ended() => {
                ended?;
                return Ok(ExitCode::FAILURE);
            }
            asked_by = stops.next() => break asked_by,
            // Commands that print secrets may take long; whoever wants it to stop does not wait for them.
            _ = hangups.recv() => tokio::select! {
                () = reload(&running, &layers) => {}
                asked_by = stops.next() => break asked_by,
            },
        }
    };
    tracing::info!("stopping");
    let ending = async {
        // A person at a terminal has no load balancer to tell.
        if asked_by == Asked::ByMachine {
            running.leave().await;
        }
        running.drain().await
    };
    let served = tokio::select! {
        served = ending => served,
        // Whoever asks twice does not want to wait.
        _ = stops.next() => {
            tracing::warn!("asked again: open calls were cut off");
            Ok(())
        }
    };
    running.close().await;
    tracing::info!("stopped");
    served.map(|()| ExitCode::SUCCESS)
}

/// Who asks that it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// SIGTERM.
    ByMachine,
    /// Ctrl-C.
    ByPerson,
}

/// The signals that end it.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn listen() -> std::io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::ByMachine,
            _ = self.interrupt.recv() => Asked::ByPerson,
        }
    }
}

/// Reads the settings anew. Those that cannot be used are refused as loudly as it gets, a line for
/// each mistake, and change nothing.
async fn reload(running: &Running, layers: &Layers) {
    let own = layers.clone();
    // The file may be on a disk that does not answer.
    let read = tokio::task::spawn_blocking(move || Configuration::load(&own)).await;
    let read = read.unwrap_or_else(|_| Err(ConfigurationError(vec!["they cannot be read".into()])));
    let changed = match read {
        Ok(configuration) => running.reload(configuration).await,
        Err(wrong) => Err(wrong),
    };
    match changed {
        Ok(waits) => {
            for setting in waits {
                tracing::warn!(setting, "has changed, and takes a start to come into force");
            }
            tracing::info!("the settings were read anew");
        }
        Err(ConfigurationError(wrong)) => {
            for mistake in &wrong {
                tracing::error!(mistake, "in the new settings");
            }
            tracing::error!(
                mistakes = wrong.len(),
                "the new settings are refused: the old ones stay"
            );
        }
    }
}

/// The tenant that the demo's people belong to.
const DEMO_TENANT: &str = "demo";

/// Plays the demo against a server of its own.
///
/// # Errors
/// When the server cannot start, or a journey turns out otherwise than it should.
pub async fn demo(arguments: DemoArgs) -> anyhow::Result<ExitCode> {
    server::keep_memory_private().context("keeping the memory private")?;
    let folder = ThrowAway::make("demo")?;
    let database = arguments
        .database
        .unwrap_or_else(|| format!("sqlite:{}", folder.file("demo.db").display()));
    let listen = Some("127.0.0.1:0".into());
    let layers = Layers { listen, database: Some(database), ..Layers::default() };
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

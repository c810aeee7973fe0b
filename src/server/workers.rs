//! The threads that serve: each runs everything of its connections on one thread, so that a request
//! never hops between threads and never waits for another thread's work. Connections are dealt out
//! in turn, which keeps few connections even where the kernel's own choice would not.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use tokio::sync::{mpsc, oneshot, watch};

use super::serving::serve_on;
use super::tls::Certificates;
use super::wire::{Accepted, Patience, Wire, greeted};
use crate::events::Watching;
use crate::grpc::Observing;
use crate::http::Doors;

/// How far the server's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// New connections and calls are welcome.
    Serving,
    /// The same, but whoever asks is told that it is not ready: it will end.
    Leaving,
    /// Open calls may end; nothing new begins.
    Draining,
    /// What is still open is cut off.
    Cut,
    /// Nothing needs the threads any more.
    Over,
}

/// Where a worker takes connections.
pub(super) type Hands = mpsc::UnboundedSender<Accepted>;

/// A thread that serves the connections it is handed.
pub(super) struct Worker {
    connections: Hands,
    served: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts the thread. It serves until `phase` says otherwise, and lives until the phase is
    /// [`Phase::Over`] or its sender is gone: database connections that were made on it need it.
    /// With certificates it speaks TLS and nothing else.
    pub fn start(
        watching: &Arc<Watching>,
        tls: Option<Arc<Certificates>>,
        doors: &Doors,
        observing: &Observing,
        phase: watch::Receiver<Phase>,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (connections, handed) = mpsc::unbounded_channel();
        let (done, served) = oneshot::channel();
        let (doors, observing) = (doors.clone(), observing.clone());
        let watching = Arc::clone(watching);
        let thread = std::thread::Builder::new()
            .name("server".into())
            .spawn(move || {
                runtime.block_on(async move {
                    let (mut cut, mut over) = (phase.clone(), phase.clone());
                    let (greeted, coming) = mpsc::unbounded_channel();
                    tokio::spawn(greet(handed, tls, greeted));
                    tokio::select! {
                        () = serve_on(coming, watching, doors, observing, phase) => {}
                        () = reached(&mut cut, Phase::Cut) => {}
                    }
                    // Whoever waited may have given up.
                    let _ = done.send(());
                    reached(&mut over, Phase::Over).await;
                });
            })
            .context("a thread that serves")?;
        Ok(Self { connections, served, thread })
    }

    /// Where it takes connections.
    pub fn hands(&self) -> Hands {
        self.connections.clone()
    }

    /// Waits until it serves no more.
    pub async fn served(&mut self) -> anyhow::Result<()> {
        match (&mut self.served).await {
            Ok(()) => Ok(()),
            Err(_) => anyhow::bail!("a thread that serves has ended"),
        }
    }

    /// The thread, to wait for once the phase is [`Phase::Over`].
    pub fn into_thread(self) -> JoinHandle<()> {
        self.thread
    }
}

/// Waits for a phase; a sender that is gone stands for the last one.
pub(super) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // The sender is dropped with the server: that is every phase at once.
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

/// Greets whoever is handed in, all at once: nobody waits for another's handshake.
async fn greet(
    mut handed: mpsc::UnboundedReceiver<Accepted>,
    tls: Option<Arc<Certificates>>,
    to: mpsc::UnboundedSender<Wire>,
) {
    while let Some(accepted) = handed.recv().await {
        let (tls, to) = (tls.clone(), to.clone());
        tokio::spawn(async move {
            if let Some(wire) = greeted(accepted, tls.as_ref(), Patience::default()).await {
                // Draining, nobody takes it any more: it closes.
                let _ = to.send(wire);
            }
        });
    }
}

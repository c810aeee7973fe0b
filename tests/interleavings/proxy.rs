//! A network between the service and PostgreSQL: it passes, stalls, falls silent, cuts, or loses
//! the answer to a commit.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What every transaction of the writer begins with.
const WRITES: &[u8] = b"READ COMMITTED";
/// The one statement whose lost answer leaves it open what has happened, as it is sent.
const COMMIT: &[u8] = b"COMMIT;";
/// Read at once.
const CHUNK: usize = 64 * 1_024;

pub(crate) struct Proxy {
    /// Where the service finds its database.
    pub(crate) url: String,
    network: Arc<Network>,
    accepting: JoinHandle<()>,
}

struct Network {
    server: SocketAddr,
    weather: watch::Sender<Weather>,
    opened: AtomicU64,
    loses: AtomicBool,
}

/// Connections are numbered; what happens to all that exist is said of those below a number.
#[derive(Clone, Copy, Default)]
struct Weather {
    stalled: bool,
    silent_below: u64,
    cut_below: u64,
    lost: u64,
}

impl Proxy {
    /// A network that passes everything on to the server of this URL.
    pub(crate) async fn before(url: &str) -> Self {
        let (who, rest) = url.rsplit_once('@').expect("a user and a server");
        let (server, name) = rest.split_once('/').expect("a server and a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let network = Arc::new(Network {
            server: server.parse().expect("an address and a port"),
            weather: watch::Sender::default(),
            opened: AtomicU64::new(0),
            loses: AtomicBool::new(false),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&network)));
        Self { url: format!("{who}@{address}/{name}"), network, accepting }
    }

    /// Nothing passes any more, until it is told to.
    pub(crate) fn stall(&self) {
        self.network.weather.send_modify(|weather| weather.stalled = true);
    }

    /// Everything passes, what waited first.
    pub(crate) fn pass(&self) {
        self.network.weather.send_modify(|weather| weather.stalled = false);
    }

    /// Whatever is connected now hears nothing any more, for ever, and nobody tells it so.
    pub(crate) fn silence(&self) {
        let next = self.network.opened.load(Ordering::SeqCst);
        self.network.weather.send_modify(|weather| weather.silent_below = next);
    }

    /// Whatever is connected now is cut off.
    pub(crate) fn cut(&self) {
        let next = self.network.opened.load(Ordering::SeqCst);
        self.network.weather.send_modify(|weather| weather.cut_below = next);
    }

    /// The next commit of the writer takes place, and its answer is lost with the connection.
    pub(crate) fn lose_a_commit(&self) {
        self.network.loses.store(true, Ordering::SeqCst);
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> u64 {
        self.network.opened.load(Ordering::SeqCst)
    }

    /// How many commits have lost their answer.
    pub(crate) fn lost(&self) -> u64 {
        self.network.weather.borrow().lost
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, network: Arc<Network>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = network.opened.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(connect(Arc::clone(&network), client, number));
    }
}

async fn connect(network: Arc<Network>, client: TcpStream, number: u64) {
    let Ok(server) = TcpStream::connect(network.server).await else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("a connection that was made just now");
    }
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let losing = AtomicBool::new(false);
    let mut weather = network.weather.subscribe();
    // Whichever ends first ends the connection: both halves are dropped.
    tokio::select! {
        () = ask(&network, number, from_client, to_server, &losing) => {}
        () = answer(&network, number, from_server, to_client, &losing) => {}
        _ = weather.wait_for(|weather| number < weather.cut_below) => {}
    }
}

/// From the service to the server.
async fn ask(
    network: &Network,
    number: u64,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    losing: &AtomicBool,
) {
    let mut chunk = vec![0; CHUNK];
    let mut writes = false;
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let said = &chunk[..length];
        writes |= holds(said, WRITES);
        if writes && holds(said, COMMIT) && network.loses.swap(false, Ordering::SeqCst) {
            losing.store(true, Ordering::SeqCst);
        }
        network.lets_pass(number).await;
        if to.write_all(said).await.is_err() {
            return;
        }
    }
}

/// From the server to the service.
async fn answer(
    network: &Network,
    number: u64,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    losing: &AtomicBool,
) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        if losing.load(Ordering::SeqCst) {
            // The server has answered: it is committed. Nobody hears of it.
            network.weather.send_modify(|weather| weather.lost += 1);
            return;
        }
        network.lets_pass(number).await;
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

impl Network {
    async fn lets_pass(&self, number: u64) {
        let passes = |weather: &Weather| !weather.stalled && number >= weather.silent_below;
        // The sender is part of the network.
        let _ = self.weather.subscribe().wait_for(passes).await;
    }
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

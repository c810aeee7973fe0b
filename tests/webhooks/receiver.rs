//! A receiver of web-hooks on this machine: it keeps what it is sent, and answers as a test says.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use standardwebhooks::Webhook;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue};

/// Nothing takes longer, however loaded the machine is.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// How it answers one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// With this status.
    Status(u16),
    /// With 200, after this long.
    Slow(Duration),
    /// With 429, and when to come back, in seconds.
    TooMany(u32),
    /// With another status that says so.
    Later(u16, u32),
    /// Not at all, until the sender has gone away.
    Hangs,
    /// By closing the connection.
    Drops,
    /// With a way to another address.
    Redirects(String),
    /// With 200 and a body without an end.
    Endless,
}

/// What was sent.
#[derive(Clone)]
pub(super) struct Received {
    pub headers: HeaderMap,
    pub text: String,
    pub manner: Manner,
    pub at: Instant,
}

impl Received {
    pub fn id(&self) -> String {
        self.headers["webhook-id"].to_str().expect("text").to_owned()
    }

    pub fn body(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// A member of `data`; empty when there is none.
    pub fn of(&self, member: &str) -> String {
        self.body()["data"][member].as_str().unwrap_or_default().to_owned()
    }

    pub fn kind(&self) -> String {
        self.body()["type"].as_str().expect("a type").to_owned()
    }

    pub fn is_accepted(&self) -> bool {
        matches!(self.manner, Manner::Status(200) | Manner::Slow(_))
    }

    /// Verifies it with the reference library.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let webhook = Webhook::new(secret).expect("a secret");
        webhook.verify(self.text.as_bytes(), &self.headers).is_ok()
    }
}

type Answers = Box<dyn Fn(&Received) -> Manner + Send>;

struct State {
    answers: Mutex<Answers>,
    all: Mutex<Vec<Received>>,
    /// Whose events are being answered: lanes, and ids.
    open: Mutex<HashSet<String>>,
    overlaps: AtomicUsize,
    connections: AtomicUsize,
    down: AtomicBool,
}

/// A receiver.
pub(super) struct Receiver {
    pub address: SocketAddr,
    state: Arc<State>,
}

impl Receiver {
    /// Accepts everything.
    pub fn new() -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    pub fn at(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            answers: Mutex::new(Box::new(|_| Manner::Status(200))),
            all: Mutex::default(),
            open: Mutex::default(),
            overlaps: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            down: AtomicBool::new(false),
        });
        let own = Arc::clone(&state);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                own.connections.fetch_add(1, Ordering::SeqCst);
                let state = Arc::clone(&own);
                if !state.down.load(Ordering::SeqCst) {
                    std::thread::spawn(move || serve(&state, stream));
                }
            }
        });
        Self { address, state }
    }

    /// Where it is, for an endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// Answers so from now on.
    pub fn answers(&self, how: impl Fn(&Received) -> Manner + Send + 'static) {
        *self.state.answers.lock().expect("whole") = Box::new(how);
    }

    /// Closes every connection as it comes, and those that are open at their next request.
    pub fn goes_down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }

    /// Everything that was sent.
    pub fn all(&self) -> Vec<Received> {
        self.state.all.lock().expect("whole").clone()
    }

    /// What was accepted, each event once, in the order in which it first was.
    pub fn accepted(&self) -> Vec<Received> {
        let mut seen = HashSet::new();
        let accepted = self.all().into_iter().filter(Received::is_accepted);
        accepted.filter(|one| seen.insert(one.id())).collect()
    }

    /// How often two events of one customer, or one event twice, were being answered at once.
    pub fn overlaps(&self) -> usize {
        self.state.overlaps.load(Ordering::SeqCst)
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until it is so.
    pub async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !so(self) {
            let accepted = self.accepted().len();
            let all = self.all().len();
            assert!(begun.elapsed() < PATIENCE, "{what}: {accepted} accepted of {all} requests");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until so many events are accepted; they are given.
    pub async fn until_accepted(&self, count: usize) -> Vec<Received> {
        self.until(&format!("{count} are accepted"), |it| it.accepted().len() >= count).await;
        self.accepted()
    }
}

fn serve(state: &State, stream: TcpStream) {
    let Ok(mut answer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(mut received) = read(&mut reader) {
        if state.down.load(Ordering::SeqCst) {
            return;
        }
        received.manner = state.answers.lock().expect("whole")(&received);
        let names = [received.id(), received.of("customer_ref"), received.of("interaction_id")];
        let names = names.map(|name| (!name.is_empty()).then_some(name));
        {
            let mut open = state.open.lock().expect("whole");
            for name in names.iter().flatten() {
                if !open.insert(name.clone()) {
                    state.overlaps.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        let manner = received.manner.clone();
        if !matches!(manner, Manner::Slow(_)) {
            state.all.lock().expect("whole").push(received.clone());
        }
        if let Manner::Slow(long) = manner {
            std::thread::sleep(long);
            state.all.lock().expect("whole").push(received);
        }
        {
            let mut open = state.open.lock().expect("whole");
            open.retain(|name| !names.iter().flatten().any(|own| own == name));
        }
        let text = match manner {
            Manner::Status(status) => {
                format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n")
            }
            Manner::TooMany(seconds) => later(429, seconds),
            Manner::Later(status, seconds) => later(status, seconds),
            Manner::Slow(_) => "HTTP/1.1 200 So\r\nContent-Length: 2\r\n\r\nok".into(),
            Manner::Redirects(to) => {
                format!("HTTP/1.1 307 So\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
            }
            Manner::Drops => return,
            Manner::Hangs => {
                // The sender goes away: then there is nothing more to read.
                let _ = reader.read(&mut [0; 1]);
                return;
            }
            Manner::Endless => {
                let _ = answer.write_all(b"HTTP/1.1 200 So\r\nTransfer-Encoding: chunked\r\n\r\n");
                while answer.write_all(b"400\r\n").is_ok() {
                    if answer.write_all(&[b'a'; 1_024]).is_err()
                        || answer.write_all(b"\r\n").is_err()
                    {
                        break;
                    }
                }
                return;
            }
        };
        if answer.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn later(status: u16, seconds: u32) -> String {
    format!("HTTP/1.1 {status} So\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n")
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').expect("a header");
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.insert(name, HeaderValue::from_str(value.trim()).expect("a value"));
    }
    let length = headers.get("content-length")?.to_str().ok()?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let text = String::from_utf8(body).expect("text");
    Some(Received { headers, text, manner: Manner::Status(200), at: Instant::now() })
}

//! What an issuer's key-set address can be like: a small server over HTTP that a test steers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// How it answers.
#[derive(Clone)]
pub enum Manner {
    /// With this set.
    Serves(String),
    /// With 503.
    Fails,
    /// Not at all: the connection stays open.
    Hangs,
    /// With a way to another address, where the set would be.
    Redirects(String),
}

/// A key-set address on this machine.
pub struct KeyServer {
    /// Where it listens.
    pub address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    /// Listens, and answers in this manner.
    pub fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (manner, asked) = (Arc::new(Mutex::new(manner)), Arc::new(AtomicUsize::new(0)));
        let (now, count) = (Arc::clone(&manner), Arc::clone(&asked));
        // It ends with the test's process.
        std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let manner = now.lock().expect("whole").clone();
                hanging.extend(answer(stream, &manner));
            }
        });
        Self { address, manner, asked }
    }

    /// Its address, as in the settings.
    pub fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    /// Answers in this manner from now on.
    pub fn now(&self, manner: Manner) {
        *self.manner.lock().expect("whole") = manner;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream, manner: &Manner) -> Option<TcpStream> {
    let mut head = Vec::new();
    let mut buffer = [0; 1_024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
    let text = match manner {
        Manner::Serves(set) => {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{set}", set.len())
        }
        Manner::Fails => "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".into(),
        Manner::Redirects(to) => {
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
        }
        Manner::Hangs => return Some(stream),
    };
    // A client that has gone away needs no answer.
    drop(stream.write_all(text.as_bytes()));
    None
}

//! One connection, with or without TLS, and how long is waited for the peer at its other end.
//!
//! HTTP/2 has a time-out for nothing that a peer does before its first frame, nor for one that
//! answers pings and reads or says nothing, and HTTP/1.1 none for one that does not read: those are
//! here, where the bytes are.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::attending::{Activity, Peer};
use super::peer;
use super::tls::Certificates;

/// How long a peer may take for its handshake and its first words: HTTP/2's preface, or as many
/// bytes of HTTP/1.1.
const GREETED_WITHIN: Duration = Duration::from_secs(10);
/// How long a peer may leave unread what is to be sent.
const READ_ON_WITHIN: Duration = Duration::from_secs(30);
/// How long a connection may have no call.
const IDLE_AFTER: Duration = Duration::from_secs(900);
/// The bytes of HTTP/2's preface (RFC 9113, 3.4).
const PREFACE: usize = 24;

/// How long a peer is waited for.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Until its first words are heard.
    pub greeted: Duration,
    /// Until it reads on.
    pub read_on: Duration,
    /// Until its next call.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { greeted: GREETED_WITHIN, read_on: READ_ON_WITHIN, idle: IDLE_AFTER }
    }
}

/// A connection that was accepted: its place among so many is free again when it is dropped.
pub(super) struct Accepted {
    /// What the system gave.
    pub connection: std::net::TcpStream,
    /// Its place.
    pub place: OwnedSemaphorePermit,
}

/// What requests come on.
pub(super) struct Wire {
    stream: Stream,
    patience: Patience,
    /// Bytes that were heard, the preface's at least once all is well.
    heard: usize,
    greeted_by: Pin<Box<Sleep>>,
    /// Set while the peer leaves unread what is to be sent.
    reads_on_by: Option<Pin<Box<Sleep>>>,
    looked_again: Pin<Box<Sleep>>,
    peer: Peer,
    _place: OwnedSemaphorePermit,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Waits for the peer's first byte, or shakes hands; `None` when that does not come, in time, or is
/// nothing that is understood.
pub(super) async fn greeted(
    accepted: Accepted,
    tls: Option<&Arc<Certificates>>,
    patience: Patience,
) -> Option<Wire> {
    let Accepted { connection, place } = accepted;
    let by = Instant::now() + patience.greeted;
    let connection = TcpStream::from_std(connection).ok()?;
    let stream = match tls {
        None => {
            let heard = tokio::time::timeout_at(by, connection.peek(&mut [0])).await.ok()?.ok()?;
            (heard > 0).then_some(Stream::Plain(connection))?
        }
        Some(certificates) => {
            let acceptor = TlsAcceptor::from(certificates.current());
            let shaken = tokio::time::timeout_at(by, acceptor.accept(connection)).await.ok()?;
            // A probe that only opens the connection, as load balancers do, is nothing to tell.
            let told = |error: &io::Error| error.kind() != io::ErrorKind::UnexpectedEof;
            let stream = shaken.inspect_err(|error| {
                if told(error) {
                    tracing::debug!(%error, "a handshake failed");
                }
            });
            Stream::Tls(Box::new(stream.ok()?))
        }
    };
    let certificate = match (&stream, tls) {
        (Stream::Tls(stream), Some(tls)) => {
            peer::certificate(stream.get_ref().1.peer_certificates(), tls)
        }
        _ => None,
    };
    Some(Wire {
        stream,
        patience,
        heard: 0,
        greeted_by: Box::pin(tokio::time::sleep_until(by)),
        reads_on_by: None,
        looked_again: Box::pin(tokio::time::sleep(patience.idle)),
        peer: Peer { activity: Activity::new(), certificate },
        _place: place,
    })
}

impl Wire {
    /// Nothing can be read: whether the peer has been waited for long enough.
    fn is_given_up(&mut self, context: &mut Context<'_>) -> bool {
        if self.heard < PREFACE {
            return self.greeted_by.as_mut().poll(context).is_ready();
        }
        while self.looked_again.as_mut().poll(context).is_ready() {
            let idle = self.peer.activity.idle_for();
            if idle >= self.patience.idle {
                return true;
            }
            let again = Instant::now() + (self.patience.idle - idle);
            self.looked_again.as_mut().reset(again);
        }
        false
    }

    /// What a write gave, or that the peer has left it unread for too long.
    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.reads_on_by = None;
            return polled;
        }
        let read_on = self.patience.read_on;
        let by = self.reads_on_by.get_or_insert_with(|| Box::pin(tokio::time::sleep(read_on)));
        by.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Connected for Wire {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

/// Calls the same method on whichever stream it is.
macro_rules! either {
    ($wire:ident, $method:ident($($argument:expr),*)) => {
        match &mut $wire.stream {
            Stream::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Tls(stream) => Pin::new(&mut **stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buffer.filled().len();
        let polled = either!(wire, poll_read(context, buffer));
        wire.heard = wire.heard.saturating_add(buffer.filled().len() - before);
        if polled.is_pending() && wire.is_given_up(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let polled = either!(wire, poll_write(context, bytes));
        wire.in_time(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let polled = either!(wire, poll_write_vectored(context, parts));
        wire.in_time(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let polled = either!(wire, poll_flush(context));
        match wire.stream {
            // There is nothing to flush: it says nothing of the peer.
            Stream::Plain(_) => polled,
            Stream::Tls(_) => wire.in_time(context, polled),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let polled = either!(wire, poll_shutdown(context));
        wire.in_time(context, polled)
    }
}

#[cfg(test)]
mod tests;

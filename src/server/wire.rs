//! One connection, with or without TLS, once it has shown that somebody speaks on it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::tls::Certificates;

/// How long a peer may take to say its first word, and to finish its handshake.
pub(super) const GREETED_WITHIN: Duration = Duration::from_secs(10);

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
    _place: OwnedSemaphorePermit,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Waits for the peer's first word, or shakes hands; `None` when that does not come, in time, or is
/// none that is understood. A peer that only holds a connection open is not waited for.
pub(super) async fn greeted(
    accepted: Accepted,
    tls: Option<&Certificates>,
    within: Duration,
) -> Option<Wire> {
    let Accepted { connection, place } = accepted;
    let greeting = async {
        let connection = TcpStream::from_std(connection).ok()?;
        match tls {
            None => {
                let heard = connection.peek(&mut [0]).await.ok()?;
                (heard > 0).then_some(Stream::Plain(connection))
            }
            Some(certificates) => {
                let acceptor = TlsAcceptor::from(certificates.current());
                let stream = acceptor.accept(connection).await.ok()?;
                Some(Stream::Tls(Box::new(stream)))
            }
        }
    };
    let stream = tokio::time::timeout(within, greeting).await.ok().flatten()?;
    Some(Wire { stream, _place: place })
}

impl Connected for Wire {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

/// Calls the same method on whichever stream it is.
macro_rules! either {
    ($wire:ident, $method:ident($($argument:expr),*)) => {
        match &mut $wire.get_mut().stream {
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
        either!(self, poll_read(context, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn who_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silent = std::net::TcpStream::connect(address).unwrap();
        let (connection, _) = listener.accept().await.unwrap();
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        let connection = connection.into_std().unwrap();
        let within = Duration::from_millis(1);
        assert!(greeted(Accepted { connection, place }, None, within).await.is_none());
        assert_eq!(places.available_permits(), 1, "its place is free again");
        drop(silent);
    }
}

//! Peers that speak HTTP/1.1 at its limits. Those of HTTP/2 are the library's own tests.

use std::convert::Infallible;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::codegen::http::Response;

use super::*;

/// Says these words on a connection of its own; everything that is answered until it is closed, or
/// stays silent with the other end open.
async fn said(words: &[u8], headers_within: Duration) -> String {
    let (mut peer, server) = tokio::io::duplex(1 << 20);
    let answering =
        tower::service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    tokio::spawn(async move {
        let speaking = speaking(headers_within);
        let answering = TowerToHyperService::new(answering);
        drop(speaking.serve_connection(TokioIo::new(server), answering).await);
    });
    peer.write_all(words).await.expect("it listens");
    let mut heard = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), peer.read_to_end(&mut heard)).await;
    closed.expect("it is closed").expect("it is read");
    String::from_utf8(heard).expect("text")
}

fn asking(headers: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

#[tokio::test]
async fn who_does_not_finish_its_headers_is_let_go() {
    let short = Duration::from_millis(20);
    assert_eq!(said(b"GET / HTTP/1.1\r\nhost: a\r\nx: ", short).await, "");
    // The same holds between two requests.
    let answered = said(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", short).await;
    assert_eq!(answered.matches("HTTP/1.1 200").count(), 1, "{answered}");
}

#[tokio::test]
async fn headers_have_limits() {
    let header = |number: usize, bytes: usize| format!("x-{number}: {}\r\n", "y".repeat(bytes));
    let many = |number: usize| (0..number).map(|it| header(it, 1)).collect::<String>();
    for (headers, expected) in [
        (String::new(), "HTTP/1.1 200"),
        (many(HEADERS - 2), "HTTP/1.1 200"),
        (many(HEADERS - 1), "HTTP/1.1 431"),
        (header(1, HEADER_BYTES / 2), "HTTP/1.1 200"),
        (header(1, HEADER_BYTES), "HTTP/1.1 431"),
    ] {
        let answered = said(&asking(&headers), HEADERS_WITHIN).await;
        assert!(answered.starts_with(expected), "{expected}: {answered}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    assert!(said(b"canary\r\n\r\n", HEADERS_WITHIN).await.starts_with("HTTP/1.1 400"));
}

//! One port for all: HTTP/1.1 and HTTP/2, in plaintext and over TLS, and how they end.

use std::io::Write as _;
use std::time::Duration;

use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;
use tonic::codegen::http::Request;
use tonic::transport::Endpoint;
use tower::ServiceExt as _;

use super::encryption::{Files, shaken};
use crate::support::web::Web;
use crate::support::{Engine, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_is_spoken_over_both_versions_of_http() {
    let world = World::on(Engine::Sqlite).await;
    let key = world.key(&World::new_key(&["telephony"])).await;
    let old = Web::new(world.running.address, Some(&key));
    old.post("/api/v1/interactions", &json!({"interaction_id": "a", "channel": "voice"}))
        .await
        .good();
    let channel = Endpoint::from_shared(format!("http://{}", world.running.address));
    let channel = channel.expect("an address").connect().await.expect("the server listens");
    let request = Request::get(format!("http://{}/api/v1/interactions/a", world.running.address))
        .header("authorization", format!("Bearer {key}"))
        .body(Body::empty())
        .expect("a request");
    let answer = channel.oneshot(request).await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (200, tonic::codegen::http::Version::HTTP_2)
    );
    let text = answer.into_body().collect().await.expect("a body").to_bytes();
    let read: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(read, old.get("/api/v1/interactions/a").await.good());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_is_spoken_over_tls() {
    let files = Files::new();
    let world = files.serve("").await;
    let key = world.key(&World::new_key(&["telephony"])).await;
    let root =
        reqwest::Certificate::from_pem(files.authority.pem.as_bytes()).expect("an authority");
    let trusting = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
    let base = format!("https://localhost:{}", world.running.address.port());
    let web = Web::new(world.running.address, Some(&key))
        .through(trusting.build().expect("a client"), &base);
    web.post("/api/v1/interactions", &json!({"interaction_id": "a", "channel": "voice"}))
        .await
        .good();
    world.close().await;
}

/// Both versions of HTTP in both versions of TLS: whichever the client offers, the newer first, and
/// the older to a client that says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_chooses_what_is_spoken_over_tls() {
    use rustls::version::{TLS12, TLS13};
    let files = Files::new();
    let world = files.serve("min_version = \"1.2\"").await;
    let key = world.key(&World::new_key(&["telephony"])).await;
    let web = |stream| over(stream, &key);
    let (newer, older): (&[u8], &[u8]) = (b"h2", b"http/1.1");
    for version in [&TLS12, &TLS13] {
        for (offered, chosen) in [
            (vec![newer], Some(newer)),
            (vec![older], Some(older)),
            (vec![older, newer], Some(newer)),
            (vec![], None),
        ] {
            let stream = shaken(&world, &files.authority, version, &offered).await;
            let stream = stream.expect("something that both speak");
            assert_eq!(stream.get_ref().1.alpn_protocol(), chosen, "{version:?} {offered:?}");
            let told = web(stream).await;
            assert_eq!(told, (404, "INTERACTION_NOT_FOUND".to_owned()), "{version:?} {offered:?}");
        }
        let unknown = shaken(&world, &files.authority, version, &[b"spdy/1"]).await;
        assert!(unknown.is_none(), "nothing that both speak");
    }
    world.close().await;
}

/// Asks for an interaction that nobody has, in what was agreed on; the code and the reason.
async fn over(stream: TlsStream<TcpStream>, key: &str) -> (u16, String) {
    let newer = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = hyper_util::rt::TokioIo::new(stream);
    let request = |base: &str| {
        Request::get(format!("{base}/api/v1/interactions/nobody's"))
            .header("host", "localhost")
            .header("authorization", format!("Bearer {key}"))
            .body(Body::empty())
            .expect("a request")
    };
    let (parts, body) = if newer {
        let executor = hyper_util::rt::TokioExecutor::new();
        let spoken = hyper::client::conn::http2::handshake(executor, stream).await;
        let (mut sender, connection) = spoken.expect("HTTP/2");
        tokio::spawn(connection);
        sender.send_request(request("https://localhost")).await.expect("an answer").into_parts()
    } else {
        let spoken = hyper::client::conn::http1::handshake(stream).await;
        let (mut sender, connection) = spoken.expect("HTTP/1.1");
        tokio::spawn(connection);
        sender.send_request(request("")).await.expect("an answer").into_parts()
    };
    let bytes = body.collect().await.expect("a body").to_bytes();
    let said: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let reason = said["details"][0]["reason"].as_str().unwrap_or_default().to_owned();
    (parts.status.as_u16(), reason)
}

/// A connection that HTTP/1.1 keeps open keeps no server from ending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_connection_ends_with_the_server() {
    let world = World::on(Engine::Sqlite).await;
    let mut open = TcpStream::connect(world.running.address).await.expect("it listens");
    open.write_all(b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
    let mut heard = vec![0; 1];
    open.read_exact(&mut heard).await.expect("an answer");
    let closing = tokio::time::timeout(Duration::from_secs(5), world.close()).await;
    closing.expect("sooner than calls would be cut off");
    open.read_to_end(&mut heard).await.expect("the rest");
    assert!(heard.starts_with(b"HTTP/1.1 404"));
}

/// Some thousand requests from the description of REST; `tests/schemathesis.sh` sends many more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_description_allows_is_answered_as_it_says() {
    let Ok(python) = std::env::var("THREADLINE_TEST_PYTHON") else {
        let note = "not run: schemathesis; THREADLINE_TEST_PYTHON is not set (./test.sh sets it)";
        // Nobody reads it when standard error is closed.
        drop(writeln!(std::io::stderr(), "{note}"));
        return;
    };
    let world = World::on(Engine::Sqlite).await;
    let roles = ["telephony", "bot", "helpdesk", "agent", "admin", "backfill"];
    let key = world.key(&World::new_key(&roles)).await;
    let mut command = std::process::Command::new("tests/schemathesis.sh");
    command.arg("5").env("THREADLINE_TEST_PYTHON", python).env("THREADLINE_API_KEY", key);
    command.env("THREADLINE_SERVER", format!("http://{}", world.running.address));
    let output = tokio::task::spawn_blocking(move || command.output().expect("bash"));
    let output = output.await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("✅ Fuzzing").count(), 2, "{said}");
    world.close().await;
}

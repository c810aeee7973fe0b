//! Peers that do nothing, at each point where one could be waited for for ever.

use std::io::Write as _;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::super::tls::TlsSettings;
use super::*;

/// So short that a test does not wait, but for the kinds of waiting that it is not about.
const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(600);

fn patience(greeted: Duration, read_on: Duration, idle: Duration) -> Patience {
    Patience { greeted, read_on, idle }
}

/// Both ends of a connection, and the place that it takes.
async fn pair() -> (std::net::TcpStream, Accepted, Arc<Semaphore>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (connection, _) = listener.accept().await.unwrap();
    let places = Arc::new(Semaphore::new(1));
    let place = Arc::clone(&places).try_acquire_owned().unwrap();
    (peer, Accepted { connection: connection.into_std().unwrap(), place }, places)
}

fn certificates() -> (Arc<Certificates>, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let [certificate, key] = ["a.pem", "a.key"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let settings = TlsSettings {
        certificate,
        key,
        client_ca: None,
        client_certificate_optional: false,
        tls_1_2: false,
    };
    (Arc::new(Certificates::read(settings).unwrap()), made.cert.pem(), folder)
}

async fn timed_out(wire: &mut Wire) -> bool {
    let read = wire.read_to_end(&mut Vec::new()).await;
    read.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let (certificates, ..) = certificates();
    for tls in [None, Some(&certificates)] {
        let (peer, accepted, places) = pair().await;
        assert!(greeted(accepted, tls, patience(SHORT, LONG, LONG)).await.is_none());
        assert_eq!(places.available_permits(), 1, "its place is free again");
        drop(peer);
    }
}

#[tokio::test]
async fn who_stops_before_the_end_of_the_preface_is_not_waited_for() {
    let (mut peer, accepted, places) = pair().await;
    peer.write_all(b"PRI * HTTP/2.0").unwrap();
    let mut wire = greeted(accepted, None, patience(SHORT, LONG, LONG)).await.unwrap();
    assert!(timed_out(&mut wire).await);
    assert_eq!(places.available_permits(), 0, "the connection is still there");
    drop(wire);
    assert_eq!(places.available_permits(), 1);
}

#[tokio::test]
async fn who_only_shakes_hands_is_not_waited_for() {
    let (certificates, authority, _folder) = certificates();
    let (peer, accepted, _) = pair().await;
    let shaking = tokio::spawn(async move {
        let mut roots = RootCertStore::empty();
        let root = rustls::pki_types::CertificateDer::from_pem_slice(authority.as_bytes());
        roots.add(root.unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        peer.set_nonblocking(true).unwrap();
        let peer = TcpStream::from_std(peer).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, peer).await.unwrap()
    });
    // Long enough for the handshake, which takes as long as the machine takes.
    let patience = patience(Duration::from_secs(2), LONG, LONG);
    let mut wire = greeted(accepted, Some(&certificates), patience).await.unwrap();
    let peer = shaking.await.unwrap();
    assert!(timed_out(&mut wire).await);
    drop(peer);
}

#[tokio::test]
async fn who_does_not_read_is_not_waited_for() {
    let (mut peer, accepted, _) = pair().await;
    peer.write_all(b"P").unwrap();
    let mut wire = greeted(accepted, None, patience(LONG, SHORT, LONG)).await.unwrap();
    let more_than_the_system_keeps = vec![0; 64 << 20];
    let error = wire.write_all(&more_than_the_system_keeps).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    drop(peer);
}

#[tokio::test]
async fn who_has_no_call_for_long_is_let_go() {
    let (mut peer, accepted, _) = pair().await;
    peer.write_all(&[b'x'; PREFACE]).unwrap();
    let mut wire = greeted(accepted, None, patience(LONG, LONG, SHORT)).await.unwrap();
    wire.read_exact(&mut [0; PREFACE]).await.unwrap();
    assert!(timed_out(&mut wire).await);
}

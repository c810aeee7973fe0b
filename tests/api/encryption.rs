//! TLS on the one port: who can read along, who is asked for a certificate, and how certificates
//! are replaced. None of it touches the store: one engine is enough.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use threadline::clock::Clock;
use threadline::grpc::proto::interaction_service_client::InteractionServiceClient;
use threadline::ids::Entropy;
use threadline::server::{Configuration, Layers, Serve, serve};
use threadline::store::Schedule;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::requests::start;
use crate::support::{Engine, Setup, World};

/// For whatever takes as long as the machine takes, and less than a silent peer is waited for.
const PATIENCE: Duration = Duration::from_secs(9);

/// Somebody who signs certificates.
pub(super) struct Authority {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate of that name, and its key.
    fn signs(&self, name: &str) -> (String, String) {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

/// A folder of certificates that a server shows.
pub(super) struct Files {
    folder: TempDir,
    pub(super) authority: Authority,
}

impl Files {
    pub(super) fn new() -> Self {
        let files =
            Self { folder: tempfile::tempdir().expect("a folder"), authority: Authority::new() };
        files.replace(&files.authority.signs("localhost"));
        files.write("ca.pem", &files.authority.pem);
        files
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    fn replace(&self, (certificate, key): &(String, String)) {
        self.write("server.pem", certificate);
        self.write("server.key", key);
    }

    /// The settings that name them, and whatever else.
    pub(super) fn settings(&self, more: &str) -> String {
        let [certificate, key] = ["server.pem", "server.key"].map(|name| self.path(name));
        format!("[server.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n{more}\n")
    }

    pub(super) async fn serve(&self, more: &str) -> World {
        Setup::on(Engine::Sqlite).settings(&self.settings(more)).open().await
    }

    pub(super) fn trusted(&self) -> ClientTlsConfig {
        trusting(&self.authority)
    }
}

fn trusting(authority: &Authority) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&authority.pem))
}

pub(super) async fn channel(
    world: &World,
    tls: ClientTlsConfig,
) -> Result<Channel, tonic::transport::Error> {
    let url = format!("https://localhost:{}", world.running.address.port());
    Endpoint::from_shared(url).expect("an address").tls_config(tls)?.connect().await
}

/// Calls with a key; which code it gave.
async fn call(world: &World, channel: Channel, id: &str) -> Code {
    let key = world.key(&World::new_key(&["telephony"])).await;
    let mut request = Request::new(start(id, "voice"));
    let bearer = format!("Bearer {key}").parse().expect("printable");
    request.metadata_mut().insert("authorization", bearer);
    let answer = InteractionServiceClient::new(channel).start_interaction(request).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// Whether somebody without or with these certificates is served.
async fn is_served(world: &World, tls: ClientTlsConfig, id: &str) -> bool {
    match channel(world, tls).await {
        // In TLS 1.3 a client's certificate is judged after the client has finished its part.
        Ok(channel) => call(world, channel, id).await == Code::Ok,
        Err(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_over_tls_is_answered_and_plaintext_is_not() {
    let files = Files::new();
    let world = files.serve("").await;
    assert!(is_served(&world, files.trusted(), "secure").await);
    assert!(!is_served(&world, trusting(&Authority::new()), "stranger").await);
    let plain = Endpoint::from_shared(format!("http://{}", world.running.address));
    let refused = match plain.expect("an address").connect().await {
        Ok(channel) => call(&world, channel, "plain").await != Code::Ok,
        Err(_) => true,
    };
    assert!(refused, "plaintext on a port with TLS");
    let mut raw = TcpStream::connect(world.running.address).await.expect("it listens");
    raw.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("written");
    let mut said = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, raw.read_to_end(&mut said)).await;
    assert!(closed.is_ok(), "whoever does not speak TLS is not kept");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_call_over_tls() {
    let files = Files::new();
    let world = files.serve("").await;
    let key = world.key(&World::new_key(&["telephony"])).await;
    let server = format!("https://localhost:{}", world.running.address.port());
    let calling = move |ca: Option<PathBuf>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
        command.args(["call", "StartInteraction", r#"{"interaction_id":"c","channel":"voice"}"#]);
        command.args(["--server", &server, "--api-key", &key]);
        command.args(ca.iter().flat_map(|ca| [Path::new("--ca"), ca]));
        command.output().expect("the command runs")
    };
    let ca = files.path("ca.pem");
    let (told, untold) = tokio::task::spawn_blocking(move || (calling(Some(ca)), calling(None)))
        .await
        .expect("both ran");
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success() && text.contains("customer_ref"), "{text}");
    assert!(!untold.status.success(), "an authority that nobody has told it of");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_shows_a_certificate_where_one_is_asked_for() {
    let files = Files::new();
    let ca = files.path("ca.pem");
    let own = |authority: &Authority| {
        let (certificate, key) = authority.signs("pbx");
        Identity::from_pem(certificate, key)
    };
    let (known, forged) = (own(&files.authority), own(&Authority::new()));
    let world = files.serve(&format!("client_ca = {ca:?}")).await;
    assert!(is_served(&world, files.trusted().identity(known.clone()), "known").await);
    assert!(!is_served(&world, files.trusted(), "without").await);
    assert!(!is_served(&world, files.trusted().identity(forged.clone()), "forged").await);
    world.close().await;
    let optional = format!("client_ca = {ca:?}\nclient_certificate = \"optional\"");
    let world = files.serve(&optional).await;
    assert!(is_served(&world, files.trusted(), "without").await);
    assert!(!is_served(&world, files.trusted().identity(forged), "forged").await);
    world.close().await;
}

/// Shakes hands with one version, offering to speak these; none when that does not come about.
pub(super) async fn shaken(
    world: &World,
    authority: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
    offered: &[&[u8]],
) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("a certificate");
    roots.add(root).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = offered.iter().map(|it| it.to_vec()).collect();
    let stream = TcpStream::connect(world.running.address).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(client)).connect(name, stream).await.ok()
}

/// The certificate that was shown.
async fn shown(
    world: &World,
    authority: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
) -> Option<CertificateDer<'static>> {
    let stream = shaken(world, authority, version, &[]).await?;
    let shown = stream.get_ref().1.peer_certificates()?;
    Some(shown.first()?.clone().into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_version_is_spoken_only_where_it_was_chosen() {
    use rustls::version::{TLS12, TLS13};
    let files = Files::new();
    for (settings, expected) in [("", false), ("min_version = \"1.2\"", true)] {
        let world = files.serve(settings).await;
        let older = shown(&world, &files.authority, &TLS12).await.is_some();
        assert_eq!(older, expected, "{settings}");
        assert!(shown(&world, &files.authority, &TLS13).await.is_some());
        world.close().await;
    }
}

/// A channel that connects by itself whenever it has to, and how often it has.
async fn counted(world: &World, authority: &Authority) -> (Channel, Arc<AtomicUsize>) {
    let connected = Arc::new(AtomicUsize::new(0));
    let (counting, address) = (Arc::clone(&connected), world.running.address);
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("a certificate");
    roots.add(root).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(client));
    let connect = tower::service_fn(move |_| {
        counting.fetch_add(1, Ordering::Relaxed);
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost").expect("a name");
            connector.connect(name, stream).await.map(hyper_util::rt::TokioIo::new)
        }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_connector(connect).await.expect("a connection");
    (channel, connected)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_certificates_are_shown_and_no_connection_is_dropped() {
    let files = Files::new();
    let world = files.serve("").await;
    let (open, connected) = counted(&world, &files.authority).await;
    assert_eq!(call(&world, open.clone(), "before").await, Code::Ok);
    for round in 0..2 {
        let pair = files.authority.signs("localhost");
        let new = CertificateDer::from_pem_slice(pair.0.as_bytes()).expect("a certificate");
        files.replace(&pair);
        let changed = async {
            while shown(&world, &files.authority, &rustls::version::TLS13).await.as_ref()
                != Some(&new)
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, changed).await.expect("the new certificate is shown");
        assert_eq!(call(&world, open.clone(), &format!("after-{round}")).await, Code::Ok);
        assert_eq!(connected.load(Ordering::Relaxed), 1, "the first connection still");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_connections_and_no_more() {
    let world = Setup::on(Engine::Sqlite).settings("[server]\nconnections = 2").open().await;
    let silent = || TcpStream::connect(world.running.address);
    let (one, _other) = (silent().await.expect("one"), silent().await.expect("another"));
    // The third is closed as soon as it is taken, and whoever waits for it is not kept waiting.
    let mut third = silent().await.expect("the system takes it");
    let read = tokio::time::timeout(PATIENCE, third.read(&mut [0])).await.expect("closed");
    assert!(matches!(read, Ok(0) | Err(_)));
    drop(one);
    let served = async {
        loop {
            let plain = Endpoint::from_shared(format!("http://{}", world.running.address));
            if let Ok(channel) = plain.expect("an address").connect().await {
                let mut health = HealthClient::new(channel);
                if health.check(HealthCheckRequest::default()).await.is_ok() {
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, served).await.expect("its place is free again");
    world.close().await;
}

/// What serving at this address, with these settings, comes to.
async fn served_at(listen: &str, settings: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let layers = Layers {
        listen: Some(listen.into()),
        database: Some(format!("sqlite:{}", folder.path().join("a.db").display())),
        ..Layers::default()
    };
    let configuration = Configuration::parse(settings, &layers).map_err(|it| it.to_string())?;
    let running = serve(Serve {
        configuration,
        root_key: None,
        clock: Clock::System,
        entropy: Entropy::System,
        schedule: Schedule::Free,
    });
    let made = || folder.path().join("a.db").exists();
    match running.await {
        Ok(running) => running.stop().await.map_err(|it| it.to_string()),
        Err(error) => Err(format!("{error:#}, database: {}", made())),
    }
}

#[tokio::test]
async fn other_machines_are_not_served_without_tls() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let refused = served_at(listen, "").await.expect_err("refused");
        assert!(refused.contains("[server.tls]") && refused.contains("plaintext"), "{refused}");
        assert!(refused.ends_with("database: false"), "nothing was opened: {refused}");
    }
    // A documentation address (RFC 5737): allowed to, it is tried, and the machine has none of it.
    let tried = served_at("192.0.2.1:0", "[server]\nplaintext = \"anywhere\"").await;
    assert!(tried.expect_err("no such address").contains("listen on"));
    let files = Files::new();
    let tried = served_at("192.0.2.1:0", &files.settings("")).await;
    assert!(tried.expect_err("no such address").contains("listen on"));
    let both = format!("[server]\nplaintext = \"anywhere\"\n{}", files.settings(""));
    assert!(served_at("127.0.0.1:0", &both).await.expect_err("a mistake").contains("no plaintext"));
    assert_eq!(served_at("127.0.0.1:0", "").await, Ok(()));
}

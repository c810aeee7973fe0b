//! SIGHUP: settings and certificates are read anew while it serves; what cannot be used is refused
//! loudly, and the old stays.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use threadline::cli::client::{Connection, Interactions};
use threadline::grpc::proto::StartInteractionRequest;
use threadline::store::Engine;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::database::Database;
use crate::each_engine;
use crate::keys::new_key;
use crate::served::Served;

each_engine!(
    a_tenants_settings_change_while_it_serves,
    settings_that_are_gone_are_not_taken_for_none,
);

/// A budget that no start reaches, however loaded the machine is.
const AMPLE: &str = "[server]\nstart_budget_ms = 30000\n";

/// Starts with a token that nobody signed: whether it is looked at at all says which settings rule.
async fn shown(connection: &Connection, id: &str) -> String {
    let mut interactions = Interactions::new(connection.clone());
    let hints = threadline::grpc::proto::IdentityHints {
        web_token: "e30.e30.AA".into(),
        ..Default::default()
    };
    let request = StartInteractionRequest {
        interaction_id: id.into(),
        channel: "web_chat".into(),
        identity_hints: Some(hints),
        ..Default::default()
    };
    let refused = interactions.start_interaction(request).await.err().expect("nobody trusts it");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    // Not its headers: they say which second it is.
    refused.message().to_owned()
}

const TRUSTING: &str = "[tenants.acme.web_token]\nissuer = \"https://login.example\"\n\
    audience = \"threadline\"\njwks_url = \"http://127.0.0.1:1/keys\"\n";

async fn a_tenants_settings_change_while_it_serves(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else { return };
    let key = new_key(&database).await;
    let mut served = Served::with(&database, AMPLE).await;
    // The connection is the same all the way.
    let connection = served.connect(&key).await.expect("it listens");
    let nobody = shown(&connection, "1").await;
    served.write(&format!("{AMPLE}{TRUSTING}"));
    assert_eq!(shown(&connection, "2").await, nobody, "nobody has said that it should look");
    served.signal(Signal::HUP);
    served.told_again("read anew", 1).await;
    let trusting = shown(&connection, "3").await;
    assert_ne!(trusting, nobody);
    // What cannot be used is told, each mistake, and nothing has changed.
    let bad = "[server]\ndatabase = \"mysql://me:hunter2@db\"\nworkes = 3\n\
               [tenants.acme]\ntime_zone = \"hunter2\"\n";
    served.write(bad);
    served.signal(Signal::HUP);
    served.told("the new settings are refused").await;
    let log = served.log();
    for part in ["server.workes: ", "tenants.acme.time_zone: is not an IANA time zone (line 5)"] {
        let line = log.lines().find(|line| line.contains(part));
        assert!(line.is_some_and(|line| line.contains("\"ERROR\"")), "{part} is not in {log}");
    }
    assert!(!log.contains("hunter2"), "{log}");
    assert_eq!(shown(&connection, "4").await, trusting);
    // A file that is gone is no settings either.
    std::fs::remove_file(database.folder().join("own.toml")).expect("it was there");
    served.signal(Signal::HUP);
    served.told_again("the new settings are refused", 2).await;
    assert_eq!(shown(&connection, "5").await, trusting);
    // What takes a start is named, and the rest comes into force all the same.
    served.write(&format!(
        "{AMPLE}workers = 3\ncache_megabytes = 17\n[webhooks]\ntimeout_seconds = 9\n"
    ));
    served.signal(Signal::HUP);
    served.told_again("read anew", 2).await;
    let log = served.log();
    for setting in ["server.workers", "server.cache_megabytes", "webhooks.timeout_seconds"] {
        let line = log.lines().find(|line| line.contains(&format!("\"{setting}\"")));
        assert!(line.is_some_and(|line| line.contains("takes a start")), "{setting}: {log}");
    }
    assert!(!log.contains("\"server.start_budget_ms\""), "it has not changed");
    assert_eq!(shown(&connection, "6").await, nobody);
    drop(served);
    database.remove().await;
}

async fn settings_that_are_gone_are_not_taken_for_none(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else { return };
    let key = new_key(&database).await;
    let mut served = Served::by_itself(&database, &format!("{AMPLE}{TRUSTING}")).await;
    let connection = served.connect(&key).await.expect("it listens");
    let trusting = shown(&connection, "1").await;
    std::fs::remove_file(database.folder().join("threadline.toml")).expect("it was there");
    served.signal(Signal::HUP);
    served.told("the new settings are refused").await;
    assert_eq!(shown(&connection, "2").await, trusting);
    drop(served);
    database.remove().await;
}

/// A certificate of that file's own, for `localhost`; its PEM.
fn write_pair(folder: &Path, name: &str) -> String {
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let pem = params.self_signed(&key).expect("a certificate").pem();
    std::fs::write(folder.join(format!("{name}.pem")), &pem).expect("a file");
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("a file");
    pem
}

fn with(name: &str) -> String {
    format!("{AMPLE}[server.tls]\ncertificate = \"{name}.pem\"\nkey = \"{name}.key\"\n")
}

/// Whether somebody who trusts this certificate alone is served.
async fn serves(served: &Served, pem: &str) -> bool {
    let port = served.address.rsplit(':').next().expect("a port");
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
    let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).expect("a URL");
    endpoint.tls_config(tls).expect("a certificate").connect().await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_change_while_it_serves() {
    let database = Database::fresh(Engine::Sqlite).await.expect("SQLite is always there");
    let [first, second] = ["first", "second"].map(|name| write_pair(database.folder(), name));
    let mut served = Served::with(&database, &with("first")).await;
    assert!(serves(&served, &first).await && !serves(&served, &second).await);
    served.write(&with("second"));
    served.signal(Signal::HUP);
    served.told_again("read anew", 1).await;
    assert!(serves(&served, &second).await && !serves(&served, &first).await);
    // With certificates that are not there, nothing of the new settings counts.
    served.write(&with("third"));
    served.signal(Signal::HUP);
    served.told("the new settings are refused").await;
    assert!(served.log().contains("third.pem: is not there"), "{}", served.log());
    assert!(serves(&served, &second).await);
    // Files that change under the name that they have are seen without a signal: it is looked at
    // the new ones, and not at those of the start.
    let newer = write_pair(database.folder(), "second");
    served.told("the certificates were read anew").await;
    assert!(serves(&served, &newer).await);
    database.remove().await;
}

//! Who has no key and shows a certificate: the settings say whom it stands for, and the certificate
//! is judged as long as it is used. None of it touches the store: one engine is enough.

use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair, SanType};
use threadline::cli::audit::Filters;
use threadline::grpc::proto::customer_service_client::CustomerServiceClient;
use threadline::grpc::proto::interaction_service_client::InteractionServiceClient;
use threadline::grpc::proto::{GetCustomerRequest, StartInteractionRequest};
use tonic::transport::{Channel, Identity};
use tonic::{Code, Request};

use super::auditing::{all, list};
use super::certified_doors::{DOORS, told_at};
use super::encryption::{Authority, Files, channel};
use crate::support::client::Refusal;
use crate::support::requests::{call, start};
use crate::support::watcher::everything;
use crate::support::{Engine, Setup, World};

pub(super) const URI: &str = "spiffe://acme.example/pbx";

/// Settings under which these certificates stand for somebody.
pub(super) fn settings(files: &Files, more: &str) -> String {
    let ca = format!("client_ca = {:?}", files.path("ca.pem"));
    format!("{}\n{more}", files.settings(&ca))
}

pub(super) const PBX: &str = r#"
[[tenants.acme.certificates]]
name = "pbx"
uri = "spiffe://acme.example/pbx"
roles = ["telephony"]
source = "pbx"

[[tenants.acme.certificates]]
name = "desk"
dns = "Desk.acme.example"
roles = ["admin"]

[[tenants.globex.certificates]]
name = "pbx"
uri = "spiffe://globex.example/pbx"
roles = ["telephony"]
source = "pbx"
"#;

/// A certificate with these names, and its key; its common name is one that stands for somebody elsewhere.
pub(super) fn signed(authority: &Authority, names: &[&str]) -> (String, String) {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
    params.distinguished_name.push(rcgen::DnType::CommonName, URI);
    for name in names {
        let text = (*name).try_into().expect("ASCII");
        let is_uri = name.contains("://");
        params.subject_alt_names.push(match is_uri {
            true => SanType::URI(text),
            false => SanType::DnsName(text),
        });
    }
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &authority.issuer).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn shows(authority: &Authority, names: &[&str]) -> Identity {
    let (certificate, key) = signed(authority, names);
    Identity::from_pem(certificate, key)
}

pub(super) async fn shown(world: &World, files: &Files, names: &[&str]) -> Channel {
    let own = shows(&files.authority, names);
    channel(world, files.trusted().identity(own)).await.expect("a certificate that is signed")
}

/// Starts an interaction, with a key where one is given.
async fn starts(
    channel: &Channel,
    request: StartInteractionRequest,
    key: Option<&str>,
) -> Result<String, Refusal> {
    let mut request = Request::new(request);
    if let Some(key) = key {
        let bearer = format!("Bearer {key}").parse().expect("printable");
        request.metadata_mut().insert("authorization", bearer);
    }
    let answer = InteractionServiceClient::new(channel.clone()).start_interaction(request).await;
    answer.map(|it| it.into_inner().customer_ref).map_err(|status| Refusal::of(&status))
}

/// What a channel without a key is told.
pub(super) async fn told(channel: &Channel, id: &str) -> (Code, String) {
    match starts(channel, start(id, "voice"), None).await {
        Ok(_) => (Code::Ok, String::new()),
        Err(refusal) => (refusal.code, refusal.reason),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_stands_for_a_caller() {
    let files = Files::new();
    let world = Setup::on(Engine::Sqlite).settings(&settings(&files, PBX)).open().await;
    let pbx = shown(&world, &files, &["somewhere.example", URI]).await;
    let customer = starts(&pbx, call("one", "+14155550101"), None).await.expect("a start");
    let desk = shown(&world, &files, &["desk.acme.example"]).await;
    let person = GetCustomerRequest { customer_ref: customer, ..Default::default() };
    // Its roles and no more.
    let mut customers = CustomerServiceClient::new(pbx.clone());
    let refused = customers.get_customer(person.clone()).await.err().expect("not its role");
    assert_eq!(Refusal::of(&refused).reason, "ROLE_REQUIRED");
    let mut customers = CustomerServiceClient::new(desk.clone());
    customers.get_customer(person.clone()).await.expect("an administrator");
    assert_eq!(told(&desk, "two").await.1, "ROLE_REQUIRED");
    // Another tenant's certificate sees nothing of it.
    let other = shown(&world, &files, &["spiffe://globex.example/pbx"]).await;
    starts(&other, call("one", "+14155550101"), None).await.expect("news to globex");
    // Who it was is in the audit.
    starts(&pbx, start("marked", "voice"), None).await.expect("a start");
    let entries = list(&world, &Filters { caller: Some("cert:pbx".into()), ..all() }).await;
    assert!(entries.len() >= 3, "{entries:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_watches_as_a_key_does() {
    let files = Files::new();
    let world = Setup::on(Engine::Sqlite).settings(&settings(&files, PBX)).open().await;
    let desk = shown(&world, &files, &["desk.acme.example"]).await;
    let mut desk = InteractionServiceClient::new(desk);
    let opened = desk.watch_interactions(everything()).await.expect("a stream");
    let mut stream = opened.into_inner();
    assert!(
        stream.message().await.expect("a heartbeat").is_some_and(|it| it.interaction.is_none())
    );
    // Longer than until it is looked at whether the stream may go on.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let key = world.key(&World::new_key(&["telephony"])).await;
    let channel = shown(&world, &files, &["nobody.example"]).await;
    starts(&channel, start("one", "voice"), Some(&key)).await.expect("a start");
    let event = stream.message().await.expect("an event").expect("an event");
    assert_eq!(event.interaction.expect("it").interaction_id, "one");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_stands_for_nobody_opens_nothing() {
    let files = Files::new();
    let world = Setup::on(Engine::Sqlite).settings(&settings(&files, PBX)).open().await;
    let nobody = (Code::Unauthenticated, "MISSING_API_KEY".to_owned());
    for names in [
        // The common name is no name.
        vec![],
        vec!["pbx.acme.example"],
        vec!["*.acme.example"],
        vec!["x.desk.acme.example"],
        vec!["spiffe://acme.example/pbx/2"],
        vec!["spiffe://ACME.example/pbx"],
        // Two of them: nobody knows which.
        vec![URI, "desk.acme.example"],
        vec![URI, "spiffe://globex.example/pbx"],
    ] {
        let channel = shown(&world, &files, &names).await;
        assert_eq!(told(&channel, "nobody").await, nobody, "{names:?}");
        for door in DOORS {
            let told = told_at(&channel, door, "nobody").await;
            assert_eq!(told, (401, "MISSING_API_KEY".to_owned()), "{names:?} {door:?}");
        }
    }
    // Somebody else's signature is no handshake.
    let forged = shows(&Authority::new(), &[URI]);
    if let Ok(channel) = channel(&world, files.trusted().identity(forged)).await {
        assert!(starts(&channel, start("forged", "voice"), None).await.is_err());
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_says_who_calls_whatever_is_shown() {
    let files = Files::new();
    let world = Setup::on(Engine::Sqlite).settings(&settings(&files, PBX)).open().await;
    let pbx = shown(&world, &files, &[URI]).await;
    let key = world.key(&World::new_key(&["insight"])).await;
    let refused = starts(&pbx, start("keyed", "voice"), Some(&key)).await;
    assert_eq!(refused.expect_err("the key's roles").reason, "ROLE_REQUIRED");
    // A key that is none is not made good by a certificate.
    let refused = starts(&pbx, start("keyed", "voice"), Some("rubbish")).await;
    assert_eq!(refused.expect_err("no key").reason, "MISSING_API_KEY");
    assert_eq!(told(&pbx, "unkeyed").await.0, Code::Ok);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_calls_as_often_as_a_key() {
    let files = Files::new();
    let slow = format!("[tenants.acme]\nkey_rate = 1\nkey_burst = 3\n{PBX}");
    let world = Setup::on(Engine::Sqlite).settings(&settings(&files, &slow)).open().await;
    let pbx = shown(&world, &files, &[URI]).await;
    let other = shown(&world, &files, &[URI]).await;
    let (begun, mut let_in) = (Instant::now(), 0_u32);
    let refused = loop {
        let channel = if let_in % 2 == 0 { &pbx } else { &other };
        let (code, _) = told(channel, &format!("call {let_in}")).await;
        if code != Code::Ok {
            break code;
        }
        let_in += 1;
        assert!(let_in < 100, "there is no limit");
    };
    assert_eq!(refused, Code::ResourceExhausted);
    // On all its connections together: each by itself would have let in three.
    let most = 3.0 + begun.elapsed().as_secs_f64();
    assert!((3.0..=most).contains(&f64::from(let_in)), "{let_in} of {most}");
    world.close().await;
}

/// An open connection ends no trust: who may sign, and until when, is asked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_is_withdrawn_vouches_for_nobody() {
    let files = Files::new();
    let world = Setup::on(Engine::Sqlite).settings(&settings(&files, PBX)).open().await;
    let pbx = shown(&world, &files, &[URI]).await;
    assert_eq!(told(&pbx, "before").await.0, Code::Ok);
    files.write("ca.pem", &Authority::new().pem);
    let refused = (Code::Unauthenticated, "MISSING_API_KEY".to_owned());
    let within = tokio::time::Instant::now() + Duration::from_secs(9);
    while told(&pbx, "after").await != refused {
        assert!(tokio::time::Instant::now() < within, "still trusted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for door in DOORS {
        let told = told_at(&pbx, door, "after").await;
        assert_eq!(told, (401, "MISSING_API_KEY".to_owned()), "{door:?}");
    }
    // With a key the connection serves as before.
    let key = world.key(&World::new_key(&["telephony"])).await;
    starts(&pbx, start("keyed", "voice"), Some(&key)).await.expect("a key");
    world.close().await;
}

//! Whoever goes on after their call is looked at again: an export, a stream and an import end with the key
//! or the certificate that began them.

use std::time::Duration;

use threadline::cli::audit::Filters;
use threadline::crypto::ApiKey;
use threadline::grpc::proto::customer_service_client::CustomerServiceClient;
use threadline::grpc::proto::interaction_service_client::InteractionServiceClient;
use threadline::grpc::proto::{
    EndInteractionRequest, ExportCustomerRequest, ImportCustomersRequest, ImportRow,
    WatchInteractionsResponse,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Streaming};

use super::auditing::{all, list};
use super::client_certificates::{PBX, settings, shown};
use super::customers::mail;
use super::encryption::Files;
use super::settling::{NUMBER, somebody, staff};
use crate::support::client::Refusal;
use crate::support::requests::{end, number_hint, start};
use crate::support::watcher::everything;
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(an_export_ends_with_its_key);

/// What does not come within this does not come.
const COMES_WITHIN: Duration = Duration::from_secs(60);

fn with_key<T>(text: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {text}").parse().expect("printable");
    request.metadata_mut().insert("authorization", bearer);
    request
}

/// How many messages still come, and how it ends.
async fn ending<M>(stream: &mut Streaming<M>) -> (usize, Refusal) {
    let ending = async {
        let mut more = 0;
        loop {
            match stream.message().await {
                Ok(message) => assert!(message.is_some(), "it ends with a status"),
                Err(status) => return (more, Refusal::of(&status)),
            }
            more += 1;
        }
    };
    tokio::time::timeout(COMES_WITHIN, ending).await.expect("an end in time")
}

async fn an_export_ends_with_its_key(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    // Several messages of a megabyte.
    for n in 0..250 {
        let ended = EndInteractionRequest {
            customer_ref: known.clone(),
            channel: "email".into(),
            summary: "ü".repeat(8_192),
            ..end(&format!("contact {n}"))
        };
        client.end(ended).await.expect("an end");
    }
    let text = world.key(&World::new_key(&["admin"])).await;
    let small = Endpoint::from_shared(format!("http://{}", world.running.address)).expect("a URL");
    let small = small.initial_stream_window_size(Some(65_535)).connect().await.expect("it listens");
    let request = with_key(&text, ExportCustomerRequest { customer_ref: known });
    let mut exports = CustomerServiceClient::new(small);
    let mut export = exports.export_customer(request).await.expect("an export").into_inner();
    assert!(export.message().await.expect("a message").is_some());
    let key = ApiKey::parse(&text).expect("our own form");
    let store = world.running.service.store();
    store.revoke_api_key(key.tenant, &key.id).await.expect("the store");
    // Until nobody trusts it any more. Meanwhile the client takes nothing.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let (more, ended) = ending(&mut export).await;
    assert_eq!((ended.code, &*ended.reason), (Code::Unauthenticated, "INVALID_API_KEY"));
    assert!(more <= 2, "what was on its way, and no more: {more}");
    world.close().await;
}

const ADMIN: &str = "roles = [\"admin\"]";

/// Settings that say this of the desk's certificate.
fn desk(files: &Files, says: &str) -> String {
    settings(files, &PBX.replace(ADMIN, says))
}

/// Starts an interaction with a key, over a connection of somebody else's.
async fn starts(world: &World, channel: &Channel, id: &str) {
    let key = world.key(&World::new_key(&["telephony"])).await;
    let started = with_key(&key, start(id, "voice"));
    let mut interactions = InteractionServiceClient::new(channel.clone());
    interactions.start_interaction(started).await.expect("a start");
}

/// Which interaction the next event is about.
async fn told_of(stream: &mut Streaming<WatchInteractionsResponse>) -> String {
    loop {
        let message = stream.message().await.expect("it goes on").expect("a message");
        if let Some(shown) = message.interaction {
            return shown.interaction_id;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_when_its_certificate_may_do_less() {
    let files = Files::new();
    let world = Setup::on(Engine::Sqlite).settings(&desk(&files, ADMIN)).open().await;
    let channel = shown(&world, &files, &["desk.acme.example"]).await;
    let own = "[[tenants.acme.certificates]]\nname = \"desk\"";
    let elsewhere = desk(&files, ADMIN).replace(own, &own.replace("acme", "globex"));
    let (none, nobody) = (Code::Unauthenticated, "MISSING_API_KEY");
    for (n, (changed, code, reason)) in [
        (desk(&files, "roles = [\"insight\"]"), Code::PermissionDenied, "ROLE_REQUIRED"),
        (desk(&files, &format!("{ADMIN}\nsource = \"other\"")), none, nobody),
        (desk(&files, &format!("{ADMIN}\nmay_address = [\"pbx\"]")), none, nobody),
        (desk(&files, &format!("{ADMIN}\nmax_assurance = \"asserted\"")), none, nobody),
        (elsewhere, none, nobody),
    ]
    .into_iter()
    .enumerate()
    {
        world.reload(&desk(&files, ADMIN)).await.expect("valid settings");
        let mut interactions = InteractionServiceClient::new(channel.clone());
        let opened = interactions.watch_interactions(everything()).await.expect("a stream");
        let mut stream = opened.into_inner();
        assert!(stream.message().await.expect("a heartbeat").is_some());
        // As it was, or with one more, it goes on.
        for same in [ADMIN, "roles = [\"admin\", \"agent\"]"] {
            world.reload(&desk(&files, same)).await.expect("valid settings");
            // Longer than until it is looked at.
            tokio::time::sleep(Duration::from_millis(700)).await;
            let id = format!("{n} {same}").replace('"', "");
            starts(&world, &channel, &id).await;
            assert_eq!(told_of(&mut stream).await, id, "it goes on");
        }
        world.reload(&changed).await.expect("valid settings");
        let (_, ended) = ending(&mut stream).await;
        assert_eq!((ended.code, &*ended.reason), (code, reason), "{n}");
    }
    world.close().await;
}

fn row(address: &str) -> ImportCustomersRequest {
    let row = ImportRow { row_number: 1, identifiers: vec![mail(address)], ..Default::default() };
    ImportCustomersRequest { rows: vec![row], ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_ends_when_its_certificate_may_do_less() {
    let files = Files::new();
    let world = Setup::on(Engine::Sqlite).settings(&desk(&files, ADMIN)).open().await;
    let channel = shown(&world, &files, &["desk.acme.example"]).await;
    let (rows, coming) = tokio::sync::mpsc::channel(1);
    let importing = tokio::spawn(async move {
        let coming = tokio_stream::wrappers::ReceiverStream::new(coming);
        CustomerServiceClient::new(channel).import_customers(coming).await
    });
    let written = || async {
        let own = Filters { caller: Some("cert:desk".into()), ..all() };
        let entries = list(&world, &own).await;
        entries.iter().filter(|entry| entry.action == "upsert").count()
    };
    rows.send(row("a@example.com")).await.expect("the import goes on");
    let first = async {
        while written().await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(COMES_WITHIN, first).await.expect("its row");
    let fewer = desk(&files, "roles = [\"insight\"]");
    world.reload(&fewer).await.expect("valid settings");
    // It may be refused before it is taken.
    let _ = rows.send(row("b@example.com")).await;
    let refusal = importing.await.expect("it ends").err().map(|status| Refusal::of(&status));
    let refusal = refusal.expect("it is refused");
    assert_eq!((refusal.code, &*refusal.reason), (Code::PermissionDenied, "ROLE_REQUIRED"));
    assert_eq!(written().await, 1, "what was written stays, and nothing is added");
    world.close().await;
}

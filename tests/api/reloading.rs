//! Tenants' settings that change while they are served: from the next call on, and in streams that go
//! on, the new ones count.

use std::time::{Duration, Instant};

use prost::Message as _;
use threadline::grpc::proto::EndInteractionRequest;
use tonic::Code;
use tonic::transport::Channel;

use super::client_certificates::{PBX, URI, settings, shown, told};
use super::encryption::Files;
use super::key_sets::{assert_unverified, served};
use super::settling::{NUMBER, somebody, staff};
use super::web_tokens::{assert_proven, claims, standing, token_hint, trusting};
use crate::support::client::assert_refused;
use crate::support::issuer::{Issuer, key_set};
use crate::support::key_server::{KeyServer, Manner};
use crate::support::requests::{call, end, number_hint, start_with};
use crate::support::watcher::everything;
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(
    whose_tokens_are_trusted_changes_at_once,
    a_key_that_an_issuer_took_back_ends_with_a_reload,
    a_stream_goes_by_the_settings_as_they_are_now,
);

async fn whose_tokens_are_trusted_changes_at_once(engine: Engine) {
    let clock = standing();
    let keys = ["one", "two"].map(|id| Issuer::new("EdDSA", id));
    let world =
        Setup::on(engine).clock(&clock).settings(&trusting("acme", &[&keys[0]])).open().await;
    // The key that it calls with was seen, and is not looked at again for a while.
    let client = world.role("telephony").await;
    let hints = |key: &Issuer| token_hint(&key.token(&claims("user-17", clock.now())));
    let known = client.start(start_with("1", "web_chat", hints(&keys[0]))).await.expect("a start");
    client.end(end("1")).await.expect("an end");
    world.reload(&trusting("acme", &[&keys[1]])).await.expect("valid settings");
    let refused = client.start(start_with("2", "web_chat", hints(&keys[0]))).await;
    assert_refused(refused, Code::InvalidArgument, "WEB_TOKEN_REFUSED");
    let again = client.start(start_with("3", "web_chat", hints(&keys[1]))).await.expect("a start");
    assert_proven(&again, &known.customer_ref);
    world.reload("").await.expect("valid settings");
    let refused = client.start(start_with("4", "web_chat", hints(&keys[1]))).await;
    assert_refused(refused, Code::InvalidArgument, "WEB_TOKEN_REFUSED");
    // A tenant that is opened later has the newest, too.
    world.reload(&trusting("globex", &[&keys[0]])).await.expect("valid settings");
    let globex =
        threadline::cli::keys::NewKey { tenant: "globex".into(), ..World::new_key(&["telephony"]) };
    let globex = world.client(&globex).await;
    globex.start(start_with("1", "web_chat", hints(&keys[0]))).await.expect("a start");
    world.close().await;
}

async fn a_key_that_an_issuer_took_back_ends_with_a_reload(engine: Engine) {
    let clock = standing();
    let keys = ["one", "two"].map(|id| Issuer::new("ES256", id));
    let server = KeyServer::new(Manner::Serves(key_set(&[&keys[0]])));
    let world = Setup::on(engine).clock(&clock).settings(&served(&server)).open().await;
    let client = world.role("telephony").await;
    let hints = |key: &Issuer| token_hint(&key.token(&claims("user-17", clock.now())));
    let known = client.start(start_with("1", "web_chat", hints(&keys[0]))).await.expect("a start");
    client.end(end("1")).await.expect("an end");
    // An issuer that is not there now leaves the set as it was.
    server.now(Manner::Fails);
    reloaded(&world, &server).await;
    let still = client.start(start_with("2", "web_chat", hints(&keys[0]))).await.expect("a start");
    assert_proven(&still, &known.customer_ref);
    // One that has other keys has taken back the old: the clock stands, nobody's time has come.
    server.now(Manner::Serves(key_set(&[&keys[1]])));
    reloaded(&world, &server).await;
    let mut tries = 0;
    loop {
        let id = format!("3 {tries}");
        let taken = client.start(start_with(&id, "web_chat", hints(&keys[0]))).await;
        let taken = taken.expect("a start");
        if !taken.warnings.is_empty() {
            assert_unverified(&taken);
            break;
        }
        // It was answered, and is put in its place.
        tries += 1;
        assert!(tries < 1_000, "the old key is still trusted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let again = client.start(start_with("4", "web_chat", hints(&keys[1]))).await.expect("a start");
    assert_proven(&again, &known.customer_ref);
    world.close().await;
}

/// Reads the same settings again; the issuer has been asked for its keys when this returns.
async fn reloaded(world: &World, server: &KeyServer) {
    let asked = server.asked();
    world.reload(&served(server)).await.expect("valid settings");
    for _ in 0..1_000 {
        if server.asked() > asked {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody asks the issuer");
}

async fn a_stream_goes_by_the_settings_as_they_are_now(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let mut watcher = client.watch(everything()).await.expect("a stream");
    for (round, settings) in
        ["", "[tenants.acme]\ndisclosure_requires_consent = \"history\"\n", ""].iter().enumerate()
    {
        world.reload(settings).await.expect("valid settings");
        let id = format!("{round}");
        client.start(call(&id, NUMBER)).await.expect("a start");
        let said = EndInteractionRequest { summary: "a secret".into(), ..end(&id) };
        client.end(said).await.expect("an end");
        watcher.event().await;
        let event = watcher.event().await.shown().encode_to_vec();
        let shown = event.windows(8).any(|part| part == b"a secret");
        assert_eq!(shown, settings.is_empty(), "round {round}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_taken_away_opens_nothing() {
    let files = Files::new();
    let world = Setup::on(Engine::Sqlite).settings(&settings(&files, PBX)).open().await;
    let pbx = shown(&world, &files, &["spiffe://acme.example/pbx"]).await;
    assert_eq!(told(&pbx, "1").await.0, Code::Ok);
    let without = PBX.replace("spiffe://acme.example/pbx", "spiffe://acme.example/other");
    let waits = world.reload(&settings(&files, &without)).await.expect("valid settings");
    assert_eq!(waits, Vec::<String>::new());
    let nobody = (Code::Unauthenticated, "MISSING_API_KEY".to_owned());
    assert_eq!(told(&pbx, "2").await, nobody, "its connection is open, and it is nobody");
    world.reload(&settings(&files, PBX)).await.expect("valid settings");
    assert_eq!(told(&pbx, "3").await.0, Code::Ok);
    // Without `[server.tls]` TLS goes on until the next start, which is said.
    let waits = world.reload("").await.expect("valid settings");
    assert_eq!(waits, ["server.tls"]);
    assert_eq!(told(&pbx, "4").await, nobody, "the rest counts at once");
    world.close().await;
}

/// Calls until one is too many: how many were let in.
async fn until_refused(channel: &Channel, round: &str) -> f64 {
    let mut let_in = 0.0;
    loop {
        match told(channel, &format!("{round} {let_in}")).await.0 {
            Code::Ok => let_in += 1.0,
            Code::ResourceExhausted => return let_in,
            other => panic!("{other:?}"),
        }
        assert!(let_in < 1_000.0, "there is no limit");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_has_used_up_its_calls_has_no_more_of_them() {
    let files = Files::new();
    let allowed = |burst: u32, certificates: &str| {
        let calls = format!("[tenants.acme]\nkey_rate = 1\nkey_burst = {burst}\n");
        settings(&files, &format!("{calls}{certificates}"))
    };
    let world = Setup::on(Engine::Sqlite).settings(&allowed(30, PBX)).open().await;
    let pbx = shown(&world, &files, &[URI]).await;
    let begun = Instant::now();
    assert_eq!(told(&pbx, "one").await.0, Code::Ok);
    // What else the settings say of it counts at once.
    let reads = PBX.replace("\"telephony\"", "\"insight\"");
    world.reload(&allowed(30, &reads)).await.expect("valid settings");
    assert_eq!(told(&pbx, "two").await.1, "ROLE_REQUIRED");
    world.reload(&allowed(30, PBX)).await.expect("valid settings");
    let mut let_in = 2.0 + until_refused(&pbx, "first").await;
    world.reload(&allowed(30, PBX)).await.expect("valid settings");
    let_in += until_refused(&pbx, "second").await;
    let most = 30.0 + begun.elapsed().as_secs_f64();
    assert!((30.0..=most).contains(&let_in), "{let_in} of {most}");
    // Another rate is another allowance.
    world.reload(&allowed(40, PBX)).await.expect("valid settings");
    let let_in = until_refused(&pbx, "third").await;
    assert!(let_in >= 40.0, "{let_in}");
    world.close().await;
}

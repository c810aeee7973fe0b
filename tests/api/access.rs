//! The life of a key: made, used, revoked, over.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use threadline::cli::keys::{Terms, create_with};
use threadline::clock::{Clock, DAY, HOUR, Time};
use threadline::crypto::ApiKey;
use threadline::ids::Entropy;
use threadline::server::{Configuration, Layers, Running, Serve, serve};
use threadline::store::Schedule;
use threadline::store::api_keys::ApiKeyRow;
use tonic::Code;

use crate::support::client::{assert_refused, refused};
use crate::support::requests::{call, end, get};
use crate::support::{Client, Engine, ROOT_KEY, Setup, World, each_engine};

each_engine!(
    an_expired_key_is_told_to_whoever_has_it,
    a_revoked_key_ends_within_a_second_on_every_instance,
    nobody_is_let_in_while_somebody_looks,
    a_mistyped_key_is_refused_without_a_look,
    the_last_use_is_noted,
    more_keys_than_one_transaction_notes,
    keys_are_listed_with_their_lives,
);

/// How a key is named to `rotate` and `revoke`.
pub(super) fn name(text: &str) -> String {
    let key = ApiKey::parse(text).expect("our own form");
    format!("{}_{}", key.tenant.0, key.id)
}

/// The right public part and a right checksum, with another secret.
pub(super) fn forged(text: &str) -> String {
    let key = ApiKey::parse(text).expect("our own form");
    let mut other = ApiKey::generate(key.tenant, key.test, &Entropy::System);
    other.id = key.id;
    other.text()
}

pub(super) async fn client(world: &World, text: &str) -> Client {
    world.with_header(Some(&format!("Bearer {text}"))).await
}

pub(super) async fn row(world: &World, text: &str) -> ApiKeyRow {
    let key = ApiKey::parse(text).expect("our own form");
    let store = world.running.service.store();
    store.api_key(key.tenant, &key.id).await.expect("the store").expect("a row")
}

/// Asks for nothing: whoever is let in is told so, and nothing is written. (A read leaves an entry in
/// the audit, and with it the store's own time comes back.)
pub(super) async fn let_in(client: &Client) {
    assert_refused(client.get(get("")).await, Code::InvalidArgument, "INVALID_FIELD");
}

pub(super) async fn not_let_in(client: &Client, reason: &str) {
    assert_refused(client.get(get("nobody's")).await, Code::Unauthenticated, reason);
}

pub(super) fn ends_in(text: &str) -> Terms {
    Terms { expires_in: Some(text.into()), ..Terms::default() }
}

/// A clock of our own, at this hour: PostgreSQL has another one, and goes on by it.
pub(super) fn clock() -> Clock {
    Clock::manual(Clock::System.now())
}

pub(super) fn forward(clock: &Clock, by: i64) {
    clock.set(clock.now().plus(by));
}

async fn an_expired_key_is_told_to_whoever_has_it(engine: Engine) {
    let clock = clock();
    let world = Setup::on(engine).clock(&clock).open().await;
    let telephony = World::new_key(&["telephony"]);
    let service = &world.running.service;
    let text = create_with(service, &telephony, &ends_in("90d")).await.expect("a key");
    let unending = world.client(&telephony).await;
    let (own, thief) = (client(&world, &text).await, client(&world, &forged(&text)).await);
    let_in(&own).await;
    forward(&clock, 90 * DAY - HOUR);
    let_in(&own).await;
    not_let_in(&thief, "INVALID_API_KEY").await;
    forward(&clock, HOUR);
    not_let_in(&own, "EXPIRED_API_KEY").await;
    // Who does not have the secret learns nothing of it.
    not_let_in(&thief, "INVALID_API_KEY").await;
    let_in(&unending).await;
    // Nor is it remembered as anything else.
    forward(&clock, -HOUR);
    let_in(&own).await;
    forward(&clock, HOUR);
    let key = ApiKey::parse(&text).expect("our own form");
    service.store().revoke_api_key(key.tenant, &key.id).await.expect("the store");
    until_refused(&own, "INVALID_API_KEY").await;
    world.close().await;
}

/// Calls until the key is refused for that reason, which takes no longer than it is remembered.
async fn until_refused(client: &Client, reason: &str) {
    let since = Instant::now();
    loop {
        let begun = since.elapsed();
        let refusal = refused(client.get(get("nobody's")).await);
        if refusal.reason == reason {
            break;
        }
        assert!(begun < Duration::from_secs(1), "it still works: {refusal:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Another server on the world's database.
pub(super) async fn second_instance(world: &World) -> Running {
    let layers = Layers {
        listen: Some("127.0.0.1:0".into()),
        database: Some(world.database.clone()),
        ..Layers::default()
    };
    let mut configuration = Configuration::parse("", &layers).expect("valid settings");
    // On a busy machine, too, its starts are decided.
    configuration.start_budget = Duration::from_secs(30);
    let serving = serve(Serve {
        configuration,
        root_key: Some(ROOT_KEY.into()),
        clock: Clock::System,
        entropy: Entropy::System,
        schedule: Schedule::Free,
    });
    serving.await.expect("a second server")
}

/// Runs `threadline` as a process of its own beside the servers.
pub(super) async fn threadline(world: &World, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.args(arguments).args(["--database", &world.database]);
    command.env("THREADLINE_ROOT_KEY", ROOT_KEY).env_remove("THREADLINE_CONFIG");
    let running = tokio::task::spawn_blocking(move || command.output());
    running.await.expect("it ends").expect("the binary runs")
}

/// Calls of each caller that say something.
const ENOUGH: usize = 10;

/// What callers are told, and tell.
#[derive(Default)]
struct Calling {
    /// When a call begins late, once that is known.
    late: OnceLock<Instant>,
    /// How many of them have called often enough.
    ready: AtomicUsize,
}

/// Calls without a pause until it has called late, and often enough; when each call began, and what it
/// was told.
async fn calling(client: Client, all: Arc<Calling>) -> Vec<(Instant, String)> {
    let (mut told, mut late) = (Vec::new(), 0);
    while late <= ENOUGH {
        let begun = Instant::now();
        let refusal = refused(client.get(get("nobody's")).await);
        told.push((begun, refusal.reason));
        late += usize::from(all.late.get().is_some_and(|after| begun >= *after));
        if told.len() == ENOUGH + 1 {
            all.ready.fetch_add(1, Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    told
}

/// A command revokes the key beside two servers that are called all the time.
async fn a_revoked_key_ends_within_a_second_on_every_instance(engine: Engine) {
    let world = World::on(engine).await;
    let other = second_instance(&world).await;
    let text = world.key(&World::new_key(&["telephony"])).await;
    let all = Arc::new(Calling::default());
    let mut callers = Vec::new();
    for address in [world.running.address, other.address] {
        for _ in 0..3 {
            let client = Client::connect(address, Some(&format!("Bearer {text}"))).await;
            let_in(&client).await;
            callers.push(tokio::spawn(calling(client, Arc::clone(&all))));
        }
    }
    let begun = Instant::now();
    while all.ready.load(Ordering::SeqCst) < callers.len() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody is answered");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let output = threadline(&world, &["keys", "revoke", &name(&text)]).await;
    let after = Instant::now() + Duration::from_secs(1);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(all.late.set(after), Ok(()));
    for caller in callers {
        let told = caller.await.expect("a caller");
        let mut late = told.iter().filter(|(begun, _)| *begun >= after);
        assert!(late.all(|(_, reason)| reason == "INVALID_API_KEY"));
        let mut last = told.iter().map(|(_, reason)| reason == "INVALID_API_KEY");
        let first = last.position(|refused| refused).expect("it was refused");
        assert!(first > ENOUGH, "it worked before");
        assert!(last.all(|refused| refused), "once refused it stays so");
    }
    other.stop().await.expect("an orderly stop");
    world.close().await;
}

/// A key that was not used for a while, and was revoked meanwhile: many come at once with it.
async fn nobody_is_let_in_while_somebody_looks(engine: Engine) {
    let world = World::on(engine).await;
    let service = &world.running.service;
    let text = world.key(&World::new_key(&["telephony"])).await;
    let_in(&client(&world, &text).await).await;
    let key = ApiKey::parse(&text).expect("our own form");
    service.store().revoke_api_key(key.tenant, &key.id).await.expect("the store");
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let asking = (0..20).map(|_| service.authenticate(&text));
    for answer in futures_util::future::join_all(asking).await {
        let told = answer.err().map(|error| threadline::grpc::status(&error).code());
        assert_eq!(told, Some(Code::Unauthenticated));
    }
    world.close().await;
}

async fn a_mistyped_key_is_refused_without_a_look(engine: Engine) {
    let world = World::on(engine).await;
    let text = world.key(&World::new_key(&["telephony"])).await;
    let (own, stranger) = (client(&world, &text).await, client(&world, &forged(&text)).await);
    let key = ApiKey::parse(&text).expect("our own form");
    let nobody = ApiKey::generate(key.tenant, false, &Entropy::System).text();
    let nobody = client(&world, &nobody).await;
    let_in(&own).await;
    // From here on, whoever asks the store is told that it does not answer.
    world.running.service.store().close().await;
    let unanswered = refused(nobody.get(get("nobody's")).await);
    assert_ne!(unanswered.code, Code::Unauthenticated, "{unanswered:?}");
    for at in 0..text.len() {
        for letter in (' '..='~').filter(|letter| !text[at..].starts_with(*letter)) {
            let mut mistyped = text.clone();
            mistyped.replace_range(at..=at, letter.encode_utf8(&mut [0; 4]));
            let told = world.running.service.authenticate(&mistyped).await.err();
            let told = told.map(|error| threadline::grpc::status(&error).code());
            assert_eq!(told, Some(Code::Unauthenticated), "{at} {letter}");
        }
    }
    let mut mistyped = text.clone();
    mistyped.replace_range(20..21, if &text[20..21] == "7" { "8" } else { "7" });
    for broken in [mistyped, text[..text.len() - 1].to_owned(), text.to_uppercase()] {
        not_let_in(&client(&world, &broken).await, "MISSING_API_KEY").await;
    }
    // What is remembered is told apart without the store, too.
    not_let_in(&stranger, "INVALID_API_KEY").await;
    world.close().await;
}

async fn the_last_use_is_noted(engine: Engine) {
    let world = World::on(engine).await;
    let service = &world.running.service;
    let text = world.key(&World::new_key(&["telephony"])).await;
    let (own, thief) = (client(&world, &text).await, client(&world, &forged(&text)).await);
    not_let_in(&thief, "INVALID_API_KEY").await;
    assert_eq!(service.note_uses().await.expect("the store"), 0, "a wrong secret is no use");
    let before = world.now();
    own.start(call("one", "+14155550101")).await.expect("a start");
    own.end(end("one")).await.expect("an end");
    own.start(call("two", "+14155550101")).await.expect("a start");
    let after = world.now();
    assert_eq!(row(&world, &text).await.used, Time(0), "a request writes nothing of it");

    let (sequence, read) = (service.store().gate().sequence(), service.store().snapshots_read());
    assert_eq!(service.note_uses().await.expect("the store"), 1, "all uses together");
    let used = row(&world, &text).await.used;
    assert!((before..=after).contains(&used), "never later than the last use");
    assert_eq!(service.note_uses().await.expect("the store"), 0, "once");
    // No decision is stale for it, and what is remembered stays.
    assert_eq!(service.store().gate().sequence(), sequence);
    own.start(call("three", "+14155550101")).await.expect("a start");
    if engine == Engine::Sqlite {
        assert_eq!(service.store().snapshots_read(), read, "the cache was not dropped");
    }
    assert_eq!(service.note_uses().await.expect("the store"), 1, "it was used again");
    assert!(row(&world, &text).await.used > used);
    // Another instance saw it earlier: what is newer stays.
    let key = ApiKey::parse(&text).expect("our own form");
    let earlier = vec![(key.tenant, key.id.clone(), before)];
    service.store().note_uses(earlier).await.expect("the store");
    assert!(row(&world, &text).await.used > used);
    // A server that stops notes what it has not noted yet.
    let other = second_instance(&world).await;
    let by = Client::connect(other.address, Some(&format!("Bearer {text}"))).await;
    let noted = row(&world, &text).await.used;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let_in(&by).await;
    other.stop().await.expect("an orderly stop");
    assert!(row(&world, &text).await.used > noted);
    world.close().await;
}

async fn more_keys_than_one_transaction_notes(engine: Engine) {
    let world = World::on(engine).await;
    let service = &world.running.service;
    let mut texts = Vec::new();
    for _ in 0..101 {
        texts.push(world.key(&World::new_key(&["telephony"])).await);
        let caller = service.authenticate(&texts[texts.len() - 1]).await;
        assert!(caller.is_ok());
    }
    assert_eq!(service.note_uses().await.expect("the store"), texts.len());
    for text in &texts {
        assert!(row(&world, text).await.used > Time(0));
    }
    world.close().await;
}

async fn keys_are_listed_with_their_lives(engine: Engine) {
    let world = World::on(engine).await;
    let run = async |arguments: &[&str]| {
        let output = threadline(&world, arguments).await;
        let told = String::from_utf8(output.stderr).expect("text");
        assert!(output.status.success(), "{told}");
        (String::from_utf8(output.stdout).expect("text").trim().to_owned(), told)
    };
    let create = ["keys", "create", "--tenant", "acme", "--role", "bot", "--rate", "50"];
    let (text, _) =
        run(&[&create[..], &["--expires-at", "2036-01-31T01:00:00+01:00"]].concat()).await;
    let_in(&client(&world, &text).await).await;
    assert_eq!(world.running.service.note_uses().await.expect("the store"), 1);
    let (new, told) = run(&["keys", "rotate", &name(&text), "--overlap", "7d"]).await;
    assert!(told.contains(&format!("{} works until 20", name(&text))), "{told}");
    assert!(!told.contains(&new), "the key is told once");
    let_in(&client(&world, &new).await).await;
    let (gone, _) = run(&["keys", "create", "--tenant", "globex", "--role", "admin"]).await;
    run(&["keys", "revoke", &name(&gone)]).await;
    let (listed, _) = run(&["keys", "list"]).await;
    let line = |text: &str| {
        let found = listed.lines().find(|line| line.starts_with(&name(text)));
        found.unwrap_or_else(|| panic!("{text} is not in\n{listed}")).to_owned()
    };
    let day = |time: Time| jiff::Timestamp::from_millisecond(time.0).expect("a time").to_string();
    let today = day(world.now())[..10].to_owned();
    let words = |text: &str| line(text).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let [_, tenant, roles, source, _, calls, created, _, used, ..] = &words(&text)[..] else {
        panic!("{listed}")
    };
    assert_eq!([tenant, roles, source, calls], ["acme", "bot", "default", "50"]);
    assert!([created, used].iter().all(|time| time.starts_with(&today)), "{listed}");
    assert!(line(&text).ends_with(&format!("replaced by {}", name(&new))), "{listed}");
    assert_eq!(words(&new).last().map(String::as_str), Some("never"), "not used, nor replaced");
    assert!(line(&new).contains(" 2036-") || line(&new).contains(" 2035-"), "{listed}");
    assert!(line(&gone).contains("revoked 20") && line(&gone).contains(" never "), "{listed}");
    assert!(!listed.contains(&text) && !listed.contains(&new), "a secret is told once");
    let (listed, _) = run(&["keys", "list", "--tenant", "globex"]).await;
    assert!(listed.contains(&name(&gone)) && !listed.contains(&name(&text)));
    let refused = threadline(&world, &[&create[..], &["--expires-in", "a while"]].concat()).await;
    assert!(!refused.status.success() && refused.stdout.is_empty());
    world.close().await;
}

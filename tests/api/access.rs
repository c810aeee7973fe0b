//! The life of a key: made, used, rotated, revoked, over.

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use threadline::cli::keys::{NewKey, Terms, create_with, rotate};
use threadline::clock::{Clock, DAY, HOUR, Time};
use threadline::crypto::ApiKey;
use threadline::crypto::api_key::CHECKSUM_LENGTH;
use threadline::ids::Entropy;
use threadline::server::{Configuration, Layers, Running, Serve, serve};
use threadline::store::Schedule;
use threadline::store::api_keys::ApiKeyRow;
use tonic::Code;

use crate::support::client::{assert_refused, refused};
use crate::support::requests::{call, end, get, start};
use crate::support::{Client, Engine, ROOT_KEY, Setup, World, each_engine};

each_engine!(
    an_expired_key_is_told_to_whoever_has_it,
    a_rotated_key_overlaps_with_the_new_one,
    what_cannot_be_rotated,
    a_revoked_key_ends_within_a_second_on_every_instance,
    a_mistyped_key_is_refused_without_a_look,
    a_key_of_before_goes_on,
    the_last_use_is_noted,
    keys_are_listed_with_their_lives,
);

/// How a key is named to `rotate` and `revoke`.
fn name(text: &str) -> String {
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

async fn row(world: &World, text: &str) -> ApiKeyRow {
    let key = ApiKey::parse(text).expect("our own form");
    let store = world.running.service.store();
    store.api_key(key.tenant, &key.id).await.expect("the store").expect("a row")
}

/// Asks for something that is not there: whoever is let in is told so, and nothing is written.
async fn let_in(client: &Client) {
    assert_refused(client.get(get("nobody's")).await, Code::NotFound, "INTERACTION_NOT_FOUND");
}

async fn not_let_in(client: &Client, reason: &str) {
    assert_refused(client.get(get("nobody's")).await, Code::Unauthenticated, reason);
}

fn ends_in(text: &str) -> Terms {
    Terms { expires_in: Some(text.into()), ..Terms::default() }
}

/// A clock of our own, at this hour: PostgreSQL has another one, and goes on by it.
fn clock() -> Clock {
    Clock::manual(Clock::System.now())
}

fn forward(clock: &Clock, by: i64) {
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

async fn a_rotated_key_overlaps_with_the_new_one(engine: Engine) {
    let clock = clock();
    let world = Setup::on(engine).clock(&clock).open().await;
    let service = &world.running.service;
    let own = NewKey {
        source: "pbx".into(),
        may_address: vec!["bot".into()],
        max_assurance: Some("carried".into()),
        ..World::new_key(&["telephony", "backfill"])
    };
    let terms = Terms { rate: Some(500), burst: Some(700), ..ends_in("90d") };
    let first = create_with(service, &own, &terms).await.expect("a key");
    let before = client(&world, &first).await;
    before.start(start("open", "voice")).await.expect("a start");

    let made = rotate(service, &name(&first), "24h", &Terms::default()).await.expect("a new key");
    let (old, new) = (row(&world, &first).await, row(&world, &made.text).await);
    assert_eq!(made.ends, old.expires);
    assert!((old.expires.since(new.created) - DAY).abs() < 1_000, "the old one has a day left");
    assert_eq!(old.replaced_by, new.id);
    let terms = |row: &ApiKeyRow| {
        let (rate, burst) = (row.rate, row.burst);
        (
            row.roles.clone(),
            row.source.clone(),
            row.may_address.clone(),
            row.max_assurance,
            rate,
            burst,
        )
    };
    assert_eq!(terms(&new), terms(&old));
    assert_eq!(new.expires.since(new.created), 90 * DAY, "it lives as long");
    assert_ne!(new.hash, old.hash);

    // Both go on with what is open.
    let after = client(&world, &made.text).await;
    for both in [&before, &after] {
        both.get(get("open")).await.expect("their own source");
    }
    after.end(end("open")).await.expect("an end");
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    forward(&clock, DAY + HOUR);
    not_let_in(&before, "EXPIRED_API_KEY").await;
    let_in(&after).await;
    world.close().await;
}

async fn what_cannot_be_rotated(engine: Engine) {
    let clock = clock();
    let world = Setup::on(engine).clock(&clock).open().await;
    let service = &world.running.service;
    let none = Terms::default();
    let refused = async |key: &str, overlap: &str| {
        rotate(service, key, overlap, &none).await.err().expect("it is refused").to_string()
    };
    let first =
        create_with(service, &World::new_key(&["admin"]), &ends_in("2h")).await.expect("a key");
    assert!(refused("1_000000000000", "1h").await.contains("no such key"));
    assert!(refused("rubbish", "1h").await.contains("keys list"));
    assert!(refused(&name(&first), "91d").await.contains("90 days"));
    assert!(refused(&name(&first), "soon").await.contains("--overlap"));
    // Rotating makes no key live longer.
    let second = rotate(service, &name(&first), "24h", &none).await.expect("a new key");
    let old = row(&world, &first).await;
    assert_eq!(old.expires.since(old.created), 2 * HOUR);
    assert!(refused(&name(&first), "1h").await.contains("replaces it already"));
    // The new one was lost before anybody read it: it is revoked, and the old one rotated again.
    let lost = ApiKey::parse(&second.text).expect("our own form");
    service.store().revoke_api_key(lost.tenant, &lost.id).await.expect("the store");
    assert!(refused(&name(&second.text), "1h").await.contains("revoked"));
    let third = rotate(service, &name(&first), "0s", &none).await.expect("a new key");
    let new = row(&world, &third.text).await;
    assert_eq!(new.expires.since(new.created), 2 * HOUR, "the life of the first");
    assert!(third.over);
    not_let_in(&client(&world, &first).await, "EXPIRED_API_KEY").await;
    let_in(&client(&world, &third.text).await).await;
    // Two who rotate one key at once make one key.
    let third = name(&third.text);
    let (one, other) =
        tokio::join!(rotate(service, &third, "1h", &none), rotate(service, &third, "1h", &none),);
    assert!(one.is_ok() != other.is_ok());
    world.close().await;
}

/// Another server on the world's database.
async fn second_instance(world: &World) -> Running {
    let layers = Layers {
        listen: Some("127.0.0.1:0".into()),
        database: Some(world.database.clone()),
        ..Layers::default()
    };
    let configuration = Configuration::parse("", &layers).expect("valid settings");
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
async fn threadline(world: &World, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.args(arguments).args(["--database", &world.database]);
    command.env("THREADLINE_ROOT_KEY", ROOT_KEY).env_remove("THREADLINE_CONFIG");
    let running = tokio::task::spawn_blocking(move || command.output());
    running.await.expect("it ends").expect("the binary runs")
}

/// Calls without a pause; when each call began, and what it was told.
async fn calling(client: Client, enough: Arc<AtomicBool>) -> Vec<(Instant, String)> {
    let mut told = Vec::new();
    while !enough.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let refusal = refused(client.get(get("nobody's")).await);
        told.push((begun, refusal.reason));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    told
}

/// A command revokes the key beside two servers that are called all the time.
async fn a_revoked_key_ends_within_a_second_on_every_instance(engine: Engine) {
    let world = World::on(engine).await;
    let other = second_instance(&world).await;
    let text = world.key(&World::new_key(&["telephony"])).await;
    let enough = Arc::new(AtomicBool::new(false));
    let mut callers = Vec::new();
    for address in [world.running.address, other.address] {
        for _ in 0..3 {
            let client = Client::connect(address, Some(&format!("Bearer {text}"))).await;
            let_in(&client).await;
            callers.push(tokio::spawn(calling(client, Arc::clone(&enough))));
        }
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    let output = threadline(&world, &["keys", "revoke", &name(&text)]).await;
    let revoked = Instant::now();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    tokio::time::sleep(Duration::from_millis(1_400)).await;
    enough.store(true, Ordering::SeqCst);
    for caller in callers {
        let told = caller.await.expect("a caller");
        let after = revoked + Duration::from_secs(1);
        let late = told.iter().filter(|(begun, _)| *begun >= after);
        assert!(late.clone().count() > 10, "it was called on");
        assert!(late.clone().all(|(_, reason)| reason == "INVALID_API_KEY"));
        let mut last = told.iter().map(|(_, reason)| reason == "INVALID_API_KEY");
        let first = last.position(|refused| refused).expect("it was refused");
        assert!(first > 10, "it worked before");
        assert!(last.all(|refused| refused), "once refused it stays so");
    }
    other.stop().await.expect("an orderly stop");
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

/// Keys of the first releases end in their secret, and its hash is what was stored.
async fn a_key_of_before_goes_on(engine: Engine) {
    let world = World::on(engine).await;
    let model = world.key(&World::new_key(&["telephony"])).await;
    let made = ApiKey::parse(&model).expect("our own form");
    let old = ApiKey::generate(made.tenant, false, &Entropy::System).text();
    let old = old[..old.len() - CHECKSUM_LENGTH].to_owned();
    let (_, secret) = old.rsplit_once('_').expect("a secret");
    let mut spelled = data_encoding::Specification::new();
    spelled.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    let bytes = spelled.encoding().expect("an alphabet").decode(secret.as_bytes());
    let hash = Sha256::digest(bytes.expect("a secret")).to_vec();
    let id = ApiKey::parse(&old).expect("the old form").id;
    let row = ApiKeyRow { id, hash, ..row(&world, &model).await };
    world.running.service.store().add_api_key(&row).await.expect("the store");

    let_in(&client(&world, &old).await).await;
    let mut other = old.clone();
    let last = old.len() - 2;
    other.replace_range(last..=last, if &old[last..=last] == "7" { "8" } else { "7" });
    not_let_in(&client(&world, &other).await, "INVALID_API_KEY").await;
    // A new key has one text: without its checksum it is none.
    let cut = &model[..model.len() - CHECKSUM_LENGTH];
    not_let_in(&client(&world, cut).await, "INVALID_API_KEY").await;
    let new = rotate(&world.running.service, &name(&old), "1h", &Terms::default()).await;
    let new = new.expect("a new key").text;
    assert_eq!(new.len(), old.len() + CHECKSUM_LENGTH, "the new one has a checksum");
    let_in(&client(&world, &new).await).await;
    let_in(&client(&world, &old).await).await;
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
    let [_, tenant, roles, source, calls, created, _, used, ..] = &words(&text)[..] else {
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

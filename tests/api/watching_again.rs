//! Coming back to a stream: with a token nothing is missed and nothing is told twice, however often,
//! on whatever instance.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use threadline::clock::Clock;
use tokio::task::JoinSet;
use tonic::Code;

use super::access::{client, second_instance};
use super::auditing::{all, list};
use super::settling::{NUMBER, staff};
use crate::support::requests::{call, end, start};
use crate::support::watcher::{after, everything, name, told};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    everything_is_told_once_however_often_the_watcher_leaves,
    what_came_meanwhile_is_told_first,
    a_stream_is_in_the_audit_and_not_in_itself,
    how_soon_is_told,
);

/// A number from the environment, or a small one.
fn amount(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

async fn what_came_meanwhile_is_told_first(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let token = client.watch(everything()).await.expect("a stream").token;
    let ids: Vec<String> = (0..300).map(|number| format!("chat {number}")).collect();
    for id in &ids {
        client.start(start(id, "web_chat")).await.expect("a start");
    }
    let mut watcher = client.watch(after(&token)).await.expect("the stream again");
    let mut expected: Vec<(&str, &str)> = ids.iter().map(|id| ("STARTED", id.as_str())).collect();
    assert_eq!(watcher.events(100).await, told(&expected[..100]));
    // Again, from the middle.
    let token = watcher.token.clone();
    let mut watcher = client.watch(after(&token)).await.expect("the stream again");
    client.start(start("live", "web_chat")).await.expect("a start");
    expected.push(("STARTED", "live"));
    assert_eq!(watcher.events(201).await, told(&expected[100..]));
    world.close().await;
}

/// The writers' part: so many interactions of each of a few customers, one after the other, at both
/// instances.
async fn write(clients: [Client; 2], person: usize, interactions: usize) {
    let number = format!("+1415555{person:04}");
    for count in 0..interactions {
        let id = format!("{person}/{count}");
        let (one, other) = (&clients[count % 2], &clients[(count / 2) % 2]);
        // On a machine with much to do an answer may have to wait: again, it has one effect.
        while one.start(call(&id, &number)).await.expect("a start").degraded {}
        while let Err(refusal) = other.end(end(&id)).await {
            assert_eq!(refusal.code, Code::Unavailable, "{refusal:?}");
        }
    }
}

/// `THREADLINE_WATCH_INTERACTIONS=10000 THREADLINE_WATCH_LEAVES=100` is the long form.
async fn everything_is_told_once_however_often_the_watcher_leaves(engine: Engine) {
    const PEOPLE: usize = 10;
    let of_each = amount("THREADLINE_WATCH_INTERACTIONS", 200) / PEOPLE;
    let leaves = amount("THREADLINE_WATCH_LEAVES", 20);
    let world = World::on(engine).await;
    let other = second_instance(&world).await;
    let text = world.key(&World::new_key(&["telephony", "admin"])).await;
    let there = Client::connect(other.address, Some(&format!("Bearer {text}"))).await;
    let clients = [client(&world, &text).await, there];
    let mut token = clients[0].watch(everything()).await.expect("a stream").token;
    let mut writers = JoinSet::new();
    for person in 0..PEOPLE {
        writers.spawn(write(clients.clone(), person, of_each));
    }
    let expected = PEOPLE * of_each * 2;
    let mut random = StdRng::seed_from_u64(7);
    let (mut seen, mut by_person, mut left) = (BTreeSet::new(), BTreeMap::new(), 0);
    while seen.len() < expected {
        let asked = &clients[random.random_range(0..2)];
        let mut watcher = asked.watch(after(&token)).await.expect("the stream again");
        let stays = match left < leaves {
            true => random.random_range(0..=2 * expected / leaves),
            false => usize::MAX,
        };
        for _ in 0..stays {
            if seen.len() == expected {
                break;
            }
            let event = match watcher.message().await {
                Ok(event) if event.shown.is_none() => {
                    token = event.token;
                    continue;
                }
                Ok(event) => event,
                Err(end) => {
                    // Sent more than it read: it goes on as it is told.
                    assert_eq!(end.refusal.reason, "WATCHER_TOO_SLOW");
                    assert_eq!(end.token, token);
                    break;
                }
            };
            let (what, id) = (name(event.kind), event.id().to_owned());
            let (person, _) = id.split_once('/').expect("our own id");
            let own: &mut Vec<(&str, String)> = by_person.entry(person.to_owned()).or_default();
            own.push((what, id.clone()));
            assert!(seen.insert((what, id.clone())), "twice: {what} {id}");
            token = event.token;
        }
        left += 1;
    }
    while let Some(written) = writers.join_next().await {
        written.expect("a writer");
    }
    assert!(left > leaves, "it left {left} times");
    for (person, told) in by_person {
        let ids = (0..of_each).map(|count| format!("{person}/{count}"));
        let order: Vec<_> = ids.flat_map(|id| [("STARTED", id.clone()), ("ENDED", id)]).collect();
        assert_eq!(told, order, "in order");
    }
    other.stop().await.expect("an orderly stop");
    world.close().await;
}

/// A stream leaves an entry when it is opened and one for each customer whom it shows: these are no
/// events, and the stream that shows them leaves none for them.
async fn a_stream_is_in_the_audit_and_not_in_itself(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let agent = world.of_source(&["agent"], "desk", &["default"]).await;
    let mut watcher = agent.watch(everything()).await.expect("a stream");
    let known = client.start(call("one", NUMBER)).await.expect("a start").customer_ref;
    client.end(end("one")).await.expect("an end");
    client.start(start("two", "voice")).await.expect("a start");
    let expected = [("STARTED", "one"), ("ENDED", "one"), ("STARTED", "two")];
    assert_eq!(watcher.events(3).await, told(&expected));
    let actions = vec!["watch_interactions".to_owned()];
    let filters = threadline::cli::audit::Filters { actions, ..all() };
    let mut entries = Vec::new();
    let begun = std::time::Instant::now();
    while entries.len() < 3 && begun.elapsed() < Duration::from_secs(30) {
        entries = list(&world, &filters).await;
    }
    let shown: Vec<&str> = entries.iter().map(|entry| entry.customer()).collect();
    assert_eq!((shown.len(), shown[0], shown[1]), (3, "", known.as_str()), "{entries:?}");
    // Time for whatever would feed itself: two looks for other instances' commits.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(list(&world, &filters).await.len(), 3, "once a customer, and nothing for nothing");
    client.start(start("three", "voice")).await.expect("a start");
    assert_eq!(watcher.events(1).await, told(&[("STARTED", "three")]));
    world.close().await;
}

/// `THREADLINE_WATCH_SOON=1` holds the figures against what is promised; run it alone, on a machine
/// with nothing else to do. Printed are milliseconds from store time of the commit to the arrival.
async fn how_soon_is_told(engine: Engine) {
    let world = World::on(engine).await;
    let other = second_instance(&world).await;
    let text = world.key(&World::new_key(&["telephony", "admin"])).await;
    let here = Arc::new(client(&world, &text).await);
    let there = Client::connect(other.address, Some(&format!("Bearer {text}"))).await;
    let many = amount("THREADLINE_WATCH_SAMPLES", 40);
    for (place, instance, promised) in [("same", &*here, 100), ("another", &there, 500)] {
        let mut watcher = instance.watch(everything()).await.expect("a stream");
        let (writer, label) = (Arc::clone(&here), place);
        let writing = tokio::spawn(async move {
            for number in 0..many {
                let id = format!("{label} {number}");
                writer.start(call(&id, NUMBER)).await.expect("a start");
                tokio::time::sleep(Duration::from_millis(7 * (number as u64 % 11))).await;
            }
        });
        let mut took = Vec::with_capacity(many);
        for _ in 0..many {
            let event = watcher.event().await;
            took.push(Clock::System.now().0 - event.committed);
        }
        writing.await.expect("a writer");
        took.sort_unstable();
        let (half, most) = (took[many / 2], took[many * 99 / 100]);
        let line =
            format!("{engine:?}, {place} instance: median {half} ms, p99 {most} ms of {many}");
        // Nobody reads it when this fails.
        drop(writeln!(std::io::stderr(), "{line}"));
        let promised = if amount("THREADLINE_WATCH_SOON", 0) == 1 { promised } else { 10_000 };
        assert!(most <= promised, "{place}: {most} ms");
    }
    other.stop().await.expect("an orderly stop");
    world.close().await;
}

//! A backup that is made while many write: what was acknowledged before it began is in it, and what
//! is in it is of one moment.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::database::Database;
use crate::ground::{back_up, contact_of, restored};
use crate::keys::new_key;
use crate::serving::{Served, end, hints, start};

const CLIENTS: u64 = 6;
/// Contacts that are acknowledged before the first backup, and between two.
const BETWEEN: usize = 60;
const BACKUPS: usize = 3;

pub(crate) async fn what_was_acknowledged_before_is_in_it(database: &Database) {
    let key = new_key(database).await;
    let served = Served::on(database, &key).await;
    let (ended, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let mut interactions = served.interactions.clone();
        let (ended, stop) = (Arc::clone(&ended), Arc::clone(&stop));
        clients.spawn(async move {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let id = format!("contact-{client}-{number}");
                let begun = start(&id, hints(client * 1_000 + number % 20));
                interactions.start_interaction(begun).await.expect("a start");
                interactions.end_interaction(end(&id)).await.expect("an end");
                ended.lock().expect("nobody panics holding it").push(id);
            }
        });
    }
    let acknowledged = || ended.lock().expect("nobody panics holding it").clone();
    let mut kept = Vec::new();
    for round in 0..BACKUPS {
        while acknowledged().len() < (round + 1) * BETWEEN {
            tokio::task::yield_now().await;
        }
        let before = acknowledged();
        let pair = back_up(database, &database.folder().join(format!("kept-{round}"))).await;
        kept.push((pair, before, acknowledged().len()));
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.expect("a client that ends well");
    }
    served.running.stop().await.expect("an orderly stop");
    let meanwhile: usize = kept.iter().map(|(_, before, after)| after - before.len()).sum();
    assert!(meanwhile > 0, "nobody wrote while backups were made");
    for (pair, before, _) in kept {
        let into = restored(database, &pair, &[]).await;
        let mut connection = into.connect().await;
        crate::invariants::verify(&mut connection, 1).await;
        drop(connection);
        let served = Served::on(&into, &key).await;
        for id in before {
            let found = served.interactions.clone().get_interaction(contact_of(&id)).await;
            let found = found.expect("what was acknowledged is there").into_inner();
            let summary = found.interaction.expect("an interaction").summary;
            assert_eq!(summary, format!("summary of {id}"), "{id} had ended");
        }
        served.running.stop().await.expect("an orderly stop");
        into.remove().await;
    }
}

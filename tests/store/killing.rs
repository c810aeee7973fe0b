//! Every acknowledged start and end is on disk before the answer: the server is killed again and
//! again in the middle of its work, and nothing that was acknowledged is missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Mutex;

use threadline::cli::client::{Interactions, connect};
use threadline::grpc::proto::{GetInteractionRequest, InteractionStatus};

use crate::database::Database;
use crate::keys::new_key;
use crate::serving::{end, hints, start};
use crate::spawned::Spawned;

const KILLS: usize = 10;
const CLIENTS: u64 = 4;

/// What was acknowledged: an interaction's customer, and whether its end was.
type Acknowledged = BTreeMap<String, (String, bool)>;

pub(crate) async fn what_was_acknowledged_survives_a_kill(database: Arc<Database>) {
    let key = new_key(&database).await;
    let mut all = Acknowledged::new();
    for round in 0..KILLS {
        let mut server = Spawned::serve(&database, "info", &format!("log-{round}")).await;
        let connection = connect(&server.url, Some(&key)).await.expect("it answers");
        // At another moment each time: after the first acknowledgement, or much later.
        let most = 1 + round * round;
        let answers = Arc::new(AtomicUsize::new(0));
        let acknowledged = Arc::new(Mutex::new(Acknowledged::new()));
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            let (own, answers) = (Interactions::new(connection.clone()), Arc::clone(&answers));
            let acknowledged = Arc::clone(&acknowledged);
            let name = format!("{round}-{client}");
            clients.push(tokio::spawn(work(own, name, client, answers, acknowledged)));
        }
        while answers.load(Ordering::SeqCst) < most {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        server.kill();
        for client in clients {
            client.await.expect("a client that ends");
        }
        all.append(&mut *acknowledged.lock().await);
    }
    assert!(all.len() > KILLS * 4, "{} starts were acknowledged", all.len());
    assert!(all.values().any(|(_, ended)| *ended));
    let server = Spawned::serve(&database, "info", "log-last").await;
    let connection = connect(&server.url, Some(&key)).await.expect("it answers");
    check(Interactions::new(connection), &all).await;
    crate::audit::verify(&mut database.connect().await, 1).await;
}

/// Starts and ends until the server is gone.
async fn work(
    mut service: Interactions,
    name: String,
    client: u64,
    answers: Arc<AtomicUsize>,
    acknowledged: Arc<Mutex<Acknowledged>>,
) {
    for number in 0.. {
        let id = format!("{name}-{number}");
        let Ok(answer) = service.start_interaction(start(&id, hints(client))).await else { return };
        let answer = answer.into_inner();
        assert!(!answer.degraded, "{}", answer.degraded_reason);
        acknowledged.lock().await.insert(id.clone(), (answer.customer_ref.clone(), false));
        answers.fetch_add(1, Ordering::SeqCst);
        if service.end_interaction(end(&id)).await.is_err() {
            return;
        }
        acknowledged.lock().await.insert(id, (answer.customer_ref, true));
        answers.fetch_add(1, Ordering::SeqCst);
    }
}

async fn check(mut service: Interactions, all: &Acknowledged) {
    for (id, (customer, ended)) in all {
        let request = GetInteractionRequest {
            interaction_id: id.clone(),
            ..GetInteractionRequest::default()
        };
        let found = service.get_interaction(request).await;
        let found = found.unwrap_or_else(|status| panic!("{id} is lost: {status}")).into_inner();
        let interaction = found.interaction.expect("an interaction");
        assert_eq!(&interaction.customer_ref, customer, "{id}");
        if *ended {
            assert!(interaction.status() == InteractionStatus::Ended, "the end of {id} is lost");
            assert_eq!(interaction.summary, format!("summary of {id}"));
        }
    }
}

//! Another process writes the database while `serve` runs under load: the local commands.

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use threadline::grpc::proto::Recommendation;
use tonic::Code;

use crate::database::Database;
use crate::instance::{Calls, Instance, consistent, recommended};
use crate::keys::{ROOT_KEY, new_key};

/// Callers at once, each with a number of its own.
const CALLERS: u64 = 4;
/// How often the commands are run.
const ROUNDS: usize = 4;
/// A revoked key is trusted for a second more, on a machine that may be slow.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

/// Runs `threadline` as a process of its own.
async fn threadline(database: &Database, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command
        .args(arguments)
        .args(["--database", &database.url])
        .env("THREADLINE_ROOT_KEY", ROOT_KEY)
        .current_dir(database.folder());
    let running = tokio::task::spawn_blocking(move || command.output());
    let output = running.await.expect("it ends").expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Calls, ends, calls again: what was acknowledged is seen each time. How many ends there were.
async fn caller(calls: Calls, number: u64, enough: Arc<AtomicBool>) -> (String, i32) {
    let (mut customer, mut ends) = (String::new(), 0);
    while !enough.load(Ordering::SeqCst) {
        let id = format!("{number}-{ends}");
        let answer = calls.started(&id, number).await;
        if ends == 0 {
            customer = answer.customer_ref;
        } else {
            assert!(recommended(&answer) == Recommendation::Reuse, "{id}");
            assert_eq!(answer.customer_ref, customer, "{id}");
            assert_eq!(answer.variables["last"].value, format!("of {number}-{}", ends - 1));
            assert_eq!(answer.open_intents[0].attempt_count, ends, "{id}");
        }
        calls.ended(&id).await;
        ends += 1;
    }
    (customer, ends)
}

pub(crate) async fn another_process_writing_while_serve_runs(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    let enough = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (1..=CALLERS)
        .map(|number| tokio::spawn(caller(instance.calls.clone(), number, Arc::clone(&enough))))
        .collect();
    for _ in 0..ROUNDS {
        let create = ["keys", "create", "--tenant", "acme", "--role", "telephony"];
        let output = threadline(&database, &create).await;
        let key = String::from_utf8(output.stdout).expect("a key is printed");
        let own = Calls::to(&instance.running, key.trim()).await;
        let unknown = own.get("nobody's").await.err().map(|status| status.code());
        assert_eq!(unknown, Some(Code::NotFound), "a new key works at once");
        threadline(&database, &["sweep"]).await;
        // A key is `tl_live_TENANT_ID_SECRET`; tenant and id are its public part.
        let parts: Vec<&str> = key.trim().split('_').collect();
        let name = format!("{}_{}", parts[2], parts[3]);
        threadline(&database, &["keys", "revoke", &name]).await;
        let revoked = Instant::now();
        loop {
            let answer = own.get("nobody's").await.err().map(|status| status.code());
            if answer == Some(Code::Unauthenticated) {
                break;
            }
            assert!(revoked.elapsed() < REVOKED_WITHIN, "a revoked key still works");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        eprintln!("revoked after {} ms", revoked.elapsed().as_millis());
    }
    enough.store(true, Ordering::SeqCst);
    let mut most = 0;
    for one in callers {
        let (customer, ends) = one.await.expect("nothing stale is answered");
        assert_eq!(instance.calls.person(&customer).await.contact_count, ends, "nothing is lost");
        most = most.max(ends);
    }
    assert!(most > 3, "there was load: {most}");
    consistent(&database).await;
    instance.stop().await;
}

//! What happens between the operations of one batch, and between batches of two writers.

use std::sync::Arc;

use sqlx::{AnyConnection, Executor as _, Row as _};
use threadline::grpc::proto::{
    EndInteractionRequest, StartInteractionRequest, StartInteractionResponse,
};
use threadline::store::Engine;
use threadline::store::schedule::Point;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::database::Database;
use crate::instance::{Instance, OnItsWay, call, consistent, decided, rows};
use crate::keys::new_key;
use crate::serving::end;
use crate::stalls::eventually;
use crate::wheel::Hold;

/// A writer that has taken something, and is held with it: what is queued from now on becomes one
/// batch.
pub(crate) struct Busy {
    taken: Hold,
    first: OnItsWay<StartInteractionResponse>,
}

impl Busy {
    /// Keeps the writer busy with a call of this stranger.
    pub(crate) async fn with(instance: &Instance, stranger: u64) -> Self {
        // The first batch of a connection trusts nothing that was decided before it: that is over.
        instance.calls.started(&format!("stranger's first {stranger}"), stranger).await;
        let taken = instance.wheel.hold(Point::Taken);
        let first = instance.calls.start(call(&format!("stranger {stranger}"), stranger));
        taken.arrived().await;
        Self { taken, first }
    }

    /// Lets the writer go on, first with the stranger's call.
    pub(crate) async fn goes_on(self) {
        self.taken.release();
        decided(self.first.await);
    }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map_or_else(String::new, |info| info.reason)
}

/// What came of several calls: the answers, and the reasons of the refusals.
async fn outcomes<T>(calls: Vec<OnItsWay<T>>) -> (Vec<T>, Vec<String>) {
    let (mut answers, mut reasons) = (Vec::new(), Vec::new());
    for one in calls {
        match one.await.expect("a call that ends") {
            Ok(answer) => answers.push(answer),
            Err(status) => reasons.push(reason(&status)),
        }
    }
    (answers, reasons)
}

pub(crate) async fn equal_and_different_requests_of_one_id_in_one_batch(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    for (round, first_differs) in [(1, false), (2, true)] {
        let id = format!("one id {round}");
        let busy = Busy::with(&instance, 900 + round).await;
        let customers = rows(&database, "customer").await;
        let queued = instance.wheel.hold_every(Point::Queued);
        let order = if first_differs { [2, 1, 1, 1] } else { [1, 1, 2, 1] };
        let mut starts = Vec::new();
        for (index, person) in order.into_iter().enumerate() {
            starts.push(instance.calls.start(call(&id, 10 * round + person)));
            queued.arrived_times(index + 1).await;
        }
        queued.release();
        busy.goes_on().await;
        let (answers, refusals) = outcomes(starts).await;
        let expected = if first_differs { 1 } else { 3 };
        assert_eq!(answers.len(), expected, "the first one's content counts: {refusals:?}");
        assert!(refusals.iter().all(|reason| reason == "START_CONFLICT"), "{refusals:?}");
        assert!(answers.iter().all(|it| it.customer_ref == answers[0].customer_ref));
        assert!(answers.iter().all(|it| !it.degraded && it.new_customer), "one result is shared");
        assert_eq!(rows(&database, "customer").await, customers + 1);
        ends_of_one_id(&instance, &id, 910 + round).await;
        let later = instance.calls.started(&format!("later {round}"), 10 * round + order[0]).await;
        assert_eq!(later.customer_ref, answers[0].customer_ref);
        assert_eq!(later.recent_interactions[0].summary, format!("summary of {id}"));
        let person = instance.calls.person(&later.customer_ref).await;
        assert_eq!(person.contact_count, 1, "one end took place");
    }
    consistent(&database).await;
    instance.stop().await;
}

async fn ends_of_one_id(instance: &Instance, id: &str, stranger: u64) {
    let busy = Busy::with(instance, stranger).await;
    let queued = instance.wheel.hold_every(Point::Queued);
    let other = EndInteractionRequest { summary: "something else".into(), ..end(id) };
    let mut ends = Vec::new();
    for (index, request) in [end(id), other, end(id)].into_iter().enumerate() {
        ends.push(instance.calls.end(request));
        queued.arrived_times(index + 1).await;
    }
    queued.release();
    busy.goes_on().await;
    let (answers, refusals) = outcomes(ends).await;
    assert_eq!(refusals, ["END_CONFLICT"]);
    assert!(answers.iter().all(|it| *it == answers[0]), "one result is shared");
}

/// From here on no row with a start or end of this channel can be written.
async fn refuse(database: &Database, channel: &str) {
    let mut connection = database.connect().await;
    let statements = match database.engine {
        Engine::Sqlite => vec![format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON journal WHEN NEW.channel = '{channel}' \
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )],
        Engine::Postgres => vec![
            format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF NEW.channel = '{channel}' THEN RAISE EXCEPTION 'refused'; END IF; \
                 RETURN NEW; END $$"
            ),
            "CREATE TRIGGER refuse BEFORE INSERT ON journal FOR EACH ROW \
             EXECUTE FUNCTION refuse()"
                .to_owned(),
        ],
    };
    for statement in statements {
        let statement = sqlx::AssertSqlSafe(statement);
        connection.execute(sqlx::raw_sql(statement)).await.expect("the schema's owner may do this");
    }
}

pub(crate) async fn a_batch_with_one_op_that_data_makes_fail(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    refuse(&database, "fax").await;
    instance.calls.started("open", 7).await;
    let busy = Busy::with(&instance, 900).await;
    let queued = instance.wheel.hold_every(Point::Queued);
    let bad = StartInteractionRequest { channel: "fax".into(), ..call("bad", 3) };
    let mut starts: Vec<_> =
        (1..3).map(|n| instance.calls.start(call(&n.to_string(), n))).collect();
    queued.arrived_times(2).await;
    let bad = instance.calls.start(bad);
    queued.arrived_times(3).await;
    let bad_end = EndInteractionRequest { channel: "fax".into(), ..end("bad end") };
    let bad_end = instance.calls.end(bad_end);
    queued.arrived_times(4).await;
    starts.extend((4..6).map(|n| instance.calls.start(call(&n.to_string(), n))));
    queued.arrived_times(6).await;
    let good_end = instance.calls.end(end("open"));
    queued.arrived_times(7).await;
    queued.release();
    busy.goes_on().await;
    for start in starts {
        assert!(decided(start.await).new_customer, "it is written, whoever was beside it");
    }
    good_end.await.expect("a call that ends").expect("an end beside them is acknowledged");
    let answer = bad.await.expect("a call that ends").expect("a start is always answered");
    assert!(answer.degraded && answer.customer_ref.is_empty(), "the bad one was not decided");
    let refused = bad_end.await.expect("a call that ends").err().expect("nothing was written");
    assert_eq!((refused.code(), &*reason(&refused)), (Code::Internal, "INTERNAL"));
    for id in ["bad", "bad end"] {
        let known = instance.calls.get(id).await.map(|_| "known");
        assert_eq!(known.expect_err("not written").code(), Code::NotFound);
    }
    consistent(&database).await;
    instance.stop().await;
}

/// A second connection holds a row that the batch needs, and waits for the tenant's head, which
/// the batch holds. PostgreSQL ends the batch's transaction; it is run again.
pub(crate) async fn deadlock_between_batches_of_two_instances(database: Arc<Database>) {
    if database.engine == Engine::Sqlite {
        return; // It has one lock, and no two can be taken in another order.
    }
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    let customer = instance.calls.started("one", 1).await.customer_ref;
    let mut other = database.connect().await;
    for sql in [
        // The batch is the one that notices, after a second.
        "SET deadlock_timeout = '60s'",
        "BEGIN",
    ] {
        other.execute(sql).await.expect("a superuser may do this");
    }
    let tries = instance.wheel.hold(Point::Locked);
    let ending = instance.calls.end(end("one"));
    tries.arrived().await;
    other.execute("SELECT * FROM customer FOR UPDATE").await.expect("rows");
    let crossing = tokio::spawn(async move {
        other.execute("SELECT * FROM tenant_head FOR UPDATE").await.expect("it is its turn");
        other
    });
    somebody_waits(&mut database.connect().await).await;
    let again = instance.wheel.hold(Point::Taken);
    tries.release();
    let mut other = crossing.await.expect("the batch's transaction has ended");
    again.arrived().await;
    let known = instance.calls.get_meanwhile("one").await.expect("a known interaction");
    assert_eq!(known.recent_interactions.len(), 0, "nothing of the first try is there");
    other.execute("COMMIT").await.expect("a transaction that ends");
    again.release();
    ending.await.expect("a call that ends").expect("an end that is acknowledged");
    assert_eq!(instance.calls.person(&customer).await.contact_count, 1, "it is counted once");
    consistent(&database).await;
    instance.stop().await;
}

/// Another instance holds the tenant's head for longer than a batch waits for it.
pub(crate) async fn a_lock_that_is_not_free_in_time(database: Arc<Database>) {
    let key = new_key(&database).await;
    let instance = Instance::on(&database, &key).await;
    let customer = instance.calls.started("one", 1).await.customer_ref;
    let mut other = database.connect().await;
    let lock: &[&'static str] = match database.engine {
        Engine::Sqlite => &["BEGIN IMMEDIATE"],
        Engine::Postgres => &["BEGIN", "SELECT * FROM tenant_head FOR UPDATE"],
    };
    for sql in lock {
        other.execute(*sql).await.expect("a lock");
    }
    let first = instance.wheel.hold(Point::Taken);
    let ending = instance.calls.end(end("one"));
    first.arrived().await;
    let second = instance.wheel.hold(Point::Taken);
    first.release();
    // The batch has given up waiting, after a fifth of a second (five on SQLite), and tries again.
    second.arrived().await;
    other.execute("ROLLBACK").await.expect("a lock that ends");
    second.release();
    ending.await.expect("a call that ends").expect("an end that is acknowledged");
    assert_eq!(instance.calls.person(&customer).await.contact_count, 1, "it is counted once");
    consistent(&database).await;
    instance.stop().await;
}

/// It holds its tenant's head, and nobody hears of it any more. PostgreSQL ends its transaction.
pub(crate) async fn an_instance_that_stops_inside_a_batch(database: Arc<Database>) {
    if database.engine == Engine::Sqlite {
        return; // A file has one server.
    }
    let key = new_key(&database).await;
    let stops = Instance::on(&database, &key).await;
    let goes_on = Instance::on(&database, &key).await;
    let customer = stops.calls.started("one", 1).await.customer_ref;
    let inside = stops.wheel.hold(Point::Locked);
    let ending = stops.calls.end(end("one"));
    inside.arrived().await;
    assert_eq!(eventually(&goes_on.calls, "two", 1).await, customer);
    inside.release();
    ending.await.expect("a call that ends").expect("an end that is acknowledged");
    assert_eq!(goes_on.calls.person(&customer).await.contact_count, 1, "it is counted once");
    consistent(&database).await;
    stops.stop().await;
    goes_on.stop().await;
}

/// Waits until some connection to this database waits for a lock.
async fn somebody_waits(connection: &mut AnyConnection) {
    let sql = "SELECT COUNT(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
               WHERE NOT l.granted AND a.datname = current_database()";
    loop {
        let row = sqlx::query(sql).fetch_one(&mut *connection).await.expect("a count");
        if row.get::<i64, _>(0) > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

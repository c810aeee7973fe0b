//! The rows as a kill left them, read past the service: each moment's must agree with one another.

use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};
use threadline::ids::CustomerId;
use threadline::store::Engine;
use threadline::store::rows::Verb;

use crate::database::Database;

/// Fails unless what stands now is whole: no contact without its journal row, intent and values, and
/// the other way round.
pub(crate) async fn are_whole(database: &Database) {
    match database.engine {
        Engine::Sqlite => {
            // In a copy: whoever opens the file recovers its log, and the server is to do that.
            let copy = tempfile::tempdir().expect("a folder");
            for name in ["store.db", "store.db-wal"] {
                let (from, to) = (database.folder().join(name), copy.path().join(name));
                if from.exists() {
                    std::fs::copy(from, to).expect("a copy");
                }
            }
            let url = format!("sqlite:{}", copy.path().join("store.db").display());
            let mut connection = AnyConnection::connect(&url).await.expect("a copy that opens");
            verify(&mut connection).await;
        }
        Engine::Postgres => {
            let mut connection = database.connect().await;
            // What the killed server had asked for may still be committing: all of one moment.
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            connection.execute(begin).await.expect("a snapshot");
            verify(&mut connection).await;
        }
    }
}

async fn verify(connection: &mut AnyConnection) {
    crate::invariants::verify(connection, 1).await;
    for (what, sql) in [
        (
            "an end without its intent, or with it twice",
            "SELECT COUNT(*) FROM interaction i WHERE i.state > 0 AND 1 <> \
             (SELECT COUNT(*) FROM intent_fact f WHERE f.tenant = i.tenant \
             AND f.customer = i.customer AND f.interaction = i.interaction)",
        ),
        (
            "an end or update without its values, or with them twice",
            "SELECT COUNT(*) FROM interaction i WHERE i.state > 0 AND \
             (SELECT COUNT(*) FROM block b WHERE b.tenant = i.tenant \
             AND b.customer = i.customer AND b.interaction = i.interaction) <> \
             (SELECT COUNT(*) + 1 FROM journal j WHERE j.tenant = i.tenant \
             AND j.interaction = i.interaction AND j.verb = 2)",
        ),
        (
            "an end that began nowhere",
            "SELECT COUNT(*) FROM journal j WHERE j.verb <> 1 AND j.verb < 40 AND NOT EXISTS \
             (SELECT 1 FROM journal s WHERE s.tenant = j.tenant \
             AND s.interaction = j.interaction AND s.verb = 1)",
        ),
    ] {
        let found: i64 =
            sqlx::query_scalar(sql).fetch_one(&mut *connection).await.expect("a count");
        assert_eq!(found, 0, "{what}");
    }
}

/// What the tables hold: to be compared with what was acknowledged.
pub(crate) struct Counts {
    pub(crate) customers: i64,
    pub(crate) starts: i64,
    pub(crate) updates: i64,
    pub(crate) ends: i64,
    pub(crate) journal: i64,
}

impl Counts {
    pub(crate) async fn read(database: &Database) -> Self {
        let mut connection = database.connect().await;
        let sql = "SELECT COUNT(*) FROM customer";
        let customers =
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("customers");
        // What begins with 40 are reads, and keys.
        let sql = "SELECT verb, COUNT(*) FROM journal WHERE verb < 40 GROUP BY verb";
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("a journal");
        let of = |verb: Verb| -> i64 {
            let row = rows.iter().find(|row| row.get::<i64, _>(0) == verb as i64);
            row.map_or(0, |row| row.get(1))
        };
        Self {
            customers,
            starts: of(Verb::Start),
            updates: of(Verb::Update),
            ends: of(Verb::End),
            journal: rows.iter().map(|row| row.get::<i64, _>(1)).sum(),
        }
    }
}

/// How many ended contacts each customer has on file.
pub(crate) async fn contacts(database: &Database, customer: &str) -> i64 {
    let id = CustomerId::parse_ref(customer).expect("a ref");
    let sql = "SELECT COUNT(*) FROM interaction WHERE tenant = 1 AND customer = $1 AND state > 0";
    let mut connection = database.connect().await;
    let counted = sqlx::query_scalar(sql).bind(id.0.to_vec()).fetch_one(&mut connection).await;
    counted.expect("a count")
}

//! Nothing personal is readable at rest: a canary is planted in every string field of every
//! request that the protocol has, and then looked for in the database, its write-ahead log and the
//! server's own logs at their chattiest, in every form in which it could have got there.
//!
//! The fields come from the protocol's descriptors: a new one is covered without a line here. A
//! field that asks for a format gets a canary of that format in `tests/rest/plant.rs`.

#[path = "rest/calls.rs"]
mod calls;
#[path = "store/database.rs"]
mod database;
#[path = "rest/forms.rs"]
mod forms;
#[expect(dead_code, reason = "only the tests of the API serve key sets")]
#[path = "support/issuer.rs"]
mod issuer;
#[path = "store/keys.rs"]
mod keys;
#[path = "rest/plant.rs"]
mod plant;
#[path = "store/spawned.rs"]
mod spawned;
#[path = "rest/story.rs"]
mod story;

use database::Database;
use forms::Search;
use spawned::Spawned;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use threadline::store::Engine;

/// Everything, and by name those that print frames, statements and values.
const LOUDEST: &str = "trace,sqlx::query=trace,h2::codec=trace,h2::hpack=trace,hyper::proto=trace,\
    rlibphonenumber::phonenumberutil=trace,tonic::transport=trace,tower::buffer=trace";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_readable_in_sqlite() {
    nothing_is_readable(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_readable_in_postgres() {
    nothing_is_readable(Engine::Postgres).await;
}

async fn nothing_is_readable(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else { return };
    let key = keys::new_key(&database).await;
    let planter = plant::Planter::new();
    let tenants = database.folder().join("tenants.toml");
    std::fs::write(tenants, planter.settings("acme")).expect("a settings file");
    let mut server = Spawned::serve(&database, LOUDEST, "serve.log").await;
    let mut planted = story::tell(&server.url, &key, planter).await;
    let secret = key.rsplit('_').next().expect("a secret").to_owned();
    planted.push(plant::Planted { field: "the API key's secret".into(), canary: secret });
    planted.push(plant::Planted { field: "the root key".into(), canary: keys::ROOT_KEY.into() });
    assert!(planted.len() > 100, "{} canaries: the protocol has more fields", planted.len());
    let search = Search::new(&planted);
    let mut places = contents(&database).await;
    server.kill();
    let logs = std::fs::read(&server.logs).expect("the logs");
    assert!(logs.len() > 1_000, "at trace a server says something");
    places.push(("logs".into(), logs));
    if engine == Engine::Sqlite {
        let mut connection = database.connect().await;
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.expect("a checkpoint");
        places.extend(files(&database));
    }
    let mut findings: Vec<String> = Vec::new();
    for (place, bytes) in &places {
        let found = search.find(bytes);
        findings.extend(found.into_iter().map(|what| format!("{what}, in {place}")));
    }
    assert!(findings.is_empty(), "readable:\n{}", findings.join("\n"));
    // What is readable by design is there: these are the right places.
    let holds = |word: &[u8]| {
        places.iter().any(|(_, bytes)| bytes.windows(word.len()).any(|window| window == word))
    };
    assert!(holds(b"voice"), "the channel is readable");
    drop(server);
    database.remove().await;
}

/// Everything the database holds, as bytes.
async fn contents(database: &Database) -> Vec<(String, Vec<u8>)> {
    match database.engine {
        Engine::Sqlite => files(database),
        Engine::Postgres => tables(database).await,
    }
}

/// The database's own files; what is not there yet is empty.
fn files(database: &Database) -> Vec<(String, Vec<u8>)> {
    let bytes = |name: &str| std::fs::read(database.folder().join(name)).unwrap_or_default();
    let files =
        ["store.db", "store.db-wal", "store.db-shm"].map(|name| (name.to_owned(), bytes(name)));
    assert!(files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 50_000);
    files.to_vec()
}

/// Every column of every table, as it is stored.
async fn tables(database: &Database) -> Vec<(String, Vec<u8>)> {
    let mut connection = database.connect().await;
    let sql = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), CAST(data_type AS TEXT) \
               FROM information_schema.columns WHERE table_schema = 'public'";
    let columns = sqlx::query(sql).fetch_all(&mut connection).await.expect("the schema");
    let mut places = Vec::new();
    for column in &columns {
        let (table, name): (String, String) = (column.get(0), column.get(1));
        let bytes = column.get::<String, _>(2) == "bytea";
        let value = if bytes { format!("\"{name}\"") } else { format!("CAST(\"{name}\" AS TEXT)") };
        let sql =
            AssertSqlSafe(format!("SELECT {value} FROM \"{table}\" WHERE \"{name}\" IS NOT NULL"));
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("a table");
        let mut all = Vec::new();
        for row in &rows {
            let value: Vec<u8> =
                if bytes { row.get(0) } else { row.get::<String, _>(0).into_bytes() };
            all.extend(value);
            all.push(b'\n');
        }
        places.push((format!("{table}.{name}"), all));
    }
    assert!(places.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 5_000);
    places
}

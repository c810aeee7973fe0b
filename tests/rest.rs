//! Nothing personal is readable at rest: a canary is planted in every string field of every
//! request that the protocol has, a thousand in all, and then looked for in the database, its
//! write-ahead log, temporary files and backups, the server's own logs at their chattiest, and what the
//! refused were told, in every form in which it could have got there.
//!
//! The fields come from the protocol's descriptors: a new one is covered without a line here. A
//! field that asks for a format gets a canary of that format in `tests/rest/plant.rs`. What no descriptor
//! tells of, Sticky Calls and the hooks, is planted by `tests/rest/doors.rs`.

#[path = "rest/calls.rs"]
mod calls;
#[path = "support/collector.rs"]
mod collector;
#[path = "store/database.rs"]
mod database;
#[path = "rest/doors.rs"]
mod doors;
#[path = "rest/forms.rs"]
mod forms;
#[expect(dead_code, reason = "only the tests of the API serve key sets")]
#[path = "support/issuer.rs"]
mod issuer;
#[path = "store/keys.rs"]
mod keys;
#[path = "rest/people.rs"]
mod people;
#[path = "rest/plant.rs"]
mod plant;
#[path = "store/spawned.rs"]
mod spawned;
#[path = "rest/story.rs"]
mod story;
#[path = "rest/swaps.rs"]
mod swaps;
#[path = "rest/unasked.rs"]
mod unasked;

use std::path::Path;
use std::time::{Duration, Instant};

use collector::Collector;
use database::Database;
use forms::Search;
use prost::Message as _;
use spawned::Spawned;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use threadline::continuity::backup::{Reader, Record};
use threadline::store::Engine;
use threadline::store::backup::Value;

/// Spans are sent every two seconds; after so long without any, no more come.
const SILENCE: Duration = Duration::from_secs(5);
/// The first are there by then, however loaded the machine is.
const TRACED_WITHIN: Duration = Duration::from_secs(60);

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_elsewhere_does_not_open_in_sqlite() {
    let Some(database) = Database::fresh(Engine::Sqlite).await else { return };
    swaps::are_refused(&database).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_elsewhere_does_not_open_in_postgres() {
    let Some(database) = Database::fresh(Engine::Postgres).await else { return };
    swaps::are_refused(&database).await;
    database.remove().await;
}

async fn nothing_is_readable(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else { return };
    let key = keys::new_key(&database).await;
    let mut planter = plant::Planter::new();
    let hooks = doors::Hooks::new("acme", &mut planter);
    let collector = Collector::begin();
    let tenants = [planter.settings("acme"), hooks.settings()].concat();
    let settings = format!("{}metrics_by_tenant = true\n{tenants}", collector.settings());
    std::fs::write(database.folder().join("tenants.toml"), settings).expect("a settings file");
    let mut server = Spawned::serve(&database, LOUDEST, "serve.log").await;
    let mut errors = Vec::new();
    doors::tell((&server.url, &key), &hooks, &mut planter, &mut errors).await;
    let mut planted = story::tell(&server.url, &key, planter, &mut errors).await;
    let secret = key.rsplit('_').next().expect("a secret").to_owned();
    planted.push(plant::Planted { field: "the API key's secret".into(), canary: secret });
    planted.push(plant::Planted { field: "the root key".into(), canary: keys::ROOT_KEY.into() });
    assert!(planted.len() >= 1_000, "{} canaries are too few", planted.len());
    let search = Search::new(&planted);
    let mut places = contents(&database).await;
    places.extend(backup(&database).await);
    places.push(("metrics".into(), metrics(&server.url).await));
    places.push(("traces".into(), traces(&collector, planted.len()).await));
    server.kill();
    assert!(errors.len() > 1_000, "whoever is refused is told why");
    places.push(("errors".into(), errors));
    let logs = std::fs::read(&server.logs).expect("the logs");
    assert!(logs.len() > 1_000, "at trace a server says something");
    if engine == Engine::Sqlite {
        let mut connection = database.connect().await;
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.expect("a checkpoint");
    }
    places.extend(files(&database));
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
    assert!(holds(b"INVALID_FIELD") && holds(b"\"serving\""), "errors have reasons, logs are kept");
    drop(server);
    database.remove().await;
}

/// What operators are shown of all this.
async fn metrics(url: &str) -> Vec<u8> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(format!("{url}/metrics")).send().await.expect("an answer");
    let text = answer.text().await.expect("text");
    let counted = ["reason=\"INVALID_FIELD\"", "reason=\"MISSING_API_KEY\"", "tenant=\"acme\""];
    assert!(counted.iter().all(|label| text.contains(label)), "what happened is counted: {text}");
    text.into_bytes()
}

/// Every span of all this, once no more come.
async fn traces(collector: &Collector, least: usize) -> Vec<u8> {
    let (mut seen, mut since) = (0, Instant::now());
    while seen == 0 || since.elapsed() < SILENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = collector.kept().len();
        assert!(now > 0 || since.elapsed() < TRACED_WITHIN, "no span is sent");
        if now > seen {
            (seen, since) = (now, Instant::now());
        }
    }
    let spans = collector.spans();
    let of = |name: &str| spans.iter().filter(|span| span.name.ends_with(name)).count();
    assert!(
        of("/StartInteraction") > 5 && of("commit") > 5,
        "of {least} canaries: {}",
        spans.len()
    );
    assert!(of("other") > 1, "what nobody serves has no name");
    collector.kept().iter().flat_map(|request| request.encode_to_vec()).collect()
}

/// Everything that a backup holds, taken while the database is served: every value of every row. The
/// files themselves, compressed, lie among the others.
async fn backup(database: &Database) -> Vec<(String, Vec<u8>)> {
    let kept = database.folder().join("kept");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.arg("backup").arg(&kept).args(["--database", &database.url]);
    command.current_dir(database.folder());
    let ran = tokio::task::spawn_blocking(move || command.status().expect("the binary starts"));
    assert!(ran.await.expect("it ran").success(), "a backup is written");
    let mut places = Vec::new();
    for (name, _) in under(&kept, |_| true) {
        let mut reader = Reader::open(Path::new(&name)).expect("a backup");
        let mut all = serde_json::to_vec(&reader.header).expect("a header");
        while let Some(record) = reader.next_record().expect("a whole file") {
            let Record::Row(row) = record else { continue };
            for value in row {
                match value {
                    Value::Number(number) => all.extend(number.to_string().into_bytes()),
                    Value::Text(text) => all.extend(text.into_bytes()),
                    Value::Bytes(bytes) => all.extend(bytes),
                }
                all.push(b'\n');
            }
        }
        places.push((format!("the rows of {name}"), all));
    }
    assert_eq!(places.len(), 2, "rows and keys");
    assert!(places.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 50_000);
    places
}

/// Everything the database holds, as bytes, while it is served.
async fn contents(database: &Database) -> Vec<(String, Vec<u8>)> {
    match database.engine {
        Engine::Sqlite => files(database),
        Engine::Postgres => {
            let mut places = tables(database).await;
            places.extend(cluster(database).await);
            places
        }
    }
}

/// Every file of a test: the database, its logs, the server's log, whatever was made for a while.
/// Its settings are the operator's.
fn files(database: &Database) -> Vec<(String, Vec<u8>)> {
    let files = under(database.folder(), |file| !file.ends_with(".toml"));
    let least = if database.engine == Engine::Sqlite { 50_000 } else { 1_000 };
    assert!(files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > least);
    files
}

/// The files of a PostgreSQL cluster that a test may have written: this database's, the
/// write-ahead log, the server's own log, temporary files. Other databases have canaries of theirs.
async fn cluster(database: &Database) -> Vec<(String, Vec<u8>)> {
    let mut connection = database.connect().await;
    connection.execute("CHECKPOINT").await.expect("a superuser may do this");
    let sql = "SELECT CAST(current_setting('data_directory') AS TEXT), CAST(oid AS TEXT) \
               FROM pg_database WHERE datname = current_database()";
    let row = sqlx::query(sql).fetch_one(&mut connection).await.expect("a cluster");
    let (folder, number): (String, String) = (row.get(0), row.get(1));
    let own = format!("/base/{number}/");
    let wanted = |file: &str| {
        file.contains(&own) || ["/pg_wal/", "pgsql_tmp", ".log"].iter().any(|it| file.contains(it))
    };
    let files = under(Path::new(&folder), wanted);
    for part in [own.as_str(), "/pg_wal/"] {
        assert!(files.iter().any(|(name, _)| name.contains(part)), "the cluster is elsewhere");
    }
    files
}

/// The files under a folder with their contents. Those that go while this looks are gone.
fn under(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = path.display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if wanted(&name)
                && let Ok(bytes) = std::fs::read(&path)
            {
                files.push((name, bytes));
            }
        }
    }
    files
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

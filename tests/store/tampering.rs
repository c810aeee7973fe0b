//! The audit chain against somebody who can write the database: every manipulation is found, and
//! whatever is taken away as it should be leaves a chain that is whole.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _, Row as _};
use threadline::ids::Entropy;
use threadline::store::audit::chain::{End, Verified};
use threadline::store::rows::Verb;

use crate::bench::{Bench, Write};
use crate::database::Database;
use crate::rows::{effects, journal, start, token};

/// Batches of the chain that is tampered with.
const BATCHES: u64 = 24;
/// Manipulations that are tried.
const MANIPULATIONS: usize = 100;
/// Rows that have their content, took nobody else's, and are not the last.
const ORDINARY: &str = "stripped_by = 0 AND LENGTH(strips) = 0 \
    AND position < (SELECT MAX(position) FROM journal)";
/// The tables that hold the chain.
const TABLES: [&str; 3] = ["journal", "audit_link", "tenant_head"];

/// A chain of batches of one and two rows, the third interaction's content taken away.
async fn bench_with_chain(database: &Database) -> Bench {
    let bench = Bench::open(database).await;
    for number in 0..BATCHES {
        let mut rows = vec![start(token(number))];
        if number % 3 == 0 {
            rows.push(journal(token(number), Verb::Update, b"u"));
        }
        bench.write(Write::of(bench.tenant, effects(rows))).await;
    }
    let mut purge = effects(vec![journal(token(3), Verb::Purge, b"")]);
    purge.strip = vec![token(3)];
    bench.write(Write::of(bench.tenant, purge)).await;
    bench.write(Write::of(bench.tenant, effects(vec![start(token(900))]))).await;
    bench
}

async fn verified(bench: &Bench, checkpoints: Vec<End>) -> Verified {
    let verified = bench.store.verify_audit(bench.tenant, checkpoints, |_| {}).await;
    verified.expect("a database that answers")
}

async fn end(bench: &Bench) -> End {
    let ended = bench.store.audit_end(bench.tenant).await.expect("a database that answers");
    ended.expect("a head").end
}

/// Makes every link and the head fit the rows again, as somebody would who can write everything.
async fn link_anew(connection: &mut AnyConnection, tenant: i64) {
    let rows = crate::audit::rows(connection, tenant).await;
    let sql = "SELECT position FROM audit_link WHERE tenant = $1 ORDER BY position";
    let links = sqlx::query(sql).bind(tenant).fetch_all(&mut *connection).await.expect("links");
    let (mut before, mut rows, mut last) = (vec![0u8; 32], rows.iter().peekable(), 0);
    for link in links {
        let (position, mut entries) = (link.get::<i64, _>(0), 0);
        let mut hash = Sha256::new();
        hash.update(&before);
        while let Some(row) = rows.next_if(|row| row.get::<i64, _>(1) <= position) {
            hash.update(crate::audit::row_hash(row));
            (entries, last) = (entries + 1, row.get(1));
        }
        let sql = if entries == 0 {
            "DELETE FROM audit_link WHERE tenant = $1 AND position = $2 AND $3 = $3 AND $4 = $4 \
             AND $5 = $5"
        } else {
            before = hash.finalize().to_vec();
            "UPDATE audit_link SET position = $3, entries = $4, hash = $5 \
             WHERE tenant = $1 AND position = $2"
        };
        let query = sqlx::query(sql).bind(tenant).bind(position).bind(last).bind(entries);
        query.bind(before.clone()).execute(&mut *connection).await.expect("a link");
    }
    let sql = "UPDATE tenant_head SET audit_hash = $2, position = $3 WHERE tenant = $1";
    let query = sqlx::query(sql).bind(tenant).bind(before).bind(last);
    query.execute(&mut *connection).await.expect("a head");
}

/// The database, with a copy of the chain to go back to.
struct Tampering {
    connection: AnyConnection,
    chance: Entropy,
}

impl Tampering {
    async fn with(database: &Database) -> Self {
        let connection = database.connect().await;
        let mut own = Self { connection, chance: Entropy::seeded(5) };
        for table in TABLES {
            own.run(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
        }
        own
    }

    /// How many rows it touched.
    async fn run(&mut self, sql: &str) -> u64 {
        let done = self.connection.execute(AssertSqlSafe(sql.to_owned())).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    async fn restore(&mut self) {
        for table in TABLES {
            self.run(&format!("DELETE FROM {table}")).await;
            self.run(&format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await;
        }
    }

    async fn positions(&mut self, of: &str) -> Vec<i64> {
        let sql = format!("SELECT position FROM {of} ORDER BY position");
        let rows = self.connection.fetch_all(AssertSqlSafe(sql)).await.expect("positions");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// One of them.
    fn any(&self, of: &[i64]) -> i64 {
        of[self.chance.positive() as usize % of.len()]
    }

    /// Bytes as both engines write them in a text.
    fn literal(&self, bytes: &[u8]) -> String {
        let hex = data_encoding::HEXLOWER.encode(bytes);
        match self.connection.backend_name() {
            "SQLite" => format!("x'{hex}'"),
            _ => format!("'\\x{hex}'::bytea"),
        }
    }

    async fn column(&mut self, column: &str, position: i64) -> Vec<u8> {
        let sql = format!("SELECT {column} FROM journal WHERE position = {position}");
        self.connection.fetch_one(AssertSqlSafe(sql)).await.expect("a row").get(0)
    }

    /// An edit of one column of a row that has its content.
    async fn edit(&mut self, set: &str) -> String {
        let whole = self.positions(&format!("journal WHERE {ORDINARY}")).await;
        let sql = format!("UPDATE journal SET {set} WHERE position = {}", self.any(&whole));
        assert_eq!(self.run(&sql).await, 1, "{sql}");
        sql
    }

    /// Takes a row's content away, in the name of `by`.
    async fn strip(&mut self, by: &str) -> String {
        let whole = self.positions("journal WHERE LENGTH(state) > 0").await;
        let position = self.any(&whole);
        let state = self.column("state", position).await;
        let digest = self.literal(&Sha256::digest(&state));
        let sql = format!(
            "UPDATE journal SET state = {}, digest = {digest}, stripped_by = {by} \
             WHERE position = {position}",
            self.literal(b"")
        );
        self.run(&sql).await;
        sql
    }

    /// Leaves nothing of a row but its hash, in the name of `by`.
    async fn forget(&mut self, position: i64, by: i64) -> String {
        let sql = format!(
            "SELECT verb, position, received, time, outcome, interaction, part, fingerprint, \
             channel, customer, caller, state, digest, strips, hash FROM journal \
             WHERE position = {position}"
        );
        let row = self.connection.fetch_one(AssertSqlSafe(sql)).await.expect("a row");
        let (hash, none) = (self.literal(&crate::audit::row_hash(&row)), self.literal(b""));
        let key = self.literal(&self.chance.bytes::<16>());
        let sql = format!(
            "UPDATE journal SET verb = 0, received = 0, time = 0, outcome = 0, channel = '', \
             caller = '', interaction = {key}, part = {none}, fingerprint = {none}, \
             customer = {none}, state = {none}, digest = {none}, strips = {none}, \
             stripped_by = {by}, hash = {hash} WHERE position = {position}"
        );
        self.run(&sql).await;
        sql
    }

    /// Cuts the chain so many links before its end; where it ends then.
    async fn cut(&mut self, links: usize) -> i64 {
        let all = self.positions("audit_link").await;
        let last = all[all.len() - 1 - links];
        for table in ["journal", "audit_link"] {
            self.run(&format!("DELETE FROM {table} WHERE position > {last}")).await;
        }
        last
    }

    /// A row that was never written, after `position` or in its place.
    async fn add(&mut self, position: i64) -> String {
        let sql = format!(
            "INSERT INTO journal (tenant, interaction, verb, part, position, fingerprint, received, \
             time, channel, customer, caller, outcome, state, digest) \
             SELECT tenant, {}, verb, part, {position}, fingerprint, received, time, channel, \
             customer, caller, outcome, state, digest FROM journal WHERE position = \
             (SELECT MIN(position) FROM journal)",
            self.literal(&self.chance.bytes::<16>())
        );
        assert_eq!(self.run(&sql).await, 1);
        sql
    }

    async fn swap(&mut self) -> String {
        let all = self.positions(&format!("journal WHERE {ORDINARY}")).await;
        let one = self.any(&all);
        let two = self.any(&all.iter().copied().filter(|it| *it != one).collect::<Vec<_>>());
        for (from, to) in [(one, -1), (two, one), (-1, two)] {
            self.run(&format!("UPDATE journal SET position = {to} WHERE position = {from}")).await;
        }
        format!("{one} and {two} swapped")
    }

    async fn on_links(&mut self, verb: &str) -> String {
        let links = self.positions("audit_link").await;
        let sql = format!("{verb} WHERE position = {}", self.any(&links));
        assert_eq!(self.run(&sql).await, 1, "{sql}");
        sql
    }

    async fn on_stripped(&mut self, change: &str) -> String {
        let sql = format!("UPDATE journal SET {change} WHERE stripped_by > 0");
        self.run(&sql).await;
        sql
    }

    /// One manipulation of the given kind, at a random place; what it was.
    async fn manipulate(&mut self, kind: usize) -> String {
        let odd = self.literal(&self.chance.bytes::<16>());
        let hash = self.literal(&self.chance.bytes::<32>());
        let last = self.positions("journal").await.pop().expect("rows");
        match kind {
            0 => self.edit("verb = verb + 1").await,
            1 => self.edit("received = received + 1").await,
            2 => self.edit("time = time - 1").await,
            3 => self.edit("outcome = outcome + 1").await,
            4 => self.edit("channel = 'email'").await,
            5 => self.edit("caller = 'another'").await,
            6 => self.edit(&format!("customer = {odd}")).await,
            7 => self.edit(&format!("interaction = {odd}")).await,
            8 => self.edit(&format!("part = {odd}")).await,
            9 => self.edit(&format!("fingerprint = {odd}")).await,
            10 => self.edit(&format!("state = {odd}")).await,
            11 => self.edit(&format!("digest = {hash}")).await,
            12 => self.edit(&format!("strips = {odd}")).await,
            13 => self.edit(&format!("hash = {hash}")).await,
            14 => self.edit("stripped_by = position + 1").await,
            15 => self.strip("0").await,
            16 => self.strip(&last.to_string()).await,
            17 => self.strip("(SELECT MAX(position) FROM journal WHERE verb = 6)").await,
            18 => {
                let all = self.positions("journal").await;
                self.forget(self.any(&all[..all.len() - 1]), last).await
            }
            19 => {
                let all = self.positions(&format!("journal WHERE {ORDINARY}")).await;
                let position = self.any(&all);
                self.run(&format!("DELETE FROM journal WHERE position = {position}")).await;
                format!("{position} deleted")
            }
            20 => self.swap().await,
            21 => self.add(last + 1).await,
            22 => {
                self.run("UPDATE tenant_head SET position = position + 1").await;
                self.add(last + 1).await
            }
            23 => self.on_links(&format!("UPDATE audit_link SET hash = {hash}")).await,
            24 => self.on_links("UPDATE audit_link SET entries = entries + 1").await,
            25 => self.on_links("DELETE FROM audit_link").await,
            26 => {
                let links = self.positions("audit_link").await;
                let sql = format!("UPDATE audit_link SET position = {}", last + 1);
                let at = self.any(&links);
                self.run(&format!("{sql} WHERE position = {at}")).await;
                format!("{sql} at {at}")
            }
            27 => {
                let links = 1 + self.chance.positive() as usize % BATCHES as usize;
                format!("cut after {}, the head as it was", self.cut(links).await)
            }
            28 => {
                let links = 1 + self.chance.positive() as usize % BATCHES as usize;
                let at = self.cut(links).await;
                let sql = "UPDATE tenant_head SET audit_hash = (SELECT hash FROM audit_link \
                           WHERE position = (SELECT MAX(position) FROM audit_link))";
                self.run(sql).await;
                format!("cut after {at}, the head's hash with it")
            }
            29 => {
                self.run(&format!("UPDATE tenant_head SET audit_hash = {hash}")).await;
                "another hash in the head".into()
            }
            // A row that lost its content as it should is still covered.
            30 => self.on_stripped("caller = 'another'").await,
            31 => self.on_stripped(&format!("digest = {hash}")).await,
            32 => self.on_stripped("stripped_by = stripped_by - 1").await,
            33 => self.add(i64::MIN).await,
            // What lost its content as it should keeps who did what to whom.
            _ => {
                let sql = "SELECT position, stripped_by FROM journal WHERE stripped_by > 0";
                let row = self.connection.fetch_one(sql).await.expect("a stripped row");
                self.forget(row.get(0), row.get(1)).await
            }
        }
    }
}

/// Kinds of manipulation.
const KINDS: usize = 35;

pub(crate) async fn a_hundred_manipulations_are_found(database: Arc<Database>) {
    let bench = bench_with_chain(&database).await;
    let untouched = verified(&bench, Vec::new()).await;
    assert_eq!(untouched.findings, []);
    assert_eq!((untouched.entries, untouched.links), (BATCHES + BATCHES / 3 + 3, BATCHES + 3));
    let mut tampering = Tampering::with(&database).await;
    let mut found = 0;
    for number in 0..MANIPULATIONS {
        let done = tampering.manipulate(number % KINDS).await;
        let verdict = verified(&bench, Vec::new()).await;
        assert!(verdict.wrong > 0, "not found: {done}");
        found += 1;
        tampering.restore().await;
        assert_eq!(verified(&bench, Vec::new()).await, untouched, "after {done}");
    }
    assert_eq!(found, MANIPULATIONS);
}

pub(crate) async fn a_rewritten_chain_is_found_by_a_checkpoint(database: Arc<Database>) {
    let bench = bench_with_chain(&database).await;
    let checkpoint = end(&bench).await;
    bench.write(Write::of(bench.tenant, effects(vec![start(token(901))]))).await;
    let mut tampering = Tampering::with(&database).await;
    let through = |checkpoint: &End| vec![checkpoint.clone()];
    let whole = verified(&bench, through(&checkpoint)).await;
    assert_eq!((whole.wrong, whole.checkpoints), (0, 1));
    for kind in [0, 3, 5, 6, 10, 19, 20] {
        let done = tampering.manipulate(kind).await;
        link_anew(&mut tampering.connection, bench.tenant.0).await;
        assert_eq!(verified(&bench, Vec::new()).await.findings, [], "{done}, linked anew");
        let verdict = verified(&bench, through(&checkpoint)).await;
        assert_eq!((verdict.wrong, verdict.checkpoints), (1, 0), "{done}");
        tampering.restore().await;
    }
    // The head goes with the tail: nothing but a checkpoint remembers. Further back, rows that have
    // lost their content would miss the one that took it.
    let at = tampering.cut(2).await;
    link_anew(&mut tampering.connection, bench.tenant.0).await;
    assert_eq!(verified(&bench, Vec::new()).await.findings, [], "cut after {at}");
    assert_eq!(verified(&bench, through(&checkpoint)).await.wrong, 1, "cut after {at}");
}

/// What erasing a person will do: their rows lose everything but their hashes, and the row that says
/// so names them.
pub(crate) async fn what_was_forgotten_leaves_a_whole_chain(database: Arc<Database>) {
    let bench = bench_with_chain(&database).await;
    let checkpoint = end(&bench).await;
    bench.write(Write::of(bench.tenant, effects(vec![start(token(902))]))).await;
    let mut tampering = Tampering::with(&database).await;
    let all = tampering.positions("journal").await;
    let (theirs, by) = (&all[2..9], *all.last().expect("rows"));
    let names: Vec<u8> = theirs.iter().flat_map(|position| position.to_be_bytes()).collect();
    let names = tampering.literal(&names);
    // Only an erasure leaves rows of which nothing but the hash stays.
    let taking = format!("UPDATE journal SET strips = {names}, verb = 24 WHERE position = {by}");
    tampering.run(&taking).await;
    link_anew(&mut tampering.connection, bench.tenant.0).await;
    for position in theirs {
        tampering.forget(*position, by).await;
    }
    let verdict = verified(&bench, vec![checkpoint]).await;
    assert_eq!((verdict.findings, verdict.checkpoints), (Vec::new(), 1));
    // Nobody else's row may go in its name.
    tampering.forget(all[9], by).await;
    assert_eq!(verified(&bench, Vec::new()).await.wrong, 1);
}

/// Reads that are handed over are written without anybody waiting, at once or with the next batch,
/// and no more of them wait than may.
pub(crate) async fn traces_wait_for_nobody_and_are_never_lost(database: Arc<Database>) {
    let bench = Bench::open(&database).await;
    let trace = |number: u64| journal(token(5_000 + number), Verb::GetCustomer, b"").into();
    for number in 0..300 {
        bench.store.trace(bench.tenant, vec![trace(number)]).expect("room");
    }
    // Whatever is acknowledged from now on comes after them.
    bench.write(Write::of(bench.tenant, effects(vec![start(token(1))]))).await;
    let mut connection = database.connect().await;
    let sql = "SELECT COUNT(*) FROM journal WHERE verb = 42";
    let written: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a count");
    assert_eq!(written, 300);
    let many = |from: u64, count: u64| (from..from + count).map(trace).collect::<Vec<_>>();
    let refused = bench.store.trace(bench.tenant, many(10_000, 1_025));
    assert!(matches!(refused, Err(threadline::store::Error::QueueFull)), "more than may wait");
    bench.store.trace(bench.tenant, many(20_000, 1_024)).expect("as many as may wait");
    bench.store.close().await;
    let written: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a count");
    assert_eq!(written, 300 + 1_024, "closing writes what waits");
    crate::audit::verify(&mut connection, bench.tenant.0).await;
}

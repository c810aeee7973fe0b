//! Every table of the migrations is in a backup, with every column and every kind of value.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Executor as _};
use threadline::clock::Clock;
use threadline::continuity::backup::{Reader, Record, back_up, open_store};
use threadline::ids::{Entropy, TenantId};
use threadline::store::Store;
use threadline::store::backup::copying::Taker;
use threadline::store::backup::loading::Loading;
use threadline::store::backup::schema::{Kind, Table};
use threadline::store::backup::{Origin, Value};

use crate::database::Database;
use crate::ground::elsewhere;

pub(crate) async fn every_table_comes_back(database: &Database) {
    let store = open(database).await;
    let mut before = Copied::default();
    store.copy_out(&mut before).await.expect("a copy");
    assert_eq!(before.tables(), declared(), "a table of the migrations is not copied");
    plant(database, &before).await;
    let mut planted = Copied::default();
    store.copy_out(&mut planted).await.expect("a copy");
    let filled: BTreeSet<String> = planted.rows.keys().map(|(_, table)| table.clone()).collect();
    assert_eq!(filled, declared(), "every table holds something");
    let folder = tempfile::tempdir().expect("a folder");
    let (rows, keys) = (folder.path().join("rows"), folder.path().join("keys"));
    let file = |path| std::fs::File::create(path).expect("a file");
    back_up(&store, file(&rows), file(&keys)).await.expect("a backup");
    store.close().await;

    let into = elsewhere(database).await;
    let mut loading = Loading::open(&into.url, Entropy::System).await.expect("a database");
    loading.migrate_to(None).await.expect("a schema");
    loading.begin(b"this").await.expect("it is empty");
    for path in [&keys, &rows] {
        let mut reader = Reader::open(path).expect("a backup");
        while let Some(record) = reader.next_record().expect("a whole file") {
            match record {
                Record::Table(tenant, table) => {
                    loading.table(tenant, &table).await.expect("a table")
                }
                Record::Row(row) => loading.row(row).await.expect("a row"),
                Record::End(_) => {}
            }
        }
        reader.finish().expect("a whole file");
    }
    loading.step_done(b"this", 1).await.expect("done");
    loading.finish(&planted.installation).await.expect("done");
    let store = open(&into).await;
    let mut back = Copied::default();
    store.copy_out(&mut back).await.expect("a copy");
    store.close().await;
    assert_eq!(back.installation, planted.installation);
    // Which instances serve is true only while they do.
    assert!(back.rows.keys().all(|(_, table)| table != "instance"));
    for (place, rows) in planted.rows.iter().filter(|(place, _)| place.1 != "instance") {
        assert_eq!(rows, back.rows.get(place).unwrap_or(&BTreeSet::new()), "{place:?}");
    }
    assert!(back.stamps.is_disjoint(&planted.stamps), "stamps are new");
    into.remove().await;
}

async fn open(database: &Database) -> Arc<Store> {
    let opened = open_store(database.url.clone(), Clock::System, Entropy::System).await;
    opened.expect("a store")
}

/// Tables as the migrations declare them, but for the one that a backup's header stands for.
fn declared() -> BTreeSet<String> {
    let mut tables = BTreeSet::new();
    for entry in std::fs::read_dir("migrations/sqlite").expect("migrations") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("a text");
        let names =
            text.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split_once(' '));
        tables.extend(names.map(|(name, _)| name.to_owned()));
    }
    assert!(tables.remove("installation"), "it stands in the header");
    assert!(tables.len() > 10);
    tables
}

/// Puts two rows into every table: with values that are easily lost.
async fn plant(database: &Database, copied: &Copied) {
    let mut connection = database.connect().await;
    for table in &copied.declared {
        for row in 0..2_usize {
            let names: Vec<String> =
                table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
            let places: Vec<String> = (2..names.len() + 2).map(|it| format!("${it}")).collect();
            let (names, places) = (names.join(", "), places.join(", "));
            let text =
                format!("INSERT INTO \"{}\" (tenant, {names}) VALUES ($1, {places})", table.name);
            // There is one of these for each tenant.
            let single = ["tenant", "tenant_head"].contains(&table.name.as_str());
            let tenant = if single { row as i64 + 1 } else { 1 };
            let mut query = sqlx::query(AssertSqlSafe(text)).bind(tenant);
            for (index, column) in table.columns.iter().enumerate() {
                query = match column.kind {
                    Kind::Number => query.bind([i64::MIN, i64::MAX][row] / (1 + index as i64)),
                    Kind::Text => query.bind(["", "Zoë \u{1F980} 'x' \"y\"\n\\"][row]),
                    Kind::Bytes => query.bind([Vec::new(), (0..=255_u8).collect()][row].clone()),
                };
            }
            connection.execute(query).await.unwrap_or_else(|error| {
                panic!("{}: {error}", table.name);
            });
        }
    }
}

/// Everything that a copy gives.
#[derive(Default)]
struct Copied {
    installation: Vec<u8>,
    declared: Vec<Table>,
    into: Option<(i64, Table)>,
    rows: BTreeMap<(i64, String), BTreeSet<String>>,
    stamps: BTreeSet<i64>,
}

impl Copied {
    fn tables(&self) -> BTreeSet<String> {
        self.declared.iter().map(|table| table.name.clone()).collect()
    }
}

impl Taker for Copied {
    fn begin(&mut self, origin: &Origin) -> io::Result<()> {
        self.installation.clone_from(&origin.installation);
        assert!(origin.migration >= 12);
        Ok(())
    }

    fn table(&mut self, tenant: TenantId, table: &Table) -> io::Result<()> {
        if tenant.0 == 0 {
            self.declared.push(table.clone());
        }
        self.into = Some((tenant.0, table.clone()));
        Ok(())
    }

    fn row(&mut self, values: &[Value]) -> io::Result<()> {
        let (tenant, table) = self.into.as_ref().expect("a table comes first");
        let mut values = values.to_vec();
        if let Some(place) = table.place("stamp") {
            if let Value::Number(stamp) = values[place] {
                self.stamps.insert(stamp);
            }
            values[place] = Value::Number(0);
        }
        let rows = self.rows.entry((*tenant, table.name.clone())).or_default();
        rows.insert(format!("{values:?}"));
        Ok(())
    }
}

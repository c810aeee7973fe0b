//! Loading tables into a database that nobody is served from until all of it is there.
//!
//! The installation's row names what is being put back. While it does, the store does not open
//! ([`super::super::Store::open`]), and the same loading done again goes on: rows that are there already
//! stay as they are.

use sqlx::{AnyConnection, Row as _};

use super::Value;
use super::schema::{self, Table};
use crate::ids::{Entropy, TenantId};
use crate::store::statement::{self, Arguments, scoped};
use crate::store::{Engine, Error};

/// Rows of one transaction, about.
const ROWS_AT_ONCE: usize = 4_096;
/// Bytes of one transaction, about.
const BYTES_AT_ONCE: usize = 4 << 20;
/// Rows of one statement: few texts, so that they stay prepared.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// A database that is being loaded.
pub struct Loading {
    pub(super) engine: Engine,
    pub(super) connection: AnyConnection,
    entropy: Entropy,
    tables: Vec<Table>,
    into: Option<Into>,
    rows: Vec<Vec<Value>>,
    /// Rows and bytes since the last commit.
    uncommitted: (usize, usize),
}

/// What the rows that come are of.
struct Into {
    tenant: TenantId,
    table: Table,
    /// The column that gets a new stamp with every transaction.
    stamp: Option<usize>,
}

impl Loading {
    /// Opens a database, which may be new. Nobody else may be loading it.
    ///
    /// # Errors
    /// As the database's.
    pub async fn open(url: &str, entropy: Entropy) -> Result<Self, Error> {
        let engine = Engine::of(url)?;
        let mut connection = engine.writer(url, false).await?;
        if let Some(unhurried) = engine.unhurried_session() {
            statement::command(&mut connection, unhurried).await?;
        }
        let (tables, rows) = (Vec::new(), Vec::new());
        Ok(Self { engine, connection, entropy, tables, into: None, rows, uncommitted: (0, 0) })
    }

    /// Whether this program knows a schema of that migration.
    pub fn knows(&self, migration: i64) -> bool {
        migration <= self.engine.newest_migration()
    }

    /// Brings the schema to that migration, or to the newest: rows come back as they were, and what
    /// newer migrations make of rows, they make of these.
    ///
    /// # Errors
    /// [`Error::Configuration`] where the database has a newer one already, and as the database's.
    pub async fn migrate_to(&mut self, migration: Option<i64>) -> Result<(), Error> {
        let wanted = migration.unwrap_or_else(|| self.engine.newest_migration());
        self.engine.migrate_to(&mut self.connection, wanted).await?;
        if schema::migration(&mut self.connection).await? != wanted {
            return Err(Error::Configuration(
                "the database has a newer schema than the backup: restore into a new one".into(),
            ));
        }
        self.tables = schema::tables(&mut self.connection).await?;
        Ok(())
    }

    /// How many steps are done of what `named` names; `None` when it was never begun here.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a database that holds part of another backup; and as the
    /// database's.
    pub async fn resumes(&mut self, named: &[u8]) -> Result<Option<i64>, Error> {
        if !schema::knows_installations(&mut self.connection).await? {
            return Ok(None);
        }
        let (restoring, steps) = unfinished(&mut self.connection).await?;
        if !restoring.is_empty() && restoring != named {
            return Err(Error::Configuration(
                "another restore into this database was not completed: run that one again with the \
                 same files, or restore into a new database"
                    .into(),
            ));
        }
        Ok((restoring == named).then_some(steps))
    }

    /// Begins to put back what `named` names.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a database that holds a tenant, and as the database's.
    pub async fn begin(&mut self, named: &[u8]) -> Result<(), Error> {
        if !self.tenants().await?.is_empty() {
            return Err(Error::Configuration(
                "the database is not empty: restore into a new one".into(),
            ));
        }
        statement::command(&mut self.connection, self.engine.begin_write()).await?;
        // Whoever opened it before it was filled left the check value of a root key.
        let sql = scoped!("DELETE FROM root_key WHERE tenant = $1");
        statement::query(sql, Arguments::of(TenantId(0))).execute(&mut self.connection).await?;
        self.mark(named, 0).await?;
        statement::command(&mut self.connection, scoped!("COMMIT")).await?;
        Ok(())
    }

    /// The rows that follow are this tenant's, of this table.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the database has no such table, or another; and as the
    /// database's.
    pub async fn table(&mut self, tenant: TenantId, table: &Table) -> Result<(), Error> {
        self.write().await?;
        let own = self.tables.iter().find(|known| known.name == table.name);
        let missing = || {
            let name = &table.name;
            Error::Configuration(format!("the backup's table {name} is not as this program's"))
        };
        let own = own.ok_or_else(missing)?;
        if !table.columns.iter().all(|column| own.columns.contains(column)) {
            return Err(missing());
        }
        self.into = Some(Into {
            tenant,
            table: Table { name: own.name.clone(), columns: table.columns.clone() },
            stamp: table.place("stamp"),
        });
        Ok(())
    }

    /// A row of the last table, its values in the order of the columns.
    ///
    /// # Errors
    /// As the database's.
    pub async fn row(&mut self, values: Vec<Value>) -> Result<(), Error> {
        self.uncommitted.0 += 1;
        self.uncommitted.1 += values.iter().map(size).sum::<usize>();
        self.rows.push(values);
        if self.rows.len() == SIZES[0] {
            self.write().await?;
            if self.uncommitted.0 >= ROWS_AT_ONCE || self.uncommitted.1 >= BYTES_AT_ONCE {
                self.commit().await?;
            }
        }
        Ok(())
    }

    /// All rows of a step have come.
    ///
    /// # Errors
    /// As the database's.
    pub async fn step_done(&mut self, named: &[u8], steps: i64) -> Result<(), Error> {
        self.write().await?;
        self.into = None;
        self.begun().await?;
        self.mark(named, steps).await?;
        self.commit().await
    }

    /// All of it is there: the database is this installation's from now on, and can be opened.
    ///
    /// # Errors
    /// As the database's.
    pub async fn finish(mut self, installation: &[u8]) -> Result<(), Error> {
        let mut arguments = Arguments::of(TenantId(0));
        arguments.push(&installation.to_vec());
        arguments.push(&Vec::<u8>::new());
        let sql = scoped!(
            "UPDATE installation SET name = $2, restoring = $3, steps = 0 WHERE tenant = $1"
        );
        statement::query(sql, arguments).execute(&mut self.connection).await?;
        sqlx::Connection::close(self.connection).await?;
        Ok(())
    }

    pub(super) async fn mark(&mut self, named: &[u8], steps: i64) -> Result<(), Error> {
        let mut arguments = Arguments::of(TenantId(0));
        arguments.push(&named.to_vec());
        arguments.push(&steps);
        let sql = scoped!("UPDATE installation SET restoring = $2, steps = $3 WHERE tenant = $1");
        statement::query(sql, arguments).execute(&mut self.connection).await?;
        Ok(())
    }

    /// Begins a transaction where none is open.
    pub(super) async fn begun(&mut self) -> Result<(), Error> {
        if self.uncommitted.0 == 0 {
            statement::command(&mut self.connection, self.engine.begin_write()).await?;
            self.uncommitted.0 = 1;
        }
        Ok(())
    }

    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        statement::command(&mut self.connection, scoped!("COMMIT")).await?;
        self.uncommitted = (0, 0);
        Ok(())
    }

    /// Writes the rows that have come.
    async fn write(&mut self) -> Result<(), Error> {
        let mut rows = std::mem::take(&mut self.rows);
        let Some(into) = self.into.as_ref().filter(|_| !rows.is_empty()) else { return Ok(()) };
        if self.uncommitted.0 == rows.len() {
            statement::command(&mut self.connection, self.engine.begin_write()).await?;
        }
        if let Some(place) = into.stamp {
            // What somebody remembers of before is not what is here.
            let stamp = self.entropy.stamp().0;
            rows.iter_mut().for_each(|row| row[place] = Value::Number(stamp));
        }
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let size = SIZES.into_iter().find(|size| *size <= rest.len()).unwrap_or(1);
            let (chunk, tail) = rest.split_at(size);
            rest = tail;
            let query = statement::insert_whole(self.engine, into.tenant, &into.table, chunk);
            query.execute(&mut self.connection).await?;
        }
        Ok(())
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Number(_) => 8,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    }
}

/// What is being put back, and how far that has come; nothing when nothing is.
pub(in crate::store) async fn unfinished(
    connection: &mut AnyConnection,
) -> Result<(Vec<u8>, i64), Error> {
    let sql = scoped!("SELECT restoring, steps FROM installation WHERE tenant = $1");
    let query = statement::query(sql, Arguments::of(TenantId(0)));
    let row = query.fetch_one(connection).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

//! Rows that are inserted: the tenant is the first column of every text and the first value of every
//! row, put there by nobody but this file.
//!
//! On PostgreSQL the tenant is bound once, as `$1`. SQLite looks for the name of every parameter that
//! has one, and for each walks the list of all of them: there parameters have none, and the tenant is
//! bound with every row.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sqlx::any::AnyArguments;
use sqlx::{AnyConnection, Arguments as _, AssertSqlSafe};

use super::Arguments;
use super::scoped::leaves_the_tenant;
use crate::ids::TenantId;
use crate::store::{Engine, Error};

/// Rows of one INSERT at most; SQLite allows 32,766 parameters, PostgreSQL 65,535.
const MOST_ROWS: usize = 64;

/// A row that can be inserted with others of its kind.
pub(in crate::store) trait Row {
    const TABLE: &'static str;
    const COLUMNS: &'static [&'static str];
    const ON_CONFLICT: &'static str;
    /// Pushes the values of its columns.
    fn bind(&self, arguments: &mut Arguments);
}

impl<R: Row> Row for &R {
    const TABLE: &'static str = R::TABLE;
    const COLUMNS: &'static [&'static str] = R::COLUMNS;
    const ON_CONFLICT: &'static str = R::ON_CONFLICT;

    fn bind(&self, arguments: &mut Arguments) {
        R::bind(self, arguments);
    }
}

/// Inserts all rows, in as few statements as the sizes allow; how many went in. On SQLite a
/// statement may be filled up with its last row: written twice, a row is what it was.
pub(in crate::store) async fn insert<R: Row>(
    connection: &mut AnyConnection,
    tenant: TenantId,
    rows: &[R],
) -> Result<u64, Error> {
    let engine = Engine::behind(connection);
    let mut inserted = 0;
    let mut rest = rows;
    while !rest.is_empty() {
        let (count, size) = match engine {
            Engine::Sqlite => sizes(&SIZES, rest.len(), MOST_ROWS),
            Engine::Postgres => exact_size(rest.len()),
        };
        let (chunk, tail) = rest.split_at(count);
        rest = tail;
        let arguments = insert_arguments(engine, tenant, chunk, size);
        let query = sqlx::query_with(insert_text::<R>(engine, size), arguments.0);
        inserted += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(inserted)
}

fn insert_arguments<R: Row>(
    engine: Engine,
    tenant: TenantId,
    rows: &[R],
    size: usize,
) -> Arguments {
    let mut arguments = Arguments(AnyArguments::default());
    arguments.0.reserve(size * (R::COLUMNS.len() + 1), 0);
    let filling = rows.last().into_iter().cycle().take(size - rows.len());
    for (index, row) in rows.iter().chain(filling).enumerate() {
        if index == 0 || engine == Engine::Sqlite {
            arguments.push(&tenant.0);
        }
        row.bind(&mut arguments);
    }
    arguments
}

/// The text that inserts so many rows, made once: there are few, since there are few sizes.
fn insert_text<R: Row>(engine: Engine, rows: usize) -> &'static str {
    type Texts = HashMap<(Engine, &'static str, &'static str, usize), &'static str>;
    static TEXTS: LazyLock<Mutex<Texts>> = LazyLock::new(Mutex::default);
    // Only whole texts are put behind this lock: a poisoned one is still whole.
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    texts
        .entry((engine, R::TABLE, R::ON_CONFLICT, rows))
        // Kept for good: one for each size, kind of row and engine.
        .or_insert_with(|| Box::leak(write_insert::<R>(engine, rows).into_boxed_str()))
}

/// The text that inserts so many rows.
fn write_insert<R: Row>(engine: Engine, rows: usize) -> String {
    const { leaves_the_tenant(R::ON_CONFLICT) };
    // What fails ends SQLite's transaction, as PostgreSQL's: a batch that fails is given up whole.
    // Could the statement alone be taken back, a copy of every page it changes would be kept.
    let insert = if engine == Engine::Sqlite { "INSERT OR ROLLBACK" } else { "INSERT" };
    let mut sql = format!("{insert} INTO {} (tenant, {}) VALUES ", R::TABLE, R::COLUMNS.join(", "));
    let mut next = 2;
    for row in 0..rows {
        let tenant = if engine == Engine::Sqlite { "?" } else { "$1" };
        // Writing to a String cannot fail.
        let _ = write!(sql, "{}({tenant}", if row == 0 { "" } else { ", " });
        for _ in R::COLUMNS {
            let _ = match engine {
                Engine::Sqlite => write!(sql, ", ?"),
                Engine::Postgres => write!(sql, ", ${next}"),
            };
            next += 1;
        }
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(R::ON_CONFLICT);
    sql
}

/// Rows of one text: few sizes, so that few texts exist, and none much larger than the one before.
const SIZES: [usize; 20] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64];

/// How many of `rest` go into one text that takes at most so many, and how many it takes: the text
/// may be a little larger, where a row may be written twice.
pub(in crate::store) fn sizes(sizes: &[usize], rest: usize, most: usize) -> (usize, usize) {
    let largest = sizes.iter().copied().rev().find(|size| *size <= most).unwrap_or(1);
    let count = rest.min(largest);
    let size = sizes.iter().copied().find(|size| *size >= count).unwrap_or(count);
    (count, size)
}

/// The largest size that is not more than `rest`, twice: PostgreSQL takes a row only once.
fn exact_size(rest: usize) -> (usize, usize) {
    let size = SIZES.into_iter().rev().find(|size| *size <= rest).unwrap_or(1);
    (size, size)
}

/// Inserts into several tables as one text, for SQLite.
#[derive(Default)]
pub(in crate::store) struct InsertedTogether(String);

impl InsertedTogether {
    /// So many rows of one table more.
    pub(in crate::store) fn table<R: Row>(&mut self, rows: usize) {
        if rows > 0 {
            self.0.push_str(&write_insert::<R>(Engine::Sqlite, rows));
            self.0.push_str("; ");
        }
    }

    /// The text, to be used again.
    pub(in crate::store) fn text(self) -> SharedText {
        SharedText(self.0.into())
    }
}

/// A text of inserts that is used again.
#[derive(Clone)]
pub(in crate::store) struct SharedText(Arc<str>);

#[cfg(test)]
impl SharedText {
    pub(in crate::store) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The values of the rows of one tenant, as [`InsertedTogether`] expects them.
pub(in crate::store) struct RowValues {
    tenant: TenantId,
    arguments: Arguments,
}

impl RowValues {
    pub(in crate::store) fn of(tenant: TenantId) -> Self {
        Self { tenant, arguments: Arguments(AnyArguments::default()) }
    }

    pub(in crate::store) fn row(&mut self, row: &impl Row) {
        self.arguments.push(&self.tenant.0);
        row.bind(&mut self.arguments);
    }

    #[cfg(test)]
    pub(in crate::store) fn count(&self) -> usize {
        self.arguments.0.len()
    }
}

/// Inserts the rows by the text that was made for as many of them.
pub(in crate::store) async fn insert_together(
    connection: &mut AnyConnection,
    SharedText(text): SharedText,
    rows: RowValues,
) -> Result<(), Error> {
    sqlx::query_with(AssertSqlSafe(text), rows.arguments.0).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_holds_all_rows_and_few_twice() {
        assert!(SIZES.is_sorted() && SIZES[SIZES.len() - 1] == MOST_ROWS);
        for rest in 1..=200 {
            let (count, size) = sizes(&SIZES, rest, MOST_ROWS);
            assert!(count <= rest && count <= size && size <= MOST_ROWS, "{rest}");
            assert!(count == rest || count == MOST_ROWS, "{rest}: as many as can be");
            assert!((size - count) * 4 <= count, "{rest}: {count} in {size}");
            let (count, size) = exact_size(rest);
            assert!(count == size && count <= rest, "{rest}");
        }
        assert_eq!(sizes(&SIZES, 64, 21), (20, 20));
        assert_eq!(sizes(&SIZES, 1, 0), (1, 1));
    }

    #[test]
    fn each_engine_has_its_own_parameters() {
        use crate::store::rows::HeadRow;
        assert_eq!(
            write_insert::<HeadRow>(Engine::Postgres, 2),
            "INSERT INTO head (tenant, token, stamp) VALUES ($1, $2, $3), ($1, $4, $5) \
             ON CONFLICT (tenant, token) DO UPDATE SET stamp = excluded.stamp"
        );
        assert_eq!(
            write_insert::<HeadRow>(Engine::Sqlite, 2),
            "INSERT OR ROLLBACK INTO head (tenant, token, stamp) VALUES (?, ?, ?), (?, ?, ?) \
             ON CONFLICT (tenant, token) DO UPDATE SET stamp = excluded.stamp"
        );
    }
}

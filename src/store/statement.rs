//! Multi-row statements, built so that few distinct texts exist and stay prepared.
//!
//! Every statement carries the tenant: once, as `$1`, but for inserts into SQLite.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{AnyConnection, Arguments as _, AssertSqlSafe};

use super::rows::{BlockKind, MergeState, Outcome, Verb};
use super::{Engine, Error};
use crate::clock::Time;
use crate::ids::{CustomerId, KeyId, Stamp, TenantId, Token};

/// Rows of one INSERT at most; SQLite allows 32,766 parameters, PostgreSQL 65,535.
const MOST_ROWS: usize = 64;
/// Keys of one look-up at most.
const MOST_KEYS: usize = 256;

/// A row that can be inserted with others of its kind.
pub(super) trait Row {
    const TABLE: &'static str;
    const COLUMNS: &'static [&'static str];
    const ON_CONFLICT: &'static str;
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

/// The arguments of one statement, in the order of its parameters.
#[derive(Default)]
pub(super) struct Arguments(AnyArguments);

impl Arguments {
    pub(super) fn of(tenant: TenantId) -> Self {
        let mut arguments = Self::default();
        arguments.push(&tenant.0);
        arguments
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, value: &impl Bind) {
        value.bind(&mut self.0);
    }
}

/// A value of ours as the engines take it: BIGINT, TEXT or bytes.
pub(super) trait Bind {
    fn bind(&self, arguments: &mut AnyArguments);
}

fn add<'t, T>(arguments: &mut AnyArguments, value: T)
where
    T: sqlx::Encode<'t, sqlx::Any> + sqlx::Type<sqlx::Any>,
{
    // Encoding of integers, text and bytes into an in-memory list has no way to fail.
    arguments.add(value).expect("integers, text and bytes always encode");
}

macro_rules! bind {
    ($($type:ty => |$value:ident| $encoded:expr),* $(,)?) => {
        $(impl Bind for $type {
            fn bind(&self, arguments: &mut AnyArguments) { let $value = self; add(arguments, $encoded); }
        })*
    };
}

bind! {
    i64 => |value| *value,
    bool => |value| i64::from(*value),
    f64 => |value| value.to_bits() as i64,
    String => |value| value.clone(),
    Vec<u8> => |value| value.clone(),
    Time => |value| value.0,
    Stamp => |value| value.0,
    KeyId => |value| value.0,
    Token => |value| value.0.to_vec(),
    CustomerId => |value| value.0.to_vec(),
    Option<Token> => |value| value.map_or_else(Vec::new, |token| token.0.to_vec()),
    Option<CustomerId> => |value| value.map_or_else(Vec::new, |customer| customer.0.to_vec()),
    BlockKind => |value| *value as i64,
    Verb => |value| *value as i64,
    Outcome => |value| *value as i64,
    MergeState => |value| *value as i64,
}

/// Inserts all rows, in as few statements as the sizes allow; how many went in. On SQLite a
/// statement may be filled up with its last row: written twice, a row is what it was.
pub(super) async fn insert<R: Row>(
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

/// On PostgreSQL the tenant is bound once. SQLite looks for the name of every parameter that has
/// one, and for each walks the list of all of them: there parameters have none, and the tenant is
/// bound with every row.
fn insert_arguments<R: Row>(
    engine: Engine,
    tenant: TenantId,
    rows: &[R],
    size: usize,
) -> Arguments {
    let mut arguments = Arguments::default();
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
pub(super) fn write_insert<R: Row>(engine: Engine, rows: usize) -> String {
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
pub(super) fn sizes(sizes: &[usize], rest: usize, most: usize) -> (usize, usize) {
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

/// Runs `sql`, whose text ends before `IN`, for all keys: `… column IN ($2, …)` + `tail`.
/// Keys are padded to a power of two with the last one, so that few texts exist.
pub(super) async fn select_in<K: Bind>(
    connection: &mut AnyConnection,
    tenant: TenantId,
    sql: &str,
    keys: &[K],
    tail: &str,
) -> Result<Vec<AnyRow>, Error> {
    let mut rows = Vec::new();
    for chunk in keys.chunks(MOST_KEYS) {
        let mut arguments = Arguments::of(tenant);
        let width = chunk.len().next_power_of_two();
        let padding = chunk.last().into_iter().cycle().take(width - chunk.len());
        chunk.iter().chain(padding).for_each(|key| arguments.push(key));
        let mut text = format!("{sql} IN (");
        for parameter in 2..2 + width {
            let _ = write!(text, "{}${parameter}", if parameter == 2 { "" } else { ", " });
        }
        text.push_str(") ");
        text.push_str(tail);
        rows.extend(
            sqlx::query_with(AssertSqlSafe(text), arguments.0).fetch_all(&mut *connection).await?,
        );
    }
    Ok(rows)
}

/// One part of a look-up that asks several tables at once.
pub(super) struct Question<'a> {
    /// A text that ends before `IN`.
    pub sql: &'a str,
    /// The keys.
    pub keys: &'a [[u8; 16]],
    /// What comes after the keys.
    pub tail: &'a str,
}

/// Asks all questions in one round trip; those without keys are left out. Keys are padded as in
/// [`select_in`].
pub(super) async fn select_union(
    connection: &mut AnyConnection,
    tenant: TenantId,
    questions: &[Question<'_>],
) -> Result<Vec<AnyRow>, Error> {
    let mut arguments = Arguments::of(tenant);
    let (mut text, mut next) = (String::new(), 2);
    for Question { sql, keys, tail } in questions.iter().filter(|it| !it.keys.is_empty()) {
        let width = keys.len().next_power_of_two();
        let joint = if text.is_empty() { "" } else { " UNION ALL " };
        let _ = write!(text, "{joint}{sql} IN (");
        for index in 0..width {
            // Padded with the last one, which is there: there are keys.
            arguments.push(&keys[index.min(keys.len() - 1)].to_vec());
            let _ = write!(text, "{}${next}", if index == 0 { "" } else { ", " });
            next += 1;
        }
        let _ = write!(text, ") {tail}");
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let query = sqlx::query_with(AssertSqlSafe(text), arguments.0);
    Ok(query.fetch_all(&mut *connection).await?)
}

/// A statement with a constant text and its own arguments.
pub(super) fn query<'q>(
    sql: &'static str,
    arguments: Arguments,
) -> sqlx::query::Query<'q, sqlx::Any, AnyArguments> {
    sqlx::query_with(sql, arguments.0)
}

/// A statement whose text is put together from constants and used again, with its own arguments.
pub(super) fn query_shared<'q>(
    sql: Arc<str>,
    arguments: Arguments,
) -> sqlx::query::Query<'q, sqlx::Any, AnyArguments> {
    sqlx::query_with(AssertSqlSafe(sql), arguments.0)
}

/// A statement whose text is put together from constants, with its own arguments.
pub(super) fn query_text<'q>(
    sql: String,
    arguments: Arguments,
) -> sqlx::query::Query<'q, sqlx::Any, AnyArguments> {
    sqlx::query_with(AssertSqlSafe(sql), arguments.0)
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
        use super::super::rows::HeadRow;
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

//! Statements, and the one place where they meet a connection: whatever reads or writes rows goes
//! through here. A text is bound to its tenant ([`Scoped`], checked while it is compiled), or is one
//! of the few that look across tenants on purpose ([`Across`]); `$1` is the tenant, since arguments
//! begin with it. `tests/tidy.rs` sees to it that nobody else hands a text to a driver.

mod across;
mod inserting;
mod scoped;
mod spelled;
mod whole;

use std::fmt::Write as _;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Arguments as _, AssertSqlSafe, Executor as _};

use super::Error;
use super::rows::{BlockKind, MergeState, Outcome, TombstoneKind, Verb};
use crate::clock::Time;
use crate::ids::{CustomerId, KeyId, Stamp, TenantId, Token};

pub(super) use across::{Across, across};
pub(super) use inserting::{
    InsertedTogether, Row, RowValues, SharedText, insert, insert_together, sizes,
};
pub(super) use scoped::{Keyed, Scoped, keyed, scoped};
pub(super) use spelled::{Literal, Spelled};
pub(super) use whole::{insert_whole, rows_of};

/// Keys of one look-up at most.
pub(super) const MOST_KEYS: usize = 256;

/// The arguments of one statement, in the order of its parameters.
/// The first one is always the tenant.
pub(super) struct Arguments(AnyArguments);

impl Arguments {
    pub(super) fn of(tenant: TenantId) -> Self {
        let mut arguments = Self(AnyArguments::default());
        arguments.push(&tenant.0);
        arguments
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
    T: sqlx::Encode<'t, Any> + sqlx::Type<Any>,
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
    String => |value| value.as_str(),
    // As slices: of a list the driver would make a copy more.
    Vec<u8> => |value| value.as_slice(),
    Time => |value| value.0,
    Stamp => |value| value.0,
    KeyId => |value| value.0,
    [u8; 16] => |value| value.as_slice(),
    Token => |value| value.0.as_slice(),
    CustomerId => |value| value.0.as_slice(),
    Option<Token> => |value| value.as_ref().map_or(&[][..], |token| &token.0),
    Option<CustomerId> => |value| value.as_ref().map_or(&[][..], |customer| &customer.0),
    BlockKind => |value| *value as i64,
    Verb => |value| *value as i64,
    Outcome => |value| *value as i64,
    MergeState => |value| *value as i64,
    TombstoneKind => |value| *value as i64,
}

/// Runs a look-up for all keys: `… column IN ($2, …)` and what comes after them. Keys are padded to a
/// power of two with the last one, so that few texts exist.
pub(super) async fn select_in<K: Bind>(
    connection: &mut AnyConnection,
    tenant: TenantId,
    Keyed { head, tail }: Keyed,
    keys: &[K],
) -> Result<Vec<AnyRow>, Error> {
    let mut rows = Vec::new();
    for chunk in keys.chunks(MOST_KEYS) {
        let mut arguments = Arguments::of(tenant);
        let width = chunk.len().next_power_of_two();
        let padding = chunk.last().into_iter().cycle().take(width - chunk.len());
        chunk.iter().chain(padding).for_each(|key| arguments.push(key));
        let text = format!("{head} IN ({}) {tail}", parameters(width));
        rows.extend(
            sqlx::query_with(AssertSqlSafe(text), arguments.0).fetch_all(&mut *connection).await?,
        );
    }
    Ok(rows)
}

/// One part of a look-up that asks several tables at once.
pub(super) struct Question<'a> {
    /// What is looked up.
    pub sql: Keyed,
    /// By which keys.
    pub keys: &'a [[u8; 16]],
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
    for Question { sql: Keyed { head, tail }, keys } in
        questions.iter().filter(|it| !it.keys.is_empty())
    {
        let width = keys.len().next_power_of_two();
        let joint = if text.is_empty() { "" } else { " UNION ALL " };
        let _ = write!(text, "{joint}{head} IN (");
        for index in 0..width {
            // Padded with the last one, which is there: there are keys.
            arguments.push(&keys[index.min(keys.len() - 1)]);
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

/// Asks several tables for the same keys, [`MOST_KEYS`] at most, in one round trip. Keys are padded
/// as in [`select_in`].
pub(super) async fn select_parts(
    connection: &mut AnyConnection,
    tenant: TenantId,
    parts: &[Keyed],
    keys: &[[u8; 16]],
) -> Result<Vec<AnyRow>, Error> {
    debug_assert!(keys.len() <= MOST_KEYS, "whoever has more asks several times");
    let Some(last) = keys.last() else { return Ok(Vec::new()) };
    let width = keys.len().next_power_of_two();
    let mut arguments = Arguments::of(tenant);
    let padding = std::iter::repeat_n(last, width - keys.len());
    keys.iter().chain(padding).for_each(|key| arguments.push(key));
    let parameters = parameters(width);
    let asked = parts.iter().map(|Keyed { head, tail }| format!("{head} IN ({parameters}) {tail}"));
    let text = asked.collect::<Vec<_>>().join(" UNION ALL ");
    let query = sqlx::query_with(AssertSqlSafe(text), arguments.0);
    Ok(query.fetch_all(&mut *connection).await?)
}

/// A key of a customer that nobody is: it fills a text up.
const NOBODY: CustomerId = CustomerId([0; 16]);

/// Asks the same for each of these customers, in one round trip. In the text, which is a UNION ALL of
/// parts with a LIMIT of their own, `$2` is the customer and `$3` what all share. For a few sizes of
/// texts the customers are filled up with nobody, of whom there is nothing.
pub(super) async fn select_each(
    connection: &mut AnyConnection,
    tenant: TenantId,
    sql: Scoped,
    customers: &[CustomerId],
    shared: &impl Bind,
) -> Result<Vec<AnyRow>, Error> {
    let Some((first, others)) = customers.split_first() else { return Ok(Vec::new()) };
    let mut arguments = Arguments::of(tenant);
    arguments.push(first);
    arguments.push(shared);
    let mut text = sql.text().to_owned();
    for next in 0..customers.len().next_power_of_two() - 1 {
        arguments.push(others.get(next).unwrap_or(&NOBODY));
        let _ = write!(text, " UNION ALL {}", sql.text().replace("$2", &format!("${}", next + 4)));
    }
    let query = sqlx::query_with(AssertSqlSafe(text), arguments.0);
    Ok(query.fetch_all(&mut *connection).await?)
}

/// The names of so many parameters after the tenant's.
fn parameters(width: usize) -> String {
    (2..2 + width).map(|parameter| format!("${parameter}")).collect::<Vec<_>>().join(", ")
}

/// A statement with its arguments, the first of which is the tenant.
pub(super) fn query<'q>(sql: Scoped, arguments: Arguments) -> Query<'q, Any, AnyArguments> {
    sqlx::query_with(sql.text(), arguments.0)
}

/// A query that is narrowed by lists whose lengths nobody knows before.
pub(super) struct Narrowed {
    text: String,
    arguments: Arguments,
}

impl Narrowed {
    /// `sql` ends in a condition, to which others may be added.
    pub(super) fn of(sql: Scoped, arguments: Arguments) -> Self {
        Self { text: sql.text().to_owned(), arguments }
    }

    /// Only rows in whose column one of these stands; no row is left out for an empty list.
    pub(super) fn one_of<V: Bind>(mut self, column: &'static str, values: &[V]) -> Self {
        for (index, value) in values.iter().enumerate() {
            self.arguments.push(value);
            let parameter = self.arguments.0.len();
            // Writing to a String cannot fail.
            let _ = match index {
                0 => write!(self.text, " AND {column} IN (${parameter}"),
                _ => write!(self.text, ", ${parameter}"),
            };
        }
        if !values.is_empty() {
            self.text.push(')');
        }
        self
    }

    /// In any order.
    pub(super) fn any<'q>(self) -> Query<'q, Any, AnyArguments> {
        sqlx::query_with(AssertSqlSafe(self.text), self.arguments.0)
    }

    /// The oldest first, by the journal's order, and so many as the parameter says.
    pub(super) fn oldest<'q>(mut self, most: &'static str) -> Query<'q, Any, AnyArguments> {
        let _ = write!(self.text, " ORDER BY position LIMIT {most}");
        sqlx::query_with(AssertSqlSafe(self.text), self.arguments.0)
    }

    /// The newest first, by the journal's order, and so many as the parameter says.
    pub(super) fn newest<'q>(mut self, most: &'static str) -> Query<'q, Any, AnyArguments> {
        let _ = write!(self.text, " ORDER BY position DESC LIMIT {most}");
        sqlx::query_with(AssertSqlSafe(self.text), self.arguments.0)
    }
}

/// Executes a text without parameters.
pub(super) async fn command(
    connection: &mut AnyConnection,
    sql: Scoped,
) -> Result<(), sqlx::Error> {
    connection.execute(sql.text()).await.map(drop)
}

/// The one row that a text without parameters answers with.
pub(super) async fn ask(
    connection: &mut AnyConnection,
    sql: Scoped,
) -> Result<AnyRow, sqlx::Error> {
    connection.fetch_one(sql.text()).await
}

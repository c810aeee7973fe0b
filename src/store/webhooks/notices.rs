//! What receivers are still to be told of erasures. The journal's row of an erasure names nobody: whom it
//! was is here, sealed, until every endpoint was told.

use std::collections::HashSet;

use sqlx::{AnyConnection, Row as _};

use crate::clock::Time;
use crate::ids::{TenantId, Token};
use crate::store::admin::GREETING;
use crate::store::read::bytes16;
use crate::store::statement::{self, Arguments, Row, keyed, scoped};
use crate::store::{Error, Store};

const TABLE: &str = "erasure_notice";
/// Notices that go together.
const AT_ONCE: usize = 200;

/// What is still to be told of an erasure, until everybody was.
#[derive(Clone)]
pub struct NoticeRow {
    /// The erasure's own token.
    pub erasure: Token,
    /// Set by the writer: its position in the journal.
    pub position: i64,
    /// Store time; set by the writer.
    pub made: Time,
    /// Sealed: the refs of the person.
    pub content: Vec<u8>,
}

impl Row for NoticeRow {
    const TABLE: &'static str = TABLE;
    const COLUMNS: &'static [&'static str] = &["erasure", "position", "made", "content"];
    const ON_CONFLICT: &'static str = "ON CONFLICT DO NOTHING";

    fn bind(&self, arguments: &mut Arguments) {
        arguments.push(&self.erasure);
        arguments.push(&self.position);
        arguments.push(&self.made);
        arguments.push(&self.content);
    }
}

/// Keeps a notice where there is somebody to be told.
pub(in crate::store) async fn keep(
    connection: &mut AnyConnection,
    tenant: TenantId,
    notice: Option<&NoticeRow>,
) -> Result<(), Error> {
    let Some(notice) = notice else { return Ok(()) };
    if least_position(connection, tenant).await?.is_some() {
        statement::insert(connection, tenant, std::slice::from_ref(notice)).await?;
    }
    Ok(())
}

/// The sealed content of an erasure's notice; `None` once all were told.
///
/// # Errors
/// As the database's.
pub async fn notice_of(
    connection: &mut AnyConnection,
    tenant: TenantId,
    erasure: Token,
) -> Result<Option<Vec<u8>>, Error> {
    let sql = scoped!("SELECT content FROM erasure_notice WHERE tenant = $1 AND erasure = $2");
    let mut arguments = Arguments::of(tenant);
    arguments.push(&erasure);
    let row = statement::query(sql, arguments).fetch_optional(&mut *connection).await?;
    row.map(|row| row.try_get(0)).transpose().map_err(Error::from)
}

/// How far the endpoint has come that is the furthest behind; nothing where there is none.
async fn least_position(
    connection: &mut AnyConnection,
    tenant: TenantId,
) -> Result<Option<i64>, Error> {
    let sql = scoped!(
        "SELECT position FROM webhook_endpoint WHERE tenant = $1 ORDER BY position LIMIT 1"
    );
    let query = statement::query(sql, Arguments::of(tenant));
    let row = query.fetch_optional(&mut *connection).await?;
    row.map(|row| row.try_get(0)).transpose().map_err(Error::from)
}

impl Store {
    /// Removes the notices of which every endpoint was told, and those from before `before`, whoever was
    /// told of them. The writer is asked only when a reader has found some.
    ///
    /// # Errors
    /// As the database's.
    pub async fn forget_notices(&self, tenant: TenantId, before: Time) -> Result<(), Error> {
        let mut connection = self.reader(GREETING).await?;
        let sql = scoped!("SELECT erasure, position, made FROM erasure_notice WHERE tenant = $1");
        let query = statement::query(sql, Arguments::of(tenant));
        let mut all: Vec<(Token, i64, Time)> = Vec::new();
        for row in query.fetch_all(&mut *connection).await? {
            let erasure = Token(bytes16(&row, 0, TABLE)?);
            all.push((erasure, row.try_get(1)?, Time(row.try_get(2)?)));
        }
        if all.is_empty() {
            return Ok(());
        }
        // An endpoint moves on and writes what was not accepted in one transaction: looked at in this
        // order, none that was not told seems to have been.
        let least = least_position(&mut connection, tenant).await?.unwrap_or(i64::MAX);
        let positions: Vec<i64> = all.iter().map(|(_, position, _)| *position).collect();
        let sql = keyed!(
            "SELECT position FROM webhook_delivery WHERE tenant = $1 AND endpoint IN \
             (SELECT endpoint FROM webhook_endpoint WHERE tenant = $1) AND position"
        );
        let rows = statement::select_in(&mut connection, tenant, sql, &positions).await?;
        drop(connection);
        let waiting: Result<HashSet<i64>, sqlx::Error> =
            rows.iter().map(|row| row.try_get(0)).collect();
        let waiting = waiting?;
        let told = |position| position <= least && !waiting.contains(&position);
        all.retain(|(_, position, made)| *made < before || told(*position));
        let gone: Vec<Token> = all.into_iter().map(|(erasure, ..)| erasure).collect();
        // Everybody else's writes wait for each step.
        for some in gone.chunks(AT_ONCE) {
            let some = some.to_vec();
            self.chore(Box::new(move |connection| {
                Box::pin(async move {
                    let sql = keyed!("DELETE FROM erasure_notice WHERE tenant = $1 AND erasure");
                    statement::select_in(connection, tenant, sql, &some).await.map(drop)
                })
            }))
            .await?;
        }
        Ok(())
    }
}

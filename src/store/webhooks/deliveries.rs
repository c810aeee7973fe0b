//! Events that were not accepted yet: they wait, or were given up. And what the holder of an endpoint
//! writes of its progress.

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::endpoints::{EndpointState, Hold, named};
use super::leaving::still_there;
use crate::clock::Time;
use crate::ids::TenantId;
use crate::store::admin::GREETING;
use crate::store::rows::Verb;
use crate::store::statement::{self, Arguments, Scoped, scoped};
use crate::store::{Error, Store};

/// What becomes of an event that was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It will be tried again.
    Waiting = 1,
    /// It was tried often enough: somebody has to ask for it.
    GivenUp = 2,
}

/// An event that was not accepted, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its place in the journal.
    pub position: i64,
    /// What becomes of it.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// Store time before which it is not tried again.
    pub due: Time,
    /// Store time of the newest failure; zero before the first.
    pub failed: Time,
    /// The status it was answered with, or a code below 100.
    pub outcome: i64,
}

/// What the holder of an endpoint has done since it last said so.
#[derive(Clone, Debug)]
pub struct Progress {
    /// It holds the endpoint until then.
    pub hold: Hold,
    /// Of the journal all up to here is delivered, or has a row of its own.
    pub position: i64,
    /// Store time since when nothing was accepted; zero while it is.
    pub failing_since: Time,
    /// Whether it goes on.
    pub state: EndpointState,
    /// [`EndpointRow::changed`](super::EndpointRow) of the endpoint that it was delivered to.
    pub changed: i64,
    /// Rows to write.
    pub put: Vec<DeliveryRow>,
    /// Places whose rows are not needed any more.
    pub gone: Vec<i64>,
}

impl Store {
    /// Writes what the holder of an endpoint has done; `false`, and nothing is written, when it does not
    /// hold it any more or it was removed, or when the journal ends before that place: the store was put
    /// back.
    ///
    /// # Errors
    /// As the database's.
    pub async fn note_webhook(
        &self,
        tenant: TenantId,
        endpoint: i64,
        progress: Progress,
    ) -> Result<bool, Error> {
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                // Who was switched off meanwhile stays so, and of an address that was changed meanwhile
                // nothing is known yet.
                let sql = scoped!(
                    "UPDATE webhook_endpoint SET held_until = $4, position = $5, \
                     failing_since = CASE changed WHEN $8 THEN $6 ELSE failing_since END, \
                     state = CASE WHEN state = 1 AND changed = $8 THEN $7 ELSE state END \
                     WHERE tenant = $1 AND endpoint = $2 AND holder = $3 \
                     AND $5 <= (SELECT position FROM tenant_head WHERE tenant = $1)"
                );
                let mut arguments = named(tenant, endpoint);
                arguments.push(&progress.hold.holder);
                arguments.push(&progress.hold.until);
                arguments.push(&progress.position);
                arguments.push(&progress.failing_since);
                arguments.push(&(progress.state as i64));
                arguments.push(&progress.changed);
                let held = statement::query(sql, arguments).execute(&mut *connection).await?;
                if held.rows_affected() == 0 {
                    return Ok(false);
                }
                for row in still_there(connection, tenant, progress.put).await? {
                    let sql = scoped!(
                        "INSERT INTO webhook_delivery (tenant, endpoint, position, state, \
                         attempts, due, failed, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                         ON CONFLICT (tenant, endpoint, position) DO UPDATE SET \
                         state = excluded.state, attempts = excluded.attempts, \
                         due = excluded.due, failed = excluded.failed, outcome = excluded.outcome"
                    );
                    let query = statement::query(sql, values(tenant, endpoint, &row));
                    query.execute(&mut *connection).await?;
                }
                for position in &progress.gone {
                    let mut arguments = named(tenant, endpoint);
                    arguments.push(position);
                    let sql = scoped!(
                        "DELETE FROM webhook_delivery WHERE tenant = $1 AND endpoint = $2 \
                         AND position = $3"
                    );
                    statement::query(sql, arguments).execute(&mut *connection).await?;
                }
                Ok(true)
            })
        }))
        .await
    }

    /// What waits for an endpoint, and whatever else has a row after `position`: in order, so many at
    /// most.
    ///
    /// # Errors
    /// As the database's.
    pub async fn waiting_deliveries(
        &self,
        tenant: TenantId,
        endpoint: i64,
        position: i64,
        most: i64,
    ) -> Result<Vec<DeliveryRow>, Error> {
        let mut arguments = named(tenant, endpoint);
        arguments.push(&position);
        arguments.push(&most);
        let sql = scoped!(
            "SELECT position, state, attempts, due, failed, outcome FROM webhook_delivery \
             WHERE tenant = $1 AND endpoint = $2 AND (state = 1 OR position > $3) \
             ORDER BY position LIMIT $4"
        );
        self.deliveries(sql, arguments).await
    }

    /// What was given up at an endpoint, after a place, in order, so many at most.
    ///
    /// # Errors
    /// As the database's.
    pub async fn dead_letters(
        &self,
        tenant: TenantId,
        endpoint: i64,
        after: i64,
        most: i64,
    ) -> Result<Vec<DeliveryRow>, Error> {
        let mut arguments = named(tenant, endpoint);
        arguments.push(&after);
        arguments.push(&most);
        let sql = scoped!(
            "SELECT position, state, attempts, due, failed, outcome FROM webhook_delivery \
             WHERE tenant = $1 AND endpoint = $2 AND state = 2 AND position > $3 \
             ORDER BY position LIMIT $4"
        );
        self.deliveries(sql, arguments).await
    }

    async fn deliveries(
        &self,
        sql: Scoped,
        arguments: Arguments,
    ) -> Result<Vec<DeliveryRow>, Error> {
        let mut connection = self.reader(GREETING).await?;
        let query = statement::query(sql, arguments);
        query.fetch_all(&mut *connection).await?.iter().map(delivery_row).collect()
    }

    /// How many events wait for an endpoint, and how many were given up.
    ///
    /// # Errors
    /// As the database's.
    pub async fn count_deliveries(
        &self,
        tenant: TenantId,
        endpoint: i64,
    ) -> Result<(i64, i64), Error> {
        let mut connection = self.reader(GREETING).await?;
        let sql = scoped!(
            "SELECT state, COUNT(*) FROM webhook_delivery WHERE tenant = $1 AND endpoint = $2 \
             GROUP BY state"
        );
        let query = statement::query(sql, named(tenant, endpoint));
        let mut counts = (0, 0);
        for row in query.fetch_all(&mut *connection).await? {
            match row.try_get::<i64, _>(0)? {
                state if state == DeliveryState::Waiting as i64 => counts.0 = row.try_get(1)?,
                _ => counts.1 = row.try_get(1)?,
            }
        }
        Ok(counts)
    }

    /// Lets events that were given up be tried again, from the beginning; whoever delivers is told by
    /// `changed`. How many there were.
    ///
    /// # Errors
    /// As the database's.
    pub async fn replay_dead_letters(
        self: &Arc<Self>,
        tenant: TenantId,
        endpoint: i64,
        (positions, changed): (Vec<i64>, i64),
        by: &str,
    ) -> Result<usize, Error> {
        let (store, entry) = (Arc::clone(self), self.entry(by, Verb::ReplayDeadLetters));
        self.chore(Box::new(move |connection| {
            Box::pin(async move {
                let mut replayed = 0;
                if positions.is_empty() {
                    return Ok(replayed);
                }
                // First, as in an erasure, which takes deliveries as well: neither waits for the other.
                crate::store::head::append(&store, connection, tenant, entry).await?;
                for position in positions {
                    let mut arguments = named(tenant, endpoint);
                    arguments.push(&position);
                    let sql = scoped!(
                        "UPDATE webhook_delivery SET state = 1, attempts = 0, due = 0 \
                         WHERE tenant = $1 AND endpoint = $2 AND position = $3 AND state = 2"
                    );
                    let done = statement::query(sql, arguments).execute(&mut *connection).await?;
                    replayed += done.rows_affected() as usize;
                }
                if replayed > 0 {
                    let mut arguments = named(tenant, endpoint);
                    arguments.push(&changed);
                    let sql = scoped!(
                        "UPDATE webhook_endpoint SET changed = $3 \
                         WHERE tenant = $1 AND endpoint = $2"
                    );
                    statement::query(sql, arguments).execute(&mut *connection).await?;
                }
                Ok(replayed)
            })
        }))
        .await
    }
}

fn values(tenant: TenantId, endpoint: i64, row: &DeliveryRow) -> Arguments {
    let mut arguments = named(tenant, endpoint);
    arguments.push(&row.position);
    arguments.push(&(row.state as i64));
    arguments.push(&row.attempts);
    arguments.push(&row.due);
    arguments.push(&row.failed);
    arguments.push(&row.outcome);
    arguments
}

fn delivery_row(row: &AnyRow) -> Result<DeliveryRow, Error> {
    let code: i64 = row.try_get(1)?;
    let states = [DeliveryState::Waiting, DeliveryState::GivenUp];
    let state = states.into_iter().find(|state| *state as i64 == code);
    Ok(DeliveryRow {
        position: row.try_get(0)?,
        state: state.ok_or(Error::Damaged { table: "webhook_delivery" })?,
        attempts: row.try_get(2)?,
        due: Time(row.try_get(3)?),
        failed: Time(row.try_get(4)?),
        outcome: row.try_get(5)?,
    })
}

//! Rows that end by time, and how they are taken away: in small steps, by a mark that remembers how
//! far each sweep has come.

use sha2::{Digest as _, Sha256};
use sqlx::{AnyConnection, Row as _};

use super::effects::Removal;
use super::engine::on_postgres;
use super::read::{bytes16, optional16};
use super::rows::{Outcome, Verb};
use super::statement::{self, Arguments, Scoped, scoped};
use super::{Engine, Error, Store};
use crate::clock::Time;
use crate::ids::{CustomerId, TenantId, Token};

/// Takes one thing away.
pub(super) async fn remove(
    connection: &mut AnyConnection,
    tenant: TenantId,
    removal: Removal,
) -> Result<(), Error> {
    match removal {
        Removal::Interaction { customer, ended, interaction } => {
            let mut arguments = Arguments::of(tenant);
            arguments.push(&customer);
            arguments.push(&ended);
            arguments.push(&interaction);
            let sql = scoped!(
                "DELETE FROM interaction WHERE tenant = $1 AND customer = $2 AND ended = $3 \
                       AND interaction = $4"
            );
            statement::query(sql, arguments).execute(&mut *connection).await?;
        }
        Removal::Content { customer, interaction } => {
            let blocks = scoped!(
                "DELETE FROM block WHERE tenant = $1 AND customer = $2 AND interaction = $3"
            );
            remove_said(connection, tenant, (customer, interaction), blocks).await?;
        }
        Removal::Passing { customer, interaction } => {
            // Kind 1 is variables: what lasts stays.
            let blocks = scoped!(
                "DELETE FROM block WHERE tenant = $1 AND customer = $2 AND interaction = $3 \
                 AND kind = 1"
            );
            remove_said(connection, tenant, (customer, interaction), blocks).await?;
        }
        Removal::Fact { customer, interaction, intent, reference } => {
            let mut arguments = Arguments::of(tenant);
            arguments.push(&customer);
            arguments.push(&interaction);
            arguments.push(&intent);
            arguments.push(&reference);
            let sql = scoped!(
                "DELETE FROM intent_fact WHERE tenant = $1 AND customer = $2 \
                       AND interaction = $3 AND intent = $4 AND reference = $5"
            );
            statement::query(sql, arguments).execute(&mut *connection).await?;
        }
        Removal::Link { customer, token } => {
            let mut arguments = Arguments::of(tenant);
            arguments.push(&customer);
            arguments.push(&token);
            let sql =
                scoped!("DELETE FROM link WHERE tenant = $1 AND customer = $2 AND token = $3");
            statement::query(sql, arguments).execute(&mut *connection).await?;
        }
        Removal::Dispute { customer } => {
            let mut arguments = Arguments::of(tenant);
            arguments.push(&customer);
            let sql = scoped!("DELETE FROM dispute WHERE tenant = $1 AND customer = $2");
            statement::query(sql, arguments).execute(&mut *connection).await?;
        }
        Removal::Customer { customer } => remove_customer(connection, tenant, customer).await?,
    }
    Ok(())
}

/// What an interaction said: its facts, and those of its blocks.
async fn remove_said(
    connection: &mut AnyConnection,
    tenant: TenantId,
    (customer, interaction): (CustomerId, Token),
    blocks: Scoped,
) -> Result<(), Error> {
    let facts =
        scoped!("DELETE FROM intent_fact WHERE tenant = $1 AND customer = $2 AND interaction = $3");
    for sql in [facts, blocks] {
        let mut arguments = Arguments::of(tenant);
        arguments.push(&customer);
        arguments.push(&interaction);
        statement::query(sql, arguments).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn remove_customer(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customer: CustomerId,
) -> Result<(), Error> {
    for sql in [
        scoped!("DELETE FROM intent_fact WHERE tenant = $1 AND customer = $2"),
        scoped!("DELETE FROM block WHERE tenant = $1 AND customer = $2"),
        scoped!("DELETE FROM interaction WHERE tenant = $1 AND customer = $2"),
        scoped!("DELETE FROM link WHERE tenant = $1 AND customer = $2"),
        scoped!("DELETE FROM tie WHERE tenant = $1 AND customer = $2"),
        scoped!("DELETE FROM dispute WHERE tenant = $1 AND customer = $2"),
        scoped!(
            "DELETE FROM data_key WHERE tenant = $1 AND data_key = \
         (SELECT data_key FROM customer WHERE tenant = $1 AND customer = $2)"
        ),
        scoped!("DELETE FROM customer WHERE tenant = $1 AND customer = $2"),
    ] {
        let mut arguments = Arguments::of(tenant);
        arguments.push(&customer);
        statement::query(sql, arguments).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The positions of an interaction's journal rows before `position` that have their content, 8 bytes
/// each: the row that takes it away names them, so that nobody else can seem to have done so.
pub(super) async fn with_content(
    connection: &mut AnyConnection,
    tenant: TenantId,
    interaction: Token,
    position: i64,
) -> Result<Vec<u8>, Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&interaction);
    arguments.push(&position);
    let sql = scoped!(
        "SELECT position FROM journal WHERE tenant = $1 AND interaction = $2 \
               AND position < $3 AND LENGTH(state) > 0"
    );
    let mut positions = Vec::new();
    for row in statement::query(sql, arguments).fetch_all(&mut *connection).await? {
        positions.extend(row.try_get::<i64, _>(0)?.to_be_bytes());
    }
    Ok(positions)
}

/// Strips an interaction's journal rows before `position` to their hashes, in the name of the row
/// there: the audit chain still verifies, the content is gone.
pub(super) async fn strip_journal(
    connection: &mut AnyConnection,
    tenant: TenantId,
    interaction: Token,
    position: i64,
) -> Result<(), Error> {
    let mut arguments = Arguments::of(tenant);
    arguments.push(&interaction);
    arguments.push(&position);
    if Engine::behind(connection) == Engine::Postgres {
        arguments.push(&Vec::<u8>::new());
        statement::query(on_postgres::STRIP, arguments).execute(&mut *connection).await?;
        return Ok(());
    }
    let sql = scoped!(
        "SELECT position, state FROM journal WHERE tenant = $1 AND interaction = $2 \
         AND position < $3 AND LENGTH(state) > 0"
    );
    for row in statement::query(sql, arguments).fetch_all(&mut *connection).await? {
        let state: Vec<u8> = row.try_get(1)?;
        let mut arguments = Arguments::of(tenant);
        arguments.push(&interaction);
        arguments.push(&row.try_get::<i64, _>(0)?);
        arguments.push(&Sha256::digest(&state).to_vec());
        arguments.push(&Vec::<u8>::new());
        arguments.push(&position);
        let sql = scoped!(
            "UPDATE journal SET digest = $4, state = $5, stripped_by = $6 \
                   WHERE tenant = $1 AND interaction = $2 AND position = $3"
        );
        statement::query(sql, arguments).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A journal row that a sweep is after.
#[derive(Clone, Copy)]
pub struct OldRow {
    /// Which interaction or request.
    pub interaction: Token,
    /// Where it stands.
    pub position: i64,
    /// The customer it was decided on.
    pub customer: Option<CustomerId>,
    /// Whether it is of a request that changed a customer, and no interaction's.
    pub is_request: bool,
}

/// What a caller says in an interaction: its retention is counted from the last of these.
pub const SAID: [Verb; 4] = [Verb::Start, Verb::Update, Verb::End, Verb::Attach];

/// Whether it is a request that changed a customer, beside any interaction.
fn is_request(verb: i64) -> bool {
    Verb::REQUESTS.iter().any(|of| *of as i64 == verb)
}

/// The next rows of a walk along the journal.
pub struct Walk {
    /// Those the sweep is after.
    pub found: Vec<OldRow>,
    /// The last position looked at; `None` when there was nothing old enough.
    pub last: Option<i64>,
}

/// Which rows a sweep is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsOf {
    /// Starts of voice calls, which end within a day.
    Voice,
    /// Starts of everything else.
    OtherChannels,
    /// Those that made a customer without any identifier.
    Unidentified,
    /// All that made a customer.
    NewCustomers,
    /// What callers said: starts, updates, ends, and requests that changed a customer.
    Said,
    /// Interactions and requests that went by time, of a customer.
    Expired,
}

impl RowsOf {
    fn includes(self, verb: i64, outcome: i64, channel: &str) -> bool {
        // Of what was erased or went by time only its place is kept: nothing is there to be closed.
        let start = verb == Verb::Start as i64 && !channel.is_empty();
        let voice = channel == "voice";
        match self {
            Self::Voice => start && voice,
            Self::OtherChannels => start && !voice,
            Self::Unidentified => outcome == Outcome::Unidentified as i64,
            Self::NewCustomers => {
                [Outcome::New as i64, Outcome::Unidentified as i64].contains(&outcome)
            }
            Self::Said => SAID.iter().any(|of| *of as i64 == verb) || is_request(verb),
            Self::Expired => verb == Verb::Expire as i64,
        }
    }
}

impl Store {
    /// Walks on along the journal after `position`, over rows received before `cutoff`, and so
    /// many at most. The journal is in order of receipt: the first row that is too young ends it.
    ///
    /// # Errors
    /// As the database's.
    pub async fn walk(
        &self,
        tenant: TenantId,
        which: RowsOf,
        position: i64,
        cutoff: Time,
        limit: i64,
    ) -> Result<Walk, Error> {
        let mut connection = self.readers.acquire().await?;
        let mut arguments = Arguments::of(tenant);
        arguments.push(&position);
        arguments.push(&limit);
        let sql = scoped!(
            "SELECT interaction, position, customer, verb, outcome, channel, received, \
             CAST(LENGTH(state) AS BIGINT) FROM journal WHERE tenant = $1 AND position > $2 \
             ORDER BY position LIMIT $3"
        );
        let mut walk = Walk { found: Vec::new(), last: None };
        for row in &statement::query(sql, arguments).fetch_all(&mut *connection).await? {
            if row.try_get::<i64, _>(6)? >= cutoff.0 {
                break;
            }
            walk.last = Some(row.try_get(1)?);
            let is_request = is_request(row.try_get(3)?);
            // Of an interaction a later row may hold the state; of a request there is no other.
            let stripped = is_request && row.try_get::<i64, _>(7)? == 0;
            if !stripped && which.includes(row.try_get(3)?, row.try_get(4)?, row.try_get(5)?) {
                walk.found.push(OldRow {
                    interaction: Token(bytes16(row, 0, "journal")?),
                    position: row.try_get(1)?,
                    customer: optional16(row, 2, "journal")?.map(CustomerId),
                    is_request,
                });
            }
        }
        Ok(walk)
    }

    /// How far a sweep has come: a journal position, 0 at first.
    ///
    /// # Errors
    /// As the database's.
    pub async fn sweep_mark(&self, tenant: TenantId, sweep: &str) -> Result<i64, Error> {
        let mut connection = self.readers.acquire().await?;
        let mut arguments = Arguments::of(tenant);
        arguments.push(&sweep.to_owned());
        let sql = scoped!("SELECT position FROM sweep_mark WHERE tenant = $1 AND sweep = $2");
        let row = statement::query(sql, arguments).fetch_optional(&mut *connection).await?;
        row.map_or(Ok(0), |row| Ok(row.try_get(0)?))
    }

    /// Remembers how far a sweep has come.
    ///
    /// # Errors
    /// As the database's.
    pub async fn set_sweep_mark(
        &self,
        tenant: TenantId,
        sweep: &str,
        position: i64,
    ) -> Result<(), Error> {
        let mut arguments = Arguments::of(tenant);
        arguments.push(&sweep.to_owned());
        arguments.push(&position);
        let sql = scoped!(
            "INSERT INTO sweep_mark (tenant, sweep, position) VALUES ($1, $2, $3) \
                   ON CONFLICT (tenant, sweep) DO UPDATE SET position = excluded.position"
        );
        self.execute(sql, arguments).await.map(drop)
    }

    /// Deletes blocks in which everything has expired, about so many at most; how many went. They
    /// are invisible since they expired: no stamp needs to change. The writer is asked only when a
    /// reader has found some.
    ///
    /// # Errors
    /// As the database's.
    pub async fn remove_expired_blocks(
        &self,
        tenant: TenantId,
        now: Time,
        limit: i64,
    ) -> Result<u64, Error> {
        let mut connection = self.readers.acquire().await?;
        let mut arguments = Arguments::of(tenant);
        arguments.push(&now);
        arguments.push(&limit);
        let sql = scoped!(
            "SELECT expire FROM block WHERE tenant = $1 AND expire <= $2 \
                   ORDER BY expire LIMIT $3"
        );
        let rows = statement::query(sql, arguments).fetch_all(&mut *connection).await?;
        let Some(last) = rows.last() else { return Ok(0) };
        let mut arguments = Arguments::of(tenant);
        arguments.push(&last.try_get::<i64, _>(0)?);
        let sql = scoped!("DELETE FROM block WHERE tenant = $1 AND expire <= $2");
        self.execute(sql, arguments).await
    }
}

//! All that a customer's context is made of, in one statement, for a few customers at once: where they
//! are not in the cache, the way to the database takes longer than their few rows do.

use std::cmp::Reverse;
use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{History, contact_columns};
use crate::clock::Time;
use crate::ids::{CustomerId, Stamp, TenantId, Token};
use crate::store::Error;
use crate::store::read::{bytes16, interaction_row, optional16};
use crate::store::rows::{BlockKind, BlockRow, FactRow};
use crate::store::statement::{self, Scoped, scoped};

/// Contacts, under a state.
macro_rules! contacts {
    ($part:literal, $state:literal) => {
        concat!(
            "SELECT *, ",
            $part,
            " FROM (SELECT ",
            contact_columns!(),
            " FROM interaction WHERE tenant = $1 AND customer = $2 AND ",
            $state,
            " ORDER BY ended DESC, interaction DESC LIMIT 50) AS contacts"
        )
    };
}

/// Blocks of one kind. `expire + 0` keeps the planner from walking all of the tenant's blocks by
/// their expiry. One kind after the other: many variables must not push out a lasting attribute.
macro_rules! blocks {
    ($kind:literal, $most:literal) => {
        concat!(
            " UNION ALL SELECT customer, expire, interaction, kind, position, part, NULL, NULL, \
             NULL, NULL, NULL, NULL, NULL, NULL, NULL, content, NULL, 4 \
             FROM (SELECT customer, expire, interaction, kind, position, part, content FROM block \
             WHERE tenant = $1 AND customer = $2 AND kind = ",
            $kind,
            " AND expire + 0 > $3 ORDER BY position DESC LIMIT ",
            $most,
            ") AS blocks"
        )
    };
}

/// Each part puts its values where those of their type stand in a contact, and says at the end what
/// it is. State 0 is active: not yet history. Kinds are those of [`BlockKind`]. The limits are spelled
/// out, those of [`super`]: for one that is bound, PostgreSQL plans the statement anew each time.
const ALL: Scoped = scoped!(concat!(
    contacts!(1, "state > 0"),
    " UNION ALL ",
    contacts!(2, "state = 0"),
    " UNION ALL SELECT customer, time, interaction, status, sensitivity, counts, channel, NULL, NULL, \
     NULL, contact, intent, reference, NULL, NULL, content, NULL, 3 \
     FROM (SELECT customer, time, interaction, status, sensitivity, counts, channel, contact, intent, \
     reference, content FROM intent_fact WHERE tenant = $1 AND customer = $2 \
     ORDER BY time DESC, interaction DESC LIMIT 1000) AS facts",
    blocks!(1, 500),
    blocks!(2, 2000),
    blocks!(3, 2000),
    " UNION ALL SELECT customer, stamp, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
     NULL, NULL, NULL, NULL, NULL, 5 FROM customer WHERE tenant = $1 AND customer = $2",
));

/// Customers of one statement at most: each adds seven parts to it.
pub const MOST_AT_ONCE: usize = 8;

/// What one customer's context is made of; variables that had expired at `now` are left out.
///
/// # Errors
/// As the database's.
pub async fn history(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customer: CustomerId,
    now: Time,
) -> Result<History, Error> {
    let mut found = histories(connection, tenant, &[customer], now).await?;
    Ok(found.remove(&customer).unwrap_or_default())
}

/// What the contexts of these customers are made of; variables that had expired at `now` are left out.
/// In no transaction, those of one statement are of one moment.
///
/// # Errors
/// As the database's.
pub async fn histories(
    connection: &mut AnyConnection,
    tenant: TenantId,
    customers: &[CustomerId],
    now: Time,
) -> Result<HashMap<CustomerId, History>, Error> {
    let mut found: HashMap<CustomerId, History> =
        customers.iter().map(|customer| (*customer, History::default())).collect();
    for some in customers.chunks(MOST_AT_ONCE) {
        for row in statement::select_each(connection, tenant, ALL, some, &now).await? {
            let customer = CustomerId(bytes16(&row, 0, "customer")?);
            // Nobody else was asked for.
            let Some(history) = found.get_mut(&customer) else { continue };
            match row.try_get::<i32, _>(17)? {
                1 => history.interactions.push(interaction_row(&row)?),
                2 => history.running.push(interaction_row(&row)?),
                3 => history.facts.push(fact_of(&row)?),
                5 => history.stamp = Some(Stamp(row.try_get(1)?)),
                _ => history.blocks.push(block_of(&row)?),
            }
        }
    }
    // Chosen in this order, but nothing promises that they come in it.
    for history in found.values_mut() {
        history.interactions.sort_by_key(|row| Reverse((row.ended, row.interaction)));
        history.running.sort_by_key(|row| Reverse((row.ended, row.interaction)));
        history.facts.sort_by_key(|row| Reverse((row.time, row.interaction)));
        history.blocks.sort_by_key(|row| Reverse((row.position, row.part)));
    }
    Ok(found)
}

fn fact_of(row: &AnyRow) -> Result<FactRow, Error> {
    const TABLE: &str = "intent_fact";
    Ok(FactRow {
        customer: CustomerId(bytes16(row, 0, TABLE)?),
        interaction: Token(bytes16(row, 2, TABLE)?),
        intent: Token(bytes16(row, 11, TABLE)?),
        reference: optional16(row, 12, TABLE)?.map(Token),
        status: row.try_get(3)?,
        counts: row.try_get::<i64, _>(5)? != 0,
        time: Time(row.try_get(1)?),
        contact: Token(bytes16(row, 10, TABLE)?),
        channel: row.try_get(6)?,
        sensitivity: row.try_get(4)?,
        content: row.try_get(15)?,
    })
}

fn block_of(row: &AnyRow) -> Result<BlockRow, Error> {
    const TABLE: &str = "block";
    let kind = BlockKind::from_code(row.try_get(3)?).ok_or(Error::Damaged { table: TABLE })?;
    Ok(BlockRow {
        customer: CustomerId(bytes16(row, 0, TABLE)?),
        kind,
        interaction: Token(bytes16(row, 2, TABLE)?),
        part: row.try_get(5)?,
        position: row.try_get(4)?,
        expire: Time(row.try_get(1)?),
        content: row.try_get(15)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{MOST_BLOCKS, MOST_CONSENTS, MOST_CONTACTS, MOST_FACTS, MOST_LASTING};
    use super::*;

    /// The number that follows a word.
    fn after(word: &str, text: &str) -> Option<i64> {
        let rest = text.split_once(word)?.1;
        rest.split(|one: char| !one.is_ascii_digit()).next()?.parse().ok()
    }

    #[test]
    fn the_limits_are_those_that_are_promised() {
        let parts: Vec<(Option<i64>, Option<i64>)> = ALL
            .as_str()
            .split(" UNION ALL ")
            .map(|part| (after("kind = ", part), after("LIMIT ", part)))
            .collect();
        let contacts = (None, Some(MOST_CONTACTS));
        let [variables, profile, consents] =
            [BlockKind::Variables, BlockKind::Profile, BlockKind::Consents].map(|it| it as i64);
        let blocks = [
            (Some(variables), Some(MOST_BLOCKS)),
            (Some(profile), Some(MOST_LASTING)),
            (Some(consents), Some(MOST_CONSENTS)),
        ];
        assert_eq!(parts[..3], [contacts, contacts, (None, Some(MOST_FACTS))]);
        assert_eq!(parts[3..6], blocks);
    }
}

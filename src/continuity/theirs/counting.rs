//! How much of everything a person has. To be erased nothing has to open: of values that do not, nobody
//! knows how many there are, and what holds them counts as one.

use super::Theirs;
use crate::continuity::Error;
use crate::continuity::desk::Desk;
use crate::continuity::load;
use crate::continuity::record::ErasureRecord;
use crate::ids::{CustomerId, TenantId};
use crate::store::rows::BlockKind;
use crate::store::{belonging, history, merges};

/// Values by their kind.
#[derive(Default)]
struct Values {
    variables: i64,
    attributes: i64,
    consents: i64,
}

impl Values {
    fn add(&mut self, kind: BlockKind, values: usize) {
        let of_kind = match kind {
            BlockKind::Variables => &mut self.variables,
            BlockKind::Profile => &mut self.attributes,
            BlockKind::Consents => &mut self.consents,
        };
        *of_kind += values as i64;
    }

    /// Says what did not open.
    fn tell_unopened(&self, tenant: TenantId) {
        let Self { variables, attributes, consents } = *self;
        if variables + attributes + consents > 0 {
            tracing::warn!(
                tenant = tenant.0,
                variables,
                attributes,
                consents,
                "values of somebody who is to be erased do not open: each is counted as one"
            );
        }
    }
}

/// Counts all that is a person's.
///
/// # Errors
/// The store's.
pub(super) async fn count(desk: &mut Desk<'_, '_>, theirs: &mut Theirs) -> Result<(), Error> {
    let tenant = desk.tenant_id();
    let ids: Vec<CustomerId> = theirs.everybody.keys().copied().collect();
    let values = values(desk, &ids).await?;
    let (customers, asked) = (ids.len() as i64, ids);
    let (merges, (identifiers, intents)) = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move {
                let merges = merges::merges(connection, tenant, &asked).await?.len() as i64;
                Ok((merges, belonging::counts(connection, tenant, &asked).await?))
            })
        }))
        .await?;
    theirs.counts = ErasureRecord {
        customers,
        interactions: theirs.interactions.len() as i64,
        identifiers,
        intents,
        variables: values.variables,
        attributes: values.attributes,
        merges,
        journal_entries: theirs.rows.len() as i64,
        consents: values.consents,
    };
    Ok(())
}

/// What these customers' blocks hold.
async fn values(desk: &mut Desk<'_, '_>, ids: &[CustomerId]) -> Result<Values, Error> {
    let tenant = desk.tenant_id();
    // They were looked up before, at this desk.
    let people = desk.people(ids, false).await?;
    let (mut values, mut unopened) = (Values::default(), Values::default());
    for id in ids {
        let id = *id;
        let blocks = desk
            .reads
            .load(Box::new(move |connection| {
                Box::pin(async move { history::blocks_of(connection, tenant, id, None).await })
            }))
            .await?;
        let Some(person) = people.get(&id) else { continue };
        for row in &blocks {
            let Ok(block) = load::open_block(tenant, &person.key, row) else {
                values.add(row.kind, 1);
                unopened.add(row.kind, 1);
                continue;
            };
            let held = match row.kind {
                BlockKind::Consents => block.consents.len(),
                BlockKind::Variables | BlockKind::Profile => block.values.len(),
            };
            values.add(row.kind, held);
        }
    }
    unopened.tell_unopened(tenant);
    Ok(values)
}

//! A customer whom corrections have left with nothing: their ref names whoever got it.

use std::sync::Arc;

use super::Error;
use super::desk::Desk;
use super::joining;
use super::load;
use super::record::State;
use super::settling::{customer_of, remaining};
use crate::cache::Remembered;
use crate::context::Disclosure;
use crate::ids::{CustomerId, Token};
use crate::store::history;

/// Lets an empty customer's ref resolve to another.
pub(super) async fn retire_if_empty(
    desk: &mut Desk<'_, '_>,
    old: CustomerId,
    to: CustomerId,
    interaction: Token,
) -> Result<(), Error> {
    if desk.working.get(&old).is_some_and(|one| one.is_new() && one.links().is_empty()) {
        // It was made by this very operation, and nobody has heard of it.
        desk.working.remove(&old);
        return Ok(());
    }
    let person = desk.person(old, false).await?.filter(|person| person.row.customer == old);
    // A protected person's ref keeps its protection, and a member of a set stays one.
    let kept = |person: &Remembered| {
        load::disclosure(person) != Disclosure::Normal || !person.members.is_empty()
    };
    let joined = desk.working.get(&old).is_some_and(|working| working.row.set_name.is_some());
    if joined || person.is_none_or(|person| kept(&person)) {
        return Ok(());
    }
    let by_others = has_of_others(desk, old, interaction).await?;
    if desk.take_in_hand(old).await?.links().is_empty() && !by_others {
        joining::drop_proposals(desk, old).await?;
        desk.take_in_hand(old).await?.touch().moved_to = Some(to);
    }
    Ok(())
}

/// Whether anything on a customer's file comes from elsewhere than this interaction: another contact,
/// or what was said of them in one that is not on file yet, or beside any contact.
async fn has_of_others(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    interaction: Token,
) -> Result<bool, Error> {
    if !remaining(desk, customer, &[interaction]).await?.is_empty() {
        return Ok(true);
    }
    let tenant = desk.tenant_id();
    let (blocks, facts) = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move {
                let blocks = history::blocks_of(connection, tenant, customer, None).await?;
                Ok((blocks, history::facts(connection, tenant, customer, None).await?))
            })
        }))
        .await?;
    if facts.iter().any(|fact| fact.interaction != interaction) {
        return Ok(true);
    }
    let key = Arc::clone(&desk.take_in_hand(customer).await?.key);
    for block in blocks.iter().filter(|block| block.interaction != interaction) {
        let said = load::open_block(tenant, &key, block)?;
        // Which of two values stands is nothing without them.
        if !said.values.is_empty() || !said.consents.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the customer was made for this interaction and nothing else has become theirs since: no
/// contact, nothing that was said or linked beside it, no rule of their own.
pub(super) async fn is_all_they_have(
    desk: &mut Desk<'_, '_>,
    state: &State,
    interaction: Token,
) -> Result<bool, Error> {
    let made = customer_of(&state.customer).filter(|_| state.made_customer && state.settled);
    let Some(made) = made else { return Ok(false) };
    if desk.working.get(&made).is_some_and(|working| working.is_new()) {
        return Ok(true);
    }
    let Some(person) = desk.person(made, false).await? else { return Ok(false) };
    let alone = person.members.is_empty()
        && person.row.contacts <= i64::from(state.counted)
        && load::disclosure(&person) == Disclosure::Normal
        && person.ties.iter().all(|tie| tie.assurance == 0);
    Ok(alone && !has_of_others(desk, person.row.customer, interaction).await?)
}

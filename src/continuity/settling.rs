//! Whose an interaction is: settling it on a customer, taking it away again, moving it.
//!
//! The store is poisoned here or nowhere. What an interaction gives a customer (links, counters,
//! history, facts, values) is known exactly, so that it can be taken back exactly.

use std::collections::BTreeMap;

use super::Error;
use super::carrying::{self, Carried};
use super::desk::Desk;
use super::duplicates;
use super::filing;
use super::limits;
use super::load;
use super::messages;
use super::recognise::{Looked, hint_record};
use super::record::{ContactRecord, State, SupportRecord};
use super::retiring;
use super::signing_in;
use super::untying;
use super::vouching;
use super::working::{Refolded, Working};
use crate::cache::Remembered;
use crate::clock::Time;
use crate::identity::{Assurance, Basis, HintKind, links, used};
use crate::ids::{CustomerId, Token};
use crate::store::Removal;
use crate::store::history;

/// A customer that did not exist before, first seen at `created`.
///
/// # Errors
/// When there is nothing to wrap their key with.
pub(super) fn new_customer(desk: &mut Desk<'_, '_>, created: Time) -> Result<CustomerId, Error> {
    let working = Working::new(desk.service, desk.tenant, created)?;
    let id = working.row.customer;
    desk.working.insert(id, working);
    Ok(id)
}

/// The customer may resolve to another ref by now, or be gone: then nobody is known again.
///
/// # Errors
/// [`Error::InteractionNotFound`] when the interaction is gone with its customer. It was opened by
/// their key, which is removed in the same commit as they are: they were removed since then, and
/// what was opened must not be sealed again for somebody else.
pub(super) async fn refresh(desk: &mut Desk<'_, '_>, state: &mut State) -> Result<bool, Error> {
    let Some(id) = customer_of(&state.customer) else { return Ok(false) };
    if desk.working.contains_key(&id) {
        return Ok(false);
    }
    vouching::forget_if_moved(desk, state).await?;
    match desk.person(id, false).await? {
        Some(person) => {
            state.customer = person.row.customer.0.to_vec();
            Ok(false)
        }
        None if state.settled && desk.one(id, false).await?.is_none() => {
            Err(Error::InteractionNotFound)
        }
        None => {
            state.customer.clear();
            state.supports.clear();
            state.displaced.clear();
            (state.settled, state.made_customer, state.counted) = (false, false, false);
            (state.filed_at, state.feedback) = (None, 0);
            vouching::forget(state);
            Ok(true)
        }
    }
}

/// Settles an interaction on a customer and links what was shown.
///
/// `linkable` says which hints may be linked at all: those that point to somebody else in a
/// conflict may not.
pub(super) async fn settle(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    customer: CustomerId,
    looked: &Looked<'_>,
    basis: Basis,
    linkable: impl Fn(usize) -> bool,
) -> Result<(), Error> {
    let mut reasons = supports(looked, customer, looked.basis_of_sign_in(customer, basis));
    reasons.retain(|(index, _)| !looked.is_held_within(*index, customer));
    if !looked.people.contains_key(&customer) {
        desk.take_in_hand(customer).await?;
    }
    let before = state.supports.len();
    for (index, support) in reasons {
        let token = looked.tokens[index];
        // What was unlinked since this contact began is not linked again for its sake.
        let untied = untying::untied_since(desk, state, interaction, looked, (customer, token));
        if !linkable(index) || looked.disagrees(index, customer) || untied {
            continue;
        }
        // Most returning customers have all their links: they need not be taken in hand for it.
        let known = linked_with(desk, looked, customer, token);
        if known.is_none() {
            let strength = Assurance::from_code(support.assurance).unwrap_or(Assurance::Asserted);
            let new = &looked.hints[index];
            if !limits::make_room(desk, state, customer, new, strength).await? {
                // It has been seen, though it is nobody's by this.
                desk.effects.heads.extend(looked.unseen.iter().filter(|unseen| **unseen == token));
                continue;
            }
        }
        if known.is_none_or(|known| known < support.assurance) {
            let (service, tenant) = (desk.service, desk.tenant);
            let hint = hint_record(&looked.hints[index]);
            let working = desk.take_in_hand(customer).await?;
            working.link(service, tenant, token, &hint, support.assurance);
        }
        let kind = HintKind::from_code(support.kind);
        let news = add_support(&mut state.supports, support);
        let ended = state.ending.as_ref().filter(|_| state.counted).map(|it| Time(it.end_time));
        if let (Some(ended), Some(kind), true) = (ended, kind, news) {
            // It has fed the counters already: what it shows late is counted now.
            desk.take_in_hand(customer).await?.count_use(token, ended, kind);
        }
        if let Some(ended) = ended.filter(|_| filing::is_vouched(state)) {
            desk.take_in_hand(customer).await?.confirm_use(token, ended);
        }
    }
    duplicates::notice(desk, looked, customer).await?;
    Box::pin(signing_in::join(desk, looked, customer)).await?;
    // A customer without any link is held by this contact alone.
    let linked = match desk.working.get(&customer) {
        Some(working) => working.has_changed_links() || working.links().is_empty(),
        None => looked.people.get(&customer).is_none_or(|person| person.links.is_empty()),
    };
    state.customer = customer.0.to_vec();
    state.settled = true;
    let news = before != state.supports.len() && state.filed_at.is_some();
    if linked || news || messages::are_on_file(state) {
        // A link needs its reason on file, so that it can be taken back with it; a message that is
        // not answered yet says where a reply reaches the customer.
        Box::pin(filing::file(desk, state, interaction)).await?;
    }
    Ok(())
}

/// The assurance of a customer's link as it is in this decision; `None` without a link.
pub(super) fn linked_with(
    desk: &Desk<'_, '_>,
    looked: &Looked<'_>,
    customer: CustomerId,
    token: Token,
) -> Option<i64> {
    if let Some(working) = desk.working.get(&customer) {
        return working.links().get(&token).map(|link| link.assurance);
    }
    let links = &looked.people.get(&customer)?.links;
    links.iter().find(|link| link.token == token).map(|link| link.assurance)
}

fn supports(
    looked: &Looked<'_>,
    customer: CustomerId,
    basis: Basis,
) -> Vec<(usize, SupportRecord)> {
    links(&looked.shown, looked.set_name(customer), basis)
        .into_iter()
        .map(|link| {
            let support = SupportRecord {
                token: looked.tokens[link.shown].0.to_vec(),
                assurance: link.assurance.code(),
                kind: looked.hints[link.shown].kind.code(),
            };
            (link.shown, support)
        })
        .collect()
}

/// Adds a reason, or strengthens the one known; whether its identifier is new.
fn add_support(supports: &mut Vec<SupportRecord>, support: SupportRecord) -> bool {
    match supports.iter_mut().find(|known| known.token == support.token) {
        Some(known) => {
            known.assurance = known.assurance.max(support.assurance);
            false
        }
        None => {
            supports.push(support);
            true
        }
    }
}

/// Takes back all that an interaction gave the customer it is settled on, or filed under, and
/// returns what its next customer will get.
pub(super) async fn withdraw(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
) -> Result<Carried, Error> {
    let from = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
    let from = desk.person(from, false).await?.map_or(from, |person| person.row.customer);
    if !state.settled && state.filed_at.is_none() {
        // It never gave its candidate anything.
        return Ok(Carried::default());
    }
    desk.take_in_hand(from).await?;
    let carried = carrying::carry(desk, from, interaction).await?;
    filing::drop_unwritten(desk, from, interaction);
    if let Some(filed_at) = state.filed_at.take() {
        let ended = Time(filed_at);
        desk.effects.removals.push(Removal::Interaction { customer: from, ended, interaction });
    }
    desk.effects.removals.push(Removal::Content { customer: from, interaction });
    carrying::uncover(desk, from, interaction, &carried).await?;
    desk.effects.strip.push(interaction);
    if state.settled {
        let others = remaining(desk, from, &[interaction]).await?;
        let working = desk.take_in_hand(from).await?;
        let folded = refold(working, &others, &state.supports);
        let still = |token: Token| folded.get(&token).cloned();
        limits::give_back(desk, from, &state.displaced, still);
    }
    desk.take_in_hand(from).await?.touch();
    state.supports.clear();
    state.displaced.clear();
    state.settled = false;
    state.counted = false;
    Ok(carried.leaving())
}

/// A contact on file, as far as it gives reasons for ties.
pub(super) struct OnFile {
    began: Time,
    ended: Time,
    counted: bool,
    record: ContactRecord,
}

/// The contacts that stay on a customer's file without these.
pub(super) async fn remaining(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    without: &[Token],
) -> Result<Vec<OnFile>, Error> {
    let tenant = desk.tenant_id();
    let rows = desk
        .reads
        .load(Box::new(move |connection| {
            Box::pin(async move { history::whole_file(connection, tenant, customer).await })
        }))
        .await?;
    let key = std::sync::Arc::clone(&desk.take_in_hand(customer).await?.key);
    let mut contacts = Vec::with_capacity(rows.len());
    for row in rows.iter().filter(|row| !without.contains(&row.interaction)) {
        let (_, record) = load::open_contact(tenant, &key, row)?;
        // Filed by an older version, it was heard of no later than it was filed.
        let heard = if record.heard == 0 { row.received } else { Time(record.heard) };
        let (began, ended, counted) = (row.started.min(heard), row.ended, row.counted);
        contacts.push(OnFile { began, ended, counted, record });
    }
    Ok(contacts)
}

/// Counts anew what a customer's contacts show, with this one as it stands now: an amendment says that
/// nobody was reached after all, or that it ended at another time.
pub(super) async fn recount(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
) -> Result<(), Error> {
    let customer = customer_of(&state.customer).ok_or(Error::CustomerNotFound)?;
    let mut contacts = remaining(desk, customer, &[interaction]).await?;
    state.counted = filing::counts(state);
    let ended = state.ending.as_ref().map_or(state.start_time, |ending| ending.end_time);
    contacts.push(OnFile {
        began: untying::began(desk, state, interaction),
        ended: Time(ended),
        counted: state.counted,
        record: ContactRecord {
            supports: state.supports.clone(),
            vouched: filing::is_vouched(state),
            ..ContactRecord::default()
        },
    });
    contacts.sort_by_key(|contact| contact.ended);
    refold(desk.take_in_hand(customer).await?, &contacts, &state.supports);
    Ok(())
}

/// Folds links and counters anew from the contacts that stay, in order of time, and from what was
/// said of ties beside them; what they support by now is the answer.
pub(super) fn refold(
    working: &mut Working,
    contacts: &[OnFile],
    withdrawn: &[SupportRecord],
) -> BTreeMap<Token, Refolded> {
    let mut folded: BTreeMap<Token, Refolded> = BTreeMap::new();
    for tie in working.ties().values().filter(|tie| tie.assurance > 0) {
        folded.entry(tie.token).or_default().assurance = tie.assurance;
    }
    for OnFile { began, ended, counted, record } in contacts {
        for support in &record.supports {
            let Some(token) = token_of(&support.token) else { continue };
            if working.untied(token) >= *began {
                continue;
            }
            let link = folded.entry(token).or_default();
            link.assurance = link.assurance.max(support.assurance);
            if *counted && let Some(kind) = HintKind::from_code(support.kind) {
                (link.weight, link.newest) =
                    used(link.weight, link.newest, link.uses, *ended, kind);
                link.uses += 1;
                if record.vouched {
                    link.confirmed = link.confirmed.max(*ended);
                }
            }
        }
    }
    for token in withdrawn.iter().filter_map(|support| token_of(&support.token)) {
        match folded.get(&token) {
            Some(link) => working.reset_link(token, link),
            None => working.unlink(token),
        }
    }
    let counted = contacts.iter().filter(|contact| contact.counted);
    let row = working.touch();
    row.contacts = counted.clone().count() as i64;
    row.last_contact = counted.map(|contact| contact.ended).max().unwrap_or_default();
    folded
}

/// Moves an interaction, with all it gave, to another customer. The old one keeps nothing of it;
/// left with no interaction, link or profile, its ref resolves to the new one. `linkable` as in [`settle`].
pub(super) async fn move_to(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
    to: CustomerId,
    looked: &Looked<'_>,
    (basis, linkable): (Basis, impl Fn(usize) -> bool),
) -> Result<(), Error> {
    // Only a customer that it gave something to can have been left empty by it.
    let (gave, waited) = (state.settled || state.filed_at.is_some(), !state.settled);
    let from = customer_of(&state.customer).filter(|_| gave);
    let carried = withdraw(desk, state, interaction).await?;
    let looked = without_withdrawn(desk, looked);
    settle(desk, state, interaction, to, &looked, basis, linkable).await?;
    // Of them nothing was proven but what is by now.
    let carried = carried.no_stronger(filing::strength(state));
    carrying::receive(desk, to, interaction, carried).await?;
    if waited {
        // What was settled has been carried as it was said, and when.
        filing::flush(desk, state, interaction).await?;
    }
    if state.ending.is_some() {
        filing::file(desk, state, interaction).await?;
        filing::count(desk, state, interaction).await?;
    }
    for old in from.into_iter().chain(customer_of(&state.left)) {
        if old != to {
            retiring::retire_if_empty(desk, old, to, interaction).await?;
        }
    }
    state.left.clear();
    Ok(())
}

/// What was looked up, without the ties that were taken back since.
fn without_withdrawn<'h>(desk: &Desk<'_, '_>, looked: &Looked<'h>) -> Looked<'h> {
    let has = |person: &Remembered, token: Token| match desk.working.get(&person.row.customer) {
        Some(working) => working.links().contains_key(&token),
        None => person.links.iter().any(|link| link.token == token),
    };
    let still = |set: CustomerId, token: Token| {
        let mut members = looked.people.values().filter(|person| person.set_name() == set);
        members.any(|person| has(person, token))
    };
    let mut shown = looked.shown.clone();
    for (shown, token) in shown.iter_mut().zip(&looked.tokens) {
        shown.owners.retain(|owner| still(owner.customer, *token));
    }
    Looked {
        hints: looked.hints,
        tokens: looked.tokens.clone(),
        shown,
        unseen: Vec::new(),
        people: looked.people.clone(),
        proof: looked.proof,
        anonymous: looked.anonymous.clone(),
    }
}

pub(super) fn customer_of(bytes: &[u8]) -> Option<CustomerId> {
    bytes.try_into().ok().map(CustomerId)
}

pub(super) fn token_of(bytes: &[u8]) -> Option<Token> {
    bytes.try_into().ok().map(Token)
}

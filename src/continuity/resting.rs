//! What it rests on that an interaction is somebody's: on an identifier that is theirs, on a browser
//! alone, or on what anybody could say.
//!
//! A customer is more than the contact that led to them as soon as others have come: whoever signed in
//! at the same browser, whoever else is reached by the address that was typed. What rests on less than
//! an identifier of theirs opens nothing of that.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Error;
use super::absorb::REJECTED;
use super::desk::Desk;
use super::record::{HintRecord, State};
use super::settling::{customer_of, token_of};
use super::signing_in::all_browsers;
use super::working::Working;
use crate::cache::Remembered;
use crate::identity::{Assurance, VISITOR};
use crate::store::history;

/// Ties that an interaction remembers of those before it in its chain.
const MOST_TIES: usize = 64;

/// What says whose an interaction is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// An identifier that its customer has, or got by this very interaction.
    Identifier,
    /// A browser, and nothing else but what anybody could say.
    Browser,
    /// What anybody could say.
    Word,
}

/// What an interaction was shown, as far as it cannot just be said.
fn carried(state: &State) -> impl Iterator<Item = &HintRecord> {
    state.hints.iter().filter(|hint| hint.assurance >= Assurance::Carried.code())
}

fn is_visitor(hint: &HintRecord) -> bool {
    hint.scheme == VISITOR
}

/// Whether a browser is among what an interaction, or the one it goes on with, rests on.
fn shows_browser(state: &State) -> bool {
    state.by_browser || carried(state).any(is_visitor)
}

/// Whether its customer was nobody before this interaction or its chain, so that nothing had to match.
fn was_taken_at_their_word(state: &State) -> bool {
    state.settled && (state.made_customer || state.made_by_chain)
}

/// Whether an interaction rests on no identifier of its customer, and others have made more of that
/// customer since: by a browser, somebody who is known by more than it; by their word, anybody with a
/// contact outside its chain, or one person with them. Whoever is there may be another one, and is
/// asked.
pub(super) async fn is_borrowed(desk: &mut Desk<'_, '_>, state: &State) -> Result<bool, Error> {
    let by_less = shows_browser(state) || was_taken_at_their_word(state);
    // That they are somebody else vouches for nobody.
    let vouched = state.vouched != 0 && state.feedback != REJECTED;
    let id = customer_of(&state.customer).filter(|_| by_less && !vouched);
    let Some(id) = id else { return Ok(false) };
    if desk.working.get(&id).is_some_and(Working::is_new) {
        return Ok(false);
    }
    let Some(person) = desk.person(id, false).await? else { return Ok(false) };
    let set = desk.set_of(&person, false).await?;
    match ground(desk, state, &set) {
        Ground::Identifier => Ok(false),
        Ground::Browser if is_known_by_more(desk, state, &set)? => Ok(true),
        _ if !was_taken_at_their_word(state) => Ok(false),
        // Whoever comes back to a browser is the same visitor, as far as anybody can know.
        Ground::Browser if all_browsers(desk, &person, person.links.iter())? => Ok(false),
        Ground::Browser | Ground::Word => {
            Ok(set.len() > 1 || has_other_contacts(desk, state, &person).await?)
        }
    }
}

/// What says that an interaction is theirs who are one person in this set. An identifier that none of
/// them has says nothing, however hard it was to come by, unless they had it by this very interaction.
fn ground(desk: &Desk<'_, '_>, state: &State, set: &[Arc<Remembered>]) -> Ground {
    let is_theirs = |hint: &HintRecord| {
        let secrets = &desk.tenant.secrets;
        let token = secrets.identifier(&hint.scheme, &hint.namespace, &hint.value);
        let mut links = set.iter().flat_map(|member| member.links.iter());
        links.any(|link| link.token == token && link.assurance >= Assurance::Carried.code())
            || supports(state).any(|support| *support == token.0)
    };
    if carried(state).any(|hint| !is_visitor(hint) && is_theirs(hint)) {
        return Ground::Identifier;
    }
    if shows_browser(state) { Ground::Browser } else { Ground::Word }
}

/// Whether others tied anything but browsers to them: more than a word, and not in this interaction or
/// one that it goes on with.
fn is_known_by_more(
    desk: &Desk<'_, '_>,
    state: &State,
    set: &[Arc<Remembered>],
) -> Result<bool, Error> {
    let own = ties_of(state);
    for member in set {
        let of_others = member.links.iter().filter(|link| {
            link.assurance >= Assurance::Carried.code() && !own.contains(&&link.token.0[..])
        });
        if !all_browsers(desk, member, of_others)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a contact is on their file that is not of this one's chain. A stream asks it of every contact
/// that it shows: no more of the file is read than that takes.
async fn has_other_contacts(
    desk: &mut Desk<'_, '_>,
    state: &State,
    person: &Remembered,
) -> Result<bool, Error> {
    let (tenant, customer) = (desk.tenant_id(), person.row.customer);
    let own = token_of(&state.contact);
    let found = desk.reads.look(Box::new(move |connection| {
        Box::pin(
            async move { history::has_contact_beside(connection, tenant, customer, own).await },
        )
    }));
    Ok(found.await?)
}

/// The ties by more than a word that an interaction and those before it in its chain gave reason for.
fn ties_of(state: &State) -> BTreeSet<&[u8]> {
    supports(state).chain(state.chain_ties.iter().map(|token| &**token)).collect()
}

/// The ties by more than a word that an interaction itself gave reason for.
fn supports(state: &State) -> impl Iterator<Item = &[u8]> {
    let own = state.supports.iter();
    let own = own.filter(|support| support.assurance >= Assurance::Carried.code());
    own.map(|support| &*support.token)
}

/// What goes on with an interaction rests on what it rested on. However long the chain, it remembers each
/// tie once and not more than so many: of whom it has forgotten one, it asks.
pub(super) async fn hand_on(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    previous: &State,
) -> Result<(), Error> {
    let before = match customer_of(&previous.customer) {
        Some(id) => desk.person(id, false).await?,
        None => None,
    };
    let set = match &before {
        Some(person) => desk.set_of(person, false).await?,
        None => Vec::new(),
    };
    let ground = ground(desk, previous, &set);
    remember(state, previous, ground == Ground::Browser);
    let is_new = previous.made_customer || previous.feedback == REJECTED || previous.made_by_chain;
    state.made_by_chain = is_new && ground != Ground::Identifier;
    Ok(())
}

fn remember(state: &mut State, previous: &State, by_browser: bool) {
    state.by_browser = by_browser;
    if shows_browser(state) {
        let ties = ties_of(previous).into_iter();
        state.chain_ties = ties.take(MOST_TIES).map(<[u8]>::to_vec).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::SupportRecord;
    use super::*;

    #[test]
    fn a_long_chain_remembers_each_tie_once_and_not_too_many() {
        let mut previous = State { by_browser: true, ..State::default() };
        for step in 0..300u16 {
            let tie = |of: u16| SupportRecord {
                token: of.to_be_bytes().to_vec(),
                assurance: Assurance::Carried.code(),
                ..SupportRecord::default()
            };
            previous.supports = vec![tie(0), tie(step / 10)];
            let mut state = State::default();
            remember(&mut state, &previous, true);
            let remembered: BTreeSet<_> = state.chain_ties.iter().collect();
            assert_eq!(remembered.len(), state.chain_ties.len(), "each once");
            assert_eq!(state.chain_ties.len(), usize::from(step / 10) + 1);
            previous = state;
        }
        previous.supports.clear();
        previous.chain_ties = (0..100u8).map(|of| vec![of]).collect();
        let mut state = State::default();
        remember(&mut state, &previous, true);
        assert_eq!(state.chain_ties.len(), MOST_TIES);
    }

    #[test]
    fn what_was_only_said_is_no_tie_of_its_own() {
        let tie = |of: u8, assurance: Assurance| SupportRecord {
            token: vec![of],
            assurance: assurance.code(),
            ..SupportRecord::default()
        };
        let supports = vec![tie(1, Assurance::Asserted), tie(2, Assurance::Carried)];
        let state = State { supports, ..State::default() };
        assert_eq!(ties_of(&state), BTreeSet::from([&[2u8][..]]));
    }
}

//! What an answer says of the candidates of a decision: how they are called, and who of them is not.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Error;
use super::desk::Desk;
use super::load;
use super::record::{CandidateRecord, State};
use super::sealing::Slot;
use super::settling::customer_of;
use crate::context::Disclosure;
use crate::crypto::key_id;
use crate::ids::CustomerId;

/// What the candidates' sets are called, and who of them must not be named: a rule that was made
/// after the decision counts, too. Who was removed or erased since is no candidate any more; what the
/// others are asked by is opened. A contact's own customer is answered anyhow, under their rule.
pub(super) async fn named(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
) -> Result<(FxHashMap<CustomerId, CustomerId>, FxHashSet<CustomerId>), Error> {
    let candidates = state.decision.iter().flat_map(|decision| &decision.candidates);
    let ids: Vec<CustomerId> =
        candidates.filter_map(|candidate| customer_of(&candidate.customer)).collect();
    if ids.is_empty() {
        return Ok((FxHashMap::default(), FxHashSet::default()));
    }
    let people = desk.sets(&ids, false).await?;
    let is_there = |id: CustomerId| people.contains_key(&id) || desk.working.contains_key(&id);
    if let Some(decision) = &mut state.decision {
        decision.candidates.retain(|one| customer_of(&one.customer).is_some_and(is_there));
        for candidate in &mut decision.candidates {
            open_label(desk, candidate).await?;
        }
    }
    let joined = people.values().filter(|person| !person.members.is_empty());
    let names = joined.map(|person| (person.row.customer, person.set_name())).collect();
    let protected: FxHashSet<CustomerId> = people
        .values()
        .filter(|person| load::disclosure(person) == Disclosure::Never)
        .map(|person| person.set_name())
        .collect();
    let own = customer_of(&state.customer);
    let others = people.values().filter(|person| Some(person.row.customer) != own);
    let unnamed = others.filter(|person| protected.contains(&person.set_name()));
    Ok((names, unnamed.map(|person| person.row.customer).collect()))
}

/// Who is gone has no key, and their label opens nowhere.
async fn open_label(desk: &mut Desk<'_, '_>, candidate: &mut CandidateRecord) -> Result<(), Error> {
    let sealed = std::mem::take(&mut candidate.sealed_label);
    let Some(id) = key_id(&sealed) else { return Ok(()) };
    if let Some(key) = desk.key(id, customer_of(&candidate.customer)).await? {
        candidate.label = Slot::CandidateLabel.open_text(desk.tenant_id(), &key, &sealed)?;
    }
    Ok(())
}

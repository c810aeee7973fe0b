//! What the journal holds of them: every entry about them, and each interaction that is theirs as it
//! stood after each call.
//!
//! An interaction is given whole where its newest entry is met, as only that one says whose it is by
//! now: what was decided on them first and turned out to be somebody else's is not theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::held::Perhaps;
use super::{Export, Held, Page, Place, Versions, Whose, page};
use crate::continuity::Error;
use crate::continuity::record::{DecisionRecord, RequestRecord, State};
use crate::continuity::sealing::Slot;
use crate::continuity::settling::customer_of;
use crate::continuity::tenant::Tenant;
use crate::ids::Token;
use crate::store::export::{self, Entry, WINDOW};
use crate::store::follow;
use crate::store::rows::{Outcome, Verb};
use crate::store::{self, Connection};

/// Sealed bytes of one page, about; an interaction is never cut.
const PAGE_BYTES: usize = 2 << 20;

/// What one look at the journal gave.
struct Seen {
    held: Vec<Held>,
    /// The last position that was looked at.
    last: i64,
}

impl Export {
    /// The next entries after this position, as far as there are any.
    pub(super) async fn of_journal(&self, after: i64) -> Result<Page, Error> {
        if after >= self.until {
            return Ok((Vec::new(), None));
        }
        let (whose, tenant) = (Arc::clone(&self.whose), Arc::clone(&self.tenant));
        let end = self.until;
        let seen = page(self, move |connection| {
            Box::pin(async move { look(connection, &tenant, &whose, (after, end)).await })
        })
        .await?;
        Ok((seen.held, Some(Place::Journal(seen.last))))
    }
}

async fn look(
    connection: &mut Connection,
    tenant: &Tenant,
    whose: &Whose,
    (after, end): (i64, i64),
) -> Result<Result<Seen, Error>, store::Error> {
    let part = follow::part(connection, tenant.id, (after, end), WINDOW).await?;
    let Some((after, until)) = part else {
        return Ok(Ok(Seen { held: Vec::new(), last: end }));
    };
    let refs: Vec<_> = whose.refs.iter().copied().collect();
    let entries = export::entries(connection, tenant.id, &refs, (after, until)).await?;
    let tokens: Vec<Token> = entries.iter().map(|entry| entry.interaction).collect();
    let mut of: BTreeMap<Token, Vec<Entry>> = BTreeMap::new();
    for version in export::versions(connection, tenant.id, &tokens).await? {
        of.entry(version.interaction).or_default().push(version);
    }
    let full = entries.len() as i64 >= export::PAGE;
    let mut seen = Seen { held: Vec::new(), last: until };
    let mut bytes = 0;
    for entry in entries {
        let position = entry.position;
        let all = of.get(&entry.interaction).map_or(&[][..], Vec::as_slice);
        // What came after the export began does not keep an interaction out of it.
        let newest = all.iter().rfind(|version| version.position <= end);
        let given = match newest {
            Some(newest) if newest.position == position => {
                of_newest(connection, tenant, whose, all, &mut bytes).await?
            }
            _ => Ok(Vec::new()),
        };
        let own = all.last().is_some_and(|newest| {
            whose.is(newest.customer) && newest.outcome != Outcome::Unsettled as i64
        });
        let request = match request(connection, tenant, whose, &entry, &mut bytes).await? {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        match given {
            Ok(given) => seen.held.extend(given),
            Err(error) => return Ok(Err(error)),
        }
        seen.held.push(Held::Entry { entry, theirs: own, request });
        if bytes > PAGE_BYTES {
            seen.last = position;
            return Ok(Ok(seen));
        }
        if full {
            seen.last = position;
        }
    }
    Ok(Ok(seen))
}

/// What is theirs of an interaction whose newest entry was met.
async fn of_newest(
    connection: &mut Connection,
    tenant: &Tenant,
    whose: &Whose,
    all: &[Entry],
    bytes: &mut usize,
) -> Result<Result<Vec<Held>, Error>, store::Error> {
    let Some(newest) = all.last().filter(|newest| whose.is(newest.customer)) else {
        return Ok(Ok(Vec::new()));
    };
    let Some(customer) = newest.customer.filter(|_| is_of_interaction(newest)) else {
        return Ok(Ok(Vec::new()));
    };
    if newest.outcome == Outcome::Unsettled as i64 {
        return Ok(Ok(vec![Held::Perhaps(Perhaps {
            customer,
            interaction: newest.interaction,
            channel: newest.channel.clone(),
            started: newest.time,
            received: newest.received,
        })]));
    }
    let mut versions = Vec::with_capacity(all.len());
    for entry in all.iter().filter(|entry| is_of_interaction(entry)) {
        let sealed = export::content(connection, tenant.id, entry).await?;
        *bytes += sealed.len();
        // What was taken away, or was sealed for somebody else, is not there to be given.
        let Some((verb, key)) = entry.verb().zip(whose.key_for(tenant, &sealed)) else { continue };
        let slot = Slot::Journal { interaction: entry.interaction, verb, part: entry.part.clone() };
        match slot.open::<State>(tenant.id, key, &sealed) {
            Ok(state) => versions.push((entry.clone(), without_others(state, whose))),
            Err(error) => return Ok(Err(error)),
        }
    }
    let interaction = newest.interaction;
    Ok(Ok(vec![Held::Interaction(Versions { customer, interaction, versions })]))
}

/// Whether an entry holds an interaction as it stood.
fn is_of_interaction(entry: &Entry) -> bool {
    let of_customers = [Verb::Purge, Verb::Archive];
    entry.verb().is_some_and(|verb| {
        (verb as i64) < Verb::Upsert as i64
            && !Verb::REQUESTS.contains(&verb)
            && !of_customers.contains(&verb)
    })
}

/// What a request that changed them was answered.
async fn request(
    connection: &mut Connection,
    tenant: &Tenant,
    whose: &Whose,
    entry: &Entry,
    bytes: &mut usize,
) -> Result<Result<Option<RequestRecord>, Error>, store::Error> {
    let Some(verb) = entry.verb().filter(|verb| Verb::REQUESTS.contains(verb)) else {
        return Ok(Ok(None));
    };
    let sealed = export::content(connection, tenant.id, entry).await?;
    *bytes += sealed.len();
    let Some(key) = whose.key_for(tenant, &sealed) else { return Ok(Ok(None)) };
    let slot = Slot::Journal { interaction: entry.interaction, verb, part: entry.part.clone() };
    Ok(slot.open(tenant.id, key, &sealed).map(Some))
}

/// An interaction without what it says of others: who else it could have been, who else it was.
fn without_others(mut state: State, whose: &Whose) -> State {
    let own = |customer: &[u8]| whose.is(customer_of(customer));
    if let Some(DecisionRecord { candidates, .. }) = &mut state.decision {
        candidates.retain(|candidate| own(&candidate.customer));
    }
    if !own(&state.named) {
        state.named.clear();
    }
    state.left.clear();
    state.shown_as.clear();
    state
}

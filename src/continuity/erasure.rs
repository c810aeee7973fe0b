//! What an erasure writes: what of a person's rows goes, and what is kept so that nothing that comes
//! late brings them back.

use super::Error;
use super::desk::Desk;
use super::journaling::{self, Entry};
use super::record::{NoticeRecord, PlaceRecord, State};
use super::sealing::Slot;
use super::settling::customer_of;
use super::theirs::Theirs;
use super::unopened;
use crate::clock::Time;
use crate::ids::{CustomerId, Token};
use crate::store::Removal;
use crate::store::erasing::Erasure;
use crate::store::rows::{JournalRow, Outcome, TombstoneKind, TombstoneRow, Verb};
use crate::store::webhooks::NoticeRow;

/// Puts all that is theirs into the effects: rows that go, places and tombstones that stay.
pub(super) async fn erase(
    desk: &mut Desk<'_, '_>,
    theirs: &Theirs,
    now: Time,
    caller: &str,
) -> Result<(), Error> {
    let requests = theirs.requests.iter().map(|(token, _)| *token);
    let mut erasure = Erasure {
        customers: theirs.everybody.keys().copied().collect(),
        interactions: theirs.interactions.iter().copied().chain(requests).collect(),
        until: theirs.until,
        ..Erasure::default()
    };
    let mut forgets = theirs.rows.clone();
    for token in &theirs.parted {
        let kept = keep(desk, theirs, *token, now, caller).await?;
        forgets.extend(kept.replaces);
        erasure.places.extend(kept.rows);
    }
    erasure.forgets = forgets.into_iter().collect();
    let interactions = theirs.interactions.iter().map(|token| (*token, Verb::Start));
    for (interaction, verb) in interactions.chain(theirs.requests.iter().copied()) {
        let entry = Entry {
            interaction,
            verb,
            part: Vec::new(),
            fingerprint: Vec::new(),
            time: now,
            caller,
        };
        erasure.places.push(entry.bare(Outcome::Erased));
        erasure.tombstones.push(tombstone(desk, interaction, verb));
    }
    for customer in theirs.everybody.keys() {
        let token = desk.tenant.secrets.tombstone("customer", &customer.0);
        erasure.tombstones.push(bare(token, TombstoneKind::Customer));
        desk.effects.removals.push(Removal::Customer { customer: *customer });
    }
    desk.effects.heads.extend(&theirs.tokens);
    desk.effects.erasure = Some(Box::new(erasure));
    Ok(())
}

/// What receivers of web-hooks are told: that whoever had these refs is no more.
pub(super) fn notice(desk: &Desk<'_, '_>, theirs: &Theirs, erasure: Token) -> NoticeRow {
    let others = theirs.everybody.keys().filter(|one| **one != theirs.name);
    let refs = std::iter::once(&theirs.name).chain(others).map(|one| one.0.to_vec());
    let record = NoticeRecord { refs: refs.collect() };
    let (tenant, slot) = (desk.tenant, Slot::ErasureNotice { erasure });
    let content = slot.seal(tenant.id, &tenant.key, &record, &desk.service.entropy);
    NoticeRow { erasure, position: 0, made: Time(0), content }
}

fn bare(token: Token, kind: TombstoneKind) -> TombstoneRow {
    TombstoneRow { token, kind, erasure: 0, erased: Time(0), content: Vec::new() }
}

/// Of an interaction or a request: the place that is kept, so that a journal which is restored from
/// before can keep it as well.
fn tombstone(desk: &Desk<'_, '_>, interaction: Token, verb: Verb) -> TombstoneRow {
    let tenant = desk.tenant;
    let kind = match verb {
        Verb::Start => TombstoneKind::Interaction,
        _ => TombstoneKind::Request,
    };
    // One request may have rows of two verbs.
    let named = [&interaction.0[..], &(verb as i64).to_be_bytes()].concat();
    let token = tenant.secrets.tombstone("place", &named);
    let record = PlaceRecord { interaction: interaction.0.to_vec(), verb: verb as i64 };
    let slot = Slot::Tombstone { token };
    let content = slot.seal(tenant.id, &tenant.key, &record, &desk.service.entropy);
    TombstoneRow { content, ..bare(token, kind) }
}

/// Rows that take the place of others.
struct Kept {
    /// Positions of those that are replaced although they are not the person's.
    replaces: Vec<i64>,
    /// The rows, the newest last.
    rows: Vec<JournalRow>,
}

/// An interaction that is somebody else's now goes on without this person: each row of theirs keeps
/// its place empty, and the newest says where it stands without naming them.
async fn keep(
    desk: &mut Desk<'_, '_>,
    theirs: &Theirs,
    interaction: Token,
    now: Time,
    caller: &str,
) -> Result<Kept, Error> {
    let known = match unopened::interaction(desk, interaction).await {
        // Whose it is has been erased since it was found.
        Err(Error::Erased) => return Ok(Kept { replaces: Vec::new(), rows: Vec::new() }),
        known => known?,
    };
    let entry = match &known {
        Some(known) => Some(known.entry.clone()),
        None => desk.entry(interaction).await?,
    };
    let mut kept = Kept { replaces: Vec::new(), rows: Vec::new() };
    let Some(entry) = entry else { return Ok(kept) };
    let newest = entry.newest().map(|guard| guard.position);
    for guard in &entry.guards {
        let own = theirs.rows.contains(&guard.position);
        let (verb, part) = (guard.verb, guard.part.clone());
        let fingerprint = guard.fingerprint.clone();
        let place = Entry { interaction, verb, part, fingerprint, time: now, caller };
        let is_newest = Some(guard.position) == newest;
        match &known {
            Some(known) if is_newest => {
                let state = without(theirs, &known.state);
                kept.replaces.push(guard.position);
                kept.rows.push(journaling::row(desk, &state, place).await?);
            }
            // It went by time, or with its customer, or does not open: it stays whose it was, and the
            // newest the newest. What nobody can read may name them, and so it goes.
            None if is_newest => {
                kept.replaces.push(guard.position);
                let place = place.bare(Outcome::Removed);
                kept.rows.push(JournalRow { customer: entry.customer, ..place });
            }
            // One that goes on is still closed when its channel says.
            _ if own => {
                let channel = known.as_ref().map_or("", |known| &known.state.channel).to_owned();
                kept.rows.push(JournalRow { channel, ..place.bare(Outcome::Removed) });
            }
            _ => {}
        }
    }
    Ok(kept)
}

/// What an interaction says without this person.
fn without(theirs: &Theirs, state: &State) -> State {
    let is_them = |bytes: &[u8]| {
        let customer: Option<CustomerId> = customer_of(bytes);
        theirs.holds(customer)
    };
    let mut state = State { rewritten: true, ..state.clone() };
    for named in [&mut state.named, &mut state.left, &mut state.shown_as] {
        if is_them(named) {
            named.clear();
        }
    }
    if let Some(decision) = &mut state.decision {
        decision.candidates.retain(|candidate| !is_them(&candidate.customer));
    }
    state
}

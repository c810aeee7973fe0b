//! A small world to ask the model about: customers, links and hints in a line each.

use rustc_hash::FxHashMap;

use crate::clock::{DAY, Time};
use crate::identity::{
    Assurance, Attestation, Decision, HintKind, Owner, Person, Policy, Question, Shown, Weights,
    decide,
};
use crate::ids::CustomerId;

/// The hour at which every question of these tests is asked.
pub(super) const NOW: Time = Time(1_700_000_000_000);

pub(super) fn customer(number: u8) -> CustomerId {
    CustomerId([number; 16])
}

pub(super) fn days_ago(days: f64) -> Time {
    NOW.plus(-(days * DAY as f64) as i64)
}

/// A link that is as strong as can be, so that the hint's assurance is what counts.
pub(super) fn owner(number: u8, uses: i64, days: f64) -> Owner {
    Owner {
        customer: customer(number),
        assurance: Assurance::Verified,
        uses,
        weight: uses as f64,
        newest: days_ago(days),
        confirmed: (uses > 0).then(|| days_ago(days)),
    }
}

/// A CARRIED hint of its own identifier, seen before.
pub(super) fn shown(identifier_index: usize, kind: HintKind, owners: Vec<Owner>) -> Shown {
    Shown {
        identifier_index,
        kind,
        assurance: Assurance::Carried,
        derived: None,
        number: kind.is_number(),
        visitor: false,
        primary: None,
        seen_before: true,
        owners,
    }
}

/// Everyone's last contact was when they last used any of the identifiers shown.
pub(super) fn people(shown: &[Shown]) -> FxHashMap<CustomerId, Person> {
    let mut people: FxHashMap<CustomerId, Person> = FxHashMap::default();
    for owner in shown.iter().flat_map(|hint| &hint.owners) {
        let contact = Some(owner.newest);
        let person = people
            .entry(owner.customer)
            .or_insert(Person { last_contact: contact, created: owner.newest });
        person.last_contact = person.last_contact.max(contact);
    }
    people
}

pub(super) fn ask(shown: &[Shown]) -> Decision {
    ask_with(shown, None, &Policy::default())
}

pub(super) fn ask_with(shown: &[Shown], named: Option<CustomerId>, policy: &Policy) -> Decision {
    let mut people = people(shown);
    if let Some(named) = named {
        people.entry(named).or_insert(Person { last_contact: None, created: NOW });
    }
    let question =
        Question { now: NOW, shown, people: &people, named, attestation: Attestation::Unknown };
    decide(&question, policy, &Weights::DEFAULT)
}

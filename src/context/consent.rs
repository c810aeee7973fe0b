//! What a customer said of consent, by purpose: granted, refused or withdrawn. All of it is kept as
//! it came; what counts is folded, in whatever order it arrives.
//!
//! Of one customer the newest counts, and of one moment the most restrictive; of customers who are
//! one person the most restrictive of what counts of each.

use std::collections::{BTreeMap, BTreeSet};

use super::vocabulary::ConsentState;
use crate::clock::Time;
use crate::ids::CustomerId;

/// Purposes of one customer at most.
pub const MAX_PURPOSES: usize = 64;
/// Characters of a purpose's name at most.
pub const MAX_PURPOSE_LENGTH: usize = 64;

/// Whether a purpose may be named so: lower-case letters, digits and `_`.
pub fn valid_purpose(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !name.is_empty() && name.len() <= MAX_PURPOSE_LENGTH && name.chars().all(allowed)
}

/// What a customer said of one purpose at one time.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsentWrite {
    /// Who of those who are one person.
    pub customer: CustomerId,
    /// What for, such as `history`.
    pub purpose: String,
    /// What they said.
    pub state: ConsentState,
    /// When they said it.
    pub time: Time,
    /// The channel; empty when it came from the caller's own system.
    pub channel: String,
    /// The source that told it.
    pub source: String,
    /// The interaction, or the request that told it.
    pub interaction_id: String,
    /// How it can be shown; empty when nothing was said.
    pub evidence: String,
}

debug_without_text!(ConsentWrite { state, time });

impl ConsentWrite {
    /// The newest is the greatest, of one moment the most restrictive. Whatever else differs only
    /// makes the order whole, so that it does not matter what came first.
    fn order(&self) -> impl Ord + '_ {
        let from = (&self.channel, &self.source, &self.interaction_id, &self.evidence);
        (self.time, self.state, from, self.customer)
    }
}

/// What counts of what customers said of consent, each one's by purpose.
#[derive(Clone, Debug, Default)]
pub struct Consents {
    standing: Vec<ConsentWrite>,
    /// How often each customer's file was written to, all together.
    pub blocks: usize,
    /// Whether there is more than was read: then nothing counts as granted.
    pub incomplete: bool,
}

impl Consents {
    /// Takes in what a customer said.
    pub fn add(&mut self, write: ConsentWrite) {
        let same = |known: &&mut ConsentWrite| {
            (known.customer, &known.purpose) == (write.customer, &write.purpose)
        };
        match self.standing.iter_mut().find(same) {
            Some(known) if known.order() >= write.order() => {}
            Some(known) => *known = write,
            None => self.standing.push(write),
        }
    }

    /// Takes in what somebody said who is the same person.
    pub fn join(&mut self, other: &Self) {
        other.standing.iter().for_each(|write| self.add(write.clone()));
        self.blocks += other.blocks;
        self.incomplete |= other.incomplete;
    }

    /// What counts, by purpose: of customers who are one person the most restrictive.
    pub fn current(&self) -> BTreeMap<&str, &ConsentWrite> {
        let mut current: BTreeMap<&str, &ConsentWrite> = BTreeMap::new();
        for write in &self.standing {
            let known = current.entry(&write.purpose).or_insert(write);
            if (write.state, write.order()) > (known.state, known.order()) {
                *known = write;
            }
        }
        current
    }

    /// Whether a purpose is granted. Of those who are one person whoever said nothing of it does
    /// not count.
    pub fn grants(&self, purpose: &str) -> bool {
        let current = self.current();
        let state = current.get(purpose).map(|write| write.state);
        !self.incomplete && state == Some(ConsentState::Granted)
    }

    /// Whether one customer would have too many purposes with these.
    pub fn too_many<'n>(
        &'n self,
        customer: CustomerId,
        more: impl Iterator<Item = &'n str>,
    ) -> bool {
        let own = self.standing.iter().filter(|write| write.customer == customer);
        let mut purposes: BTreeSet<&str> = own.map(|write| write.purpose.as_str()).collect();
        let known = purposes.len();
        purposes.extend(more);
        purposes.len() > MAX_PURPOSES && purposes.len() > known
    }

    /// Roughly how many bytes of memory they take.
    pub(super) fn bytes(&self) -> usize {
        let one = |write: &ConsentWrite| {
            let from = write.channel.len() + write.source.len() + write.interaction_id.len();
            size_of::<ConsentWrite>() + write.purpose.len() + from + write.evidence.len()
        };
        self.standing.iter().map(one).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ConsentState::{Granted, Refused, Withdrawn};

    fn said(customer: u8, purpose: &str, state: ConsentState, time: i64) -> ConsentWrite {
        ConsentWrite {
            customer: CustomerId([customer; 16]),
            purpose: purpose.into(),
            state,
            time: Time(time),
            channel: String::new(),
            source: String::new(),
            interaction_id: String::new(),
            evidence: String::new(),
        }
    }

    fn of(writes: &[ConsentWrite]) -> Consents {
        let mut consents = Consents::default();
        writes.iter().for_each(|write| consents.add(write.clone()));
        consents
    }

    fn standing(writes: &[ConsentWrite]) -> Option<ConsentState> {
        of(writes).current().get("history").map(|write| write.state)
    }

    #[test]
    fn of_one_customer_the_newest_counts_and_of_one_moment_the_most_restrictive() {
        let history = |state, time| said(1, "history", state, time);
        assert_eq!(standing(&[]), None);
        assert_eq!(standing(&[history(Withdrawn, 1), history(Granted, 2)]), Some(Granted));
        assert_eq!(standing(&[history(Granted, 2), history(Withdrawn, 2)]), Some(Withdrawn));
        assert_eq!(standing(&[history(Refused, 2), history(Granted, 2)]), Some(Refused));
        // A late word on earlier times changes nothing.
        assert_eq!(standing(&[history(Granted, 2), history(Refused, 1)]), Some(Granted));
    }

    #[test]
    fn of_one_person_the_most_restrictive_counts_whenever_it_was_said() {
        let old = said(1, "history", Withdrawn, 1);
        let new = said(2, "history", Granted, 9);
        assert_eq!(standing(&[old.clone(), new.clone()]), Some(Withdrawn));
        // Alone, each is as they said; who said nothing does not count.
        assert_eq!(standing(std::slice::from_ref(&new)), Some(Granted));
        assert!(of(&[new.clone(), said(1, "recording", Refused, 3)]).grants("history"));
        assert!(!of(&[new, old]).grants("history"));
    }

    #[test]
    fn what_was_not_read_grants_nothing() {
        let mut consents = of(&[said(1, "history", Granted, 1)]);
        assert!(consents.grants("history") && !consents.grants("recording"));
        consents.incomplete = true;
        assert!(!consents.grants("history"));
        let mut whole = of(&[said(2, "history", Granted, 1)]);
        whole.join(&consents);
        assert!(!whole.grants("history"));
    }

    #[test]
    fn purposes_are_counted_for_each_customer() {
        let names: Vec<String> = (0..MAX_PURPOSES).map(|n| format!("p{n}")).collect();
        let full = of(&names.iter().map(|name| said(1, name, Granted, 1)).collect::<Vec<_>>());
        let (own, other) = (CustomerId([1; 16]), CustomerId([2; 16]));
        assert!(full.too_many(own, ["another"].into_iter()));
        assert!(!full.too_many(own, ["p0"].into_iter()), "said again");
        assert!(!full.too_many(other, ["another"].into_iter()));
    }

    #[test]
    fn purposes_are_words() {
        assert!(["history", "call_recording_2", &"x".repeat(64)].into_iter().all(valid_purpose));
        let odd = ["", "History", "a b", "a-b", "é", &"x".repeat(65)];
        assert!(!odd.into_iter().any(valid_purpose));
    }

    prop_compose! {
        fn any_write()(customer in 1u8..3, purpose in "[ab]", state in 1i64..=3, time in 0i64..4)
            -> ConsentWrite {
            said(customer, &purpose, ConsentState::from_code(state).unwrap(), time)
        }
    }

    proptest! {
        #[test]
        fn the_order_of_the_writes_does_not_matter(
            (writes, shuffled) in proptest::collection::vec(any_write(), 0..12)
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            cut in 0usize..12,
        ) {
            let expected = of(&writes);
            let (some, rest) = shuffled.split_at(cut.min(shuffled.len()));
            let mut joined = of(some);
            joined.join(&of(rest));
            prop_assert!(expected.current() == joined.current());
        }

        #[test]
        fn who_said_no_last_has_not_agreed(
            writes in proptest::collection::vec(any_write(), 0..12), denies in any_write(),
        ) {
            let last = ConsentWrite { time: Time(9), state: Withdrawn, ..denies };
            let mut all = writes;
            all.push(last.clone());
            prop_assert!(!of(&all).grants(&last.purpose));
        }
    }
}

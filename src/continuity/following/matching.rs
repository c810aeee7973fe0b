//! Which events a follower asks for, and whom they name.

use std::collections::{BTreeSet, HashMap};

use super::Event;
use crate::continuity::record::State;
use crate::continuity::settling::customer_of;
use crate::ids::CustomerId;

/// Which events are asked for: those that fit all that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this customer's, and of everybody who is one person with them.
    pub customer: Option<CustomerId>,
    /// Only this agent's; empty for all.
    pub agent_ref: String,
    /// Only of this queue; empty for all.
    pub queue: String,
    /// Only of this channel; empty for all.
    pub channel: String,
    /// Only of these sources; `None` for all.
    pub sources: Option<BTreeSet<String>>,
    /// Whether changes of the customer beside any contact are asked for as well.
    pub changes: bool,
    /// Whether it is asked for who was erased: by whoever has to pass that on, and nobody else.
    pub erasures: bool,
}

/// What the sets of customers are called; who is not there does not exist.
pub(super) type Names = HashMap<CustomerId, CustomerId>;

impl Filter {
    /// Whether an interaction that stands so is asked for.
    pub(super) fn fits(&self, state: &State, names: &Names) -> bool {
        let (agent, queue, source) = match &state.about {
            Some(about) => (&*about.agent_ref, &*about.queue, &*about.source),
            None => ("", "", ""),
        };
        let fits = |wanted: &str, own: &str| wanted.is_empty() || wanted == own;
        fits(&self.channel, &state.channel)
            && fits(&self.agent_ref, agent)
            && fits(&self.queue, queue)
            && self.sources.as_ref().is_none_or(|sources| sources.contains(source))
            && self.fits_customer(customer_of(&state.customer), names)
    }

    /// Whether a change of one of these customers is asked for.
    pub(super) fn fits_change(&self, customers: &[CustomerId], names: &Names) -> bool {
        self.changes && customers.iter().any(|one| self.fits_customer(Some(*one), names))
    }

    fn fits_customer(&self, own: Option<CustomerId>, names: &Names) -> bool {
        let Some(wanted) = self.customer else { return true };
        let (Some(wanted), Some(own)) = (names.get(&wanted), own) else { return false };
        names.get(&own) == Some(wanted)
    }
}

impl Event {
    /// Whom it names to those who are shown nothing else: nobody, while an interaction is not settled, for
    /// then its customer is only who it could be, and a stranger may have typed what led to them.
    pub fn settled_customer(&self) -> Option<CustomerId> {
        let is_settled = self.state().is_none_or(|state| state.settled);
        self.customer().filter(|_| is_settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::continuity::record::About;

    fn state(agent: &str, queue: &str, customer: u8) -> State {
        let about = About {
            agent_ref: agent.into(),
            queue: queue.into(),
            source: "pbx".into(),
            ..About::default()
        };
        State {
            about: Some(about),
            channel: "voice".into(),
            customer: vec![customer; 16],
            ..State::default()
        }
    }

    fn id(byte: u8) -> CustomerId {
        CustomerId([byte; 16])
    }

    #[test]
    fn all_that_is_named_must_fit() {
        let (names, one) = (Names::new(), state("ada", "sales", 1));
        let filter = |agent: &str, queue: &str, channel: &str| Filter {
            agent_ref: agent.into(),
            queue: queue.into(),
            channel: channel.into(),
            ..Filter::default()
        };
        assert!(Filter::default().fits(&one, &names));
        assert!(filter("ada", "sales", "voice").fits(&one, &names));
        for other in [("bob", "", ""), ("ada", "support", ""), ("", "", "email"), ("ad", "", "")] {
            assert!(!filter(other.0, other.1, other.2).fits(&one, &names), "{other:?}");
        }
        assert!(!filter("ada", "", "").fits(&State::default(), &names));
    }

    #[test]
    fn sources_that_are_not_named_do_not_fit() {
        let of = |source: &str| Filter {
            sources: Some(BTreeSet::from([source.to_owned()])),
            ..Filter::default()
        };
        let one = state("", "", 1);
        assert!(of("pbx").fits(&one, &Names::new()));
        assert!(!of("crm").fits(&one, &Names::new()));
        let nobodys = Filter { sources: Some(BTreeSet::new()), ..Filter::default() };
        assert!(!nobodys.fits(&one, &Names::new()));
    }

    #[test]
    fn whoever_is_one_person_with_the_customer_fits_and_who_does_not_exist_does_not() {
        let filter = Filter { customer: Some(id(1)), changes: true, ..Filter::default() };
        let merged = Names::from([(id(1), id(1)), (id(2), id(1)), (id(3), id(3))]);
        for (customer, fits) in [(1, true), (2, true), (3, false), (4, false)] {
            assert_eq!(filter.fits(&state("", "", customer), &merged), fits, "{customer}");
            assert_eq!(filter.fits_change(&[id(customer)], &merged), fits, "{customer}");
        }
        assert!(filter.fits_change(&[id(3), id(2)], &merged));
        assert!(!filter.fits(&state("", "", 1), &Names::new()), "nobody is there");
        let silent = Filter { changes: false, ..filter };
        assert!(!silent.fits_change(&[id(1)], &merged));
    }
}

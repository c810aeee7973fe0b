//! What waits for one endpoint, in order. An event waits for those before it that are of the same
//! interaction or customer, and for no other: so one customer's events are told in order, and nobody
//! waits for another's. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::clock::Time;
use crate::ids::{CustomerId, Token};
use crate::store::webhooks::{DeliveryRow, DeliveryState};

/// An event whose time was brought forward is not brought forward again before so many failures: the
/// attempt that it was brought forward to, and one at a time of its own.
const KEEPS_TIME_FOR: u8 = 2;

/// Whose an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    /// The interaction or request.
    pub interaction: Token,
    /// The customer, by the name of their set, where there is one.
    pub customer: Option<CustomerId>,
    /// The customer themselves: who has their events still when they are nobody else's any more.
    pub own: Option<CustomerId>,
}

/// An event on its way.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// Whose it is.
    pub lane: Lane,
    /// When it was committed.
    pub received: Time,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before.
    pub due: Time,
    /// What its time is, where it was brought forward for once without being counted.
    pub own_time: Option<Time>,
    /// Not before this either, whatever becomes of the endpoint: the receiver said so.
    pub asked: Time,
    /// Failures until its time may be brought forward again.
    pub keeps_time_for: u8,
    /// Store time of the newest failure; zero before the first.
    pub failed: Time,
    /// What the newest failure was.
    pub outcome: i64,
    /// Whether it has a row of its own: then whoever comes after need not find it in the journal.
    pub stored: bool,
    /// Whether it is being tried.
    pub in_flight: bool,
    /// Whether it is of somebody who was erased since: then it is not tried again.
    pub gone: bool,
}

impl Waiting {
    /// One that was not tried yet.
    pub fn new(lane: Lane, received: Time) -> Self {
        Self {
            lane,
            received,
            attempts: 0,
            due: Time(0),
            own_time: None,
            asked: Time(0),
            keeps_time_for: 0,
            failed: Time(0),
            outcome: 0,
            stored: false,
            in_flight: false,
            gone: false,
        }
    }

    /// Whether it failed, and may be brought forward from later than `now`.
    fn may_come_sooner(&self, now: Time) -> bool {
        let waits = self.failed > Time(0) && !self.in_flight && self.due > now;
        waits && self.keeps_time_for == 0
    }

    /// As it is stored.
    pub fn row(&self, position: i64, state: DeliveryState) -> DeliveryRow {
        DeliveryRow {
            position,
            state,
            attempts: i64::from(self.attempts),
            due: self.due,
            failed: self.failed,
            outcome: self.outcome,
        }
    }
}

/// Whose events must wait.
#[derive(Default)]
struct Taken {
    interactions: HashSet<Token>,
    customers: HashSet<CustomerId>,
}

impl Taken {
    fn holds(&self, lane: &Lane) -> bool {
        self.interactions.contains(&lane.interaction)
            || lane.customer.is_some_and(|customer| self.customers.contains(&customer))
    }

    fn take(&mut self, lane: &Lane) {
        self.interactions.insert(lane.interaction);
        self.customers.extend(lane.customer);
    }
}

/// What waits for one endpoint, by its place in the journal.
#[derive(Default)]
pub(super) struct Lanes {
    waiting: BTreeMap<i64, Waiting>,
}

impl Lanes {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// One more; one that is there already stays.
    pub fn add(&mut self, position: i64, waiting: Waiting) {
        self.waiting.entry(position).or_insert(waiting);
    }

    /// Whose an interaction is by now: what waits of it waits as theirs.
    pub fn moved(&mut self, lane: Lane) {
        let own = self.waiting.values_mut().filter(|one| one.lane.interaction == lane.interaction);
        own.for_each(|one| one.lane = lane);
    }

    /// Everybody whose events wait, by themselves.
    pub fn customers(&self) -> Vec<CustomerId> {
        let all: HashSet<CustomerId> =
            self.waiting.values().filter_map(|one| one.lane.own).collect();
        all.into_iter().collect()
    }

    /// What the sets of these customers are called by now; who is not among them keeps their name.
    pub fn named(&mut self, names: &HashMap<CustomerId, CustomerId>) {
        for one in self.waiting.values_mut() {
            let name = one.lane.own.and_then(|own| names.get(&own));
            one.lane.customer = name.copied().or(one.lane.customer);
        }
    }

    /// One of them.
    pub fn get_mut(&mut self, position: i64) -> Option<&mut Waiting> {
        self.waiting.get_mut(&position)
    }

    /// Takes one out: it was delivered, given up, or is gone.
    pub fn remove(&mut self, position: i64) -> Option<Waiting> {
        self.waiting.remove(&position)
    }

    /// Those of somebody who has these refs.
    pub fn of(&self, refs: &[CustomerId]) -> Vec<i64> {
        let theirs = |one: &Waiting| one.lane.customer.is_some_and(|it| refs.contains(&it));
        self.waiting.iter().filter(|(_, one)| theirs(one)).map(|(position, _)| *position).collect()
    }

    /// The first that may be tried at `now`, so many at most: each the oldest of its interaction and
    /// customer, due, and not being tried.
    pub fn ready(&self, now: Time, most: usize) -> Vec<i64> {
        let (mut taken, mut ready) = (Taken::default(), Vec::new());
        for (position, one) in &self.waiting {
            if ready.len() >= most {
                break;
            }
            if !one.in_flight && one.due <= now && !taken.holds(&one.lane) {
                ready.push(*position);
            }
            taken.take(&one.lane);
        }
        ready
    }

    /// The first moment after `now` at which one more may be due.
    pub fn next_due(&self, now: Time) -> Option<Time> {
        self.waiting.values().map(|one| one.due).filter(|due| *due > now).min()
    }

    /// Those that wait for one that was not accepted and have no row yet: until they have, whoever takes
    /// over would have to begin before all that were delivered since.
    pub fn held_up(&self) -> Vec<i64> {
        let (mut taken, mut held_up) = (Taken::default(), Vec::new());
        for (position, one) in &self.waiting {
            let held = taken.holds(&one.lane);
            if held && !one.stored && !one.in_flight {
                held_up.push(*position);
            }
            if held || one.stored {
                taken.take(&one.lane);
            }
        }
        held_up
    }

    /// Up to where all is delivered or has a row, when the journal was read up to `read`.
    pub fn settled(&self, read: i64) -> i64 {
        let first = self.waiting.iter().find(|(_, one)| !one.stored);
        first.map_or(read, |(position, _)| read.min(position - 1))
    }

    /// When the oldest of them was committed.
    pub fn oldest(&self) -> Option<Time> {
        self.waiting.values().map(|one| one.received).min()
    }

    /// Everybody may come at once: the endpoint accepts again. The attempt that failed while it did not
    /// is not counted where that makes it due sooner. Whoever failed only before `since` keeps their own
    /// time, and so does whoever was brought forward and failed again: it is not the endpoint that keeps
    /// them waiting. Whose time has changed.
    pub fn hasten(&mut self, since: Time, now: Time) -> Vec<i64> {
        let mut hastened = Vec::new();
        for (position, one) in &mut self.waiting {
            let due = now.max(one.asked);
            if one.failed >= since && one.may_come_sooner(now) && due < one.due {
                one.due = due;
                one.attempts = one.attempts.saturating_sub(1);
                one.keeps_time_for = KEEPS_TIME_FOR;
                hastened.push(*position);
            }
        }
        hastened
    }

    /// What had failed before somebody took over may come at once, since the endpoint accepts: it may have
    /// been the endpoint that kept it waiting. For once, and for nothing: what fails then, too, has as many
    /// attempts left as before, and its own time.
    pub fn bring_forward(&mut self, now: Time) {
        for one in self.waiting.values_mut() {
            let due = now.max(one.asked);
            if one.may_come_sooner(now) && due < one.due {
                (one.own_time, one.due) = (Some(one.due), due);
                one.keeps_time_for = KEEPS_TIME_FOR;
            }
        }
    }
}

#[cfg(test)]
mod tests;

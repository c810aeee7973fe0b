//! How far it has come: read from the store when an endpoint is taken, and said to it as it goes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::Webhooks;
use super::super::lanes::{Lanes, Waiting};
use super::super::schedule::{LONGEST_RETRY_AFTER, Schedule};
use super::pace::Pace;
use super::{NotDelivered, PAGE, Runner, interests, lane};
use crate::clock::{SECOND, Time};
use crate::continuity::Error;
use crate::continuity::tenant::Tenant;
use crate::continuity::webhooks::{Endpoint, MOST_WAITING};
use crate::store::webhooks::{DeliveryRow, DeliveryState, EndpointState, Hold, Progress};

/// How soon it is said what was not accepted, and what is accepted after all.
const ROWS_SAID_EVERY: Duration = Duration::from_millis(200);
/// How soon it is said how far everything was accepted.
const PLACE_SAID_EVERY: Duration = Duration::from_secs(1);
/// An outcome from here on is a status that was answered; below are the reasons why none was.
pub(super) const LOWEST_STATUS: i64 = 100;

/// What the store knows of it.
pub(super) struct Said {
    at: Instant,
    position: i64,
    failing_since: Time,
    state: EndpointState,
}

impl Runner {
    /// Takes an endpoint, with all that waits for it; nothing when another instance holds it.
    pub(super) async fn take(
        webhooks: Arc<Webhooks>,
        tenant: Arc<Tenant>,
        endpoint: i64,
    ) -> Result<Option<Self>, NotDelivered> {
        let (service, now) = (Arc::clone(&webhooks.service), webhooks.service.store().now());
        let hold = Hold { holder: webhooks.instance, until: now.plus(webhooks.held_for()) };
        let store = service.store();
        let Some(row) = store.hold_webhook(tenant.id, endpoint, hold, now).await? else {
            return Ok(None);
        };
        let opened = Endpoint::open(&tenant, &row).map_err(|_| NotDelivered::Damaged)?;
        let most = 2 * MOST_WAITING;
        let rows = store.waiting_deliveries(tenant.id, endpoint, row.position, most).await?;
        let said = Said {
            at: Instant::now(),
            position: row.position,
            failing_since: row.failing_since,
            state: row.state,
        };
        let mut runner = Self {
            webhooks,
            tenant,
            endpoint: Arc::new(opened),
            interests: interests(),
            hold,
            lanes: Lanes::default(),
            bodies: HashMap::new(),
            named: Instant::now(),
            given_up: HashSet::new(),
            inherited: false,
            read: row.position,
            behind: None,
            state: row.state,
            pace: Pace::of(row.failing_since),
            in_flight: JoinSet::new(),
            goes_well: false,
            put: BTreeMap::new(),
            gone: BTreeSet::new(),
            said,
        };
        let newest = service.newest_position(&runner.tenant).await?;
        if row.position > newest {
            runner.begin_anew(newest, &rows).await?;
            return Ok(Some(runner));
        }
        for some in rows.chunks(PAGE) {
            runner.wait_again(some).await?;
        }
        Ok(Some(runner))
    }

    /// The journal ends before the place to which all was accepted: the store was put back, and that place
    /// was not. Which events were never told nobody knows: all are told again that were committed since the
    /// endpoint was made, under the ids of their places.
    async fn begin_anew(&mut self, newest: i64, rows: &[DeliveryRow]) -> Result<(), NotDelivered> {
        let store = self.webhooks.service.store();
        // Whoever made it may have had another clock than whoever committed.
        let made = self.endpoint.created.plus(-SECOND);
        let (mut low, mut high) = (0, newest);
        while low < high {
            let middle = low + (high - low) / 2;
            match store.committed_after(self.tenant.id, middle).await? {
                Some(time) if time < made => low = middle + 1,
                _ => high = middle,
            }
        }
        self.read = low;
        self.gone.extend(rows.iter().map(|row| row.position));
        tracing::warn!(
            endpoint = self.name(),
            "the journal ends before what was accepted: all since the endpoint was made is told again"
        );
        Ok(())
    }

    /// Puts what has a row where it was; what is gone from the journal, and what the endpoint does not ask
    /// for any more, needs none.
    async fn wait_again(&mut self, rows: &[DeliveryRow]) -> Result<(), Error> {
        let is_waiting = |row: &&DeliveryRow| row.state == DeliveryState::Waiting;
        let given_up = rows.iter().filter(|row| !is_waiting(row));
        self.given_up.extend(given_up.map(|row| row.position));
        let waiting: Vec<&DeliveryRow> = rows.iter().filter(is_waiting).collect();
        let positions = waiting.iter().map(|row| row.position).collect();
        let service = &self.webhooks.service;
        let found = service.happened_at(&self.tenant, positions, &self.interests).await?;
        let found: HashMap<i64, _> = found.iter().map(|event| (event.position, event)).collect();
        for row in waiting {
            // Of other types than these, since somebody has changed them: it keeps nobody waiting either.
            let Some(event) = found.get(&row.position).filter(|event| self.is_told(event)) else {
                self.gone.insert(row.position);
                continue;
            };
            self.inherited |= row.failed > Time(0);
            let waiting = Waiting {
                attempts: u32::try_from(row.attempts).unwrap_or_default(),
                due: row.due,
                failed: row.failed,
                outcome: row.outcome,
                asked: asked(row, &self.webhooks.terms.schedule),
                stored: true,
                ..Waiting::new(lane(event), event.received)
            };
            self.lanes.add(row.position, waiting);
        }
        Ok(())
    }

    /// Says how far it has come, if there is something to say; `false` when the endpoint is not held
    /// any more. At the `end` it is let go as well.
    pub(super) async fn say(&mut self, end: bool) -> Result<bool, Error> {
        let now = self.now();
        let place = (self.tenant.id, self.endpoint.endpoint);
        self.webhooks.note_oldest(place, self.lanes.oldest().or(self.behind));
        let position = self.lanes.settled(self.read);
        let since = self.said.at.elapsed();
        let rows = !self.put.is_empty() || !self.gone.is_empty() || self.state != self.said.state;
        let moved =
            position != self.said.position || self.pace.failing_since() != self.said.failing_since;
        let renew = self.hold.until.since(now) < self.webhooks.held_for() * 3 / 4;
        let due = (rows && since >= ROWS_SAID_EVERY) || (moved && since >= PLACE_SAID_EVERY);
        if !(end || due || renew) {
            return Ok(true);
        }
        for held_up in self.lanes.held_up() {
            if let Some(waiting) = self.lanes.get_mut(held_up) {
                waiting.stored = true;
                self.put.insert(held_up, waiting.row(held_up, DeliveryState::Waiting));
            }
        }
        let position = self.lanes.settled(self.read);
        let until = if end { Time(0) } else { now.plus(self.webhooks.held_for()) };
        let progress = Progress {
            hold: Hold { until, ..self.hold },
            position,
            failing_since: self.pace.failing_since(),
            state: self.state,
            changed: self.endpoint.changed,
            put: take(&mut self.put).into_values().collect(),
            gone: take(&mut self.gone).into_iter().collect(),
        };
        let (store, endpoint) = (self.webhooks.service.store(), self.endpoint.endpoint);
        // What does not get there is lost with this runner, and found again by the next.
        let held = store.note_webhook(self.tenant.id, endpoint, progress).await?;
        self.hold.until = until;
        self.goes_well |= position > self.said.position;
        let (failing_since, state) = (self.pace.failing_since(), self.state);
        self.said = Said { at: Instant::now(), position, failing_since, state };
        self.given_up.retain(|given_up| *given_up > position);
        Ok(held)
    }
}

/// Until when a receiver may have asked to be left alone with it: that is no row's, but part of when it
/// is due. Whoever did not answer has asked for nothing, nor has whoever is left alone for as long as the
/// schedule says by itself.
fn asked(row: &DeliveryRow, schedule: &Schedule) -> Time {
    let attempts = u32::try_from(row.attempts).unwrap_or_default();
    let is_its_own = schedule.gives(attempts, row.due.since(row.failed));
    match row.outcome >= LOWEST_STATUS && !is_its_own {
        true => row.due.min(row.failed.plus(LONGEST_RETRY_AFTER)),
        false => Time(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{DAY, MINUTE};
    use crate::events::webhooks::sender::NoAnswer;

    const FAILED: Time = Time(1_000_000);

    fn failed(outcome: i64, attempts: i64, due: i64) -> DeliveryRow {
        DeliveryRow {
            position: 7,
            state: DeliveryState::Waiting,
            attempts,
            due: FAILED.plus(due),
            failed: FAILED,
            outcome,
        }
    }

    /// What is known after a restart of one that failed once and is due so much later.
    fn known(outcome: i64, due: i64) -> Time {
        asked(&failed(outcome, 1, due), &Schedule::of(vec![60]))
    }

    #[test]
    fn whoever_answered_may_have_asked_for_time() {
        for status in [429, 503, 500, 404] {
            assert_eq!(known(status, 2 * MINUTE), FAILED.plus(2 * MINUTE), "{status}");
            let longest = FAILED.plus(LONGEST_RETRY_AFTER);
            assert_eq!(known(status, DAY), longest, "{status}: that is its own time");
            for jittered in [48 * SECOND, MINUTE, 72 * SECOND] {
                assert_eq!(known(status, jittered), Time(0), "{status}: the schedule says so");
            }
            let hastened = asked(&failed(status, 0, MINUTE), &Schedule::of(vec![60]));
            assert_eq!(hastened, FAILED.plus(MINUTE), "{status}: only what was asked delays it");
        }
        let silent = known(NoAnswer::NotConnected as i64, 2 * MINUTE);
        assert_eq!(silent, Time(0), "nobody was there to ask");
    }
}

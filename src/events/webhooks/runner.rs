//! Delivers to one endpoint while this instance holds it: reads the journal on, tries what is ready,
//! and says how far it has come.
//!
//! An attempt begins only while the endpoint is held for longer than an attempt can take, so that
//! nobody else tries the same event meanwhile. What was accepted and not yet said to be is sent again by
//! whoever takes over, under the same id.

mod pace;
mod progress;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::pace::Pace;
use super::lanes::{Lane, Lanes, Waiting};
use super::payload::{body, event_type};
use super::schedule::heeded;
use super::sender::{Attempt, NoAnswer};
use super::{Place, Webhooks};
use crate::clock::{DAY, SECOND, Time};
use crate::continuity::Error;
use crate::continuity::following::{Event, Filter, Interest, Since};
use crate::continuity::tenant::Tenant;
use crate::continuity::webhooks::{Endpoint, MOST_WAITING, event_id};
use crate::ids::CustomerId;
use crate::store::webhooks::{DeliveryRow, DeliveryState, EndpointState, Hold};

/// Attempts at one endpoint at once, as long as it can take them.
const IN_FLIGHT: usize = 8;
/// Events that are read at once: room for so many must be free before any are.
const PAGE: usize = 128;
/// Between two looks for what other instances have committed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two looks, when commits come without end.
const GATHERED_FOR: Duration = Duration::from_millis(5);
/// What waited for longer is read again before it is sent: it may be gone, or somebody else's.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// An endpoint that has accepted nothing for so long is switched off, in milliseconds.
const SWITCHED_OFF_AFTER: i64 = 5 * DAY;

/// Delivers to one endpoint.
pub(super) struct Runner {
    webhooks: Arc<Webhooks>,
    tenant: Arc<Tenant>,
    endpoint: Arc<Endpoint>,
    interests: Arc<[Interest]>,
    hold: Hold,
    lanes: Lanes,
    /// What is to be sent of those that were read a moment ago.
    bodies: HashMap<i64, (Instant, Vec<u8>)>,
    /// Given up, and read again after a take-over.
    given_up: HashSet<i64>,
    /// The journal was read up to here.
    read: i64,
    /// When the first of what comes after that was committed, where that is what waits longest.
    behind: Option<Time>,
    state: EndpointState,
    pace: Pace,
    /// With the place of their events, and since when.
    in_flight: JoinSet<(i64, Time, Attempt)>,
    /// Not said yet.
    put: BTreeMap<i64, DeliveryRow>,
    gone: BTreeSet<i64>,
    /// Whether it has come further than where a runner before it may have failed.
    goes_well: bool,
    /// As it was said last.
    said: progress::Said,
}

/// Why nothing is delivered.
#[derive(Debug)]
pub(super) enum NotDelivered {
    /// The endpoint itself does not open.
    Damaged,
    /// The store was put back to before the place that was read to.
    PutBack,
    /// The store's, or something of the journal.
    Service(Error),
}

impl From<Error> for NotDelivered {
    fn from(error: Error) -> Self {
        Self::Service(error)
    }
}

impl From<crate::store::Error> for NotDelivered {
    fn from(error: crate::store::Error) -> Self {
        Self::Service(error.into())
    }
}

impl Runner {
    /// Delivers until `leave` says so, the endpoint is switched off, or it is not held any more.
    ///
    /// # Errors
    /// An endpoint that does not open; the store's. Whoever holds the endpoint next goes on.
    pub async fn run(
        webhooks: Arc<Webhooks>,
        place: Place,
        mut leave: watch::Receiver<bool>,
    ) -> Result<(), NotDelivered> {
        let tenant = webhooks.service.tenant(place.0).await?;
        let Some(mut runner) = Self::take(webhooks, tenant, place.1).await? else { return Ok(()) };
        let store = Arc::clone(runner.webhooks.service.store());
        let bell = store.listen(place.0);
        let mut look = Instant::now();
        loop {
            let leaving = *leave.borrow_and_update() || runner.state != EndpointState::On;
            if leaving && runner.in_flight.is_empty() {
                break;
            }
            if !leaving && let Err(why) = runner.go_on(&mut look).await {
                // Of what has not happened nothing is said.
                if !matches!(why, NotDelivered::PutBack) {
                    runner.wind_up().await;
                }
                return Err(why);
            }
            if !runner.say(false).await? {
                return Ok(());
            }
            if std::mem::take(&mut runner.goes_well) {
                runner.webhooks.failing.goes_well(place);
            }
            let next = look.min(Instant::now() + runner.pause());
            tokio::select! {
                Some(ended) = runner.in_flight.join_next() => match ended {
                    Ok((position, begun, attempt)) => runner.ended(position, begun, attempt),
                    // Whoever takes over tries it again.
                    Err(_) => return Ok(()),
                },
                () = bell.rung(), if !leaving => look = Instant::now() + GATHERED_FOR,
                () = tokio::time::sleep_until(next) => {}
                // Whoever may have said so is gone: that is a word, too.
                _ = leave.changed(), if !leaving => {}
            }
        }
        runner.say(true).await?;
        Ok(())
    }

    /// Reads on, if it is time, and tries what is ready.
    async fn go_on(&mut self, look: &mut Instant) -> Result<(), NotDelivered> {
        if Instant::now() >= *look {
            *look = self.read_on().await?;
        }
        self.begin_attempts().await.map_err(NotDelivered::from)
    }

    /// Waits for what is being tried, and says what became of it: whoever goes on does not send it again.
    async fn wind_up(&mut self) {
        while let Some(Ok((position, begun, attempt))) = self.in_flight.join_next().await {
            self.ended(position, begun, attempt);
        }
        // It may be the store that has failed.
        let _ = self.say(true).await;
    }

    /// Reads on in the journal, if there is room; when to look again.
    async fn read_on(&mut self) -> Result<Instant, NotDelivered> {
        let begun = Instant::now();
        if self.lanes.len() + PAGE > MOST_WAITING as usize {
            return Ok(begun + LOOK_EVERY);
        }
        let service = &self.webhooks.service;
        let page = match service.follow(&self.tenant, self.read, &self.interests).await? {
            Since::Page(page) => page,
            Since::Nothing => {
                (self.goes_well, self.behind) = (true, None);
                return Ok(begun + LOOK_EVERY);
            }
            Since::PutBack => return Err(NotDelivered::PutBack),
        };
        if !page.events.is_empty() {
            self.name_again().await?;
        }
        for event in &page.events {
            self.forget(event.erased());
            self.lanes.moved(lane(event));
            if self.is_told(event) && !self.given_up.contains(&event.position) {
                self.lanes.add(event.position, Waiting::new(lane(event), event.received));
                self.bodies.insert(event.position, (begun, body(event)));
            }
        }
        self.read = page.position;
        self.goes_well |= !page.more;
        let store = self.webhooks.service.store();
        self.behind = match page.more && self.lanes.oldest().is_none() {
            true => store.committed_after(self.tenant.id, self.read).await?,
            false => None,
        };
        Ok(if page.more { begun } else { begun + LOOK_EVERY })
    }

    /// Whether the endpoint asks for what has happened there.
    fn is_told(&self, event: &Event) -> bool {
        self.endpoint.is_told(event_type(event.happened))
    }

    /// What waits of somebody who was erased is not told any more, and delays nothing: that they were is.
    fn forget(&mut self, erased: &[CustomerId]) {
        for position in self.lanes.of(erased) {
            match self.lanes.get_mut(position) {
                Some(waiting) if waiting.in_flight => waiting.gone = true,
                _ => self.done(position),
            }
        }
    }

    /// Tries what is ready, as far as it may.
    async fn begin_attempts(&mut self) -> Result<(), Error> {
        let now = self.now();
        self.bodies.retain(|_, (read, _)| read.elapsed() < FRESH_FOR);
        let held = self.hold.until.since(now) > self.webhooks.longest_attempt() + SECOND;
        let free = self.pace.at_once(now).saturating_sub(self.in_flight.len());
        if !held || free == 0 {
            return Ok(());
        }
        let ready = self.lanes.ready(now, free);
        let stale = ready.into_iter().filter(|it| !self.bodies.contains_key(it)).collect();
        self.read_again(stale).await?;
        // Whose they are may be another's by now.
        for position in self.lanes.ready(now, free) {
            let Some((_, body)) = self.bodies.get(&position) else { continue };
            let Some(place) = self.webhooks.attempt() else { break };
            let (body, id) = (body.clone(), event_id(&self.tenant, position));
            let sender = self.webhooks.sender();
            let endpoint = Arc::clone(&self.endpoint);
            if let Some(waiting) = self.lanes.get_mut(position) {
                waiting.in_flight = true;
            }
            self.in_flight.spawn(async move {
                let attempt = match sender {
                    Some(sender) => sender.send(&endpoint, &id, body, now).await,
                    None => Attempt::Failed(NoAnswer::NotConnected as i64, None),
                };
                drop(place);
                (position, now, attempt)
            });
        }
        Ok(())
    }

    /// Reads events again that were read too long ago. What is gone by now is not sent any more, nor what
    /// has become something that the endpoint does not ask for: an erasure makes a redaction of an end.
    async fn read_again(&mut self, positions: Vec<i64>) -> Result<(), Error> {
        if positions.is_empty() {
            return Ok(());
        }
        let (begun, service) = (Instant::now(), &self.webhooks.service);
        let found = service.happened_at(&self.tenant, positions.clone(), &self.interests).await?;
        for event in &found {
            if let Some(waiting) = self.lanes.get_mut(event.position) {
                waiting.lane = lane(event);
            }
            if self.is_told(event) {
                self.bodies.insert(event.position, (begun, body(event)));
            }
        }
        for position in positions {
            if !self.bodies.contains_key(&position) {
                self.done(position);
            }
        }
        Ok(())
    }

    /// What the sets are called by now of all whose events wait: people become one, and two again, by
    /// merges, by signing in, by what they prove, and the order of each holds across that, too.
    async fn name_again(&mut self) -> Result<(), Error> {
        let waiting = self.lanes.customers();
        for some in waiting.chunks(PAGE) {
            let service = &self.webhooks.service;
            let names = service.set_names(&self.tenant, some.to_vec()).await?;
            self.lanes.named(&names);
        }
        Ok(())
    }

    /// An attempt has ended.
    fn ended(&mut self, position: i64, begun: Time, attempt: Attempt) {
        let now = self.now();
        let Some(waiting) = self.lanes.get_mut(position) else { return };
        waiting.in_flight = false;
        let (outcome, asked) = match attempt {
            Attempt::Accepted(_) => return self.accepted(position, now),
            Attempt::Failed(outcome, asked) => (outcome, asked),
            Attempt::Gone => {
                self.state = EndpointState::Gone;
                (GONE, None)
            }
        };
        let random = self.webhooks.random();
        if waiting.gone {
            self.done(position);
            return self.failed(begun, now, random);
        }
        waiting.attempts += 1;
        waiting.keeps_time_for = waiting.keeps_time_for.saturating_sub(1);
        (waiting.failed, waiting.outcome) = (now, outcome);
        waiting.asked = now.plus(heeded(asked));
        match self.webhooks.terms.schedule.again(waiting.attempts, random, asked) {
            Some(delay) => {
                (waiting.due, waiting.stored) = (now.plus(delay), true);
                let row = waiting.row(position, DeliveryState::Waiting);
                self.put.insert(position, row);
            }
            None => {
                let row = waiting.row(position, DeliveryState::GivenUp);
                self.lanes.remove(position);
                self.put.insert(position, row);
                let (endpoint, id) = (self.name(), event_id(&self.tenant, position));
                tracing::warn!(endpoint, id, outcome, "a web-hook was given up");
            }
        }
        self.failed(begun, now, random);
        if TOO_MUCH.contains(&outcome) {
            self.pace.slow_down(now.plus(heeded(asked)));
        }
    }

    fn accepted(&mut self, position: i64, now: Time) {
        self.done(position);
        if let Some(since) = self.pace.accepted() {
            tracing::info!(endpoint = self.name(), "web-hooks are accepted again");
            self.lanes.hasten(since, now);
        }
    }

    fn failed(&mut self, begun: Time, now: Time, random: u64) {
        if self.pace.failed(begun, now, random) {
            tracing::warn!(endpoint = self.name(), "web-hooks are not accepted");
        }
        let failing = now.since(self.pace.failing_since());
        if self.state == EndpointState::On && failing > SWITCHED_OFF_AFTER {
            self.state = EndpointState::Failed;
        }
        if self.state != EndpointState::On {
            tracing::error!(endpoint = self.name(), state = ?self.state, "web-hooks are switched off");
        }
    }

    /// An event needs nothing any more.
    fn done(&mut self, position: i64) {
        self.bodies.remove(&position);
        if self.lanes.remove(position).is_some_and(|waiting| waiting.stored) {
            self.put.remove(&position);
            self.gone.insert(position);
        }
    }

    /// Until something may be due by itself.
    fn pause(&self) -> Duration {
        let now = self.now();
        let next = [self.lanes.next_due(now), self.pace.next(now)];
        let next = next.into_iter().flatten().min().map_or(i64::MAX, |next| next.since(now));
        Duration::from_millis(next.max(1) as u64).min(LOOK_EVERY)
    }

    fn now(&self) -> Time {
        self.webhooks.service.store().now()
    }

    fn name(&self) -> String {
        self.endpoint.name(self.tenant.id)
    }
}

/// The status of an endpoint that is gone.
const GONE: i64 = 410;
/// Those of one that is asked too often, or has too much to do.
const TOO_MUCH: [i64; 2] = [429, 503];

fn lane(event: &Event) -> Lane {
    Lane { interaction: event.token(), customer: event.customer(), own: event.own_customer() }
}

/// Everything that happens, without anybody's context.
fn interests() -> Arc<[Interest]> {
    let filter = Arc::new(Filter { changes: true, erasures: true, ..Filter::default() });
    Arc::new([Interest { filter, context: false }])
}

//! Delivers to one endpoint while this instance holds it: reads the journal on, tries what is ready,
//! and says how far it has come.
//!
//! An attempt begins only while the endpoint is held for longer than an attempt can take, so that
//! nobody else tries the same event meanwhile. What was accepted and not yet said to be is sent again by
//! whoever takes over, under the same id.

mod looks;
mod outcomes;
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
use super::sender::{Attempt, NoAnswer};
use super::{Place, Webhooks};
use crate::clock::{DAY, SECOND, Time};
use crate::continuity::Error;
use crate::continuity::following::{Event, Filter, Interest, Since};
use crate::continuity::tenant::Tenant;
use crate::continuity::webhooks::{Endpoint, MOST_WAITING, event_id};
use crate::ids::CustomerId;
use crate::store::webhooks::{DeliveryRow, EndpointState, Hold};

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
    /// When it was last asked what the sets of all who wait are called.
    named: Instant,
    /// Given up, and read again after a take-over.
    given_up: HashSet<i64>,
    /// Whether something waits that had failed before this instance took over, and nothing was accepted
    /// since: whether the endpoint was down then nobody knows any more.
    inherited: bool,
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
            let pause = Instant::now() + runner.pause();
            // Whoever leaves looks no more.
            let next = if leaving { pause } else { look.min(pause) };
            tokio::select! {
                Some(ended) = runner.in_flight.join_next() => match ended {
                    Ok((position, begun, attempt)) => runner.ended(position, begun, attempt),
                    // Whoever takes over tries it again.
                    Err(_) => return Ok(()),
                },
                () = bell.rung(), if !leaving => look = looks::rung(look, Instant::now()),
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
        if page.events.iter().any(|event| !event.erased().is_empty()) {
            // Whoever is erased takes along what is theirs by now, and nobody else's.
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
        if !page.events.is_empty() {
            // After the page, whose names may be older than those that are read now.
            self.name_again().await?;
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
        let free = self.pace.at_once(now).saturating_sub(self.in_flight.len());
        if !self.is_held_at(now) || free == 0 {
            return Ok(());
        }
        let ready = self.lanes.ready(now, free);
        let stale = ready.into_iter().filter(|it| !self.bodies.contains_key(it)).collect();
        self.read_again(stale).await?;
        // The store may have taken its time for that.
        let now = self.now();
        if !self.is_held_at(now) {
            return Ok(());
        }
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

    /// Whether the endpoint is held for longer than an attempt can take that begins now.
    fn is_held_at(&self, now: Time) -> bool {
        self.hold.until.since(now) > self.webhooks.longest_attempt() + SECOND
    }

    /// Reads events again that were read too long ago. What is gone by now is not sent any more, nor what
    /// has become something that the endpoint does not ask for: an erasure makes a redaction of an end.
    async fn read_again(&mut self, positions: Vec<i64>) -> Result<(), Error> {
        if positions.is_empty() {
            return Ok(());
        }
        let (begun, service) = (Instant::now(), &self.webhooks.service);
        let found = service.happened_at(&self.tenant, positions.clone(), &self.interests).await?;
        let mut changed = false;
        for event in &found {
            let new = lane(event);
            if let Some(waiting) = self.lanes.get_mut(event.position) {
                changed |= waiting.lane != new;
                waiting.lane = new;
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
        // A long backlog is read again a few at a time: not everybody is looked up for each of them.
        if changed || self.named.elapsed() >= FRESH_FOR {
            self.name_again().await?;
        }
        Ok(())
    }

    /// What the sets are called by now of all whose events wait: people become one, and two again, by
    /// merges, by signing in, by what they prove, and the order of each holds across that, too.
    async fn name_again(&mut self) -> Result<(), Error> {
        self.named = Instant::now();
        let waiting = self.lanes.customers();
        for some in waiting.chunks(PAGE) {
            let service = &self.webhooks.service;
            let names = service.set_names(&self.tenant, some.to_vec()).await?;
            self.lanes.named(&names);
        }
        Ok(())
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

fn lane(event: &Event) -> Lane {
    Lane { interaction: event.token(), customer: event.customer(), own: event.own_customer() }
}

/// Everything that happens, without anybody's context.
fn interests() -> Arc<[Interest]> {
    let filter = Arc::new(Filter { changes: true, erasures: true, ..Filter::default() });
    Arc::new([Interest { filter, context: false }])
}

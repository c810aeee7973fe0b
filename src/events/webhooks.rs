//! Web-hooks: what happens, told to addresses that a tenant has named.
//!
//! Any instance may deliver. Each looks every second which endpoints nobody holds, holds them, and then
//! reads the journal on for each by itself (`runner`): so a slow endpoint keeps nobody waiting. An
//! instance that is killed holds nothing any more when its time is over, and another goes on.

mod failing;
mod lanes;
mod payload;
mod runner;
pub mod schedule;
pub mod sender;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::clock::{SECOND, Time};
use crate::continuity::Service;
use crate::continuity::webhooks::{Networks, Refused};
use crate::ids::TenantId;
use crate::meters::Gauge;
use crate::store::rows::Verb;
use crate::store::webhooks::Wanted;
use failing::Failing;
use runner::{NotDelivered, Runner};
use schedule::Schedule;
use sender::{Attempt, NoAnswer, Sender};

pub use payload::TEST_TYPE;

/// Between two looks for endpoints that nobody holds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Endpoints that one instance holds at once.
const MOST_HELD: usize = 1_000;
/// Attempts of one instance at once, at all endpoints.
const ATTEMPTS: usize = 256;
/// What an endpoint is held for beside two attempts, in milliseconds.
const HELD_BESIDE: i64 = 5 * SECOND;

/// Whose endpoint, and which.
type Place = (TenantId, i64);

/// How web-hooks are sent.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Where they may go beside the public internet.
    pub networks: Networks,
    /// How long an attempt may take.
    pub within: Duration,
    /// When they are tried again.
    pub schedule: Schedule,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            networks: Networks::default(),
            within: Duration::from_secs(15),
            schedule: Schedule::default(),
        }
    }
}

/// All web-hooks of this instance.
pub struct Webhooks {
    service: Arc<Service>,
    terms: Terms,
    /// What it is called where it holds an endpoint.
    instance: i64,
    sender: OnceLock<Arc<Sender>>,
    attempts: Arc<Semaphore>,
    /// When the oldest event was committed that waits for an endpoint held here, or that this instance
    /// fails to deliver to.
    oldest: Mutex<HashMap<Place, Time>>,
    failing: Failing,
    stopping: watch::Sender<bool>,
    lag: Gauge,
    left: Gauge,
}

/// Somebody who delivers to one endpoint.
struct Running {
    changed: i64,
    leave: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever could not wait for it leaves what was on its way to the next holder.
        self.task.abort();
    }
}

impl Webhooks {
    /// Those of this service; nothing is sent before [`Self::run`].
    pub fn new(service: Arc<Service>, terms: Terms, instance: i64) -> Arc<Self> {
        let lag = service.meters().gauge(
            "threadline_webhook_lag_seconds",
            "Age of the oldest event that a web-hook of this instance still waits for.",
        );
        let left = service.meters().gauge(
            "threadline_webhook_endpoints_left",
            "Endpoints that nobody delivers to, since this instance holds as many as it may.",
        );
        Arc::new(Self {
            service,
            terms,
            instance,
            sender: OnceLock::new(),
            attempts: Arc::new(Semaphore::new(ATTEMPTS)),
            oldest: Mutex::default(),
            failing: Failing::default(),
            stopping: watch::Sender::new(false),
            lag,
            left,
        })
    }

    /// How long the oldest event has waited that an endpoint held by this instance has not accepted
    /// yet, or has not come to in the journal; zero when none waits. Over all instances the longest
    /// counts: each endpoint is held by one.
    pub fn lag(&self) -> Duration {
        let now = self.service.store().now();
        let oldest = self.lock().values().min().copied();
        let waited = oldest.map_or(0, |oldest| now.since(oldest).max(0));
        Duration::from_millis(waited as u64)
    }

    /// Says how far behind it is, for whoever reads the metrics now.
    pub fn take_stock(&self) {
        self.lag.set(i64::try_from(self.lag().as_secs()).unwrap_or(i64::MAX));
    }

    /// Delivers until it is stopped, and then until every attempt has ended.
    pub async fn run(self: Arc<Self>) {
        let mut stopping = self.stopping.subscribe();
        let mut running: HashMap<Place, Running> = HashMap::new();
        while !*stopping.borrow_and_update() {
            match self.service.store().wanted_webhooks().await {
                Ok(wanted) => self.look(&wanted, &mut running),
                Err(error) => tracing::debug!(%error, "endpoints were not looked at"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stopping.changed() => {}
            }
        }
        for one in running.values() {
            one.leave.send_replace(true);
        }
        for one in running.values_mut() {
            // One that has failed has nothing left to do.
            let _ = (&mut one.task).await;
        }
    }

    /// Stops: what is being tried is waited for by [`Self::run`], nothing new is begun.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Lets go of what has changed, and takes what nobody holds.
    fn look(self: &Arc<Self>, wanted: &[Wanted], running: &mut HashMap<Place, Running>) {
        let now = self.service.store().now();
        let known: HashMap<Place, &Wanted> =
            wanted.iter().map(|one| ((one.tenant, one.endpoint), one)).collect();
        running.retain(|place, one| {
            let over = one.task.is_finished();
            if known.get(place).is_none_or(|known| known.changed != one.changed) {
                one.leave.send_replace(true);
            }
            !over
        });
        self.failing.keep(|place| known.contains_key(place));
        let mut left = 0;
        for one in wanted {
            let place = (one.tenant, one.endpoint);
            let rests = !self.failing.may_try(place, one.changed, now);
            if !self.is_free(one, now) || rests || running.contains_key(&place) {
                continue;
            }
            if running.len() >= MOST_HELD {
                left += 1;
                continue;
            }
            let (leave, leaves) = watch::channel(false);
            let task = tokio::spawn(Arc::clone(self).deliver(place, one.changed, leaves));
            running.insert(place, Running { changed: one.changed, leave, task });
        }
        self.leave(left);
        // What this instance fails to deliver waits on, until it goes well or another instance tries.
        self.lock().retain(|place, _| {
            let may = |one: &&Wanted| self.is_free(one, now);
            running.contains_key(place) || known.get(place).is_some_and(may)
        });
    }

    /// Whether no other instance holds an endpoint.
    fn is_free(&self, one: &Wanted, now: Time) -> bool {
        one.holder == self.instance || one.held_until < now
    }

    /// Takes note of how many endpoints it may not hold as well, and says so when that begins.
    fn leave(&self, left: i64) {
        if left > 0 && self.left.get() == 0 {
            tracing::warn!(
                left,
                most = MOST_HELD,
                "more endpoints than one instance may hold: the rest waits for another instance"
            );
        }
        self.left.set(left);
    }

    /// Delivers to one endpoint for as long as that goes well.
    async fn deliver(self: Arc<Self>, place: Place, changed: i64, leaves: watch::Receiver<bool>) {
        let Err(why) = Runner::run(Arc::clone(&self), place, leaves).await else { return };
        self.failing.failed(place, changed, self.service.store().now(), self.random());
        self.note_waiting(place).await;
        let endpoint = crate::continuity::webhooks::name(place.0, place.1);
        match why {
            NotDelivered::Damaged => tracing::error!(
                endpoint,
                "an endpoint does not open, nothing is sent to it: remove it and make it anew"
            ),
            NotDelivered::PutBack => tracing::warn!(
                endpoint,
                "the store was put back: web-hooks go on from where they had come by then"
            ),
            NotDelivered::Service(error) => {
                tracing::warn!(%error, endpoint, "web-hooks wait, and are tried again");
            }
        }
    }

    /// How long an attempt may take, in milliseconds.
    fn longest_attempt(&self) -> i64 {
        self.terms.within.as_millis() as i64
    }

    /// For how long an endpoint is held at once, in milliseconds: no instance that has lost it is still
    /// trying when another begins.
    fn held_for(&self) -> i64 {
        2 * self.longest_attempt() + HELD_BESIDE
    }

    /// A place for an attempt, if one is free.
    fn attempt(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.attempts).try_acquire_owned().ok()
    }

    /// What sends, made when it is first needed; nothing where TLS cannot be set up.
    fn sender(&self) -> Option<Arc<Sender>> {
        if let Some(sender) = self.sender.get() {
            return Some(Arc::clone(sender));
        }
        let made = made(&self.terms)?;
        Some(Arc::clone(self.sender.get_or_init(|| made)))
    }

    fn random(&self) -> u64 {
        self.service.entropy().positive() as u64
    }

    /// An endpoint was not delivered to: what waits for it counts from the first that it has not come to,
    /// unless something is known that has waited for longer.
    async fn note_waiting(&self, place: Place) {
        let store = self.service.store();
        // Where the store does not answer, it stays as it was.
        let Ok(Some(row)) = store.webhook_endpoint(place.0, place.1).await else { return };
        let Ok(Some(first)) = store.committed_after(place.0, row.position).await else { return };
        let mut oldest = self.lock();
        let known = oldest.entry(place).or_insert(first);
        *known = first.min(*known);
    }

    fn note_oldest(&self, place: Place, oldest: Option<Time>) {
        match oldest {
            Some(oldest) => drop(self.lock().insert(place, oldest)),
            None => drop(self.lock().remove(&place)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Time>> {
        // Only whole entries are put behind this lock: a poisoned one is still whole.
        self.oldest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn made(terms: &Terms) -> Option<Arc<Sender>> {
    match Sender::new(terms.networks.clone(), terms.within) {
        Ok(sender) => Some(Arc::new(sender)),
        Err(error) => {
            tracing::error!(%error, "web-hooks are not sent: no client for TLS could be made");
            None
        }
    }
}

/// Tries an endpoint out, whether it is switched on or not: one event of the type
/// [`TEST_TYPE`], sent once. What became of it.
///
/// # Errors
/// [`Refused::Unknown`]; the store's.
pub async fn try_out(
    service: &Arc<Service>,
    name: &str,
    terms: &Terms,
) -> Result<Attempt, Refused> {
    let (tenant, endpoint) = service.webhook(name).await?;
    service.store().note(tenant.id, name, Verb::TestWebhook).await?;
    let Some(sender) = made(terms) else {
        return Ok(Attempt::Failed(NoAnswer::NotConnected as i64, None));
    };
    let id = format!("msg_test_{:016x}", service.entropy().positive());
    let now = service.store().now();
    Ok(sender.send(&endpoint, &id, payload::test_body(now), now).await)
}

//! The keys that were seen lately.
//!
//! A key that was read is trusted for a second and no longer, so that revoking takes effect within
//! that: after half of it somebody looks again while the others go on, and when it is over all wait
//! for that look. While the store does not answer, nothing is done for a key that was not seen within
//! the second; who has a key that was seen lately is told to come again, and not that it is none. A look
//! outlives whoever gives it up: what it sees is there for the next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, watch};

use super::Error;
use super::allowance::{Allowance, Quota};
use super::caller::{Caller, Role};
use super::service::Service;
use super::tenant::Tenant;
use crate::clock::Time;
use crate::crypto::ApiKey;
use crate::crypto::api_key::ID_LENGTH;
use crate::identity::Assurance;
use crate::ids::TenantId;
use crate::store::schedule::Point;
use crate::store::{self, api_keys::ApiKeyRow};

/// How long a key is trusted without looking again.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// When it is looked at again, so that nobody has to wait for that.
const LOOKED_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// For how long it is remembered that there was such a key, while looking again fails.
const KNOWN_IN_NEED: Duration = Duration::from_secs(300);
/// Looking again may take so long; who has no budget waits for it.
const LOOK_WITHIN: Duration = TRUSTED_FOR;
/// Who has no budget waits so long for a look at a key that was not seen lately: there is nothing else to
/// go by. Nor does such a look go on for longer.
pub(super) const UNHURRIED: Duration = Duration::from_secs(10);
/// Keys remembered at most; unknown ones have a place of their own, so that guesses evict nobody.
const MOST_KEYS: usize = 10_000;
/// Keys that were not seen lately are looked at so many at once in tasks of their own; beyond, a look
/// ends with whoever waits for it: guesses that were given up must not hold up all others.
const MOST_LOOKS: usize = 64;

/// What a look that hangs comes to.
const UNANSWERED: Error = Error::Store(store::Error::Unavailable);

/// What finds a key: its tenant's number and its public part.
type Name = (i64, [u8; ID_LENGTH]);

/// The keys that were seen lately.
pub(super) struct Callers {
    known: Cache<Name, Arc<KnownKey>>,
    /// Keys that did not exist when they were looked for.
    unknown: Cache<Name, Instant>,
    /// Room for tasks that look at keys that were not seen lately.
    room: Arc<Semaphore>,
    /// Looks at keys that were not seen lately.
    looks: Mutex<HashMap<Name, Look>>,
    /// Quotas count from here.
    begun: Instant,
}

/// A key as it was read.
pub(super) struct KnownKey {
    /// Of the secret.
    pub hash: Vec<u8>,
    /// Who calls with it.
    pub caller: Caller,
    /// Store time; zero when never.
    pub expires: Time,
    /// What is left of its allowance; goes on when the key is looked at again.
    pub quota: Arc<Quota>,
    /// Store time of the first use that was not noted yet, zero when there is none; goes on, too.
    pub used: Arc<AtomicI64>,
    looked: Instant,
    looking: AtomicBool,
    next: watch::Sender<Next>,
}

/// A look at a key that was not seen lately; goes on while somebody is there to say what it saw.
struct Look {
    begun: Instant,
    seen: watch::Receiver<Option<Looked>>,
}

/// What such a look comes to. Why it failed is told to one of those who wait.
type Looked = Result<Option<Arc<KnownKey>>, Mutex<Option<Error>>>;

fn told(looked: &Looked) -> Result<Option<Arc<KnownKey>>, Error> {
    match looked {
        Ok(seen) => Ok(seen.clone()),
        Err(failed) => {
            let error = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
            Err(error.unwrap_or(UNANSWERED))
        }
    }
}

/// A key, as far as the store has answered.
pub(super) enum Seen {
    /// As it stands, at most a second ago.
    Now(Arc<KnownKey>),
    /// As it was when the store answered last.
    Before(Arc<KnownKey>),
}

/// What became of a known key when it was looked at again.
enum Next {
    /// Nobody knows yet.
    Open,
    /// The store did not answer: nobody waits for the next look.
    InNeed,
    /// It stands so, or not any more.
    Seen(Option<Arc<KnownKey>>),
}

impl Next {
    fn seen(&self) -> Option<Option<Arc<KnownKey>>> {
        match self {
            Self::Seen(seen) => Some(seen.clone()),
            Self::Open | Self::InNeed => None,
        }
    }
}

impl Callers {
    pub fn new() -> Self {
        let (known, unknown) = (Cache::new(MOST_KEYS), Cache::new(MOST_KEYS));
        let (looks, room) = (Mutex::default(), Arc::new(Semaphore::new(MOST_LOOKS)));
        Self { known, unknown, looks, room, begun: Instant::now() }
    }

    fn looks(&self) -> MutexGuard<'_, HashMap<Name, Look>> {
        // Whoever panicked while holding it left the map whole.
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A moment as quotas count it.
    pub fn nanoseconds(&self, at: Instant) -> u64 {
        // 584 years of serving.
        at.saturating_duration_since(self.begun).as_nanos() as u64
    }
}

impl Service {
    /// The key of that name as it stands, at most a second ago; `None` when there is none that may be
    /// used. Where it has to be looked at again and the store does not answer for so long as `patience`
    /// says, at most a second: as it was.
    ///
    /// # Errors
    /// The store's, when the key was not seen lately; "unavailable" where that takes longer than
    /// `patience`.
    pub(super) async fn known_key(
        self: &Arc<Self>,
        key: &ApiKey,
        at: Instant,
        patience: Duration,
    ) -> Result<Option<Seen>, Error> {
        let name = name(key);
        let age = |looked: Instant| at.saturating_duration_since(looked);
        let known = self.callers.known.get(&name);
        match known.filter(|known| age(known.looked) < KNOWN_IN_NEED) {
            Some(known) if age(known.looked) < LOOKED_AGAIN_AFTER => Ok(Some(Seen::Now(known))),
            Some(known) if age(known.looked) < TRUSTED_FOR => {
                self.begin_look(key, &known);
                Ok(Some(Seen::Now(known)))
            }
            Some(known) => Ok(self.look_again(key, known, patience).await),
            None if self.callers.unknown.get(&name).is_some_and(|it| age(it) < TRUSTED_FOR) => {
                Ok(None)
            }
            None => {
                // Boxed: it is rare, and would make every call carry room for it.
                let seen = Box::pin(self.first_look(key, at, patience)).await?;
                Ok(seen.map(Seen::Now))
            }
        }
    }

    /// Waits for a look at a key that was not seen lately.
    async fn first_look(
        self: &Arc<Self>,
        key: &ApiKey,
        at: Instant,
        patience: Duration,
    ) -> Result<Option<Arc<KnownKey>>, Error> {
        let schedule = self.store.schedule();
        let Some(mut seen) = self.begin_first_look(key, at) else {
            let looking = self.load_key(key.tenant, &key.id, name(key));
            return schedule.within(patience, looking).await.unwrap_or(Err(UNANSWERED));
        };
        let waiting = async {
            schedule.at(Point::KeyAwaited).await.map_err(Error::Store)?;
            let looked = seen.wait_for(Option::is_some).await.map_err(|_| UNANSWERED)?;
            looked.as_ref().map_or(Err(UNANSWERED), told)
        };
        schedule.within(patience, waiting).await.unwrap_or(Err(UNANSWERED))
    }

    /// Looks in a task of its own, unless somebody does who began less than a second ago: what they see
    /// may be trusted as well. `None` while too many do.
    fn begin_first_look(
        self: &Arc<Self>,
        key: &ApiKey,
        at: Instant,
    ) -> Option<watch::Receiver<Option<Looked>>> {
        let name = name(key);
        let (said, seen) = watch::channel(None);
        let mut looks = self.callers.looks();
        looks.retain(|_, look| look.seen.has_changed().is_ok());
        let fresh = |look: &&Look| at.saturating_duration_since(look.begun) < TRUSTED_FOR;
        if let Some(look) = looks.get(&name).filter(fresh) {
            return Some(look.seen.clone());
        }
        let room = Arc::clone(&self.callers.room).try_acquire_owned().ok()?;
        looks.insert(name, Look { begun: at, seen: seen.clone() });
        drop(looks);
        let (service, tenant, id) = (Arc::clone(self), key.tenant, key.id.clone());
        let schedule = self.store.schedule().clone();
        schedule.clone().beside(async move {
            let _room = room;
            let looking = service.load_key(tenant, &id, name);
            let looked = schedule.within(UNHURRIED, looking).await.unwrap_or(Err(UNANSWERED));
            said.send_replace(Some(looked.map_err(|error| Mutex::new(Some(error)))));
        });
        Some(seen)
    }

    /// Waits for a look.
    async fn look_again(
        self: &Arc<Self>,
        key: &ApiKey,
        known: Arc<KnownKey>,
        patience: Duration,
    ) -> Option<Seen> {
        let mut next = known.next.subscribe();
        self.begin_look(key, &known);
        let schedule = self.store.schedule();
        let waiting = async {
            schedule.at(Point::KeyAwaited).await.ok()?;
            next.wait_for(|next| !matches!(next, Next::Open)).await.ok()?.seen()
        };
        match schedule.within(patience.min(LOOK_WITHIN), waiting).await.flatten() {
            Some(seen) => seen.map(Seen::Now),
            None => Some(Seen::Before(Arc::clone(&known))),
        }
    }

    /// Looks in a task of its own, unless somebody does already.
    fn begin_look(self: &Arc<Self>, key: &ApiKey, known: &Arc<KnownKey>) {
        if known.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let (service, known) = (Arc::clone(self), Arc::clone(known));
        let (tenant, id, name) = (key.tenant, key.id.clone(), name(key));
        let schedule = self.store.schedule().clone();
        schedule.clone().beside(async move {
            // However it ends, somebody looks again: what hangs has not answered.
            let looking = service.load_key(tenant, &id, name);
            match schedule.within(LOOK_WITHIN, looking).await.unwrap_or(Err(UNANSWERED)) {
                Ok(seen) => {
                    known.next.send_replace(Next::Seen(seen));
                }
                Err(_) => {
                    // Somebody else looks while it is still trusted; later, nobody waits for it.
                    let age = schedule.moment().saturating_duration_since(known.looked);
                    if age >= TRUSTED_FOR {
                        known.is_in_need();
                    }
                    known.looking.store(false, Ordering::Release);
                }
            }
        });
    }

    async fn load_key(
        &self,
        tenant: TenantId,
        id: &str,
        name: Name,
    ) -> Result<Option<Arc<KnownKey>>, Error> {
        // What is read was true when the look began: trust counts from there.
        let looked = self.store.schedule().moment();
        let row = self.store.api_key(tenant, id).await?;
        self.store.schedule().at(Point::KeyRead).await?;
        let Some(row) = row.filter(|row| row.revoked.0 == 0) else {
            self.callers.known.remove(&name);
            self.callers.unknown.insert(name, looked);
            return Ok(None);
        };
        let tenant = self.tenant(row.tenant).await?;
        let known = Arc::new(match self.callers.known.peek(&name) {
            Some(before) => {
                // The settings may allow it more or less than before.
                let allowed = allowance(&row, &tenant);
                let quota = match before.quota.is_of(allowed) {
                    true => Arc::clone(&before.quota),
                    false => Arc::new(Quota::of(allowed)),
                };
                KnownKey::of(tenant, row, looked, quota, Arc::clone(&before.used))
            }
            None => {
                let quota = Arc::new(Quota::of(allowance(&row, &tenant)));
                KnownKey::of(tenant, row, looked, quota, Arc::default())
            }
        });
        self.callers.known.insert(name, Arc::clone(&known));
        Ok(Some(known))
    }
}

impl KnownKey {
    fn of(
        tenant: Arc<Tenant>,
        row: ApiKeyRow,
        looked: Instant,
        quota: Arc<Quota>,
        used: Arc<AtomicI64>,
    ) -> Self {
        Self {
            hash: row.hash.clone(),
            expires: row.expires,
            caller: caller(tenant, row),
            quota,
            used,
            looked,
            looking: AtomicBool::new(false),
            next: watch::Sender::new(Next::Open),
        }
    }

    fn is_in_need(&self) {
        self.next.send_if_modified(|next| {
            let open = matches!(next, Next::Open);
            if open {
                *next = Next::InNeed;
            }
            open
        });
    }
}

fn name(key: &ApiKey) -> Name {
    let mut id = [0; ID_LENGTH];
    id.iter_mut().zip(key.id.bytes()).for_each(|(place, letter)| *place = letter);
    (key.tenant.0, id)
}

fn allowance(row: &ApiKeyRow, tenant: &Tenant) -> Allowance {
    match (row.rate, row.burst) {
        (0, _) => tenant.policy.key_calls,
        (rate, 0) => Allowance::of(rate),
        (rate, burst) => Allowance { rate, burst },
    }
}

fn caller(tenant: Arc<Tenant>, row: ApiKeyRow) -> Caller {
    let roles = row.roles.split(',').filter_map(Role::parse);
    Caller {
        tenant,
        key_id: row.id.into(),
        roles: roles.fold(0, |sum, role| sum | role as u32),
        source: row.source.into(),
        may_address: row
            .may_address
            .split(',')
            .filter(|source| !source.is_empty())
            .map(str::to_owned)
            .collect(),
        max_assurance: Assurance::from_code(row.max_assurance),
    }
}

//! Look-ups of many decisions, asked together: what the writer does for commits, for what is read.
//!
//! Where few rows are wanted, the way to the database takes longer than they do. Whoever looks
//! something up while as many questions as may be are under way goes along with the next one, with
//! all who came meanwhile, in one statement. Nobody waits for company: who comes alone asks alone.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::AnyConnection;
use tokio::sync::oneshot;

use super::history::{self, History};
use super::operation::Boxed;
use super::people::{self, Person};
use super::read::{self, Owners, distinct};
use super::reads::Reader;
use super::schedule::Point;
use super::{Error, Store};
use crate::clock::Time;
use crate::ids::{CustomerId, TenantId, Token};

/// Questions of one kind that are under way at most: of eight readers, some are left for all else. One
/// that takes long holds up who goes along with it, but not the other one.
const MOST_ASKING: usize = 2;

/// What is looked up by a key, for several keys in one statement.
pub trait Found: Clone + Send + Sync + 'static {
    /// What it is found by.
    type Key: Copy + Eq + Hash + Send + Sync + 'static;

    /// Keys of one question at most. Whoever has more asks for them alone.
    const MOST: usize;

    /// Asks for these keys. What is not there is left out; what had expired at `now` may be.
    fn ask<'c>(
        connection: &'c mut AnyConnection,
        tenant: TenantId,
        keys: &'c [Self::Key],
        now: Time,
    ) -> Boxed<'c, Result<HashMap<Self::Key, Self>, Error>>;

    /// Where those wait who look for this.
    fn gathering(store: &Store) -> &Gathering<Self>;
}

/// What one request found.
type Answer<F> = Result<HashMap<<F as Found>::Key, F>, Error>;

struct Request<F: Found> {
    tenant: TenantId,
    now: Time,
    keys: Vec<F::Key>,
    answer: oneshot::Sender<Answer<F>>,
}

/// Who waits for the next question of one kind, and how many are under way.
pub struct Gathering<F: Found>(Mutex<Waiting<F>>);

struct Waiting<F: Found> {
    requests: VecDeque<Request<F>>,
    asking: usize,
}

/// All who gather.
#[derive(Default)]
pub(super) struct Gatherings {
    owners: Gathering<Owners>,
    people: Gathering<Person>,
    histories: Gathering<History>,
}

/// Looks these keys up, with whoever else looks for the same.
pub(super) async fn find<F: Found>(
    store: &Arc<Store>,
    tenant: TenantId,
    keys: Vec<F::Key>,
    now: Time,
) -> Answer<F> {
    store.counts.snapshots.inc();
    let (answer, answered) = oneshot::channel();
    if F::gathering(store).joined(Request { tenant, now, keys, answer }) {
        // A task of its own: whoever gives up must not take along those who ask with them.
        tokio::spawn(ask_on(Turn { store: Arc::clone(store), place: F::gathering, over: false }));
    }
    let found = answered.await.map_err(|_| Error::Unavailable)?;
    store.schedule.at(Point::Loaded).await?;
    found
}

/// Asks until nobody waits, by one connection after the other as long as it is good.
async fn ask_on<F: Found>(mut turn: Turn<F>) {
    let store = Arc::clone(&turn.store);
    let waiting = (turn.place)(&store);
    let mut kept = None;
    loop {
        // First the connection: for whoever gives up while it is waited for, nothing is asked.
        let reader = match kept.take() {
            Some(reader) => Ok(reader),
            None => store.readers.acquire().await,
        };
        let Some(requests) = waiting.next() else { break };
        match reader {
            Ok(reader) => kept = together(&store, reader, requests).await,
            Err(_) => {
                refuse(requests, Error::Unavailable);
                // Nor is there one for those who came meanwhile, unless somebody else asks.
                refuse(waiting.left_alone(), Error::Unavailable);
            }
        }
    }
    turn.over = true;
}

/// Asks one question for all of them, who are of one tenant; gives the reader back, if it is good for
/// more.
async fn together<F: Found>(
    store: &Store,
    reader: Reader,
    requests: Vec<Request<F>>,
) -> Option<Reader> {
    let tenant = requests.first().map(|first| first.tenant)?;
    let keys = distinct(requests.iter().flat_map(|request| request.keys.iter().copied()));
    // Of the earliest moment: what lived when somebody asked is not left out.
    let now = requests.iter().map(|request| request.now).min().unwrap_or_default();
    let (mut reader, found) = store.ask(reader, tenant, &keys, now).await;
    let failed = match found {
        Ok(found) => {
            hand_out(found, requests);
            return reader;
        }
        Err(error) => error,
    };
    if requests.len() == 1 || matches!(failed, Error::Unavailable) {
        refuse(requests, failed);
        return reader;
    }
    // What is damaged fails for those who wanted it, and for nobody else.
    for request in requests {
        let Some(one) = reader.take() else {
            tell(request.answer, Err(Error::Unavailable));
            continue;
        };
        let (again, found) = store.ask(one, tenant, &request.keys, request.now).await;
        reader = again;
        tell(request.answer, found);
    }
    reader
}

fn refuse<F: Found>(requests: Vec<Request<F>>, failed: Error) {
    let mut failed = Some(failed);
    for request in requests {
        tell(request.answer, Err(failed.take().unwrap_or(Error::Unavailable)));
    }
}

/// Gives everybody what they asked for, and nothing else.
fn hand_out<F: Found>(mut found: HashMap<F::Key, F>, requests: Vec<Request<F>>) {
    let mut left: HashMap<F::Key, usize> = HashMap::with_capacity(found.len());
    let keys = requests.iter().flat_map(|request| &request.keys);
    keys.for_each(|key| *left.entry(*key).or_default() += 1);
    for Request { keys, answer, .. } in requests {
        let mut theirs = HashMap::with_capacity(keys.len());
        for key in keys {
            let Some(others) = left.get_mut(&key) else { continue };
            *others -= 1;
            // Copied only where somebody else wants it, too.
            let one = if *others == 0 { found.remove(&key) } else { found.get(&key).cloned() };
            theirs.extend(one.map(|one| (key, one)));
        }
        tell(answer, Ok(theirs));
    }
}

fn tell<F: Found>(answer: oneshot::Sender<Answer<F>>, found: Answer<F>) {
    // Who does not wait any more has given up.
    drop(answer.send(found));
}

impl<F: Found> Gathering<F> {
    /// Whether the request that now waits must be asked by a new turn.
    fn joined(&self, request: Request<F>) -> bool {
        let mut waiting = self.lock();
        waiting.requests.push_back(request);
        let free = waiting.asking < MOST_ASKING;
        waiting.asking += usize::from(free);
        free
    }

    /// Takes those who go along in the next question; none ends the turn.
    fn next(&self) -> Option<Vec<Request<F>>> {
        let mut waiting = self.lock();
        waiting.requests.retain(|request| !request.answer.is_closed());
        let Some(first) = waiting.requests.pop_front() else {
            waiting.asking -= 1;
            return None;
        };
        let (tenant, mut keys) = (first.tenant, first.keys.len());
        let mut taken = vec![first];
        for request in std::mem::take(&mut waiting.requests) {
            if request.tenant == tenant && keys + request.keys.len() <= F::MOST {
                keys += request.keys.len();
                taken.push(request);
            } else {
                waiting.requests.push_back(request);
            }
        }
        Some(taken)
    }

    /// Takes all who wait, where only one asks.
    fn left_alone(&self) -> Vec<Request<F>> {
        let mut waiting = self.lock();
        match waiting.asking {
            1 => waiting.requests.drain(..).collect(),
            _ => Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<F>> {
        // Only whole values are put behind this lock: a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Found> Default for Gathering<F> {
    fn default() -> Self {
        Self(Mutex::new(Waiting { requests: VecDeque::new(), asking: 0 }))
    }
}

/// A place among those who ask. Where its task ends before its time, with its thread, the place is
/// free again, and whoever waited for nobody else is told.
struct Turn<F: Found> {
    store: Arc<Store>,
    place: fn(&Store) -> &Gathering<F>,
    over: bool,
}

impl<F: Found> Drop for Turn<F> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut waiting = (self.place)(&self.store).lock();
        waiting.asking -= 1;
        if waiting.asking == 0 {
            waiting.requests.clear();
        }
    }
}

impl Found for Owners {
    type Key = Token;
    // Of many more keys PostgreSQL, where it knows nothing of a table yet, would rather walk the tenant.
    const MOST: usize = 16;

    fn ask<'c>(
        connection: &'c mut AnyConnection,
        tenant: TenantId,
        keys: &'c [Token],
        _now: Time,
    ) -> Boxed<'c, Result<HashMap<Token, Self>, Error>> {
        Box::pin(read::owners(connection, tenant, keys))
    }

    fn gathering(store: &Store) -> &Gathering<Self> {
        &store.gatherings.owners
    }
}

impl Found for Person {
    type Key = CustomerId;
    const MOST: usize = 16;

    fn ask<'c>(
        connection: &'c mut AnyConnection,
        tenant: TenantId,
        keys: &'c [CustomerId],
        _now: Time,
    ) -> Boxed<'c, Result<HashMap<CustomerId, Self>, Error>> {
        Box::pin(people::people(connection, tenant, keys))
    }

    fn gathering(store: &Store) -> &Gathering<Self> {
        &store.gatherings.people
    }
}

impl Found for History {
    type Key = CustomerId;
    const MOST: usize = history::MOST_AT_ONCE;

    fn ask<'c>(
        connection: &'c mut AnyConnection,
        tenant: TenantId,
        keys: &'c [CustomerId],
        now: Time,
    ) -> Boxed<'c, Result<HashMap<CustomerId, Self>, Error>> {
        Box::pin(history::histories(connection, tenant, keys, now))
    }

    fn gathering(store: &Store) -> &Gathering<Self> {
        &store.gatherings.histories
    }
}

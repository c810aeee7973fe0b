//! Who may go on: requests and writers come to their points and wait there until the scheduler
//! lets exactly one of them go.
//!
//! A request that has queued its operation is not held: it waits for the writer, and is counted as
//! running from the moment it is woken. So is one that waits for somebody else's look at its key.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use threadline::store::schedule::{Point, Steering};
use threadline::store::{Boxed, Error};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

/// Who comes to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    Request(usize),
    Writer(usize),
    /// A look at a key, that goes on beside the requests.
    Look(usize),
}

/// What a party does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Running,
    /// At this point, until it is let go.
    Held(Point),
    /// Its operation is queued, or somebody else looks at its key, and nobody has woken it yet.
    Waiting,
    Ended,
}

/// What is said to a party that is held.
pub(crate) enum Order {
    Go,
    /// As if the database had failed in that moment.
    Fail,
    /// As if the machine had lost power: the writer's thread ends where it stands.
    Die,
}

struct Slot {
    standing: Standing,
    queue: Queue,
    go: Option<oneshot::Sender<Order>>,
}

/// Where a request's operation is, or what else it waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// With the request.
    Out,
    /// A look at its key.
    Look,
    /// In the queue of this instance's writer.
    At(usize),
    /// This instance's writer has it, and answers before it is idle again.
    Taken(usize),
}

/// Where all parties are, and how long the play has been going on.
pub(crate) struct Stage {
    inner: Mutex<Inner>,
    changed: Notify,
    begun: Instant,
}

/// A look at a key.
struct Looking {
    instance: usize,
    begun: Duration,
    task: AbortHandle,
}

#[derive(Default)]
struct Inner {
    slots: BTreeMap<Party, Slot>,
    /// Instances with something in the queue.
    work: BTreeSet<usize>,
    /// All looks so far, by number.
    looks: Vec<Looking>,
    /// How much time has passed, by the play's own stopwatch.
    elapsed: Duration,
    /// The play is over: nobody is held any more.
    over: bool,
}

impl Inner {
    /// Whoever this writer has answered runs again, also if nobody has told them yet.
    fn answered(&mut self, instance: usize) {
        for slot in self.slots.values_mut().filter(|it| it.queue == Queue::Taken(instance)) {
            slot.queue = Queue::Out;
            if slot.standing == Standing::Waiting {
                slot.standing = Standing::Running;
            }
        }
    }
}

tokio::task_local! {
    static PARTY: Party;
}

/// Nothing that is let go stays away so long.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// Turns in which every task of this thread that can run has run.
const TURNS: usize = 3;

impl Stage {
    /// Nobody has come, and no time has passed.
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::default(), changed: Notify::new(), begun: Instant::now() }
    }

    /// How much time has passed.
    pub(crate) fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    /// Time passes.
    pub(crate) fn pass(&self, by: Duration) {
        self.lock().elapsed += by;
    }

    /// The looks that are held, and since when the oldest look has been going on.
    pub(crate) fn looks(&self) -> (Vec<Party>, Option<Duration>) {
        let inner = self.lock();
        let stands = |number: &usize| {
            inner.slots.get(&Party::Look(*number)).map_or(Standing::Ended, |it| it.standing)
        };
        let going_on = (0..inner.looks.len()).filter(|it| stands(it) != Standing::Ended);
        let oldest = going_on.clone().map(|it| inner.looks[it].begun).min();
        let held = going_on.filter(|it| matches!(stands(it), Standing::Held(_)));
        (held.map(Party::Look).collect(), oldest)
    }

    fn begin_look(self: &Arc<Self>, instance: usize, work: Boxed<'static, ()>) {
        let mut inner = self.lock();
        let party = Party::Look(inner.looks.len());
        let slot = Slot { standing: Standing::Running, queue: Queue::Out, go: None };
        inner.slots.insert(party, slot);
        let task = tokio::spawn(Watched::new(Arc::clone(self), party, work)).abort_handle();
        let begun = inner.elapsed;
        inner.looks.push(Looking { instance, begun, task });
    }

    /// Whoever looked for this instance is gone with it.
    pub(crate) fn end_looks(&self, instance: usize) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        for (number, look) in inner.looks.iter().enumerate().filter(|it| it.1.instance == instance)
        {
            look.task.abort();
            if let Some(slot) = inner.slots.get_mut(&Party::Look(number)) {
                slot.standing = Standing::Ended;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while holding it")
    }

    fn put(&self, party: Party, standing: Standing) {
        let mut inner = self.lock();
        let slot = Slot { standing, queue: Queue::Out, go: None };
        inner.slots.entry(party).or_insert(slot).standing = standing;
        drop(inner);
        self.changed.notify_one();
    }

    /// Where a party is.
    pub(crate) fn standing(&self, party: Party) -> Standing {
        self.lock().slots.get(&party).map_or(Standing::Ended, |slot| slot.standing)
    }

    /// Whether something waits for this instance's writer.
    pub(crate) fn has_work(&self, instance: usize) -> bool {
        self.lock().work.contains(&instance)
    }

    /// The writer of an instance that is about to be opened will come to its first point.
    pub(crate) fn expect_writer(&self, instance: usize) {
        self.lock().work.remove(&instance);
        self.put(Party::Writer(instance), Standing::Running);
    }

    /// Tells a party that is held what to do.
    pub(crate) fn order(&self, party: Party, order: Order) {
        let mut inner = self.lock();
        if let (Party::Writer(instance), Order::Go) = (party, &order)
            && inner.slots[&party].standing == Standing::Held(Point::Idle)
        {
            inner.work.remove(&instance);
            let queued = inner.slots.values_mut().filter(|it| it.queue == Queue::At(instance));
            queued.for_each(|slot| slot.queue = Queue::Taken(instance));
        }
        let ends = matches!(order, Order::Die);
        let slot = inner.slots.get_mut(&party).expect("a party that is held");
        slot.standing = if ends { Standing::Ended } else { Standing::Running };
        let go = slot.go.take().expect("a party that is held");
        // Whoever is woken looks at the stage.
        drop(inner);
        // Nobody listens when a request was dropped in that moment.
        let _ = go.send(order);
    }

    /// A request that was cancelled is gone.
    pub(crate) fn gone(&self, request: usize) {
        self.put(Party::Request(request), Standing::Ended);
    }

    /// From now on everybody goes on as they come.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        inner.over = true;
        let held: Vec<_> = inner.slots.values_mut().filter_map(|slot| slot.go.take()).collect();
        drop(inner);
        drop(held);
    }

    /// Waits until everybody is held, waits for a writer, or has ended.
    pub(crate) async fn settle(&self) {
        loop {
            // Results are handed out by a task of this thread: it gets its turn first.
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            let running = self.running();
            if running.is_empty() {
                return;
            }
            let change = tokio::time::timeout(SETTLES_WITHIN, self.changed.notified()).await;
            assert!(change.is_ok(), "these never came to a point: {running:?}");
        }
    }

    /// Where everybody is who has not ended.
    pub(crate) fn describe(&self) -> String {
        let inner = self.lock();
        let stands = |(_, slot): &(&Party, &Slot)| slot.standing != Standing::Ended;
        let one = |(party, slot): (&Party, &Slot)| format!("{party:?} {:?}", slot.standing);
        let all: Vec<String> = inner.slots.iter().filter(stands).map(one).collect();
        format!("{}; work at {:?}", all.join(", "), inner.work)
    }

    fn running(&self) -> Vec<Party> {
        let inner = self.lock();
        let runs = |(_, slot): &(&Party, &Slot)| slot.standing == Standing::Running;
        inner.slots.iter().filter(runs).map(|(party, _)| *party).collect()
    }
}

/// The steering of one instance.
pub(crate) struct Steered {
    pub(crate) stage: Arc<Stage>,
    pub(crate) instance: usize,
}

impl Steering for Steered {
    fn at(&self, point: Point) -> Boxed<'static, Result<(), Error>> {
        use Point::{Decide, KeyAwaited, KeyRead, Loaded, Proposed, Queued};
        let writers = !matches!(point, Decide | Loaded | Proposed | Queued | KeyRead | KeyAwaited);
        let party = match PARTY.try_with(|party| *party) {
            _ if writers => Party::Writer(self.instance),
            Ok(party) => party,
            // Opening and the like: no request of the test.
            Err(_) => return Box::pin(std::future::ready(Ok(()))),
        };
        let (go, orders) = oneshot::channel();
        let mut inner = self.stage.lock();
        if inner.over {
            return Box::pin(std::future::ready(Ok(())));
        }
        let work = point == Queued;
        if work {
            inner.work.insert(self.instance);
        }
        if (party, point) == (Party::Writer(self.instance), Point::Idle) {
            inner.answered(self.instance);
        }
        let slot = inner.slots.get_mut(&party).expect("a party that was announced");
        slot.queue = match point {
            Queued => Queue::At(self.instance),
            KeyAwaited => Queue::Look,
            _ => Queue::Out,
        };
        if slot.queue != Queue::Out {
            return Box::pin(std::future::ready(Ok(())));
        }
        (slot.standing, slot.go) = (Standing::Held(point), Some(go));
        drop(inner);
        self.stage.changed.notify_one();
        Box::pin(async move {
            match orders.await {
                Ok(Order::Fail) => Err(Error::Unavailable),
                Ok(Order::Die) => std::panic::resume_unwind(Box::new("killed")),
                Ok(Order::Go) | Err(_) => Ok(()),
            }
        })
    }

    fn moment(&self) -> Instant {
        self.stage.begun + self.stage.elapsed()
    }

    /// The scheduler lets nobody wait too long: no time is over before what is waited for.
    fn passed(&self, _: Duration) -> Boxed<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn beside(&self, work: Boxed<'static, ()>) {
        if PARTY.try_with(|_| ()).is_err() {
            // Opening and the like: no request of the test.
            tokio::spawn(work);
            return;
        }
        self.stage.begin_look(self.instance, work);
    }
}

/// A request or a look whose standing is known at any moment.
pub(crate) struct Watched<F> {
    stage: Arc<Stage>,
    party: Party,
    inner: Pin<Box<F>>,
}

impl<F: Future> Watched<F> {
    /// Watches `inner`, of a party that is on the stage.
    fn new(stage: Arc<Stage>, party: Party, inner: F) -> Self {
        Self { stage, party, inner: Box::pin(inner) }
    }

    /// Watches `inner`, the request of this number.
    pub(crate) fn request(stage: Arc<Stage>, request: usize, inner: F) -> Self {
        stage.put(Party::Request(request), Standing::Running);
        Self::new(stage, Party::Request(request), inner)
    }
}

/// Wakes the task, and says first that the party runs again.
struct Woken {
    stage: Arc<Stage>,
    party: Party,
    task: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        let mut inner = self.stage.lock();
        if let Some(slot) = inner.slots.get_mut(&self.party)
            && slot.standing == Standing::Waiting
        {
            (slot.standing, slot.queue) = (Standing::Running, Queue::Out);
        }
        drop(inner);
        self.task.wake_by_ref();
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let (stage, party) = (Arc::clone(&self.stage), self.party);
        let woken = Woken { stage: Arc::clone(&stage), party, task: context.waker().clone() };
        let waker = Waker::from(Arc::new(woken));
        // Marked before it is polled: what wakes it meanwhile must not be lost.
        let mut own = Context::from_waker(&waker);
        let polled = PARTY.sync_scope(party, || self.inner.as_mut().poll(&mut own));
        match &polled {
            Poll::Ready(_) => stage.put(party, Standing::Ended),
            Poll::Pending => {
                let mut inner = stage.lock();
                if let Some(slot) = inner.slots.get_mut(&party)
                    && slot.standing == Standing::Running
                    && slot.queue != Queue::Out
                {
                    slot.standing = Standing::Waiting;
                }
                drop(inner);
                stage.changed.notify_one();
            }
        }
        polled
    }
}

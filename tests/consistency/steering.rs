//! Who may go on: requests and writers come to their points and wait there until the scheduler
//! lets exactly one of them go.
//!
//! A request that has queued its operation is not held: it waits for the writer, and is counted as
//! running from the moment it is woken.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use threadline::store::schedule::{Point, Steering};
use threadline::store::{Boxed, Error};
use tokio::sync::{Notify, oneshot};

/// Who comes to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    Request(usize),
    Writer(usize),
}

/// What a party does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Running,
    /// At this point, until it is let go.
    Held(Point),
    /// Its operation is queued, and nobody has woken it yet.
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

/// Where a request's operation is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// With the request.
    Out,
    /// In the queue of this instance's writer.
    At(usize),
    /// This instance's writer has it, and answers before it is idle again.
    Taken(usize),
}

/// Where all parties are.
#[derive(Default)]
pub(crate) struct Stage {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    slots: BTreeMap<Party, Slot>,
    /// Instances with something in the queue.
    work: BTreeSet<usize>,
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
    static REQUEST: usize;
}

/// Nothing that is let go stays away so long.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// Turns in which every task of this thread that can run has run.
const TURNS: usize = 3;

impl Stage {
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
        use Point::{Decide, Loaded, Proposed, Queued};
        let request = matches!(point, Decide | Loaded | Proposed | Queued);
        let party = match REQUEST.try_with(|request| *request) {
            _ if !request => Party::Writer(self.instance),
            Ok(request) => Party::Request(request),
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
        slot.queue = if work { Queue::At(self.instance) } else { Queue::Out };
        if work {
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
}

/// A request whose standing is known at any moment.
pub(crate) struct Watched<F> {
    stage: Arc<Stage>,
    request: usize,
    inner: Pin<Box<F>>,
}

impl<F: Future> Watched<F> {
    /// Watches `inner`, the request of this number.
    pub(crate) fn new(stage: Arc<Stage>, request: usize, inner: F) -> Self {
        stage.put(Party::Request(request), Standing::Running);
        Self { stage, request, inner: Box::pin(inner) }
    }
}

/// Wakes the task, and says first that the request runs again.
struct Woken {
    stage: Arc<Stage>,
    request: usize,
    task: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        let mut inner = self.stage.lock();
        if let Some(slot) = inner.slots.get_mut(&Party::Request(self.request))
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
        let (stage, request) = (Arc::clone(&self.stage), self.request);
        let party = Party::Request(request);
        let woken = Woken { stage: Arc::clone(&stage), request, task: context.waker().clone() };
        let waker = Waker::from(Arc::new(woken));
        // Marked before it is polled: what wakes it meanwhile must not be lost.
        let mut own = Context::from_waker(&waker);
        let polled = REQUEST.sync_scope(request, || self.inner.as_mut().poll(&mut own));
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

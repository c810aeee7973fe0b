//! The wheel of one instance: holds requests and the writer at their points until a test says who
//! goes on, or lets them fail there once.
//!
//! A test never sleeps: it waits until somebody has come to the point where it holds them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use threadline::store::schedule::{Point, Steering};
use threadline::store::{Boxed, Error};
use tokio::sync::{Semaphore, watch};

/// Whoever does not come within this does not come at all.
const COMES_WITHIN: Duration = Duration::from_secs(60);

/// What a test has said about the points of one instance. Nothing: everybody goes on.
#[derive(Default)]
pub(crate) struct Wheel(Mutex<Vec<(Point, Order)>>);

#[derive(Clone)]
enum Order {
    HoldNext(Arc<Held>),
    HoldEvery(Arc<Held>),
    FailNext,
}

impl Wheel {
    /// Holds the next who comes to `point`, and nobody after them.
    pub(crate) fn hold(&self, point: Point) -> Hold {
        let held = Arc::new(Held::default());
        self.orders().push((point, Order::HoldNext(Arc::clone(&held))));
        Hold { point, held }
    }

    /// Holds everybody who comes to `point`, until they are released.
    pub(crate) fn hold_every(&self, point: Point) -> Hold {
        let held = Arc::new(Held::default());
        self.orders().push((point, Order::HoldEvery(Arc::clone(&held))));
        Hold { point, held }
    }

    /// The next who comes to `point` is told that the database does not answer.
    pub(crate) fn fail(&self, point: Point) {
        self.orders().push((point, Order::FailNext));
    }

    fn orders(&self) -> MutexGuard<'_, Vec<(Point, Order)>> {
        // A failed assertion elsewhere leaves the list whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest order for `point`; one for the next is used up.
    fn order(&self, point: Point) -> Option<Order> {
        let mut orders = self.orders();
        orders.retain(|(_, order)| match order {
            Order::HoldNext(held) | Order::HoldEvery(held) => !held.way.is_closed(),
            Order::FailNext => true,
        });
        let index = orders.iter().position(|(of, _)| *of == point)?;
        match &orders[index].1 {
            Order::HoldEvery(held) => Some(Order::HoldEvery(Arc::clone(held))),
            _ => Some(orders.remove(index).1),
        }
    }
}

impl Steering for Wheel {
    fn at(&self, point: Point) -> Boxed<'static, Result<(), Error>> {
        match self.order(point) {
            None => Box::pin(std::future::ready(Ok(()))),
            Some(Order::FailNext) => Box::pin(std::future::ready(Err(Error::Unavailable))),
            Some(Order::HoldNext(held) | Order::HoldEvery(held)) => Box::pin(async move {
                held.wait().await;
                Ok(())
            }),
        }
    }
}

struct Held {
    /// Has no room until it is closed; then everybody goes on.
    way: Semaphore,
    counts: watch::Sender<Counts>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    came: usize,
    left: usize,
}

impl Default for Held {
    fn default() -> Self {
        Self { way: Semaphore::new(0), counts: watch::Sender::default() }
    }
}

impl Held {
    async fn wait(self: Arc<Self>) {
        let _leaving = Leaving(Arc::clone(&self));
        self.counts.send_modify(|counts| counts.came += 1);
        // It has no room, so this ends when it is closed.
        let _ = self.way.acquire().await;
    }
}

/// Tells that somebody is no longer at the point: released, or gone away.
struct Leaving(Arc<Held>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.counts.send_modify(|counts| counts.left += 1);
    }
}

/// A point where somebody is held. Dropped, it lets them go on: a failed test hangs nobody.
pub(crate) struct Hold {
    point: Point,
    held: Arc<Held>,
}

impl Hold {
    /// Waits until somebody is there.
    pub(crate) async fn arrived(&self) {
        self.arrived_times(1).await;
    }

    /// Waits until so many have come, counted from the beginning.
    pub(crate) async fn arrived_times(&self, times: usize) {
        self.until(|counts| counts.came >= times, "nobody comes").await;
    }

    /// How many have come, counted from the beginning.
    pub(crate) fn came(&self) -> usize {
        self.held.counts.borrow().came
    }

    /// Waits until whoever was there has gone away without being released.
    pub(crate) async fn gave_up(&self) {
        self.until(|counts| counts.left >= 1, "nobody gives up").await;
    }

    /// Lets all go on, those who are there and those who come later.
    pub(crate) fn release(self) {
        drop(self);
    }

    async fn until(&self, reached: impl Fn(&Counts) -> bool, otherwise: &str) {
        let mut counts = self.held.counts.subscribe();
        let waiting = tokio::time::timeout(COMES_WITHIN, counts.wait_for(reached)).await;
        let reached = waiting.unwrap_or_else(|_| panic!("{otherwise} at {:?}", self.point));
        drop(reached.expect("the sender lives as long as the hold"));
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.way.close();
    }
}

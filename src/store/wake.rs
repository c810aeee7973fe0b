//! Waking those who wait for a batch: one message a batch and thread, not one a request.
//!
//! The writer has a thread of its own, and to wake a task of another thread costs a system call. So
//! each thread that serves has one task that is woken with all its results of a batch, and hands
//! them out on its own thread, where waking costs next to nothing.

use std::cell::RefCell;

use tokio::sync::mpsc;

use super::batch::Outcome;
use super::pending::Queued;

/// Operations and how they ended.
pub(super) type Results = Vec<(Box<dyn Queued>, Outcome)>;

/// Wakes the requests of one thread.
#[derive(Clone)]
pub(super) struct Waker(mpsc::UnboundedSender<Results>);

thread_local! {
    static OWN: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

impl Waker {
    /// The waker of this thread. Its task lives as long as the runtime that the thread runs.
    pub fn of_this_thread() -> Self {
        OWN.with_borrow_mut(|own| match own {
            Some(waker) if !waker.0.is_closed() => waker.clone(),
            _ => own.insert(Self::start()).clone(),
        })
    }

    fn start() -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(results) = receiver.recv().await {
                hand_out(results);
            }
        });
        Self(sender)
    }

    fn wake(&self, results: Results) {
        if let Err(mpsc::error::SendError(results)) = self.0.send(results) {
            // Its runtime is gone, and most likely everybody who waited.
            hand_out(results);
        }
    }
}

fn hand_out(results: Results) {
    for (operation, outcome) in results {
        operation.finish(outcome);
    }
}

/// Tells everybody how their operation ended, each thread in one message.
pub(super) fn wake_all(results: impl Iterator<Item = (Box<dyn Queued>, Outcome)>) {
    let mut threads: Vec<(Waker, Results)> = Vec::new();
    for (operation, outcome) in results {
        let own = operation.waker();
        match threads.iter_mut().find(|(waker, _)| waker.0.same_channel(&own.0)) {
            Some((_, results)) => results.push((operation, outcome)),
            None => threads.push((own.clone(), vec![(operation, outcome)])),
        }
    }
    for (waker, results) in threads {
        waker.wake(results);
    }
}

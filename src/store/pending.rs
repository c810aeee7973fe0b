//! An operation that waits for the writer, and its request that waits for the operation: a ticket
//! says, in one compare-and-swap, whether the writer took it or the request gave it up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use sqlx::AnyConnection;
use tokio::sync::oneshot;

use super::batch::Outcome;
use super::operation::Boxed;
use super::wake::Waker;
use super::witness::Traced;
use super::{Effects, Error, Operation, Proposal, Proposed, ReadSet, Reads};
use crate::ids::TenantId;

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const ABANDONED: u8 = 2;

/// How an operation ended, as its request sees it.
pub(super) enum Finished<O: Operation> {
    Committed(Proposed<O::Answer>),
    Replay,
    Stale,
    Failed(Error),
    Refused(O::Refusal),
}

/// An operation in the queue, whatever its type.
pub(super) trait Queued: Send {
    fn tenant(&self) -> TenantId;
    fn take(&self) -> bool;
    fn waker(&self) -> &Waker;
    fn traced(&self) -> Option<Traced>;
    fn proposal(&self) -> Option<(&ReadSet, &Effects)>;
    fn proposed(&mut self) -> Option<(&ReadSet, &mut Effects)>;
    fn decides_inside(&self) -> bool;
    fn decide_inside<'a>(&'a mut self, connection: &'a mut AnyConnection) -> Boxed<'a, bool>;
    fn finish(self: Box<Self>, outcome: Outcome);
}

/// Whether an operation still waits, was taken, or was given up.
pub(super) struct Ticket(AtomicU8);

impl Ticket {
    fn moves_to(&self, state: u8) -> bool {
        self.0.compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Gives the operation up when the request is dropped before the writer took it.
pub(super) struct Waiting(Arc<Ticket>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.moves_to(ABANDONED);
    }
}

pub(super) struct Pending<O: Operation> {
    operation: Arc<O>,
    proposal: Option<Proposed<O::Answer>>,
    refusal: Option<O::Refusal>,
    inside: bool,
    reply: oneshot::Sender<Finished<O>>,
    ticket: Arc<Ticket>,
    waker: Waker,
    traced: Option<Traced>,
}

impl<O: Operation> Pending<O> {
    /// An operation to queue, where its result arrives, and the guard that gives it up.
    /// Without a proposal it is decided inside the transaction.
    pub(super) fn new(
        operation: Arc<O>,
        proposal: Option<Proposed<O::Answer>>,
    ) -> (Box<Self>, oneshot::Receiver<Finished<O>>, Waiting) {
        let (reply, result) = oneshot::channel();
        let ticket = Arc::new(Ticket(AtomicU8::new(WAITING)));
        let inside = proposal.is_none();
        let waiting = Waiting(Arc::clone(&ticket));
        let waker = Waker::of_this_thread();
        let (refusal, traced) = (None, Traced::now());
        let pending = Self { operation, proposal, refusal, inside, reply, ticket, waker, traced };
        (Box::new(pending), result, waiting)
    }
}

impl<O: Operation> Queued for Pending<O> {
    fn tenant(&self) -> TenantId {
        self.operation.tenant()
    }

    fn take(&self) -> bool {
        self.ticket.moves_to(TAKEN)
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }

    fn traced(&self) -> Option<Traced> {
        self.traced
    }

    fn proposal(&self) -> Option<(&ReadSet, &Effects)> {
        self.proposal.as_ref().map(|proposal| (&proposal.read, &proposal.effects))
    }

    fn proposed(&mut self) -> Option<(&ReadSet, &mut Effects)> {
        self.proposal.as_deref_mut().map(|Proposal { read, effects, .. }| (&*read, effects))
    }

    fn decides_inside(&self) -> bool {
        self.inside
    }

    fn decide_inside<'a>(&'a mut self, connection: &'a mut AnyConnection) -> Boxed<'a, bool> {
        Box::pin(async move {
            // An earlier attempt at this batch may have left either behind.
            (self.proposal, self.refusal) = (None, None);
            let operation = Arc::clone(&self.operation);
            match operation.decide(&mut Reads::Inside(connection)).await {
                Ok(proposal) => self.proposal = Some(proposal),
                Err(refusal) => self.refusal = Some(refusal),
            }
            self.proposal.is_some()
        })
    }

    fn finish(self: Box<Self>, outcome: Outcome) {
        let finished = match (outcome, self.refusal, self.proposal) {
            (Outcome::Failed(error), ..) => Finished::Failed(error),
            (_, Some(refusal), _) => Finished::Refused(refusal),
            (Outcome::Committed, None, Some(proposal)) => Finished::Committed(proposal),
            (Outcome::Replay, ..) => Finished::Replay,
            (Outcome::Stale | Outcome::Committed, ..) => Finished::Stale,
        };
        // The request may be gone; what it asked for is durable all the same.
        let _ = self.reply.send(finished);
    }
}

//! What the use cases hand to the writer: a decision, what it was decided on, and its effects.

use std::future::Future;
use std::pin::Pin;

use super::{Effects, Error, Reads};
use crate::ids::{CustomerId, Stamp, TenantId, Token};

/// A boxed future that may borrow.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that can be decided, and decided again when what it read has changed meanwhile.
pub trait Operation: Send + Sync + 'static {
    /// What the caller gets when it is committed.
    type Answer: Send + Sync + 'static;
    /// Why it cannot be decided; never written, handed to the caller.
    type Refusal: Refusal;

    /// Whose rows it touches.
    fn tenant(&self) -> TenantId;

    /// Decides from what `reads` shows. Called again with fresh reads when the first were stale;
    /// must have no effect of its own.
    fn decide<'a>(
        &'a self,
        reads: &'a mut Reads<'_>,
    ) -> Boxed<'a, Result<Proposed<Self::Answer>, Self::Refusal>>;
}

/// Why something cannot be decided.
pub trait Refusal: From<Error> + Send + 'static {
    /// Whether it rests on what was read. No commit will check that: before the caller hears of
    /// it, it is decided once more, past the cache, which may hold what another process removed, and
    /// of one moment, so that it is what one order of all calls makes of it.
    fn rests_on_reads(&self) -> bool;
}

impl Refusal for Error {
    fn rests_on_reads(&self) -> bool {
        false
    }
}

/// A decision that waits to be written.
pub struct Proposal<A> {
    /// What it was decided on.
    pub read: ReadSet,
    /// What it writes.
    pub effects: Effects,
    /// What the caller gets.
    pub answer: A,
}

/// A [`Proposal`], boxed: it is large and goes from hand to hand.
pub type Proposed<A> = Box<Proposal<A>>;

/// What a decision was made on. It may be written only while all of this still holds.
#[derive(Clone, Debug, Default)]
pub struct ReadSet {
    /// The writer's sequence before the first read, from the cache or the store.
    pub sequence: u64,
    /// Identifier heads, `None` where the token had none.
    pub heads: Vec<(Token, Option<Stamp>)>,
    /// Customers.
    pub customers: Vec<(CustomerId, Stamp)>,
    /// Interactions and the position of their newest journal row, 0 where there was none.
    pub interactions: Vec<(Token, i64)>,
}

/// How a proposal ended.
pub enum Verdict<A> {
    /// Written and durable.
    Committed(A),
    /// The journal already holds this operation: nothing was written.
    Replay,
}

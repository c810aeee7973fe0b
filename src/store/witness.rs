//! Whoever traces requests, as the store knows them: an operation says which request it is part of,
//! and the writer says when it commits for whom. Without a witness nobody is asked and nothing is kept.

use super::Store;
use super::pending::Queued;

/// A request that is traced: what W3C's Trace Context calls its trace and the span it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The trace.
    pub trace: [u8; 16],
    /// The request's span.
    pub span: [u8; 8],
}

tokio::task_local! {
    static NOW: Traced;
}

impl Traced {
    /// Does something as part of this request.
    pub fn during<T>(self, work: impl FnOnce() -> T) -> T {
        NOW.sync_scope(self, work)
    }

    /// The request that this is part of, if it is traced.
    pub(super) fn now() -> Option<Self> {
        NOW.try_with(|traced| *traced).ok()
    }
}

/// Sees the writer commit.
pub trait Witness: Send + Sync {
    /// A batch of so many operations begins to be written; `requests` are those of them that are
    /// traced, at least one. What is returned is told how it ended.
    fn begins(&self, requests: &[Traced], operations: usize) -> Box<dyn Witnessed>;
}

/// A batch that is being written.
pub trait Witnessed: Send {
    /// It was committed, or failed.
    fn ended(self: Box<Self>, committed: bool);
}

/// Tells whoever traces requests that this batch begins, if any of it is theirs.
pub(super) fn begins(store: &Store, batch: &[Box<dyn Queued>]) -> Option<Box<dyn Witnessed>> {
    let witness = store.witness.get()?;
    let requests: Vec<Traced> = batch.iter().filter_map(|it| it.traced()).collect();
    (!requests.is_empty()).then(|| witness.begins(&requests, batch.len()))
}

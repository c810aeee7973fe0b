//! What all clients know together: who the people are, which stories were acknowledged to their
//! ends, and what the answers were like.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::plan::HANGS;
use crate::story::Story;

/// What was acknowledged, and how.
pub(crate) struct Ledger {
    /// The refs of the people, by number.
    pub(crate) people: Vec<String>,
    told: Mutex<Vec<Story>>,
    ends: watch::Sender<usize>,
    decided: watch::Sender<Option<Instant>>,
    figures: Mutex<Figures>,
}

/// How the answers were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Starts that were decided.
    pub(crate) starts: usize,
    /// Starts that the service refused.
    pub(crate) starts_refused: usize,
    /// Starts that were answered degraded.
    pub(crate) degraded: usize,
    /// Interactions whose end was acknowledged.
    pub(crate) ends: usize,
    /// Ends that were acknowledged besides: amendments, and the same once more.
    pub(crate) further_ends: usize,
    /// Calls that the service asked to send again.
    pub(crate) unavailable: usize,
    /// Calls that nobody answered.
    pub(crate) unanswered: usize,
    /// How long each start took, degraded or decided.
    pub(crate) start_took: Vec<Duration>,
}

impl Ledger {
    pub(crate) fn new(people: Vec<String>, first: Vec<Story>) -> Self {
        Self {
            people,
            told: Mutex::new(first),
            ends: watch::Sender::new(0),
            decided: watch::Sender::new(None),
            figures: Mutex::default(),
        }
    }

    pub(crate) fn note(&self, what: impl FnOnce(&mut Figures)) {
        what(&mut self.figures.lock().expect("no panic while it is held"));
    }

    pub(crate) fn figures(&self) -> Figures {
        self.figures.lock().expect("no panic while it is held").clone()
    }

    /// A start that was sent at `begun` was decided.
    pub(crate) fn start_decided(&self, begun: Instant) {
        self.note(|figures| figures.starts += 1);
        self.decided.send_modify(|newest| *newest = (*newest).max(Some(begun)));
    }

    /// The first end of an interaction was acknowledged.
    pub(crate) fn end_acknowledged(&self) {
        self.note(|figures| figures.ends += 1);
        self.ends.send_modify(|ends| *ends += 1);
    }

    /// All that a story has to say was acknowledged.
    pub(crate) fn was_told(&self, story: Story) {
        self.told.lock().expect("no panic while it is held").push(story);
    }

    pub(crate) fn told(&self) -> Vec<Story> {
        self.told.lock().expect("no panic while it is held").clone()
    }

    /// Waits until so many more ends were acknowledged.
    pub(crate) async fn more_ends(&self, more: usize) {
        let wanted = *self.ends.borrow() + more;
        let mut ends = self.ends.subscribe();
        let waiting = ends.wait_for(|ends| *ends >= wanted);
        let reached = tokio::time::timeout(HANGS, waiting).await;
        reached.expect("clients that get on").expect("a ledger that lives");
    }

    /// Waits until a start that was sent after `moment` was decided.
    pub(crate) async fn decided_since(&self, moment: Instant) {
        let mut decided = self.decided.subscribe();
        let waiting = decided.wait_for(|newest| newest.is_some_and(|begun| begun >= moment));
        let reached = tokio::time::timeout(HANGS, waiting).await;
        reached.expect("starts are decided again").expect("a ledger that lives");
    }
}

//! What is sent, in which order: each workload is a script that never says the same thing twice.
//!
//! A generator that repeats a body measures replays. Every call has an interaction id of its own
//! (or belongs to one that this script has started), and who calls is drawn anew each time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::requests::{Call, Verb};
use crate::ids::Entropy;

/// Open interactions that a script remembers; older ones stay open.
const MOST_OPEN: usize = 10_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// Starts of known customers at random, all of them in the cache
    StartHit,
    /// Starts of one single known customer
    StartHitHot,
    /// Starts of known customers at random, with a cache of 1 MB that holds next to none of them
    StartCold,
    /// Starts of somebody new
    StartNew,
    /// Ends of interactions that were started before the measurement
    End,
    /// A day: 45 % starts of known customers, 5 % of new ones, 10 % updates, 40 % ends
    Mixed,
}

impl Workload {
    /// All of them.
    pub(super) const ALL: [Self; 6] = [
        Self::StartHit,
        Self::StartHitHot,
        Self::StartCold,
        Self::StartNew,
        Self::End,
        Self::Mixed,
    ];

    /// As the command line and the reports name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::StartHit => "start-hit",
            Self::StartHitHot => "start-hit-hot",
            Self::StartCold => "start-cold",
            Self::StartNew => "start-new",
            Self::End => "end",
            Self::Mixed => "mixed",
        }
    }
}

/// What all scripts of one database share.
pub(super) struct World {
    /// How many customers are known, from 0.
    pub(super) customers: u64,
    /// The next one of whom nobody has heard.
    strangers: AtomicU64,
    /// The next script.
    scripts: AtomicU64,
    seed: u64,
}

impl World {
    /// With so many known customers; the same seed draws the same ones.
    pub(super) fn new(customers: u64, seed: u64) -> Arc<Self> {
        let zero = || AtomicU64::new(0);
        Arc::new(Self { customers, strangers: zero(), scripts: zero(), seed })
    }
}

/// Interactions that were started, to be ended once each.
pub(super) struct Started {
    ids: Vec<String>,
    next: AtomicUsize,
}

impl Started {
    /// These, in their order.
    pub(super) fn new(ids: Vec<String>) -> Arc<Self> {
        Arc::new(Self { ids, next: AtomicUsize::new(0) })
    }

    fn take(&self) -> Option<String> {
        self.ids.get(self.next.fetch_add(1, Ordering::Relaxed)).cloned()
    }
}

/// What one task sends.
pub(super) struct Script {
    workload: Workload,
    world: Arc<World>,
    started: Option<Arc<Started>>,
    entropy: Entropy,
    number: u64,
    sent: u64,
    open: VecDeque<String>,
}

impl Script {
    /// A script that nobody has. Ends are taken from `started`; without it (the echo knows no
    /// interactions) they are made up.
    pub(super) fn new(
        workload: Workload,
        world: &Arc<World>,
        started: Option<Arc<Started>>,
    ) -> Self {
        let number = world.scripts.fetch_add(1, Ordering::Relaxed);
        let entropy = Entropy::seeded(world.seed.wrapping_mul(1_000_003).wrapping_add(number));
        let world = Arc::clone(world);
        Self { workload, world, started, entropy, number, sent: 0, open: VecDeque::new() }
    }

    /// What to send next; none when there is nothing left to end.
    pub(super) fn next(&mut self) -> Option<Call> {
        self.sent += 1;
        Some(match self.workload {
            Workload::StartHit | Workload::StartCold => self.known(),
            Workload::StartHitHot => Call::known(self.id(), 0),
            Workload::StartNew => self.unknown(),
            Workload::End => match &self.started {
                Some(started) => ending(started.take()?),
                None => ending(self.id()),
            },
            Workload::Mixed => match self.below(100) {
                0..45 => self.known(),
                45..50 => self.unknown(),
                // Any of the open ones: the next to end may be on its way to its end already.
                50..60 => match self.open.len() {
                    0 => self.known(),
                    open => {
                        let one = self.below(open as u64) as usize;
                        Call::update(self.open[one].clone(), self.sent)
                    }
                },
                _ => match self.open.pop_front() {
                    Some(open) => ending(open),
                    None => self.known(),
                },
            },
        })
    }

    /// A call was answered: what was started can be updated and ended from now on.
    pub(super) fn answered(&mut self, call: Call) {
        let begins = self.workload == Workload::Mixed && call.verb == Verb::Start;
        if begins && self.open.len() < MOST_OPEN {
            self.open.push_back(call.interaction);
        }
    }

    fn known(&mut self) -> Call {
        let customer = self.below(self.world.customers.max(1));
        Call::known(self.id(), customer)
    }

    fn unknown(&mut self) -> Call {
        Call::unknown(self.id(), self.world.strangers.fetch_add(1, Ordering::Relaxed))
    }

    fn id(&self) -> String {
        format!("call-{:05}-{:07}", self.number, self.sent)
    }

    fn below(&self, bound: u64) -> u64 {
        self.entropy.positive().unsigned_abs() % bound
    }
}

/// An end with one intent, one variable and a summary.
fn ending(interaction: String) -> Call {
    Call::end(interaction, &["last_topic"])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use prost::Message as _;

    use super::*;
    use crate::grpc::proto::{
        EndInteractionRequest, StartInteractionRequest, UpdateInteractionRequest,
    };

    fn hints(call: &Call) -> (String, String) {
        let start = StartInteractionRequest::decode(call.body.clone()).unwrap();
        let hints = start.identity_hints.unwrap();
        (hints.caller_number, hints.external_ids["crm_id"].clone())
    }

    #[test]
    fn no_two_starts_of_a_world_are_alike() {
        let world = World::new(50, 1);
        let mut ids = HashSet::new();
        for workload in [Workload::StartHit, Workload::StartHitHot, Workload::StartNew] {
            for _ in 0..3 {
                let mut script = Script::new(workload, &world, None);
                for _ in 0..500 {
                    let call = script.next().unwrap();
                    assert!(ids.insert(call.interaction.clone()), "{}", call.interaction);
                    let start = StartInteractionRequest::decode(call.body).unwrap();
                    assert_eq!(start.interaction_id, call.interaction);
                }
            }
        }
    }

    #[test]
    fn each_workload_calls_as_whom_it_says() {
        let world = World::new(50, 1);
        let callers = |workload| -> HashSet<(String, String)> {
            let mut scripts: Vec<Script> =
                (0..4).map(|_| Script::new(workload, &world, None)).collect();
            let mut next = |at: usize| scripts[at % 4].next().unwrap();
            (0..2_000).map(|at| hints(&next(at))).collect()
        };
        let known: HashSet<_> =
            (0..50).map(|customer| hints(&Call::known(String::new(), customer))).collect();
        assert_eq!(callers(Workload::StartHit), known);
        assert_eq!(callers(Workload::StartHitHot).len(), 1);
        let strangers = callers(Workload::StartNew);
        assert_eq!(strangers.len(), 2_000);
        assert!(strangers.is_disjoint(&known));
    }

    #[test]
    fn every_number_is_one_that_can_be_called() {
        let ends = [0, 7_999_999, 8_000_000, 47_999_999];
        let strangers = ends.map(|serial| Call::unknown(String::new(), serial));
        let known = [0, 999_999].map(|customer| Call::known(String::new(), customer));
        for call in strangers.iter().chain(&known) {
            let (number, _) = hints(call);
            let region = "US".parse().unwrap();
            let read = phonenumber::parse(Some(region), &number).unwrap();
            assert!(phonenumber::is_valid(&read), "{number}");
        }
    }

    #[test]
    fn what_was_started_is_ended_once_and_then_there_is_no_more() {
        let ids: Vec<String> = (0..100).map(|one| format!("open-{one}")).collect();
        let started = Started::new(ids.clone());
        let world = World::new(1, 1);
        let mut scripts: Vec<Script> = (0..3)
            .map(|_| Script::new(Workload::End, &world, Some(Arc::clone(&started))))
            .collect();
        let mut ended: Vec<String> = Vec::new();
        'all: loop {
            for script in &mut scripts {
                let Some(call) = script.next() else { break 'all };
                let end = EndInteractionRequest::decode(call.body).unwrap();
                assert_eq!((end.intents.len(), end.variables.len()), (1, 1));
                assert!((60..140).contains(&end.summary.len()), "{}", end.summary.len());
                ended.push(end.interaction_id);
            }
        }
        assert_eq!(ended, ids);
    }

    #[test]
    fn a_day_updates_and_ends_only_what_was_answered() {
        let mut script = Script::new(Workload::Mixed, &World::new(1_000, 1), None);
        let (mut open, mut updates) = (HashSet::new(), HashSet::new());
        let mut counts = [0_u32; 3];
        for _ in 0..20_000 {
            let call = script.next().unwrap();
            counts[call.verb as usize] += 1;
            match call.verb {
                Verb::Start => {
                    open.insert(call.interaction.clone());
                    script.answered(call);
                }
                Verb::Update => {
                    assert!(open.contains(&call.interaction));
                    let update = UpdateInteractionRequest::decode(call.body).unwrap();
                    assert!(updates.insert((update.interaction_id, update.update_id)));
                }
                Verb::End => assert!(open.remove(&call.interaction), "ended twice"),
            }
        }
        let shares = counts.map(|count| count / 200);
        assert!((49..=52).contains(&shares[0]), "{shares:?}");
        assert!((9..=10).contains(&shares[1]) && (38..=41).contains(&shares[2]), "{shares:?}");
        let mut silent = Script::new(Workload::Mixed, &World::new(1_000, 1), None);
        assert!((0..1_000).all(|_| silent.next().unwrap().verb == Verb::Start));
    }
}

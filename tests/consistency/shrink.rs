//! Plays seeds, and makes of the first history that breaks the contract the smallest one that
//! still does.

use std::time::Instant;

use threadline::store::Engine;

use super::calls::{Asked, ServiceCall};
use super::ground::Ground;
use super::model::Contract;
use super::printing::{Rare, print};
use super::simulation::{Faults, play};
use super::wgl::{Verdict, check};
use super::workload::{Plan, Shape};

/// A number that the environment may set.
pub(crate) fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// What is played under a seed. Of eight, two purge, two erase, and three revoke keys.
fn shape(engine: Engine, seed: u64) -> Shape {
    let operations = setting("THREADLINE_CHECK_OPERATIONS").unwrap_or(16) as usize;
    let (purges, erases) = (seed % 4 == 3, seed % 4 == 1);
    let revokes = matches!(seed % 8, 2 | 5 | 6);
    // A request that waits until its key was looked at does what it does later.
    let exact = engine == Engine::Sqlite && !revokes;
    Shape { clients: 3, operations, purges, erases, revokes, exact, short_ttl: (5, 60) }
}

/// Plays the seeds that the environment asks for; panics with the smallest history found when one
/// of them breaks the contract.
pub(crate) fn seeds(engine: Engine) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let Some(ground) = Ground::prepare(engine).await else { return };
        let begun = Instant::now();
        let (first, count) = match setting("THREADLINE_CHECK_SEED") {
            Some(seed) => (seed, 1),
            None => (0, setting("THREADLINE_CHECK_SEEDS").unwrap_or(default_seeds(engine))),
        };
        let (mut calls, mut rare) = (0, Rare::default());
        for seed in first..first + count {
            let plan = Plan::new(seed, shape(engine, seed));
            let history = look(&ground, &plan).await;
            calls += history.len();
            rare.count(&history);
        }
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!(
            "{engine:?}: {count} seeds, {calls} calls ({rare}) in {seconds:.1} s, 0 violations"
        );
        ground.database.remove().await;
    });
    runtime.shutdown_background();
}

fn default_seeds(engine: Engine) -> u64 {
    match engine {
        Engine::Sqlite => 150,
        Engine::Postgres => 60,
    }
}

/// Plays one plan; its history.
async fn look(ground: &Ground, plan: &Plan) -> Vec<ServiceCall> {
    let history = play(ground, plan, Faults::SOME, plan.seed).await;
    if !breaks(plan, &history) {
        return history;
    }
    eprintln!("seed {} breaks the contract; looking for less that does", plan.seed);
    let (plan, history) = smaller(ground, plan.clone(), history).await;
    panic!(
        "seed {}: no order of these {} calls keeps the contract (THREADLINE_CHECK_SEED={} plays it again)\n{}",
        plan.seed,
        history.len(),
        plan.seed,
        print(&history)
    );
}

/// Whether no order of these calls keeps the contract.
pub(crate) fn breaks(plan: &Plan, history: &[ServiceCall]) -> bool {
    match check(&Contract { purges: plan.shape.purges }, history) {
        Verdict::Linearizable => false,
        Verdict::Violation(_) => true,
        Verdict::Undecided => panic!("seed {}: too many orders to look at", plan.seed),
    }
}

/// Schedules tried for each smaller plan.
const SCHEDULES: u64 = 6;
/// Plays at most.
const MOST_PLAYS: usize = 600;

/// Takes away requests as long as what is left still breaks the contract under some schedule.
async fn smaller(
    ground: &Ground,
    mut plan: Plan,
    mut history: Vec<ServiceCall>,
) -> (Plan, Vec<ServiceCall>) {
    let mut plays = 0;
    let mut client = 0;
    while client < plan.clients.len() && plays < MOST_PLAYS {
        let mut index = 0;
        while index < plan.clients[client].len() && plays < MOST_PLAYS {
            let less = plan.without(client, index);
            let mut found = None;
            for seed in plan.seed..plan.seed + SCHEDULES {
                plays += 1;
                let other = play(ground, &less, Faults::SOME, seed).await;
                if breaks(&less, &other) {
                    found = Some(other);
                    break;
                }
            }
            match found {
                Some(other) => (plan, history) = (less, other),
                None => index += 1,
            }
        }
        client += 1;
    }
    let kept = without_reads(&plan, history);
    (plan, kept)
}

/// Leaves out everything after the first answer that is wrong, and calls that only look.
pub(crate) fn without_reads(plan: &Plan, mut history: Vec<ServiceCall>) -> Vec<ServiceCall> {
    let mut ends: Vec<u64> =
        history.iter().filter_map(|it| Some(it.returned.as_ref()?.0)).collect();
    ends.sort_unstable();
    for end in ends {
        let mut first: Vec<ServiceCall> =
            history.iter().filter(|it| it.invoked <= end).cloned().collect();
        let late = |it: &ServiceCall| it.returned.as_ref().is_some_and(|(at, _)| *at > end);
        first.iter_mut().filter(|it| late(it)).for_each(|it| it.returned = None);
        first.iter_mut().for_each(|it| it.after = it.after.filter(|_| false));
        if breaks(plan, &first) {
            history = first;
            break;
        }
    }
    let mut index = 0;
    while index < history.len() {
        // What was previewed is known to the erasure that follows.
        let only_looks =
            matches!(history[index].input.asked, Asked::Get { .. } | Asked::Look { .. });
        let mut less = history.clone();
        less.remove(index);
        if only_looks && breaks(plan, &less) {
            history = less;
        } else {
            index += 1;
        }
    }
    history
}

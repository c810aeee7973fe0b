//! How often, how long and in which order: from the environment for the long form, and what is to
//! be held to, which a debug build on a loaded machine cannot be as strictly as a release.

use std::time::Duration;

use threadline::ids::Entropy;

/// Kills for each engine in the short form.
const KILLS: usize = 8;
/// Restarts of PostgreSQL in the short form: one of each way.
const RESTARTS: usize = 3;
/// Whoever sees a failure repeats it with the seed that was printed.
const SEED: u64 = 20_261;

/// What a restarted server may need until its first answer: two seconds in a release, and in a
/// debug build, whose start alone takes many times as long, only not to hang.
pub(crate) const READY_WITHIN: Duration = unless_debug(2_000, 20_000);
/// What the service may need, once PostgreSQL answers again, until a start is decided.
pub(crate) const RECOVERED_WITHIN: Duration = unless_debug(5_000, 20_000);
/// What the service may need until it has given up connections that fell silent: a batch that
/// commits may take fifteen seconds, and what is read ten.
pub(crate) const SILENCE_ENDS_WITHIN: Duration = Duration::from_secs(40);
/// The default budget of a start.
pub(crate) const BUDGET: Duration = Duration::from_millis(300);
/// What the way there and back may add, on a machine whose two cores PostgreSQL's start, eight
/// clients and perhaps other tests share. Whoever waits for what does not answer waits for ten seconds
/// and more.
pub(crate) const TRANSPORT: Duration = unless_debug(200, 5_000);
/// Whatever takes longer hangs.
pub(crate) const HANGS: Duration = Duration::from_secs(120);
/// A kill during its start comes within so many milliseconds: about as long as a start takes.
pub(crate) const START_TAKES: u64 = if cfg!(debug_assertions) { 400 } else { 60 };

const fn unless_debug(release: u64, debug: u64) -> Duration {
    Duration::from_millis(if cfg!(debug_assertions) { debug } else { release })
}

/// How often the server is killed.
pub(crate) fn kills() -> usize {
    number("THREADLINE_KILLS").map_or(KILLS, |given| given as usize)
}

/// How often PostgreSQL is restarted.
pub(crate) fn restarts() -> usize {
    number("THREADLINE_RESTARTS").map_or(RESTARTS, |given| given as usize)
}

/// What is drawn for one part of a run; the parts do not disturb each other.
pub(crate) fn entropy(part: u64) -> Entropy {
    Entropy::seeded(seed().wrapping_mul(1_000_003).wrapping_add(part))
}

/// The seed of this run.
pub(crate) fn seed() -> u64 {
    number("THREADLINE_CRASH_SEED").unwrap_or(SEED)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// A number from 0 to `end`, without it.
pub(crate) fn below(entropy: &Entropy, end: u64) -> u64 {
    entropy.positive() as u64 % end
}

//! What must be there before anything is measured: customers with a past, and a warm cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use prost::Message as _;
use prost::bytes::Bytes;
use tokio::task::JoinSet;
use tonic::Code;

use super::caller::{Caller, is_degraded};
use super::requests::Call;
use super::workload::World;
use crate::cli::client;
use crate::grpc::proto::{Recommendation, StartInteractionResponse};
use crate::ids::Entropy;

/// How often a call that may be made again is made.
const TRIES: u32 = 200;
/// Between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(25);
/// The least share of customers that must be recognised, in percent.
const RECOGNISED: u64 = 99;

/// Makes the world's customers: each calls, the call ends with something to remember, and calls
/// again, which warms the cache.
///
/// # Errors
/// When a call is refused, or the customers are not recognised: nothing measured then would mean
/// what it says.
pub(super) async fn customers(callers: &[Caller], world: &World) -> anyhow::Result<()> {
    let count = world.customers;
    let first = |customer: u64| format!("first-{customer:07}");
    each(callers, count, move |one| Call::known(first(one), one)).await.context("first calls")?;
    let ended = ["last_order", "preferred_branch"];
    each(callers, count, move |one| Call::end(first(one), &ended)).await.context("their ends")?;
    warm(callers, count, "again").await
}

/// A start for each customer, so that all are in the cache.
///
/// # Errors
/// As [`customers`].
pub(super) async fn warm(callers: &[Caller], count: u64, name: &'static str) -> anyhow::Result<()> {
    let again = move |one: u64| Call::known(format!("{name}-{one:07}"), one);
    let recognised = each(callers, count, again).await.context("second calls")?;
    if recognised * 100 < count * RECOGNISED {
        bail!("only {recognised} of {count} customers were recognised: this measures nothing");
    }
    Ok(())
}

/// Starts that a later run ends, of customers at random. Gives their ids.
///
/// # Errors
/// When a start is refused.
pub(super) async fn starts(
    callers: &[Caller],
    world: &World,
    count: u64,
    run: &str,
) -> anyhow::Result<Vec<String>> {
    let (name, customers, entropy) = (run.to_owned(), world.customers, Entropy::seeded(count));
    let id = move |one: u64| format!("open-{name}-{one:07}");
    let make = id.clone();
    let start =
        move |one| Call::known(make(one), entropy.positive().unsigned_abs() % customers.max(1));
    each(callers, count, start).await.context("starts to be ended")?;
    Ok((0..count).map(id).collect())
}

/// Makes `count` calls, as many at once as there are callers. Gives how many were answered with
/// `reuse`.
async fn each(
    callers: &[Caller],
    count: u64,
    call: impl Fn(u64) -> Call + Send + Sync + 'static,
) -> anyhow::Result<u64> {
    let (next, call) = (Arc::new(AtomicU64::new(0)), Arc::new(call));
    let mut tasks = JoinSet::new();
    for mut caller in callers.iter().cloned() {
        let (next, call) = (Arc::clone(&next), Arc::clone(&call));
        tasks.spawn(async move {
            let mut reused = 0_u64;
            loop {
                let one = next.fetch_add(1, Ordering::Relaxed);
                if one >= count {
                    return anyhow::Ok(reused);
                }
                let answer = certainly(&mut caller, &call(one)).await?;
                reused += u64::from(is_reuse(&answer));
            }
        });
    }
    let mut reused = 0;
    while let Some(done) = tasks.join_next().await {
        reused += done.context("a task of the generator failed")??;
    }
    Ok(reused)
}

/// Makes a call until it is answered in full.
async fn certainly(caller: &mut Caller, call: &Call) -> anyhow::Result<Bytes> {
    for _ in 0..TRIES {
        match caller.call(call).await {
            Ok(answer) if !is_degraded(call.verb, &answer) => return Ok(answer),
            Ok(_) => {}
            Err(status) => match status.code() {
                Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded => {}
                _ => bail!("{}", client::sentence(&status)),
            },
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    bail!("no full answer in {TRIES} tries")
}

fn is_reuse(answer: &Bytes) -> bool {
    let answer = StartInteractionResponse::decode(answer.clone()).ok();
    let identity = answer.and_then(|answer| answer.identity);
    identity.is_some_and(|identity| identity.recommendation() == Recommendation::Reuse)
}

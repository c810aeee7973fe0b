//! Sends the events, in order, and keeps the ledger of what came back.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tonic::{Code, Response, Status};

use super::answers::Answer;
use super::chosen::chosen;
use super::events::{End, Start, Step, World};
use super::metrics::Latencies;
use super::oracle::{Links, Refs};
use super::progress::Progress;
use super::requests::{self, Feedback};
use crate::cli::client::{self, Interactions};
use crate::crypto::web_token::SigningKey;
use crate::grpc::code_name;
use crate::grpc::proto::StartInteractionResponse;

/// How often a call is tried when the server asks for another try.
const MAX_TRIES: u32 = 6;
/// How often a start that got no decision is asked again.
const MAX_DEGRADED_RETRIES: u32 = 5;
/// The first wait between tries; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait between tries.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// So many failures in a row end the replay: the server is gone.
const MAX_FAILURES_IN_A_ROW: u32 = 20;
/// How many failures are shown in full.
const SHOWN_FAILURES: u32 = 5;

/// How to replay.
pub(super) struct Plan {
    /// At what share of the ends the client says who it was.
    pub(super) feedback: f64,
    /// Which ends those are.
    pub(super) seed: u64,
    /// Calls in flight.
    pub(super) concurrency: usize,
    /// Signs web tokens for signed-in subjects.
    pub(super) web_token_key: Option<SigningKey>,
}

/// Calls that failed for good, by verb, code and reason.
#[derive(Default)]
pub(super) struct Failures {
    /// How many of each.
    pub(super) by_reason: BTreeMap<String, u64>,
    shown: u32,
    in_a_row: u32,
}

impl Failures {
    /// How many in all.
    pub(super) fn total(&self) -> u64 {
        self.by_reason.values().sum()
    }
}

/// What came back.
#[derive(Default)]
pub(super) struct Ledger {
    /// The answer to each start of the world; none where the call failed.
    pub(super) answers: Vec<Option<Answer>>,
    /// Whose each ref is.
    pub(super) refs: Refs,
    links: Links,
    /// How long starts took.
    pub(super) starts: Latencies,
    /// How long ends took.
    pub(super) ends: Latencies,
    /// Ends that said who it was.
    pub(super) feedback: u64,
    /// Ends with feedback that went into another history than the one named.
    pub(super) feedback_elsewhere: u64,
    /// Starts answered without a decision.
    pub(super) degraded: u64,
    /// Calls made again because the server asked for it.
    pub(super) retries: u64,
    /// Calls that failed for good.
    pub(super) failures: Failures,
    /// Whether the replay was given up.
    pub(super) given_up: bool,
}

/// Sends every event of the world and returns what came back.
pub(super) async fn replay(client: &Interactions, world: &World, plan: &Plan) -> Ledger {
    let answers = world.starts.iter().map(|_| None).collect();
    let ledger = Ledger { answers, ..Ledger::default() };
    let progress = Progress::new(world.steps.len());
    let run = Run { client, world, plan, ledger: Mutex::new(ledger), progress };
    join_all(run.lanes().iter().map(|lane| run.drive(lane))).await;
    run.progress.finish();
    run.ledger.into_inner().unwrap_or_else(PoisonError::into_inner)
}

struct Run<'a> {
    client: &'a Interactions,
    world: &'a World,
    plan: &'a Plan,
    ledger: Mutex<Ledger>,
    progress: Progress,
}

impl Run<'_> {
    /// The steps of each lane. A true customer's steps share a lane and keep their order.
    fn lanes(&self) -> Vec<Vec<&Step>> {
        let count = self.plan.concurrency.max(1);
        let mut lanes = vec![Vec::new(); count];
        let mut customers = HashMap::new();
        for step in &self.world.steps {
            let (Step::Start(place) | Step::End(place, _)) = step;
            let next = customers.len() % count;
            let customer = self.world.starts[*place].truth.customer.as_str();
            lanes[*customers.entry(customer).or_insert(next)].push(step);
        }
        lanes
    }

    async fn drive(&self, lane: &[&Step]) {
        for step in lane {
            if self.ledger().given_up {
                return;
            }
            match step {
                Step::Start(place) => self.start(*place).await,
                Step::End(place, end) => self.end(*place, end).await,
            }
            self.progress.advance();
        }
    }

    /// Never held across an await.
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&self, place: usize) {
        let start = &self.world.starts[place];
        match self.decided_start(start).await {
            Ok(response) => {
                let ledger = &mut *self.ledger();
                ledger.failures.in_a_row = 0;
                let answer = Answer::new(response, ledger.links.resolvable(start));
                ledger.refs.answered(&answer, &start.truth.customer);
                ledger.answers[place] = Some(answer);
            }
            Err(status) => self.failed("start", &start.id, &status),
        }
    }

    /// Asks until there is a decision; the last answer may still be none.
    async fn decided_start(&self, start: &Start) -> Result<StartInteractionResponse, Status> {
        let request = requests::start(start, self.plan.web_token_key.as_ref());
        let mut tries = 0;
        loop {
            let call = |mut client: Interactions| {
                let request = request.clone();
                async move { client.start_interaction(request).await }
            };
            let (response, lasted) = self.send(call).await?;
            self.ledger().starts.add(lasted);
            if !response.degraded {
                return Ok(response);
            }
            self.ledger().degraded += 1;
            if tries == MAX_DEGRADED_RETRIES {
                return Ok(response);
            }
            tokio::time::sleep(FIRST_WAIT * 2_u32.pow(tries)).await;
            tries += 1;
        }
    }

    async fn end(&self, place: usize, end: &End) {
        let start = &self.world.starts[place];
        let truth = &start.truth.customer;
        let (answered, feedback) = {
            let ledger = self.ledger();
            let answer = ledger.answers[place].as_ref().filter(|one| !one.customer_ref.is_empty());
            let chosen = chosen(self.plan.feedback, self.plan.seed, &start.id);
            let feedback = chosen.then(|| ledger.refs.feedback(answer, truth));
            (answer.map(|one| one.customer_ref.clone()), feedback)
        };
        let request = requests::end(
            start,
            end,
            answered.as_deref(),
            feedback.clone(),
            self.plan.web_token_key.as_ref(),
        );
        let call = |mut client: Interactions| {
            let request = request.clone();
            async move { client.end_interaction(request).await }
        };
        let result = self.send(call).await;
        let ledger = &mut *self.ledger();
        ledger.links.ended(start);
        match result {
            Ok((response, lasted)) => {
                ledger.failures.in_a_row = 0;
                ledger.ends.add(lasted);
                ledger.refs.ended(&response.customer_ref, truth, feedback.is_some());
                if let Some(feedback) = feedback {
                    ledger.feedback += 1;
                    ledger.feedback_elsewhere +=
                        u64::from(went_elsewhere(&feedback, &response.customer_ref));
                }
            }
            Err(status) => self.note_failure(ledger, "end", &start.id, &status),
        }
    }

    /// Makes one call; tries again, a bounded number of times, when the server asks for it.
    /// The duration is that of the try that succeeded.
    async fn send<T, F: Future<Output = Result<Response<T>, Status>>>(
        &self,
        call: impl Fn(Interactions) -> F,
    ) -> Result<(T, Duration), Status> {
        let mut wait = FIRST_WAIT;
        let mut tries = 0;
        loop {
            tries += 1;
            let begun = Instant::now();
            let answered = tokio::time::timeout(CALL_TIMEOUT, call(self.client.clone())).await;
            let status = match answered {
                Ok(Ok(response)) => return Ok((response.into_inner(), begun.elapsed())),
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded("no answer within 60 s"),
            };
            let transient = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
            if !transient || tries == MAX_TRIES {
                return Err(status);
            }
            self.ledger().retries += 1;
            let asked = client::retry_delay(&status).unwrap_or(wait);
            tokio::time::sleep(asked.min(LONGEST_WAIT)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn failed(&self, verb: &str, id: &str, status: &Status) {
        self.note_failure(&mut self.ledger(), verb, id, status);
    }

    fn note_failure(&self, ledger: &mut Ledger, verb: &str, id: &str, status: &Status) {
        let name = format!("{verb} {} {}", code_name(status.code()), client::reason(status));
        let failures = &mut ledger.failures;
        *failures.by_reason.entry(name.trim_end().to_owned()).or_default() += 1;
        if failures.shown < SHOWN_FAILURES {
            failures.shown += 1;
            self.progress.say(&format!("{verb} of {id}: {}", client::sentence(status)));
        }
        failures.in_a_row += 1;
        if failures.in_a_row == MAX_FAILURES_IN_A_ROW && !ledger.given_up {
            ledger.given_up = true;
            self.progress.say(&format!("given up after {MAX_FAILURES_IN_A_ROW} failures in a row"));
        }
    }
}

/// Whether an end went into another history than the feedback named.
fn went_elsewhere(feedback: &Feedback, customer_ref: &str) -> bool {
    match feedback {
        Feedback::Confirmed(named) | Feedback::Rejected(Some(named)) => named != customer_ref,
        Feedback::Rejected(None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_that_is_not_followed_is_noticed() {
        let named = |one: &str| Feedback::Confirmed(one.to_owned());
        assert!(!went_elsewhere(&named("a"), "a"));
        assert!(went_elsewhere(&named("a"), "b"));
        assert!(went_elsewhere(&Feedback::Rejected(Some("a".to_owned())), "b"));
        assert!(!went_elsewhere(&Feedback::Rejected(None), "b"));
    }
}

//! Clients that do as the documents ask: every call that was not answered, or that the service asks
//! to send again, is sent again as it was, until it is acknowledged.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use threadline::cli::client::{Interactions, connect, reason, retry_delay};
use threadline::grpc::proto::{EndInteractionRequest, EndInteractionResponse};
use threadline::ids::Entropy;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::{Code, Response, Status};

use crate::ledger::Ledger;
use crate::plan::{self, HANGS, below};
use crate::story::Story;

/// Between two tries while no server answers.
pub(crate) const AGAIN_AFTER: Duration = Duration::from_millis(5);
/// At most so long is waited when the service asks to come back later: sooner is harder for it.
const PATIENCE: Duration = Duration::from_millis(200);
/// How many work at once.
pub(crate) const CLIENTS: u64 = 8;

/// What may happen to a call, and what a client makes of a start without a decision.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The server may die at any moment; a start is sent until it is decided.
    Insistent,
    /// The server stays: every call is answered; without a decision the contact goes on.
    Proceeding,
    /// The server stays; a start is sent until it is decided.
    Probing,
}

/// The clients of one run; gone with it, also when it fails.
pub(crate) struct Crowd {
    clients: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Crowd {
    /// Eight clients of the server whose URL `url` holds, empty while there is none.
    pub(crate) fn gather(
        ledger: &Arc<Ledger>,
        key: &str,
        url: &watch::Sender<String>,
        manners: impl Fn(u64) -> Manner,
    ) -> Self {
        let stop = watch::Sender::new(false);
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let mut client = Client {
                number,
                manner: manners(number),
                entropy: plan::entropy(1 + number),
                key: key.to_owned(),
                url: url.subscribe(),
                connected: None,
                ledger: Arc::clone(ledger),
            };
            let stopped = stop.subscribe();
            clients.spawn(async move { client.work(stopped).await });
        }
        Self { clients, stop }
    }

    /// Every client finishes the story it is telling.
    pub(crate) async fn finish(mut self) {
        self.stop.send_replace(true);
        let finishing = async {
            while let Some(finished) = self.clients.join_next().await {
                finished.expect("a client that ends well");
            }
        };
        tokio::time::timeout(HANGS, finishing).await.expect("no client hangs");
    }
}

/// An answer, when its request was sent, and how often the service had refused it before.
struct Answered<T> {
    answer: T,
    begun: Instant,
    took: Duration,
    refused: usize,
}

/// One client: one call at a time.
struct Client {
    number: u64,
    manner: Manner,
    entropy: Entropy,
    key: String,
    url: watch::Receiver<String>,
    connected: Option<(String, Interactions)>,
    ledger: Arc<Ledger>,
}

impl Client {
    async fn work(&mut self, stopped: watch::Receiver<bool>) {
        for number in 0.. {
            if *stopped.borrow() {
                return;
            }
            let story = Story::draw(&self.entropy, self.number, number);
            self.tell(story).await;
        }
    }

    /// Start, perhaps an update, end, perhaps an amendment; each until it is acknowledged.
    async fn tell(&mut self, mut story: Story) {
        let known = self.ledger.people[story.person as usize].clone();
        story.undecided = !self.start(&story, &known).await;
        // Without a decision nothing is known that an update could add to.
        story.updated &= !story.undecided;
        if story.updated {
            let request = story.update(&known);
            let called = self.answered(|mut service| {
                let request = request.clone();
                async move { service.update_interaction(request).await }
            });
            assert_eq!(called.await.answer.customer_ref, known, "{}", story.id);
        }
        let echoed = if story.undecided { "" } else { &known };
        let ended = self.end(story.end(echoed)).await;
        self.ledger.end_acknowledged();
        assert_eq!(ended.customer_ref, known, "{}", story.id);
        if below(&self.entropy, 6) == 0 {
            let again = self.end(story.end(echoed)).await;
            self.ledger.note(|figures| figures.further_ends += 1);
            let same = (again.customer_ref, again.end_time) == (ended.customer_ref, ended.end_time);
            assert!(same, "an end again answers the first: {}", story.id);
        }
        if story.amended {
            self.end(story.amendment()).await;
            self.ledger.note(|figures| figures.further_ends += 1);
        }
        self.ledger.was_told(story);
    }

    /// Whether it was decided.
    async fn start(&mut self, story: &Story, known: &str) -> bool {
        loop {
            let called = self.answered(|mut service| {
                let request = story.start();
                async move { service.start_interaction(request).await }
            });
            let Answered { answer, begun, took, refused } = called.await;
            self.ledger.note(|figures| {
                figures.start_took.push(took);
                figures.starts_refused += refused;
            });
            if !answer.degraded {
                assert_eq!(answer.customer_ref, known, "{}", story.id);
                self.ledger.start_decided(begun);
                return true;
            }
            let reasons = ["BUDGET_EXHAUSTED", "STORE_UNAVAILABLE"];
            assert!(
                reasons.contains(&answer.degraded_reason.as_str()),
                "{}",
                answer.degraded_reason
            );
            assert!(answer.customer_ref.is_empty(), "no decision, no customer");
            self.ledger.note(|figures| figures.degraded += 1);
            if self.manner == Manner::Proceeding {
                return false;
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn end(&mut self, request: EndInteractionRequest) -> EndInteractionResponse {
        let called = self.answered(|mut service| {
            let request = request.clone();
            async move { service.end_interaction(request).await }
        });
        called.await.answer
    }

    /// Calls until there is an answer.
    async fn answered<T, F>(&mut self, mut call: impl FnMut(Interactions) -> F) -> Answered<T>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut refused = 0;
        loop {
            let service = self.service().await;
            let begun = Instant::now();
            let called = tokio::time::timeout(HANGS, call(service)).await.expect("no call hangs");
            let took = begun.elapsed();
            match called {
                Ok(answer) => {
                    return Answered { answer: answer.into_inner(), begun, took, refused };
                }
                Err(status) => refused += usize::from(self.comes_back(&status).await),
            }
        }
    }

    /// Waits before the next try; whether it was the service that refused. Fails when the status is
    /// none after which a client should try again.
    async fn comes_back(&mut self, status: &Status) -> bool {
        let reason = reason(status);
        if reason.is_empty() {
            assert!(self.manner == Manner::Insistent, "the server stays, but: {status:?}");
            self.ledger.note(|figures| figures.unanswered += 1);
            self.connected = None;
            tokio::time::sleep(AGAIN_AFTER).await;
            return false;
        }
        assert!(
            matches!(status.code(), Code::Unavailable | Code::ResourceExhausted),
            "{reason}: {status:?}"
        );
        self.ledger.note(|figures| figures.unavailable += 1);
        let delay = retry_delay(status).expect("the service says when to come back");
        tokio::time::sleep(delay.min(PATIENCE)).await;
        true
    }

    /// The server there is now, once there is one.
    async fn service(&mut self) -> Interactions {
        loop {
            let waiting = self.url.wait_for(|url| !url.is_empty());
            let url = waiting.await.expect("a run that goes on").clone();
            match &self.connected {
                Some((to, service)) if *to == url => return service.clone(),
                _ => {}
            }
            match connect(&url, Some(&self.key)).await {
                Ok(connection) => {
                    let service = Interactions::new(connection);
                    self.connected = Some((url, service.clone()));
                    return service;
                }
                Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
            }
        }
    }
}

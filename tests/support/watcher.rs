//! Streams as tests read them: events apart from heartbeats, with the token to go on with.

use std::time::Duration;

use threadline::grpc::proto::{
    EventType, GetInteractionResponse, WatchCustomerRequest, WatchCustomerResponse,
    WatchInteractionsRequest, WatchInteractionsResponse,
};
use tonic::{Status, Streaming};
use tonic_types::StatusExt as _;

use super::client::{Answered, Client, Refusal};

/// What does not come within this does not come.
const COMES_WITHIN: Duration = Duration::from_secs(60);

/// An event of either stream.
pub struct Event {
    /// What happened.
    pub kind: EventType,
    /// Where to go on.
    pub token: String,
    /// The customer, where the stream is of one.
    pub customer_ref: String,
    /// When it was committed, in milliseconds.
    pub committed: i64,
    /// What is shown; nothing in a heartbeat.
    pub shown: Option<GetInteractionResponse>,
}

impl Event {
    /// The interaction it is about.
    pub fn id(&self) -> &str {
        self.shown.as_ref().map_or("", |shown| &shown.interaction_id)
    }

    /// What is shown of it.
    #[track_caller]
    pub fn shown(&self) -> &GetInteractionResponse {
        self.shown.as_ref().expect("an event of an interaction")
    }
}

/// Either message as an event.
pub trait Message {
    /// As an event.
    fn event(self) -> Event;
}

fn milliseconds(at: Option<prost_types::Timestamp>) -> i64 {
    at.map_or(0, |at| at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000)
}

impl Message for WatchInteractionsResponse {
    fn event(self) -> Event {
        Event {
            kind: self.r#type(),
            committed: milliseconds(self.commit_time),
            token: self.resume_token,
            customer_ref: String::new(),
            shown: self.interaction,
        }
    }
}

impl Message for WatchCustomerResponse {
    fn event(self) -> Event {
        Event {
            kind: self.r#type(),
            committed: milliseconds(self.commit_time),
            token: self.resume_token,
            customer_ref: self.customer_ref,
            shown: self.interaction,
        }
    }
}

/// How a stream ended.
#[derive(Debug)]
pub struct End {
    /// As any refusal.
    pub refusal: Refusal,
    /// The token to go on with, if it named one.
    pub token: String,
}

/// One open stream.
pub struct Watcher<M> {
    stream: Streaming<M>,
    /// Where to go on after the last message.
    pub token: String,
}

impl Client {
    /// WatchInteractions, once everything that is committed from now on will be in it.
    pub async fn watch(
        &self,
        request: WatchInteractionsRequest,
    ) -> Answered<Watcher<WatchInteractionsResponse>> {
        let opened = self.interactions.clone().watch_interactions(request).await;
        Watcher::begin(opened).await
    }

    /// WatchCustomer, likewise.
    pub async fn watch_customer(
        &self,
        request: WatchCustomerRequest,
    ) -> Answered<Watcher<WatchCustomerResponse>> {
        let opened = self.customers.clone().watch_customer(request).await;
        Watcher::begin(opened).await
    }
}

impl<M: Message> Watcher<M> {
    async fn begin(opened: Result<tonic::Response<Streaming<M>>, Status>) -> Answered<Self> {
        let stream = opened.map_err(|status| Refusal::of(&status))?.into_inner();
        let mut watcher = Self { stream, token: String::new() };
        match watcher.message().await {
            Ok(first) => assert!(first.kind == EventType::Heartbeat, "the first is a heartbeat"),
            Err(end) => return Err(end.refusal),
        }
        Ok(watcher)
    }

    /// The next message, a heartbeat or not.
    pub async fn message(&mut self) -> Result<Event, End> {
        let next = tokio::time::timeout(COMES_WITHIN, self.stream.message()).await;
        match next.expect("a message in time") {
            Ok(message) => {
                let event = message.expect("streams end with a status").event();
                assert!(!event.token.is_empty() && event.token.len() <= 64);
                self.token.clone_from(&event.token);
                Ok(event)
            }
            Err(status) => {
                let details = status.get_details_error_info();
                let token = details.and_then(|mut it| it.metadata.remove("resume_token"));
                let refusal = Refusal::of(&status);
                Err(End { refusal, token: token.unwrap_or_default() })
            }
        }
    }

    /// The next event.
    pub async fn event(&mut self) -> Event {
        let coming = async {
            loop {
                let event = self.message().await.unwrap_or_else(|end| panic!("it ended: {end:?}"));
                if event.kind != EventType::Heartbeat {
                    return event;
                }
            }
        };
        tokio::time::timeout(COMES_WITHIN, coming).await.expect("an event in time")
    }

    /// The next events, each as what happened to which interaction.
    pub async fn events(&mut self, count: usize) -> Vec<(&'static str, String)> {
        let mut events = Vec::with_capacity(count);
        for _ in 0..count {
            let event = self.event().await;
            events.push((name(event.kind), event.id().to_owned()));
        }
        events
    }

    /// How the stream ends; events before that are passed over.
    pub async fn end(&mut self) -> End {
        let ending = async {
            loop {
                if let Err(end) = self.message().await {
                    return end;
                }
            }
        };
        tokio::time::timeout(COMES_WITHIN, ending).await.expect("an end in time")
    }
}

/// What happened, without the enum's prefix.
pub fn name(kind: EventType) -> &'static str {
    let name = kind.as_str_name();
    name.strip_prefix("EVENT_TYPE_").unwrap_or(name)
}

/// What is expected of [`Watcher::events`].
pub fn told(events: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    events.iter().map(|(what, id)| (*what, (*id).to_owned())).collect()
}

/// From now on, everything.
pub fn everything() -> WatchInteractionsRequest {
    WatchInteractionsRequest::default()
}

/// Everything after this token.
pub fn after(token: &str) -> WatchInteractionsRequest {
    WatchInteractionsRequest { resume_token: token.into(), ..everything() }
}

//! Requests and answers of the API, as the checker's calls and back.

use std::collections::{BTreeMap, HashMap};

use threadline::grpc::proto::{
    EndInteractionRequest, EndInteractionResponse, GetInteractionRequest, GetInteractionResponse,
    IdentityHints, Intent, IntentStatus, OpenIntent, Recommendation, StartInteractionRequest,
    StartInteractionResponse, UpdateInteractionRequest, Variable, VariableInput,
};
use tonic::{Code, Status as Refusal};

use super::calls::{Asked, Output, Recommended, Said, Shown, Shows, Status};

/// A request of the API.
pub(crate) enum Request {
    Start(StartInteractionRequest),
    Update(UpdateInteractionRequest),
    End(Box<EndInteractionRequest>),
    Get(GetInteractionRequest),
}

/// An answer of the API.
pub(crate) enum Response {
    Context(Box<StartInteractionResponse>),
    Ended(EndInteractionResponse),
    Got(Box<GetInteractionResponse>),
}

/// The names of one history: its people are nobody else's.
pub(crate) struct Names {
    partition: String,
    /// Refs in the order they appeared.
    customers: HashMap<String, u32>,
}

const CHANNELS: [&str; 2] = ["web_chat", "in_app"];

impl Names {
    /// The names of this partition.
    pub(crate) fn of(partition: String) -> Self {
        Self { partition, customers: HashMap::new() }
    }

    /// The request; none for what is no request of the API.
    pub(crate) fn request(&self, asked: &Asked) -> Option<Request> {
        let name = |id: &u16| format!("{}-{id}", self.partition);
        Some(match asked {
            Asked::Start { id, shows, channel, time } => Request::Start(StartInteractionRequest {
                interaction_id: name(id),
                channel: CHANNELS[usize::from(*channel)].into(),
                identity_hints: Some(self.hints(*shows)),
                start_time: time.map(timestamp),
                ..Default::default()
            }),
            Asked::Update { id, update, said } => Request::Update(UpdateInteractionRequest {
                interaction_id: name(id),
                update_id: format!("u{update}"),
                // Makes two contents differ that say the same.
                agent_ref: format!("agent {}", said.content),
                intents: intents(said),
                variables: variables(said),
                ..Default::default()
            }),
            Asked::End { id, shows, revision, said, time } => {
                Request::End(Box::new(EndInteractionRequest {
                    interaction_id: name(id),
                    channel: CHANNELS[0].into(),
                    identity_hints: Some(self.hints(*shows)),
                    summary: format!("content {}", said.content),
                    revision: *revision,
                    end_time: time.map(timestamp),
                    intents: intents(said),
                    variables: variables(said),
                    ..Default::default()
                }))
            }
            Asked::Get { id } => Request::Get(GetInteractionRequest {
                interaction_id: name(id),
                ..Default::default()
            }),
            Asked::Age | Asked::Sweep => return None,
        })
    }

    fn hints(&self, shows: Shows) -> IdentityHints {
        let namespaces = ["crm_id", "user_id"];
        let external =
            |index: usize| (namespaces[index].to_owned(), format!("{}#", self.partition));
        IdentityHints {
            external_ids: shows.indexes().map(external).collect(),
            ..Default::default()
        }
    }

    /// What an answer says; `None` when nobody knows what has become of the request.
    pub(crate) fn output(&mut self, answer: Result<Response, Refusal>) -> Option<Output> {
        match answer {
            Ok(Response::Context(it)) if it.degraded => None,
            Ok(Response::Context(it)) => {
                let recommended = it.identity.as_ref().map(|it| it.recommendation());
                let customer = self.customer(&it.customer_ref);
                Some(answered(
                    customer,
                    it.new_customer,
                    recommended,
                    &it.variables,
                    &it.open_intents,
                ))
            }
            Ok(Response::Got(it)) => {
                let recommended = it.identity.as_ref().map(|it| it.recommendation());
                let customer = self.customer(&it.customer_ref);
                Some(answered(
                    customer,
                    it.new_customer,
                    recommended,
                    &it.variables,
                    &it.open_intents,
                ))
            }
            Ok(Response::Ended(it)) => {
                Some(Output::Ended { customer: self.customer(&it.customer_ref) })
            }
            Err(refusal) => match refusal.code() {
                Code::AlreadyExists => Some(Output::Conflict),
                Code::NotFound => Some(Output::NotFound),
                Code::InvalidArgument if refusal.message() == "bad fields: end_time" => {
                    Some(Output::Refused)
                }
                Code::Unavailable
                | Code::DeadlineExceeded
                | Code::ResourceExhausted
                | Code::Cancelled
                | Code::Unknown => None,
                code => Some(Output::Broken(format!("{code:?}: {}", refusal.message()))),
            },
        }
    }

    fn customer(&mut self, name: &str) -> Option<u32> {
        if name.is_empty() {
            return None;
        }
        let next = self.customers.len() as u32;
        Some(*self.customers.entry(name.to_owned()).or_insert(next))
    }
}

fn answered(
    customer: Option<u32>,
    new: bool,
    recommendation: Option<Recommendation>,
    variables: &BTreeMap<String, Variable>,
    intents: &[OpenIntent],
) -> Output {
    let recommended = match recommendation {
        Some(Recommendation::Reuse) => Recommended::Reuse,
        Some(Recommendation::Confirm) => Recommended::Confirm,
        _ => Recommended::Ignore,
    };
    let number = |name: &str| name[1..].parse().expect("a name of ours");
    let value = |it: &Variable| it.value.parse().expect("a value of ours");
    let status = |it: &OpenIntent| match it.status() {
        IntentStatus::Escalated => Status::Escalated,
        _ => Status::Open,
    };
    let shown = Shown {
        variables: variables.iter().map(|(name, it)| (number(name), value(it))).collect(),
        intents: intents
            .iter()
            .map(|it| (number(&it.intent), (status(it), it.attempt_count)))
            .collect(),
    };
    Output::Answered { customer, new, recommended, shown }
}

fn intents(said: &Said) -> Vec<Intent> {
    let intent = |(name, status): &(u16, Status)| {
        let status = match status {
            Status::Open => IntentStatus::Open,
            Status::Resolved => IntentStatus::Resolved,
            Status::Escalated => IntentStatus::Escalated,
            Status::Abandoned => IntentStatus::Abandoned,
        };
        Intent { intent: format!("i{name}"), status: status.into(), ..Default::default() }
    };
    said.intents.iter().map(intent).collect()
}

fn variables(said: &Said) -> BTreeMap<String, VariableInput> {
    let input = |it: &super::calls::Setting| {
        let input = VariableInput {
            value: it.value.to_string(),
            ttl_seconds: Some(it.ttl_seconds as i32),
            ..Default::default()
        };
        (format!("v{}", it.name), input)
    };
    said.settings.iter().map(input).collect()
}

fn timestamp(time: i64) -> prost_types::Timestamp {
    let (seconds, milliseconds) = (time.div_euclid(1_000), time.rem_euclid(1_000));
    prost_types::Timestamp { seconds, nanos: milliseconds as i32 * 1_000_000 }
}

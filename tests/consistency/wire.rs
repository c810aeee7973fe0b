//! The checker's calls as requests of the API.

use std::collections::{BTreeMap, HashMap};

use threadline::grpc::proto::erase_customer_response::Outcome;
use threadline::grpc::proto::{
    EndInteractionRequest, EndInteractionResponse, EraseCustomerRequest, EraseCustomerResponse,
    GetCustomerRequest, GetCustomerResponse, GetInteractionRequest, GetInteractionResponse,
    Identifier, IdentityHints, Intent, IntentStatus, LinkIdentifierRequest, LinkIdentifierResponse,
    MergeCustomersRequest, MergeCustomersResponse, ReassignInteractionRequest,
    ReassignInteractionResponse, StartInteractionRequest, StartInteractionResponse,
    UnlinkIdentifierRequest, UnlinkIdentifierResponse, UnmergeCustomersRequest,
    UnmergeCustomersResponse, UpdateInteractionRequest, VariableInput,
};
use tonic::Status as Refusal;

use super::calls::{Asked, Said, Shows, Status, Which, Whom};

/// A request of the API.
pub(crate) enum Request {
    Start(StartInteractionRequest),
    Update(UpdateInteractionRequest),
    End(Box<EndInteractionRequest>),
    Get(GetInteractionRequest),
    Merge(MergeCustomersRequest),
    Unmerge(UnmergeCustomersRequest),
    Reassign(ReassignInteractionRequest),
    Link(LinkIdentifierRequest),
    Unlink(UnlinkIdentifierRequest),
    Look(GetCustomerRequest),
    Erase(EraseCustomerRequest),
}

/// An answer of the API.
pub(crate) enum Response {
    Context(Box<StartInteractionResponse>),
    Ended(EndInteractionResponse),
    Got(Box<GetInteractionResponse>),
    Merged(MergeCustomersResponse),
    Unmerged(UnmergeCustomersResponse),
    Reassigned(ReassignInteractionResponse),
    Linked(LinkIdentifierResponse),
    Unlinked(UnlinkIdentifierResponse),
    Looked(Box<GetCustomerResponse>),
    Erased(Box<EraseCustomerResponse>),
}

/// The names of one history: its people are nobody else's.
pub(crate) struct Names {
    partition: String,
    /// Refs in the order they appeared.
    pub(super) customers: Vec<String>,
    /// The ids of merges, by the call that made them.
    merges: HashMap<u16, String>,
    /// What each preview answered.
    tokens: HashMap<u16, String>,
}

/// A call, and a channel that carries text.
const CHANNELS: [&str; 2] = ["voice", "web_chat"];
pub(super) const NAMESPACES: [&str; 2] = ["crm_id", "user_id"];
/// Whom nobody knows.
pub(crate) const NOBODY: u32 = u32::MAX;

impl Names {
    /// The names of this partition.
    pub(crate) fn of(partition: String) -> Self {
        let (customers, merges, tokens) = (Vec::new(), HashMap::new(), HashMap::new());
        Self { partition, customers, merges, tokens }
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
            Asked::Merge { number, one, other } => Request::Merge(MergeCustomersRequest {
                request_id: name(number),
                customer_ref: self.customer_ref(*one),
                other_customer_ref: self.customer_ref(*other),
                reason: "the desk says so".into(),
                ..Default::default()
            }),
            Asked::Unmerge { number, which } => {
                let mut request = UnmergeCustomersRequest {
                    request_id: format!("{}-unmerge-{number}", self.partition),
                    ..Default::default()
                };
                match which {
                    Which::Merge(of) => request.merge_id.clone_from(&self.merges[of]),
                    Which::Between(one, other) => {
                        request.customer_ref = self.customer_ref(Whom::Named(*one));
                        request.other_customer_ref = self.customer_ref(Whom::Named(*other));
                    }
                    Which::BetweenThoseOf(_) => unreachable!("it is known who they are"),
                }
                Request::Unmerge(request)
            }
            Asked::Reassign { id, number, to } => Request::Reassign(ReassignInteractionRequest {
                interaction_id: name(id),
                request_id: format!("r{number}"),
                customer_ref: to.map(|to| self.customer_ref(to)),
                ..Default::default()
            }),
            Asked::Tie { number, whom, index, holds } => {
                let identifier = Some(Identifier {
                    kind: "external".into(),
                    namespace: NAMESPACES[*index].into(),
                    value: format!("P{}#", self.partition),
                    ..Default::default()
                });
                let (request_id, customer_ref) = (name(number), self.customer_ref(*whom));
                let source = String::new();
                if *holds {
                    let link =
                        LinkIdentifierRequest { request_id, source, customer_ref, identifier };
                    Request::Link(link)
                } else {
                    let unlink =
                        UnlinkIdentifierRequest { request_id, source, customer_ref, identifier };
                    Request::Unlink(unlink)
                }
            }
            Asked::Look { whom } => Request::Look(GetCustomerRequest {
                customer_ref: self.customer_ref(*whom),
                ..Default::default()
            }),
            Asked::Preview { whom, .. } => Request::Erase(EraseCustomerRequest {
                customer_ref: self.customer_ref(*whom),
                ..Default::default()
            }),
            Asked::Erase { number, of, whom } => Request::Erase(EraseCustomerRequest {
                customer_ref: self.customer_ref(*whom),
                preview_token: self.tokens[of].clone(),
                request_id: name(number),
                ..Default::default()
            }),
            Asked::Age | Asked::Sweep | Asked::Revoke { .. } => return None,
        })
    }

    fn customer_ref(&self, whom: Whom) -> String {
        match whom {
            Whom::Named(NOBODY) => "cus_00000000000000000000000000".into(),
            Whom::Named(number) => self.customers[number as usize].clone(),
            Whom::Of(_) => unreachable!("it is known whose it is"),
        }
    }

    /// Whether it is known by which id this merge can be taken back.
    pub(crate) fn knows_merge(&self, number: u16) -> bool {
        self.merges.contains_key(&number)
    }

    /// What this preview answered, if it is known.
    pub(crate) fn token(&self, number: u16) -> Option<&str> {
        self.tokens.get(&number).map(String::as_str)
    }

    /// Remembers by which id a merge can be taken back, and by which token what was previewed can be
    /// erased.
    pub(crate) fn learn(&mut self, asked: &Asked, answer: &Result<Response, Refusal>) {
        match (asked, answer) {
            (Asked::Merge { number, .. }, Ok(Response::Merged(it))) => {
                self.merges.insert(*number, it.merge_id.clone());
            }
            (Asked::Preview { number, .. }, Ok(Response::Erased(it))) => {
                if let Some(Outcome::Preview(it)) = &it.outcome {
                    self.tokens.insert(*number, it.preview_token.clone());
                }
            }
            _ => {}
        }
    }

    /// All customers that were named, as numbers.
    pub(crate) fn customers(&self) -> std::ops::Range<u32> {
        0..self.customers.len() as u32
    }

    /// The place of each customer among all by age: refs sort by the time they were made.
    pub(crate) fn ages(&self) -> Vec<u32> {
        let older = |one: &String| self.customers.iter().filter(|other| *other < one).count();
        self.customers.iter().map(|one| older(one) as u32).collect()
    }

    fn hints(&self, shows: Shows) -> IdentityHints {
        let external =
            |index: usize| (NAMESPACES[index].to_owned(), format!("P{}#", self.partition));
        IdentityHints {
            external_ids: shows.indexes().map(external).collect(),
            ..Default::default()
        }
    }
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

//! Requests and answers of the API, as the checker's calls and back.

use std::collections::{BTreeMap, HashMap};

use threadline::grpc::proto::{
    CustomerSet, EndInteractionRequest, EndInteractionResponse, GetCustomerRequest,
    GetCustomerResponse, GetInteractionRequest, GetInteractionResponse, Identifier, IdentityHints,
    Intent, IntentStatus, LinkIdentifierRequest, LinkIdentifierResponse, MergeCustomersRequest,
    MergeCustomersResponse, MergeState, OpenIntent, ReassignInteractionRequest,
    ReassignInteractionResponse, Recommendation, StartInteractionRequest, StartInteractionResponse,
    UnlinkIdentifierRequest, UnlinkIdentifierResponse, UnmergeCustomersRequest,
    UnmergeCustomersResponse, UpdateInteractionRequest, Variable, VariableInput,
};
use tonic::{Code, Status as Refusal};

use super::calls::{Asked, Output, Recommended, Said, Shown, Shows, Status, Which, Whom};

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
}

/// The names of one history: its people are nobody else's.
pub(crate) struct Names {
    partition: String,
    /// Refs in the order they appeared.
    customers: Vec<String>,
    /// The ids of merges, by the call that made them.
    merges: HashMap<u16, String>,
}

const CHANNELS: [&str; 2] = ["web_chat", "in_app"];
const NAMESPACES: [&str; 2] = ["crm_id", "user_id"];
/// Whom nobody knows.
pub(crate) const NOBODY: u32 = u32::MAX;
/// What is said of a merge of one customer with themselves.
const SAME: &str = "both refs name the same customer";

impl Names {
    /// The names of this partition.
    pub(crate) fn of(partition: String) -> Self {
        Self { partition, customers: Vec::new(), merges: HashMap::new() }
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
            Asked::Age | Asked::Sweep => return None,
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

    /// Remembers by which id this merge can be taken back.
    pub(crate) fn learn_merge(&mut self, number: u16, answer: &Result<Response, Refusal>) {
        if let Ok(Response::Merged(it)) = answer {
            self.merges.insert(number, it.merge_id.clone());
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
            Ok(Response::Merged(it)) => {
                let in_force = it.state() == MergeState::InForce;
                Some(Output::Joined { set: self.set(it.set), in_force })
            }
            Ok(Response::Unmerged(it)) => {
                let mut sets = it.sets.into_iter().map(|set| self.set(Some(set)));
                let mut next = || sets.next().unwrap_or_default();
                Some(Output::Parted { older: next(), younger: next() })
            }
            Ok(Response::Reassigned(it)) => {
                let customer = self.customer(&it.customer_ref);
                Some(Output::Moved { customer, new: it.new_customer })
            }
            Ok(Response::Linked(it)) => {
                let (before, owners) = (it.already_linked, it.owner_count);
                Some(Output::Tied { customer: self.customer(&it.customer_ref), before, owners })
            }
            Ok(Response::Unlinked(it)) => {
                let (before, owners) = (it.was_linked, it.owner_count);
                Some(Output::Tied { customer: self.customer(&it.customer_ref), before, owners })
            }
            Ok(Response::Looked(it)) => Some(self.looked(&it)),
            Err(refusal) => match refusal.code() {
                Code::AlreadyExists => Some(Output::Conflict),
                Code::NotFound => Some(Output::NotFound),
                Code::InvalidArgument if refusal.message() == SAME => Some(Output::Same),
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
        let known = self.customers.iter().position(|it| it == name);
        let place = known.unwrap_or_else(|| {
            self.customers.push(name.to_owned());
            self.customers.len() - 1
        });
        Some(place as u32)
    }

    /// The members of a set, who is called by the first of them.
    fn set(&mut self, set: Option<CustomerSet>) -> Vec<u32> {
        let set = set.unwrap_or_default();
        self.members(&set.customer_ref, &set.member_refs)
    }

    fn members(&mut self, name: &str, members: &[String]) -> Vec<u32> {
        if members.first().is_none_or(|first| first != name) {
            // No set is called so.
            return Vec::new();
        }
        members.iter().filter_map(|it| self.customer(it)).collect()
    }

    fn looked(&mut self, it: &GetCustomerResponse) -> Output {
        let alone = [it.customer_ref.clone()];
        let members = if it.member_refs.is_empty() { &alone[..] } else { &it.member_refs };
        let set = self.members(&it.customer_ref, members);
        let owns = |namespace| it.identifiers.iter().any(|one| one.namespace == namespace);
        let owns = Shows { first: owns(NAMESPACES[0]), second: owns(NAMESPACES[1]) };
        Output::Looked { set, owns, shown: shown(&it.variables, &it.open_intents) }
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
    Output::Answered { customer, new, recommended, shown: shown(variables, intents) }
}

fn shown(variables: &BTreeMap<String, Variable>, intents: &[OpenIntent]) -> Shown {
    let number = |name: &str| name[1..].parse().expect("a name of ours");
    let value = |it: &Variable| it.value.parse().expect("a value of ours");
    let status = |it: &OpenIntent| match it.status() {
        IntentStatus::Escalated => Status::Escalated,
        _ => Status::Open,
    };
    Shown {
        variables: variables.iter().map(|(name, it)| (number(name), value(it))).collect(),
        intents: intents
            .iter()
            .map(|it| (number(&it.intent), (status(it), it.attempt_count)))
            .collect(),
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

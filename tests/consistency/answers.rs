//! Answers of the API, as the checker knows them.

use std::collections::BTreeMap;

use threadline::cli::client::reason;
use threadline::grpc::proto::erase_customer_response::Outcome;
use threadline::grpc::proto::{
    CustomerSet, GetCustomerResponse, IntentStatus, MergeState, OpenIntent, Recommendation,
    Variable,
};
use tonic::{Code, Status as Refusal};

use super::calls::{Counts, Output, Recommended, Shown, Shows, Status};
use super::wire::{NAMESPACES, Names, Response};

/// What is said of a merge of one customer with themselves.
const SAME: &str = "both refs name the same customer";

impl Names {
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
            Ok(Response::Erased(it)) => Some(self.erased(it.outcome)),
            Err(refusal) => refused(&refusal),
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

    fn erased(&mut self, outcome: Option<Outcome>) -> Output {
        match outcome {
            Some(Outcome::Preview(it)) => {
                let set = self.members(&it.customer_ref, &it.member_refs);
                Output::Previewed { set }
            }
            Some(Outcome::Receipt(it)) => {
                let counts = it.counts.unwrap_or_default();
                Output::Gone(Counts {
                    customers: counts.customer_count,
                    interactions: counts.interaction_count,
                    identifiers: counts.identifier_count,
                })
            }
            None => Output::Broken("an erasure without an outcome".into()),
        }
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

/// A refusal; `None` when it says nothing of what has become of the request.
fn refused(refusal: &Refusal) -> Option<Output> {
    match refusal.code() {
        Code::AlreadyExists => Some(Output::Conflict),
        Code::NotFound if reason(refusal) == "ERASED" => Some(Output::Erased),
        Code::NotFound => Some(Output::NotFound),
        Code::FailedPrecondition if reason(refusal) == "PREVIEW_OUTDATED" => Some(Output::Outdated),
        Code::Unauthenticated if reason(refusal) == "INVALID_API_KEY" => Some(Output::NotLetIn),
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
    }
}

//! One interaction as a phone system and its desktop tell it, and its requests: the same requests
//! whenever they are sent again.

use threadline::grpc::proto::update_interaction_request::IdentityFeedback;
use threadline::grpc::proto::{
    EndInteractionRequest, IdentityConfirmed, IdentityHints, Intent, LineType,
    StartInteractionRequest, Telco, UpdateInteractionRequest, VariableInput,
};
use threadline::ids::Entropy;

use crate::plan::below;

/// Whom the clients know: so many that nobody of them has more than 500 blocks after the long form,
/// since no more are read.
pub(crate) const PEOPLE: u64 = 200;
/// What contacts are about.
pub(crate) const INTENTS: [&str; 4] = ["billing", "delivery", "repair", "contract"];

/// What one interaction is to say.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) id: String,
    /// Which client tells it.
    pub(crate) client: u64,
    /// Whom it is about.
    pub(crate) person: u64,
    pub(crate) intent: &'static str,
    /// An update between start and end says who it is, and a value.
    pub(crate) updated: bool,
    /// The end comes a second time, with a higher revision.
    pub(crate) amended: bool,
    /// The start got no decision: the end brings the hints.
    pub(crate) undecided: bool,
}

impl Story {
    /// The next one of a client.
    pub(crate) fn draw(entropy: &Entropy, client: u64, number: usize) -> Self {
        Self {
            id: format!("contact-{client}-{number}"),
            client,
            person: below(entropy, PEOPLE),
            intent: INTENTS[below(entropy, INTENTS.len() as u64) as usize],
            updated: below(entropy, 3) == 0,
            amended: below(entropy, 4) == 0,
            undecided: false,
        }
    }

    /// The first one of a person, which makes them known.
    pub(crate) fn first_of(person: u64) -> Self {
        Self {
            id: format!("first-{person}"),
            client: FIRST,
            person,
            intent: INTENTS[0],
            updated: false,
            amended: false,
            undecided: false,
        }
    }

    fn hints(&self) -> IdentityHints {
        IdentityHints {
            caller_number: format!("+1415201{:04}", 1_000 + self.person),
            external_ids: [("crm_id".to_owned(), format!("crm-{}", self.person))].into(),
            ..IdentityHints::default()
        }
    }

    pub(crate) fn start(&self) -> StartInteractionRequest {
        StartInteractionRequest {
            interaction_id: self.id.clone(),
            channel: "voice".into(),
            identity_hints: Some(self.hints()),
            telco: mobile(),
            ..StartInteractionRequest::default()
        }
    }

    pub(crate) fn update(&self, customer: &str) -> UpdateInteractionRequest {
        let confirmed = IdentityConfirmed { customer_ref: customer.to_owned() };
        UpdateInteractionRequest {
            interaction_id: self.id.clone(),
            update_id: "confirmed".into(),
            variables: [("meanwhile".to_owned(), self.variable())].into(),
            identity_feedback: Some(IdentityFeedback::IdentityConfirmed(confirmed)),
            ..UpdateInteractionRequest::default()
        }
    }

    pub(crate) fn end(&self, customer: &str) -> EndInteractionRequest {
        EndInteractionRequest {
            interaction_id: self.id.clone(),
            channel: "voice".into(),
            telco: mobile(),
            customer_ref: customer.to_owned(),
            identity_hints: self.undecided.then(|| self.hints()),
            summary: self.summary(false),
            intents: self.intents(),
            variables: [(variable_of(self.client), self.variable())].into(),
            revision: Some(1),
            ..EndInteractionRequest::default()
        }
    }

    pub(crate) fn amendment(&self) -> EndInteractionRequest {
        EndInteractionRequest {
            interaction_id: self.id.clone(),
            summary: self.summary(true),
            intents: self.intents(),
            revision: Some(2),
            ..EndInteractionRequest::default()
        }
    }

    /// What stands in the end once all was said.
    pub(crate) fn last_summary(&self) -> String {
        self.summary(self.amended)
    }

    fn summary(&self, amended: bool) -> String {
        format!("{} of {}", if amended { "amended summary" } else { "summary" }, self.id)
    }

    fn intents(&self) -> Vec<Intent> {
        vec![Intent { intent: self.intent.into(), ..Intent::default() }]
    }

    fn variable(&self) -> VariableInput {
        VariableInput { value: self.value(), ..VariableInput::default() }
    }

    /// The value of its variables.
    pub(crate) fn value(&self) -> String {
        format!("value of {}", self.id)
    }
}

/// The client of the first contacts.
const FIRST: u64 = 99;

/// Each client has a variable of its own, so that the last value of a person's is known.
pub(crate) fn variable_of(client: u64) -> String {
    format!("client_{client}")
}

fn mobile() -> Option<Telco> {
    Some(Telco { line_type: LineType::Mobile.into(), ..Telco::default() })
}

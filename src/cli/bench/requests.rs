//! The requests of the benchmark, as a phone system sends them.

use prost::Message as _;
use prost::bytes::Bytes;

use crate::grpc::proto::{
    EndInteractionRequest, IdentityHints, Intent, LineType, StartInteractionRequest, Telco,
    UpdateInteractionRequest, VariableInput,
};

/// How many verbs there are.
pub(super) const VERBS: usize = 3;
/// The most customers that have a number each.
pub(super) const MOST_CUSTOMERS: u64 = 1_000_000;
/// Numbers of one area code, from 200-0000 to 999-9999.
const NUMBERS: u64 = 8_000_000;
/// Where nobody known lives: enough area codes that no number comes twice.
const ELSEWHERE: [u64; 6] = [212, 213, 305, 312, 617, 702];

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// StartInteraction.
    Start,
    /// UpdateInteraction.
    Update,
    /// EndInteraction.
    End,
}

impl Verb {
    /// In the order of their places.
    pub(super) const ALL: [Self; VERBS] = [Self::Start, Self::Update, Self::End];

    /// As the reports name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Update => "update",
            Self::End => "end",
        }
    }

    /// The call's path.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Start => "/threadline.v1.InteractionService/StartInteraction",
            Self::Update => "/threadline.v1.InteractionService/UpdateInteraction",
            Self::End => "/threadline.v1.InteractionService/EndInteraction",
        }
    }
}

/// A call that is ready to be sent.
#[derive(Clone)]
pub(super) struct Call {
    /// What it does.
    pub(super) verb: Verb,
    /// The interaction it is about.
    pub(super) interaction: String,
    /// The encoded request.
    pub(super) body: Bytes,
}

impl Call {
    /// A known customer calls: their number, and the id of their account.
    pub(super) fn known(interaction: String, customer: u64) -> Self {
        let hints = IdentityHints {
            caller_number: format!("+1415{}", 2_000_000 + customer % MOST_CUSTOMERS),
            external_ids: [("crm_id".to_owned(), format!("crm-{customer:07}"))].into(),
            ..IdentityHints::default()
        };
        Self::start(interaction, hints)
    }

    /// Somebody calls whose number and account nobody has seen.
    pub(super) fn unknown(interaction: String, serial: u64) -> Self {
        let area = ELSEWHERE[(serial / NUMBERS) as usize % ELSEWHERE.len()];
        let hints = IdentityHints {
            caller_number: format!("+1{area}{}", 2_000_000 + serial % NUMBERS),
            external_ids: [("crm_id".to_owned(), format!("new-{serial:07}"))].into(),
            ..IdentityHints::default()
        };
        Self::start(interaction, hints)
    }

    fn start(interaction: String, hints: IdentityHints) -> Self {
        let request = StartInteractionRequest {
            interaction_id: interaction.clone(),
            channel: "voice".into(),
            identity_hints: Some(hints),
            telco: Some(Telco { line_type: LineType::Mobile.into(), ..Telco::default() }),
            ..StartInteractionRequest::default()
        };
        Self { verb: Verb::Start, interaction, body: request.encode_to_vec().into() }
    }

    /// What becomes known while they talk.
    pub(super) fn update(interaction: String, update: u64) -> Self {
        let request = UpdateInteractionRequest {
            interaction_id: interaction.clone(),
            update_id: update.to_string(),
            agent_ref: format!("agent-{}", update % 50),
            variables: [variable("order", format!("order {update} is to be changed"))].into(),
            ..UpdateInteractionRequest::default()
        };
        Self { verb: Verb::Update, interaction, body: request.encode_to_vec().into() }
    }

    /// What happened: one intent, so many variables, a summary of about 80 characters.
    pub(super) fn end(interaction: String, variables: &[&str]) -> Self {
        let said = |name: &&str| variable(name, format!("{name} as of {interaction}"));
        let request = EndInteractionRequest {
            summary: format!(
                "Asked why the invoice is twice the usual amount; a callback is promised ({interaction})"
            ),
            intents: vec![Intent { intent: "billing_dispute".into(), ..Intent::default() }],
            variables: variables.iter().map(said).collect(),
            interaction_id: interaction.clone(),
            ..EndInteractionRequest::default()
        };
        Self { verb: Verb::End, interaction, body: request.encode_to_vec().into() }
    }
}

fn variable(name: &str, value: String) -> (String, VariableInput) {
    (name.to_owned(), VariableInput { value, ..VariableInput::default() })
}

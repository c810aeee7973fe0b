//! The real service on a test's database, in this process, and requests as a phone system sends
//! them.

use threadline::cli::client::{Connection, Interactions, connect};
use threadline::grpc::proto::customer_service_client::CustomerServiceClient;
use threadline::grpc::proto::{
    EndInteractionRequest, IdentityHints, Intent, LineType, StartInteractionRequest, Telco,
    VariableInput,
};
use threadline::server::{Running, serve};

use crate::database::Database;
use crate::keys::settings;

/// A server in this process, and clients of it.
pub(crate) struct Served {
    pub(crate) running: Running,
    pub(crate) interactions: Interactions,
    pub(crate) customers: CustomerServiceClient<Connection>,
}

impl Served {
    pub(crate) async fn on(database: &Database, key: &str) -> Self {
        let running = serve(settings(database)).await.expect("a server");
        let url = format!("http://{}", running.address);
        let connection = connect(&url, Some(key)).await.expect("it answers");
        Self {
            running,
            interactions: Interactions::new(connection.clone()),
            customers: CustomerServiceClient::new(connection),
        }
    }
}

/// What a phone system shows of a caller whose account it knows.
pub(crate) fn hints(number: u64) -> IdentityHints {
    IdentityHints {
        caller_number: phone(number),
        external_ids: [("crm_id".to_owned(), format!("crm-{number}"))].into(),
        ..IdentityHints::default()
    }
}

pub(crate) fn phone(number: u64) -> String {
    format!("+1415200{:04}", 1_000 + number)
}

pub(crate) fn start(id: &str, hints: IdentityHints) -> StartInteractionRequest {
    StartInteractionRequest {
        interaction_id: id.to_owned(),
        channel: "voice".into(),
        identity_hints: Some(hints),
        telco: Some(Telco { line_type: LineType::Mobile.into(), ..Telco::default() }),
        ..StartInteractionRequest::default()
    }
}

pub(crate) fn end(id: &str) -> EndInteractionRequest {
    let variable = VariableInput { value: format!("of {id}"), ..VariableInput::default() };
    EndInteractionRequest {
        interaction_id: id.to_owned(),
        channel: "voice".into(),
        summary: format!("summary of {id}"),
        intents: vec![Intent { intent: "billing".into(), ..Intent::default() }],
        variables: [("last".to_owned(), variable)].into(),
        telco: Some(Telco { line_type: LineType::Mobile.into(), ..Telco::default() }),
        ..EndInteractionRequest::default()
    }
}

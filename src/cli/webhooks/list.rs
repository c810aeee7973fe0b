//! `threadline webhooks list`: every endpoint and how it fares, without its secrets.

use std::sync::Arc;

use super::or_dash;
use crate::cli::audit::tenants;
use crate::cli::keys::time;
use crate::cli::table::line;
use crate::clock::Time;
use crate::continuity::Service;
use crate::continuity::webhooks::{Endpoint, name};
use crate::store::webhooks::EndpointState;

/// What stands above each column, and how wide it is.
const COLUMNS: [(&str, usize); 7] = [
    ("endpoint", 20),
    ("tenant", 16),
    ("state", 8),
    ("created", 20),
    ("failing since", 20),
    ("waiting", 8),
    ("given up", 8),
];

/// All endpoints, or those of one tenant, as a table.
///
/// # Errors
/// When there is no tenant of that name, and the store's.
pub(super) async fn list(service: &Arc<Service>, only: Option<&str>) -> anyhow::Result<String> {
    let mut text =
        line(COLUMNS, COLUMNS.map(|(name, _)| name.to_owned()), "secrets, address, events");
    for row in tenants(service, only).await? {
        let tenant = service.tenant(row.tenant).await?;
        for endpoint in service.webhooks(&tenant).await? {
            // One that is damaged hides none of the others.
            let (number, shown, created, failing_since) = match &endpoint {
                Ok(it) => (it.endpoint, it.state, it.created, it.failing_since),
                Err(row) => (row.endpoint, row.state, row.created, row.failing_since),
            };
            let counts = service.store().count_deliveries(row.tenant, number).await?;
            let (waiting, given_up) = counts;
            let cells = [
                name(row.tenant, number),
                row.name.clone(),
                state(shown).to_owned(),
                time(created),
                or_dash(failing_since),
                waiting.to_string(),
                given_up.to_string(),
            ];
            let last = endpoint.map(|it| what(&it, service.store().now()));
            text.push_str(&line(COLUMNS, cells, &last.unwrap_or_else(|_| DAMAGED.to_owned())));
        }
    }
    Ok(text)
}

/// What is shown of an endpoint that does not open.
const DAMAGED: &str = "does not open, nothing is sent to it: remove it and make it anew";

fn what(endpoint: &Endpoint, now: Time) -> String {
    let secrets = endpoint.signed_with(now).count();
    let types = match endpoint.types.is_empty() {
        true => "all".to_owned(),
        false => endpoint.types.join(" "),
    };
    format!("{secrets}, {}, {types}", endpoint.url)
}

fn state(state: EndpointState) -> &'static str {
    match state {
        EndpointState::On => "on",
        EndpointState::Off => "off",
        EndpointState::Gone => "gone",
        EndpointState::Failed => "failed",
        EndpointState::Restored => "restored",
    }
}

//! Endpoints for web-hooks: made, changed, given new secrets, removed, and asked again for what they did
//! not accept. Sending is `events::webhooks`.
//!
//! An endpoint is the tenant's, and managed as API keys are, by local commands. Its address and its
//! secrets are sealed with the tenant's key: addresses often hold a token of their own.

mod create;
pub mod destination;
mod replay;
mod rotate;
mod sweeping;
mod update;

use std::sync::Arc;

use zeroize::Zeroize as _;

use super::Error;
use super::record::{EndpointRecord, SecretRecord};
use super::sealing::Slot;
use super::service::Service;
use super::tenant::Tenant;
use crate::clock::{DAY, Time};
use crate::crypto::WebhookSecret;
use crate::ids::TenantId;
use crate::store::webhooks::{EndpointRow, EndpointState};

pub use create::Created;
pub use destination::Networks;
pub use replay::{DeadLetter, event_id};
pub use update::Changes;

/// Endpoints of one tenant.
pub const MOST_ENDPOINTS: i64 = 16;
/// Events that wait for one endpoint at once: beyond, the journal is not read on for it.
pub const MOST_WAITING: i64 = 4_096;
/// Secrets of one endpoint that are in use at once.
pub const MOST_SECRETS: usize = 3;
/// The longest that a secret may be used beside the one that replaces it.
pub const LONGEST_OVERLAP: i64 = 30 * DAY;

/// What an endpoint can be told of.
pub const EVENT_TYPES: [&str; 11] = [
    "interaction.started",
    "interaction.updated",
    "interaction.ended",
    "interaction.amended",
    "interaction.closed",
    "interaction.redacted",
    "interaction.reassigned",
    "customer.changed",
    "customer.merged",
    "customer.unmerged",
    "customer.erased",
];

/// Why something was not done with an endpoint.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such endpoint.
    #[error("no such endpoint")]
    Unknown,
    /// The tenant has as many as it may.
    #[error("a tenant has at most {MOST_ENDPOINTS} endpoints")]
    TooMany,
    /// An address that cannot be one.
    #[error("the URL {0}")]
    Url(&'static str),
    /// A type of event that there is not.
    #[error("no such type of event; there are {}", EVENT_TYPES.join(", "))]
    Type,
    /// As many secrets are in use as may be.
    #[error("{MOST_SECRETS} secrets are in use already: wait until one has ended")]
    TooManySecrets,
    /// A secret would be used beside its successor for too long.
    #[error("the overlap must be at most 30 days")]
    Overlap,
    /// Somebody else changed it at the same moment.
    #[error("it was changed at the same moment: look at it and try again")]
    Raced,
    /// No such event among those that were given up.
    #[error("no such event was given up")]
    NotGivenUp,
    /// The service's own.
    #[error(transparent)]
    Service(#[from] Error),
}

impl From<crate::store::Error> for Refused {
    fn from(error: crate::store::Error) -> Self {
        Self::Service(error.into())
    }
}

/// An endpoint, opened.
#[derive(Clone)]
pub struct Endpoint {
    /// Its random name within the tenant.
    pub endpoint: i64,
    /// Where events are sent to.
    pub url: String,
    /// The types of events that it is told; empty for all.
    pub types: Vec<String>,
    /// Its secrets with the store times until which they are used, zero for ever; the newest first.
    pub secrets: Vec<(WebhookSecret, Time)>,
    /// Whether events are sent to it.
    pub state: EndpointState,
    /// Store time.
    pub created: Time,
    /// Store time since when nothing was accepted; zero while it is.
    pub failing_since: Time,
    /// Random, new with every change: what a runner has found out is of the address under which it
    /// took the endpoint.
    pub changed: i64,
    revision: i64,
    position: i64,
}

impl Endpoint {
    /// Opens a row.
    ///
    /// # Errors
    /// [`Error::Sealed`] when it is not the right one.
    pub fn open(tenant: &Tenant, row: &EndpointRow) -> Result<Self, Error> {
        let slot = Slot::WebhookEndpoint { endpoint: row.endpoint, revision: row.revision };
        let record: EndpointRecord = slot.open(tenant.id, &tenant.key, &row.content)?;
        let opened = |mut kept: SecretRecord| {
            let secret = WebhookSecret::from_bytes(&kept.secret);
            kept.secret.zeroize();
            (secret, Time(kept.until))
        };
        Ok(Self {
            endpoint: row.endpoint,
            url: record.url,
            types: record.types,
            secrets: record.secrets.into_iter().map(opened).collect(),
            state: row.state,
            created: row.created,
            failing_since: row.failing_since,
            changed: row.changed,
            revision: row.revision,
            position: row.position,
        })
    }

    /// Whether it is told of events of this type.
    pub fn is_told(&self, event_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|one| one == event_type)
    }

    /// The secrets that an attempt is signed with, the newest first.
    pub fn signed_with(&self, now: Time) -> impl Iterator<Item = &WebhookSecret> {
        let in_use = move |(_, until): &&(WebhookSecret, Time)| until.0 == 0 || *until > now;
        self.secrets.iter().filter(in_use).map(|(secret, _)| secret)
    }

    /// What a person and the audit call it.
    pub fn name(&self, tenant: TenantId) -> String {
        name(tenant, self.endpoint)
    }

    /// Seals it anew.
    fn sealed(&self, service: &Service, tenant: &Tenant) -> EndpointRow {
        let (endpoint, revision) = (self.endpoint, service.entropy.positive());
        let kept = |(secret, until): &(WebhookSecret, Time)| SecretRecord {
            secret: secret.bytes().to_vec(),
            until: until.0,
        };
        let mut record = EndpointRecord {
            url: self.url.clone(),
            types: self.types.clone(),
            secrets: self.secrets.iter().map(kept).collect(),
        };
        let slot = Slot::WebhookEndpoint { endpoint, revision };
        let content = slot.seal(tenant.id, &tenant.key, &record, &service.entropy);
        record.secrets.iter_mut().for_each(|kept| kept.secret.zeroize());
        EndpointRow {
            endpoint,
            content,
            revision,
            state: self.state,
            created: self.created,
            changed: service.entropy.positive(),
            position: self.position,
            failing_since: self.failing_since,
        }
    }
}

#[cfg(test)]
impl Endpoint {
    /// One of this address, with a secret.
    pub fn sample(url: &str) -> Self {
        Self {
            endpoint: 1,
            url: url.to_owned(),
            types: Vec::new(),
            secrets: vec![(WebhookSecret::from_bytes(&[7; 32]), Time(0))],
            state: EndpointState::On,
            created: Time(0),
            failing_since: Time(0),
            changed: 1,
            revision: 1,
            position: 0,
        }
    }
}

/// What a person and the audit call an endpoint: its tenant's number and its own name.
pub fn name(tenant: TenantId, endpoint: i64) -> String {
    format!("{}_{endpoint:016x}", tenant.0)
}

/// The tenant and the endpoint of that name.
pub fn named(name: &str) -> Option<(TenantId, i64)> {
    let (tenant, endpoint) = name.split_once('_')?;
    Some((TenantId(tenant.parse().ok()?), i64::from_str_radix(endpoint, 16).ok()?))
}

impl Service {
    /// A tenant's endpoints, oldest first; of one that does not open its row.
    ///
    /// # Errors
    /// The store's.
    pub async fn webhooks(
        &self,
        tenant: &Tenant,
    ) -> Result<Vec<Result<Endpoint, EndpointRow>>, Error> {
        let rows = self.store.webhook_endpoints(tenant.id).await?;
        Ok(rows.into_iter().map(|row| Endpoint::open(tenant, &row).map_err(|_| row)).collect())
    }

    /// The endpoint of that name, with its tenant.
    ///
    /// # Errors
    /// [`Refused::Unknown`]; the store's.
    pub async fn webhook(&self, name: &str) -> Result<(Arc<Tenant>, Endpoint), Refused> {
        let (tenant, endpoint) = named(name).ok_or(Refused::Unknown)?;
        let row = self.store.webhook_endpoint(tenant, endpoint).await?;
        let row = row.ok_or(Refused::Unknown)?;
        let tenant = self.tenant(tenant).await?;
        let opened = Endpoint::open(&tenant, &row)?;
        Ok((tenant, opened))
    }
}

fn known_types(types: &[String]) -> Result<(), Refused> {
    let known = types.iter().all(|one| EVENT_TYPES.contains(&one.as_str()));
    if known { Ok(()) } else { Err(Refused::Type) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_tenant_and_endpoint() {
        for (tenant, endpoint) in [(1, 1), (7, 0x0123_4567_89ab_cdef), (i64::MAX, i64::MAX)] {
            let tenant = TenantId(tenant);
            assert_eq!(named(&name(tenant, endpoint)), Some((tenant, endpoint)));
        }
        for wrong in ["", "1", "_1", "1_", "1_g", "x_1"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }
}

//! An endpoint gets another address, is told of other events, or is switched on or off; or it goes.

use std::sync::Arc;

use super::destination::{Networks, endpoint_url};
use super::{Endpoint, Refused, known_types};
use crate::continuity::service::Service;
use crate::continuity::tenant::Tenant;
use crate::store::rows::Verb;
use crate::store::webhooks::EndpointState;

/// What becomes of an endpoint; what is not named stays.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Its new address.
    pub url: Option<String>,
    /// The types of events that it is told; empty for all.
    pub types: Option<Vec<String>>,
    /// Whether events are sent to it. One that is switched on goes on where it was.
    pub on: Option<bool>,
}

impl Service {
    /// Changes an endpoint; the state it was in before.
    ///
    /// # Errors
    /// [`Refused::Unknown`], [`Refused::Url`], [`Refused::Type`], [`Refused::Raced`]; the store's.
    pub async fn update_webhook(
        self: &Arc<Self>,
        name: &str,
        changes: Changes,
        networks: &Networks,
    ) -> Result<EndpointState, Refused> {
        let (tenant, mut endpoint) = self.webhook(name).await?;
        let before = endpoint.state;
        if let Some(url) = changes.url {
            endpoint_url(&url, networks).map_err(Refused::Url)?;
            endpoint.url = url;
        }
        if let Some(types) = changes.types {
            known_types(&types)?;
            endpoint.types = types;
        }
        match changes.on {
            Some(true) => endpoint.state = EndpointState::On,
            Some(false) => endpoint.state = EndpointState::Off,
            None => {}
        }
        self.rewrite(&tenant, (before, &endpoint), Verb::UpdateWebhook).await?;
        Ok(before)
    }

    /// Removes an endpoint with all that waits for it and was given up.
    ///
    /// # Errors
    /// [`Refused::Unknown`]; the store's.
    pub async fn remove_webhook(self: &Arc<Self>, name: &str) -> Result<(), Refused> {
        let (tenant, endpoint) = super::named(name).ok_or(Refused::Unknown)?;
        let removed = self.store.remove_webhook(tenant, endpoint, name).await?;
        if removed { Ok(()) } else { Err(Refused::Unknown) }
    }

    /// Writes an endpoint that was read in that state and changed: whoever delivers to it may have
    /// switched it off since, and is not overruled by who does not know.
    pub(super) async fn rewrite(
        self: &Arc<Self>,
        tenant: &Tenant,
        (before, endpoint): (EndpointState, &Endpoint),
        verb: Verb,
    ) -> Result<(), Refused> {
        let change = ((endpoint.revision, before), endpoint.sealed(self, tenant));
        let name = endpoint.name(tenant.id);
        let done = self.store.change_webhook(tenant.id, change, (&name, verb)).await?;
        if done { Ok(()) } else { Err(Refused::Raced) }
    }
}

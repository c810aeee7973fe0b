//! A new endpoint: from now on it is told of what happens.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::destination::{Networks, endpoint_url};
use super::{Endpoint, MOST_ENDPOINTS, Refused, known_types, name};
use crate::clock::Time;
use crate::continuity::service::Service;
use crate::continuity::tenant::Tenant;
use crate::crypto::WebhookSecret;
use crate::store::webhooks::EndpointState;

/// What was made.
pub struct Created {
    /// What the endpoint is called.
    pub name: String,
    /// Its secret: shown once.
    pub secret: Zeroizing<String>,
}

impl Service {
    /// Makes an endpoint. It is told of what is committed from now on.
    ///
    /// # Errors
    /// [`Refused::Url`], [`Refused::Type`], [`Refused::TooMany`]; the store's.
    pub async fn create_webhook(
        self: &Arc<Self>,
        tenant: &Tenant,
        (url, types): (&str, Vec<String>),
        networks: &Networks,
    ) -> Result<Created, Refused> {
        endpoint_url(url, networks).map_err(Refused::Url)?;
        known_types(&types)?;
        let secret = WebhookSecret::generate(&self.entropy);
        let endpoint = Endpoint {
            endpoint: self.entropy.positive(),
            url: url.to_owned(),
            types,
            secrets: vec![(secret.clone(), Time(0))],
            state: EndpointState::On,
            created: self.store.now(),
            failing_since: Time(0),
            changed: 0,
            revision: 0,
            position: self.newest_position(tenant).await?,
        };
        let (row, name) = (endpoint.sealed(self, tenant), name(tenant.id, endpoint.endpoint));
        let added = self.store.add_webhook(tenant.id, row, MOST_ENDPOINTS, &name).await?;
        if added { Ok(Created { name, secret: secret.text() }) } else { Err(Refused::TooMany) }
    }
}

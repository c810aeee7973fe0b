//! A new secret, and a while in which events are signed with the old one as well: whoever receives them
//! may change over at any moment of it.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{LONGEST_OVERLAP, MOST_SECRETS, Refused};
use crate::clock::Time;
use crate::continuity::service::Service;
use crate::crypto::WebhookSecret;
use crate::store::rows::Verb;

impl Service {
    /// Gives an endpoint a new secret, which is returned and not shown again. The others are used for
    /// `overlap` milliseconds more, or until they would have ended anyway.
    ///
    /// # Errors
    /// [`Refused::Unknown`], [`Refused::Overlap`], [`Refused::TooManySecrets`], [`Refused::Raced`]; the
    /// store's.
    pub async fn rotate_webhook_secret(
        self: &Arc<Self>,
        name: &str,
        overlap: i64,
    ) -> Result<Zeroizing<String>, Refused> {
        if !(0..=LONGEST_OVERLAP).contains(&overlap) {
            return Err(Refused::Overlap);
        }
        let (tenant, mut endpoint) = self.webhook(name).await?;
        let now = self.store.now();
        let ends = now.plus(overlap);
        for (_, until) in &mut endpoint.secrets {
            *until = if until.0 == 0 { ends } else { ends.min(*until) };
        }
        endpoint.secrets.retain(|(_, until): &(WebhookSecret, Time)| *until > now);
        if endpoint.secrets.len() >= MOST_SECRETS {
            return Err(Refused::TooManySecrets);
        }
        let secret = WebhookSecret::generate(&self.entropy);
        endpoint.secrets.insert(0, (secret.clone(), Time(0)));
        let before = endpoint.state;
        self.rewrite(&tenant, (before, &endpoint), Verb::RotateWebhookSecret).await?;
        Ok(secret.text())
    }
}

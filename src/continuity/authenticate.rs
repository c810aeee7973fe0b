//! Who calls with this key, and may they call now?
//!
//! In this order: the key's form and checksum, which need no look at anything; the row of that
//! name, most likely remembered; the secret, in constant time; only then whether the key has
//! expired, which nobody learns who does not have it; and last whether key and tenant have a call
//! left, before anything is done for them.

use std::sync::Arc;
use std::time::Instant;

use super::Error;
use super::allowance::take_both;
use super::caller::Caller;
use super::service::Service;
use crate::crypto::ApiKey;

impl Service {
    /// Who calls with this key. Counts as one call of the key and its tenant.
    ///
    /// # Errors
    /// [`Error::MissingApiKey`] for another form or a wrong checksum, [`Error::InvalidApiKey`] for
    /// an unknown or revoked key: which of the two is not said; [`Error::ExpiredApiKey`];
    /// [`Error::RateLimited`]; the store's when the key was never seen before.
    pub async fn authenticate(self: &Arc<Self>, text: &str) -> Result<Caller, Error> {
        let key = ApiKey::parse(text).ok_or(Error::MissingApiKey)?;
        let at = Instant::now();
        let known = self.known_key(&key, at).await?;
        let known = known.filter(|known| key.matches(&known.hash)).ok_or(Error::InvalidApiKey)?;
        if known.expires.0 != 0 && known.expires <= self.store.now() {
            return Err(Error::ExpiredApiKey);
        }
        let moment = self.callers.nanoseconds(at);
        take_both(&known.quota, &known.caller.tenant.quota, moment).map_err(Error::RateLimited)?;
        self.uses.note(&known, || self.store.now());
        Ok(known.caller.clone())
    }
}

//! Who calls with this key, and may they call now?
//!
//! In this order: the key's form and checksum, which need no look at anything; the row of that
//! name, most likely remembered; the secret, in constant time; only then whether the key has
//! expired, which nobody learns who does not have it; and last whether key and tenant have a call
//! left, before anything is done for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::Error;
use super::allowance::{Quota, take_both};
use super::caller::Caller;
use super::certificates::{CertifiedTerms, ClientCertificate};
use super::known_keys::{KnownKey, Seen, UNHURRIED};
use super::service::Service;
use super::tenant::Tenant;
use crate::crypto::ApiKey;
use crate::store;

/// What a caller showed, kept by whoever goes on for longer than one call.
pub enum Credential {
    /// The text of an API key. What a key may do never changes.
    Key(Zeroizing<String>),
    /// The connection's certificate, and whom it stood for when they were let in; `None` where nobody
    /// was yet.
    Certificate(ClientCertificate, Option<CertifiedTerms>),
}

impl Credential {
    /// The text of an API key.
    pub fn key(text: &str) -> Self {
        Self::Key(Zeroizing::new(text.to_owned()))
    }

    /// The same, of somebody who was let in with it.
    #[must_use]
    pub fn of(self, caller: &Caller) -> Self {
        match self {
            Self::Certificate(certificate, _) => {
                Self::Certificate(certificate, Some(CertifiedTerms::of(caller)))
            }
            key @ Self::Key(_) => key,
        }
    }
}

/// Whoever showed a key.
pub enum Admitted {
    /// They may call.
    Now(Caller),
    /// They might have when the store answered last: nothing is done for them now.
    Before(Caller),
}

/// The hash of no secret.
const NOBODYS: [u8; 32] = [0; 32];

impl Service {
    /// Who calls with this key. Counts as one call of the key and its tenant.
    ///
    /// # Errors
    /// [`Error::MissingApiKey`] for another form or a wrong checksum, [`Error::InvalidApiKey`] for
    /// an unknown or revoked key: which of the two is not said; [`Error::ExpiredApiKey`];
    /// [`Error::RateLimited`]; the store's when the key was not seen within a second, and cannot be.
    pub async fn authenticate(self: &Arc<Self>, text: &str) -> Result<Caller, Error> {
        match self.admit(text, UNHURRIED).await? {
            Admitted::Now(caller) => Ok(caller),
            Admitted::Before(_) => Err(Error::Store(store::Error::Unavailable)),
        }
    }

    /// The same for who must be answered in time: where the store has not answered within `patience`,
    /// at most a second, whoever the key was when it did.
    ///
    /// # Errors
    /// As [`Service::authenticate`]; the store's also where a key that was not seen lately is not shown
    /// within `patience`.
    pub async fn admit(
        self: &Arc<Self>,
        text: &str,
        patience: Duration,
    ) -> Result<Admitted, Error> {
        let at = self.store.schedule().moment();
        let (known, is_current) = self.good_key(text, at, patience).await?;
        let caller = self.called(&known.caller, &known.quota, at)?;
        if !is_current {
            return Ok(Admitted::Before(caller));
        }
        self.uses.note(&known, || self.store.now());
        Ok(Admitted::Now(caller))
    }

    /// Whoever calls, as their tenant is now. Counts as one call of theirs and of their tenant.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub(super) fn called(&self, known: &Caller, own: &Quota, at: Instant) -> Result<Caller, Error> {
        let mut caller = known.clone();
        self.bring_up_to_date(&mut caller);
        caller.may_call(own, self.callers.nanoseconds(at))?;
        Ok(caller)
    }

    /// Whether somebody may go on with what they were let in for: their key is neither revoked nor
    /// expired, their certificate still vouched for, and still theirs. It is no call of its own.
    ///
    /// # Errors
    /// As [`Service::authenticate`] and [`Service::authenticate_certificate`], but for
    /// [`Error::RateLimited`]; [`Error::RoleRequired`] when the settings have taken a role from their
    /// certificate.
    pub async fn still_admits(self: &Arc<Self>, shown: &Credential) -> Result<(), Error> {
        match shown {
            Credential::Key(text) => self.whose_key(text).await.map(drop),
            Credential::Certificate(certificate, then) => {
                self.certified.admits(certificate, then.as_ref())
            }
        }
    }

    /// The tenant of whoever has this key, before it is known whether they may call at all. It is no call
    /// of theirs, and the key is not used.
    ///
    /// # Errors
    /// As [`Service::authenticate`], but for [`Error::RateLimited`].
    pub async fn whose_key(self: &Arc<Self>, text: &str) -> Result<Arc<Tenant>, Error> {
        let at = self.store.schedule().moment();
        match self.good_key(text, at, UNHURRIED).await? {
            (known, true) => Ok(Arc::clone(&known.caller.tenant)),
            (_, false) => Err(Error::Store(store::Error::Unavailable)),
        }
    }

    /// The key of that text, and whether it is known to stand so.
    async fn good_key(
        self: &Arc<Self>,
        text: &str,
        at: Instant,
        patience: Duration,
    ) -> Result<(Arc<KnownKey>, bool), Error> {
        let key = ApiKey::parse(text).ok_or(Error::MissingApiKey)?;
        let seen = self.known_key(&key, at, patience).await?;
        let is_current = matches!(seen, Some(Seen::Now(_)));
        let known = seen.map(|(Seen::Now(known) | Seen::Before(known))| known);
        // A key that nobody has takes as long: its secret is looked at all the same.
        let fits = key.matches(known.as_ref().map_or(&NOBODYS, |known| &known.hash));
        let known = known.filter(|_| fits).ok_or(Error::InvalidApiKey)?;
        if known.expires.0 != 0 && known.expires <= self.store.now() {
            return Err(Error::ExpiredApiKey);
        }
        Ok((known, is_current))
    }
}

impl Caller {
    /// Takes one call of what its key, or certificate, and its tenant have left.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub(super) fn may_call(&self, own: &Quota, moment: u64) -> Result<(), Error> {
        take_both(own, &self.tenant.quota, moment).map_err(|wait| {
            self.tenant.counts.limited.inc();
            Error::RateLimited(wait)
        })
    }
}

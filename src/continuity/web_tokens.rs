//! Who has signed in, by the web token that a caller shows. The token itself goes no further than
//! this: it is neither kept nor logged.

use std::time::Duration;

use reqwest::Url;

use super::caller::Caller;
use super::service::Service;
use crate::crypto::web_token::{Expected, Freshness, Refused, TrustedKey, WebToken};
use crate::identity::{ShownToken, SignedIn};

/// Whose tokens a tenant trusts.
pub struct TrustedIssuer {
    /// `iss`, to the letter.
    pub issuer: String,
    /// One of `aud`, to the letter.
    pub audience: String,
    /// What they are signed with.
    pub keys: IssuerKeys,
}

/// An issuer's keys.
pub enum IssuerKeys {
    /// As they stand in the settings.
    Listed(Vec<TrustedKey>),
    /// As the issuer serves them.
    Served(Url),
}

impl Service {
    /// Whom a web token names. Where the issuer's keys must be fetched first it waits no longer
    /// than `within`; without any key to verify it with, the token is [`ShownToken::Unproven`].
    ///
    /// # Errors
    /// Why it is not to be trusted.
    pub async fn signed_in(
        &self,
        caller: &Caller,
        token: &str,
        within: Duration,
    ) -> Result<ShownToken, Refused> {
        if token.is_empty() {
            return Ok(ShownToken::None);
        }
        let trusted = caller.tenant.policy.web_token.as_ref().ok_or(Refused::NotConfigured)?;
        let token = WebToken::read(token)?;
        let TrustedIssuer { issuer, audience, keys } = &**trusted;
        // Before the signature: a token of somebody else's must not make us fetch anything.
        let freshness = token.check(&Expected { issuer, audience, now: self.clock().now() })?;
        let proven = match keys {
            IssuerKeys::Listed(keys) => token.verify(keys).map(|()| true)?,
            IssuerKeys::Served(url) => self.key_sets.verify(url, &token, within).await?,
        };
        let who = SignedIn {
            issuer: token.issuer().to_owned(),
            subject: token.subject().to_owned(),
            late: freshness == Freshness::Late,
        };
        Ok(if proven { ShownToken::SignedIn(who) } else { ShownToken::Unproven(who) })
    }
}

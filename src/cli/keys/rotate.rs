//! `threadline keys rotate`: a new key that does what an old one does, and a while in which both do.

use anyhow::{Context as _, ensure};

use super::named;
use super::terms::{Terms, milliseconds};
use crate::clock::{DAY, Time};
use crate::continuity::Service;
use crate::crypto::ApiKey;
use crate::ids::Entropy;
use crate::store::api_keys::ApiKeyRow;

/// The longest that an old key may work on.
const LONGEST_OVERLAP: i64 = 90 * DAY;

/// What a rotation made.
pub struct Rotated {
    /// The new key: shown once, never stored.
    pub text: String,
    /// The old one, as it was named.
    pub old: String,
    /// When the old one ends, in store time.
    pub ends: Time,
    /// Whether that is over already.
    pub over: bool,
}

impl Rotated {
    /// What a person has to know of it.
    pub(super) fn told(&self) -> String {
        let (old, ends) = (&self.old, super::list::time(self.ends));
        match self.over {
            true => format!("{old} does not work any more; this key replaces it:"),
            false => format!("{old} works until {ends}; this key replaces it:"),
        }
    }
}

/// Makes a key with the roles, source and ceiling of the one that is named, and its terms where
/// none are given; it lives as long from now as the old one did from when it was made. The old one
/// ends after `overlap`, or when it would have ended, whatever comes first.
///
/// # Errors
/// No such key, one that was revoked or is replaced by a key that works, terms that cannot be, and
/// the store's.
pub async fn rotate(
    service: &Service,
    key: &str,
    overlap: &str,
    terms: &Terms,
) -> anyhow::Result<Rotated> {
    let overlap = milliseconds("overlap", overlap)?;
    ensure!(overlap <= LONGEST_OVERLAP, "--overlap must be at most 90 days");
    let (store, now) = (service.store(), service.store().now());
    let (tenant, id) = named(key)?;
    let old = store.api_key(tenant, id).await?.context("no such key")?;
    ensure!(old.revoked.0 == 0, "the key is revoked: make a new one with `keys create`");
    let mut model = old.clone();
    if !old.replaced_by.is_empty() {
        let replacement = store.api_key(tenant, &old.replaced_by).await?;
        // One that was printed and lost may be revoked, and the old key rotated again.
        if let Some(replacement) = replacement {
            let revoked = replacement.revoked.0 != 0;
            ensure!(
                revoked,
                "{}_{} replaces it already: rotate that one",
                tenant.0,
                replacement.id
            );
            // It has the life that the old one had before it was to end.
            model = replacement;
        }
    }
    let opened = service.tenant(tenant).await?;
    let made = ApiKey::generate(tenant, opened.test, &Entropy::System);
    let new = successor(&model, &made, terms, now)?;
    let ends = match old.expires {
        Time(0) => now.plus(overlap),
        expires => expires.min(now.plus(overlap)),
    };
    let replaced = store.replace_api_key(&old, &new, ends).await?;
    ensure!(replaced, "the key was revoked or rotated at the same moment: look at `keys list`");
    Ok(Rotated { text: made.text(), old: key.to_owned(), ends, over: ends <= now })
}

/// A key as the old one, under its own name and secret.
fn successor(
    old: &ApiKeyRow,
    made: &ApiKey,
    terms: &Terms,
    now: Time,
) -> anyhow::Result<ApiKeyRow> {
    let expires = match terms.expires(now)? {
        Some(chosen) => chosen,
        None if old.expires.0 == 0 => Time(0),
        None => now.plus(old.expires.since(old.created)),
    };
    let (rate, burst) = match terms.rate()? {
        Some(rate) => (rate, terms.burst()?.unwrap_or_default()),
        None => (old.rate, old.burst),
    };
    Ok(ApiKeyRow {
        id: made.id.clone(),
        hash: made.hash().to_vec(),
        created: now,
        revoked: Time(0),
        expires,
        used: Time(0),
        replaced_by: String::new(),
        rate,
        burst,
        ..old.clone()
    })
}

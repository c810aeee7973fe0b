//! `[tenants.NAME.web_token]`: whose web tokens a tenant trusts.

use std::sync::Arc;

use serde::Deserialize;

use crate::continuity::key_sets::key_set_url;
use crate::continuity::web_tokens::{IssuerKeys, TrustedIssuer};
use crate::crypto::web_token::{MAX_KEYS, TrustedKey};

/// The longest issuer and audience, in characters.
const MAX_NAME: usize = 256;

#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WebTokenFile {
    issuer: String,
    audience: String,
    keys: Vec<KeyFile>,
    jwks_url: Option<String>,
}

#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct KeyFile {
    pem: String,
    kid: Option<String>,
}

/// Whom the tenant trusts whose settings these are, if anybody.
pub(super) fn chosen(
    file: Option<&WebTokenFile>,
    place: &str,
    wrong: &mut Vec<String>,
) -> Option<Arc<TrustedIssuer>> {
    let file = file?;
    if place == "policy" {
        wrong.push("policy.web_token: whom to trust is each tenant's own choice".into());
    }
    trusted(file, &format!("{place}.web_token"), wrong)
}

/// Reads the settings of one tenant; names all that is wrong with them.
fn trusted(
    file: &WebTokenFile,
    place: &str,
    wrong: &mut Vec<String>,
) -> Option<Arc<TrustedIssuer>> {
    let before = wrong.len();
    for (name, value) in [("issuer", &file.issuer), ("audience", &file.audience)] {
        let odd = value.chars().count() > MAX_NAME || value.chars().any(char::is_control);
        if value.trim().is_empty() || odd {
            wrong.push(format!("{place}.{name}: must be 1 to {MAX_NAME} printable characters"));
        }
    }
    let listed = listed(&file.keys, place, wrong);
    let keys = match &file.jwks_url {
        Some(_) if !file.keys.is_empty() => {
            wrong.push(format!("{place}: has both keys and jwks_url; choose one"));
            None
        }
        None if file.keys.is_empty() => {
            wrong.push(format!("{place}: needs keys or jwks_url"));
            None
        }
        None => Some(IssuerKeys::Listed(listed)),
        Some(text) => match key_set_url(text) {
            Ok(url) => Some(IssuerKeys::Served(url)),
            Err(mistake) => {
                wrong.push(format!("{place}.jwks_url: {mistake}"));
                None
            }
        },
    };
    let (issuer, audience) = (file.issuer.clone(), file.audience.clone());
    let keys = keys.filter(|_| wrong.len() == before)?;
    Some(Arc::new(TrustedIssuer { issuer, audience, keys }))
}

fn listed(files: &[KeyFile], place: &str, wrong: &mut Vec<String>) -> Vec<TrustedKey> {
    if files.len() > MAX_KEYS {
        wrong.push(format!("{place}.keys: has more than {MAX_KEYS} entries"));
    }
    let mut keys = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        match TrustedKey::from_pem(&file.pem, file.kid.as_deref()) {
            Ok(key) => keys.push(key),
            Err(mistake) => wrong.push(format!("{place}.keys[{index}]: {mistake}")),
        }
    }
    keys
}

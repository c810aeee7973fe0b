//! The claims that count, each of its one type. Others are none of our business.

use serde_json::{Map, Value};

use super::{Refused, is_name};
use crate::clock::Time;

/// The longest `sub`, in characters.
const MAX_SUBJECT: usize = 256;
/// The last second of the year 9999.
const LATEST_SECONDS: f64 = 253_402_300_799.0;

pub(super) struct Claims {
    pub issuer: String,
    pub subject: String,
    pub audience: Vec<String>,
    pub expires: Time,
    pub not_before: Option<Time>,
    pub issued: Option<Time>,
}

impl Claims {
    pub fn read(members: &Map<String, Value>) -> Result<Self, Refused> {
        let text = |name: &str| members.get(name).and_then(Value::as_str).ok_or(Refused::BadClaim);
        let subject = text("sub")?;
        if !is_name(subject, MAX_SUBJECT) {
            return Err(Refused::BadClaim);
        }
        Ok(Self {
            issuer: text("iss")?.to_owned(),
            subject: subject.to_owned(),
            audience: audience(members.get("aud"))?,
            expires: time(members, "exp")?.ok_or(Refused::BadClaim)?,
            not_before: time(members, "nbf")?,
            issued: time(members, "iat")?,
        })
    }
}

/// One text, or a list of them (RFC 7519, section 4.1.3).
fn audience(value: Option<&Value>) -> Result<Vec<String>, Refused> {
    match value {
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(several)) => {
            let texts = several.iter().map(|one| one.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<String>>>().ok_or(Refused::BadClaim)
        }
        _ => Err(Refused::BadClaim),
    }
}

/// Seconds since 1970, possibly with a fraction (RFC 7519, section 2).
fn time(members: &Map<String, Value>, name: &str) -> Result<Option<Time>, Refused> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|it| (0.0..=LATEST_SECONDS).contains(it));
    let seconds = seconds.ok_or(Refused::BadClaim)?;
    Ok(Some(Time((seconds * 1_000.0) as i64)))
}

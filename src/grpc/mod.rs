//! Transport only: protocol messages to commands and back, and the one mapping
//! of errors to a status.

mod answers;
mod codec;
mod customer_requests;
mod customers;
mod erasing;
mod explaining;
mod exporting;
mod fields;
mod importing;
mod interactions;
mod limits;
mod merges;
mod observing;
pub mod proto;
mod protocol;
mod redact_request;
mod redacting;
mod replies;
mod requests;
mod status;
mod watching;

pub use customers::Customers;
pub use interactions::{Interactions, WRITE_WITHIN};
pub use limits::{
    MAX_REQUEST_BYTES, SHORT as MAX_WORD, SUMMARY as MAX_SUMMARY, VALUE as MAX_VALUE,
};
pub use observing::Observing;
pub use proto::ErrorReason;
pub use protocol::code_name;
pub use status::{DOMAIN, crowded, invalid, name as reason_name, plain as refusal, status};

use std::sync::Arc;
use std::time::{Duration, Instant};

use tonic::Request;
use tonic::metadata::MetadataMap;

use self::observing::Whose;
use crate::continuity::{Admitted, Caller, ClientCertificate, Credential, Error, Service};

/// Who calls: from `authorization: Bearer <API key>`; where there is no such header, from the
/// connection's certificate. Counts as a call.
///
/// # Errors
/// Those of [`Service::authenticate`] and [`Service::authenticate_certificate`].
async fn caller<T>(service: &Arc<Service>, request: &Request<T>) -> Result<Caller, Error> {
    let extensions = request.extensions();
    let caller = match extensions.get::<Known>() {
        Some(known) => known.caller.clone(),
        None => caller_of(service, request.metadata(), extensions.get()).await?,
    };
    if let Some(whose) = extensions.get::<Whose>() {
        whose.note(&caller);
    }
    Ok(caller)
}

/// Who calls with a start, which must be answered in time: the look at their key is waited for so long
/// at most.
async fn admitted<T>(
    service: &Arc<Service>,
    request: &Request<T>,
    patience: Duration,
) -> Result<Admitted, Error> {
    match shown(request.metadata(), request.extensions().get()) {
        Ok(Shown::Key(key)) if request.extensions().get::<Known>().is_none() => {
            let admitted = service.admit(key, patience).await?;
            if let Some(whose) = request.extensions().get::<Whose>() {
                let (Admitted::Now(caller) | Admitted::Before(caller)) = &admitted;
                whose.note(caller);
            }
            Ok(admitted)
        }
        _ => caller(service, request).await.map(Admitted::Now),
    }
}

/// Who calls, where a door has asked before it made calls of a request: they count as one. No header
/// says so, only this process can.
#[derive(Clone)]
pub struct Known {
    /// Whoever it is.
    pub caller: Caller,
    /// When the door began to ask: that is part of what a start may take.
    pub since: Instant,
}

/// How long a door has looked at who calls before it read what they ask: that is part of what a start
/// may take. No header says so, only this process can.
#[derive(Clone)]
pub struct LookedFor(pub Duration);

/// Since when an answer is waited for.
fn begun<T>(request: &Request<T>) -> Instant {
    let (extensions, now) = (request.extensions(), Instant::now());
    let looked = extensions.get::<LookedFor>().map_or(Duration::ZERO, |looked| looked.0);
    let since = now.checked_sub(looked).unwrap_or(now);
    extensions.get::<Known>().map_or(since, |known| known.since)
}

/// Whether whoever sends a request may call at all, before any of it is read. It is no call of theirs:
/// that looks again, so that a key which is revoked while its request comes opens nothing.
///
/// # Errors
/// Those of [`Service::still_admits`].
pub async fn admits(
    service: &Arc<Service>,
    metadata: &MetadataMap,
    certificate: Option<&ClientCertificate>,
) -> Result<(), Error> {
    service.still_admits(&shown(metadata, certificate)?.kept()).await
}

/// The same for a start, which is answered in time whatever the store does: where that has not said in
/// a third of the start's time who it is, the call itself decides.
///
/// # Errors
/// What the key or certificate itself is refused with.
pub async fn admits_a_start(
    service: &Arc<Service>,
    metadata: &MetadataMap,
    certificate: Option<&ClientCertificate>,
) -> Result<LookedFor, Error> {
    let since = Instant::now();
    let budget = service.budget();
    let patience = deadline(metadata).map_or(budget, |own| own.min(budget)) / 3;
    match tokio::time::timeout(patience, admits(service, metadata, certificate)).await {
        Ok(Err(error)) if !matches!(error, Error::Store(_)) => Err(error),
        _ => Ok(LookedFor(since.elapsed())),
    }
}

/// Who calls with a request that is no message of the protocol, in the same way. Counts as a call.
///
/// # Errors
/// Those of [`Service::authenticate`] and [`Service::authenticate_certificate`].
pub async fn caller_of(
    service: &Arc<Service>,
    metadata: &MetadataMap,
    certificate: Option<&ClientCertificate>,
) -> Result<Caller, Error> {
    match shown(metadata, certificate)? {
        Shown::Key(key) => service.authenticate(key).await,
        Shown::Certificate(certificate) => service.authenticate_certificate(certificate).await,
    }
}

/// What a caller showed, to be looked at again by whoever goes on after the call.
fn credential<T>(request: &Request<T>, caller: &Caller) -> Result<Credential, Error> {
    Ok(shown(request.metadata(), request.extensions().get())?.kept().of(caller))
}

/// How often a caller is looked at again whose key the store did not show in time.
const LOOKS: usize = 20;
/// Between two looks.
const LOOKED_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Whether whoever goes on after their call may do so still. What has come far is not lost for a store
/// that takes a while to show a key.
///
/// # Errors
/// Those of [`Service::still_admits`].
async fn still_admitted(service: &Arc<Service>, shown: &Credential) -> Result<(), Error> {
    for _ in 0..LOOKS {
        match service.still_admits(shown).await {
            Err(Error::Store(_)) => tokio::time::sleep(LOOKED_AGAIN_AFTER).await,
            told => return told,
        }
    }
    service.still_admits(shown).await
}

/// What says who calls.
enum Shown<'r> {
    Key(&'r str),
    Certificate(&'r ClientCertificate),
}

impl Shown<'_> {
    /// The same for longer than the request lives.
    fn kept(&self) -> Credential {
        match self {
            Self::Key(key) => Credential::key(key),
            Self::Certificate(certificate) => Credential::Certificate((*certificate).clone(), None),
        }
    }
}

fn shown<'r>(
    metadata: &'r MetadataMap,
    certificate: Option<&'r ClientCertificate>,
) -> Result<Shown<'r>, Error> {
    let Some(header) = metadata.get("authorization") else {
        return certificate.map(Shown::Certificate).ok_or(Error::MissingApiKey);
    };
    let text = header.to_str().map_err(|_| Error::MissingApiKey)?;
    let key = text.strip_prefix("Bearer ").or_else(|| text.strip_prefix("bearer "));
    key.map(str::trim).map(Shown::Key).ok_or(Error::MissingApiKey)
}

/// Whether there is no `grpc-timeout`, or one that can be read.
pub fn has_readable_deadline(metadata: &MetadataMap) -> bool {
    !metadata.contains_key("grpc-timeout") || deadline(metadata).is_some()
}

/// The client's own deadline, from `grpc-timeout` (a number of at most 8 digits and a unit).
fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3_600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_deadline_is_read_in_every_unit() {
        let read = |text: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            deadline(&metadata)
        };
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("99999999H").map(|d| d.as_secs()), Some(99_999_999 * 3_600));
        for odd in ["", "m", "3", "-1S", "123456789S", "3x"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}

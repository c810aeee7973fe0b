//! Transport only: protocol messages to commands and back, and the one mapping
//! of errors to a status.

mod answers;
mod customer_requests;
mod customers;
mod explaining;
mod fields;
mod importing;
mod interactions;
mod limits;
mod log;
mod merges;
pub mod proto;
mod redacting;
mod requests;
mod status;

pub use customers::Customers;
pub use interactions::Interactions;
pub use limits::MAX_REQUEST_BYTES;
pub use log::Logged;
pub use status::{DOMAIN, status};

use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::MetadataMap;

use crate::continuity::{Caller, Error, Service};

/// Who calls, from `authorization: Bearer <API key>`.
async fn caller(service: &Arc<Service>, metadata: &MetadataMap) -> Result<Caller, Error> {
    let header = metadata.get("authorization").ok_or(Error::MissingApiKey)?;
    let text = header.to_str().map_err(|_| Error::MissingApiKey)?;
    let key = text
        .strip_prefix("Bearer ")
        .or_else(|| text.strip_prefix("bearer "))
        .ok_or(Error::MissingApiKey)?;
    service.authenticate(key.trim()).await
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

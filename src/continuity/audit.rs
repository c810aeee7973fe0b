//! What an auditor asks: is a tenant's chain whole, where does it end, who did what to whom.
//!
//! A checkpoint is a chain's end, signed. Kept where nobody who can write the database can write, it
//! finds a chain that was written anew from its beginning; nothing inside the database could.

use std::collections::BTreeSet;
use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

use super::Error;
use super::service::Service;
use super::tenant::Tenant;
use crate::clock::Time;
use crate::crypto::signer::verifies;
use crate::ids::{CustomerId, TenantId};
use crate::store::audit::chain::End;
use crate::store::{Reads, read};

/// Bytes of one line of a checkpoint file, at most.
pub const MAX_LINE: usize = 1_024;

/// The signed end of a tenant's chain: one line of a checkpoint file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The tenant's number.
    pub tenant: i64,
    /// The operator's name for it.
    pub name: String,
    /// The last position.
    pub position: i64,
    /// The last link's hash, in hexadecimal.
    pub hash: String,
    /// Store time of the last entry, in milliseconds since 1970.
    pub time: i64,
    /// Ed25519 over all of this, in base64.
    pub signature: String,
}

impl Checkpoint {
    /// Reads one line; `None` for anything that is no checkpoint.
    pub fn parse(line: &str) -> Option<Self> {
        if line.len() > MAX_LINE {
            return None;
        }
        serde_json::from_str(line).ok()
    }

    /// As a line of a file, without its end.
    pub fn line(&self) -> String {
        // Numbers and texts always have a JSON form.
        serde_json::to_string(self).expect("numbers and texts")
    }

    /// The end it is of; `None` when its hash is none.
    pub fn end(&self) -> Option<End> {
        let hash = HEXLOWER.decode(self.hash.as_bytes()).ok().filter(|hash| hash.len() == 32)?;
        Some(End { position: self.position, hash })
    }

    /// Whether this tenant's key signed it.
    pub fn is_signed_by(&self, tenant: &Tenant) -> bool {
        let public = tenant.secrets.signer().public_key();
        let signature = BASE64.decode(self.signature.as_bytes());
        let signed = |signature: Vec<u8>| verifies(&public, &self.signed(), &signature);
        self.tenant == tenant.id.0 && signature.is_ok_and(signed)
    }

    /// What is signed: the texts have their lengths before them, so that no two checkpoints give the
    /// same bytes.
    fn signed(&self) -> Vec<u8> {
        let mut bytes = b"threadline audit checkpoint 1".to_vec();
        for number in [self.tenant, self.position, self.time] {
            bytes.extend(number.to_be_bytes());
        }
        for text in [&self.hash, &self.name] {
            bytes.extend((text.len() as u64).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }
}

impl Service {
    /// Where a tenant's chain ends now, signed; `None` while nothing was written.
    ///
    /// # Errors
    /// The store's, and [`Error::Sealed`] when the tenant does not open.
    pub async fn checkpoint(&self, tenant: TenantId) -> Result<Option<Checkpoint>, Error> {
        let tenant = self.tenant(tenant).await?;
        let ended = self.store.audit_end(tenant.id).await?;
        let Some(ended) = ended.filter(|ended| ended.end.position > 0) else { return Ok(None) };
        let mut checkpoint = Checkpoint {
            tenant: tenant.id.0,
            name: tenant.name.clone(),
            position: ended.end.position,
            hash: HEXLOWER.encode(&ended.end.hash),
            time: ended.time.0,
            signature: String::new(),
        };
        checkpoint.signature = BASE64.encode(&tenant.secrets.signer().sign(&checkpoint.signed()));
        Ok(Some(checkpoint))
    }

    /// Whose entries are meant by a ref: the customer's, everybody's who is one person with them, and
    /// those of whom the ref resolves to.
    ///
    /// # Errors
    /// The store's.
    pub async fn entries_of(
        self: &Arc<Self>,
        tenant: TenantId,
        customer: CustomerId,
    ) -> Result<Vec<CustomerId>, Error> {
        let (mut all, mut next) = (BTreeSet::from([customer]), Some(customer));
        while let Some(one) = next.take() {
            let mut reads = Reads::Fresh(Arc::clone(&self.store));
            let mut found = reads
                .load(Box::new(move |connection| {
                    Box::pin(async move { read::people(connection, tenant, &[one]).await })
                }))
                .await?;
            let person = found.remove(&one);
            let Some(person) = person else { break };
            all.extend(&person.members);
            next = person.row.moved_to.filter(|moved_to| all.insert(*moved_to));
        }
        Ok(all.into_iter().collect())
    }
}

/// When a checkpoint or an entry was written, as people read it.
pub fn shown(time: Time) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            tenant: 1,
            name: "acme".into(),
            position: 42,
            hash: HEXLOWER.encode(&[7; 32]),
            time: 1_700_000_000_000,
            signature: "AA==".into(),
        }
    }

    #[test]
    fn a_line_reads_back_and_odd_lines_do_not() {
        let line = checkpoint().line();
        assert_eq!(Checkpoint::parse(&line), Some(checkpoint()));
        assert_eq!(checkpoint().end(), Some(End { position: 42, hash: vec![7; 32] }));
        assert_eq!(Checkpoint { hash: "07".into(), ..checkpoint() }.end(), None);
        for odd in ["", "{}", "null", &line[1..], &line.replace("42", "\"42\"")] {
            assert_eq!(Checkpoint::parse(odd), None, "{odd}");
        }
        let long = Checkpoint { name: "x".repeat(MAX_LINE), ..checkpoint() };
        assert_eq!(Checkpoint::parse(&long.line()), None);
    }

    proptest! {
        #[test]
        fn different_checkpoints_sign_different_bytes(
            one in (0i64..3, 0i64..3, 0i64..3, "[a-c]{0,3}", "[a-c]{0,3}"),
            other in (0i64..3, 0i64..3, 0i64..3, "[a-c]{0,3}", "[a-c]{0,3}"),
        ) {
            let of = |(tenant, position, time, hash, name): (i64, i64, i64, String, String)| {
                Checkpoint { tenant, position, time, hash, name, signature: String::new() }.signed()
            };
            prop_assert_eq!(of(one.clone()) == of(other.clone()), one == other);
        }

        #[test]
        fn no_line_is_too_odd(line in ".{0,80}") {
            prop_assert_eq!(Checkpoint::parse(&line), None);
        }
    }
}

//! Where each sealed value stands: a value is bound to its table, whole key and column, so that it
//! opens nowhere else. Where a column is written anew under the same key, the row carries a random
//! revision, so that an older value does not open in the place of a newer one.

use prost::Message;

use super::Error;
use crate::clock::Time;
use crate::crypto::{DataKey, Place, open, seal};
use crate::ids::{CustomerId, Entropy, TenantId, Token};
use crate::store::rows::{BlockKind, Verb};

/// A place in the store, by the values of its key.
pub(super) enum Slot {
    Journal {
        interaction: Token,
        verb: Verb,
        part: Vec<u8>,
    },
    Link {
        customer: CustomerId,
        token: Token,
    },
    Contact {
        customer: CustomerId,
        ended: Time,
        interaction: Token,
        revision: i64,
    },
    Fact {
        customer: CustomerId,
        interaction: Token,
        intent: Token,
        reference: Option<Token>,
    },
    Block {
        customer: CustomerId,
        kind: BlockKind,
        interaction: Token,
        part: i64,
    },
    Label {
        token: Token,
    },
    Merge {
        merge_id: Token,
        revision: i64,
    },
    Tombstone {
        token: Token,
    },
    WebhookEndpoint {
        endpoint: i64,
        revision: i64,
    },
    ErasureNotice {
        erasure: Token,
    },
    /// In a decision, and in whatever takes it over: of no row, but of the key that seals it.
    CandidateLabel,
}

impl Slot {
    fn with<T>(&self, tenant: TenantId, then: impl FnOnce(&Place<'_>) -> T) -> T {
        match self {
            Self::Journal { interaction, verb, part } => {
                let verb = (*verb as i64).to_be_bytes();
                then(&place(tenant, "journal", "state", &[&interaction.0, &verb, part]))
            }
            Self::Link { customer, token } => {
                then(&place(tenant, "link", "identifier", &[&customer.0, &token.0]))
            }
            Self::Contact { customer, ended, interaction, revision } => {
                let ended = ended.0.to_be_bytes();
                let key: [&[u8]; 3] = [&customer.0, &ended, &interaction.0];
                let place = place(tenant, "interaction", "content", &key);
                then(&Place { revision: *revision, ..place })
            }
            Self::Fact { customer, interaction, intent, reference } => {
                let reference: &[u8] = reference.as_ref().map_or(&[], |token| &token.0);
                let key: [&[u8]; 4] = [&customer.0, &interaction.0, &intent.0, reference];
                then(&place(tenant, "intent_fact", "content", &key))
            }
            Self::Block { customer, kind, interaction, part } => {
                let (kind, part) = ((*kind as i64).to_be_bytes(), part.to_be_bytes());
                let key: [&[u8]; 4] = [&customer.0, &kind, &interaction.0, &part];
                then(&place(tenant, "block", "content", &key))
            }
            Self::Label { token } => then(&place(tenant, "label", "content", &[&token.0])),
            Self::Merge { merge_id, revision } => {
                let key: [&[u8]; 1] = [&merge_id.0];
                let place = place(tenant, "customer_merge", "content", &key);
                then(&Place { revision: *revision, ..place })
            }
            Self::WebhookEndpoint { endpoint, revision } => {
                let endpoint = endpoint.to_be_bytes();
                let key: [&[u8]; 1] = [&endpoint];
                let place = place(tenant, "webhook_endpoint", "content", &key);
                then(&Place { revision: *revision, ..place })
            }
            Self::ErasureNotice { erasure } => {
                then(&place(tenant, "erasure_notice", "content", &[&erasure.0]))
            }
            Self::CandidateLabel => then(&place(tenant, "journal", "label", &[])),
            Self::Tombstone { token } => then(&place(tenant, "tombstone", "content", &[&token.0])),
        }
    }

    /// Seals bytes into this place.
    pub(super) fn seal_bytes(
        &self,
        tenant: TenantId,
        key: &DataKey,
        plain: &[u8],
        entropy: &Entropy,
    ) -> Vec<u8> {
        self.with(tenant, |place| seal(key, place, plain, entropy))
    }

    /// Seals a record into this place.
    pub(super) fn seal(
        &self,
        tenant: TenantId,
        key: &DataKey,
        record: &impl Message,
        entropy: &Entropy,
    ) -> Vec<u8> {
        let plain = zeroize::Zeroizing::new(record.encode_to_vec());
        self.seal_bytes(tenant, key, &plain, entropy)
    }

    /// Opens a text from this place.
    pub(super) fn open_text(
        &self,
        tenant: TenantId,
        key: &DataKey,
        sealed: &[u8],
    ) -> Result<String, Error> {
        let plain = self.with(tenant, |place| open(key, place, sealed))?;
        String::from_utf8(plain.to_vec()).map_err(|_| Error::Sealed)
    }

    /// Opens a record from this place.
    pub(super) fn open<M: Message + Default>(
        &self,
        tenant: TenantId,
        key: &DataKey,
        sealed: &[u8],
    ) -> Result<M, Error> {
        let plain = self.with(tenant, |place| open(key, place, sealed))?;
        Ok(M::decode(plain.as_slice())?)
    }
}

fn place<'a>(tenant: TenantId, table: &'a str, column: &'a str, key: &'a [&'a [u8]]) -> Place<'a> {
    Place { tenant, table, key, column, revision: 0 }
}

//! Nothing readable at rest: data keys, sealed values bound to their place,
//! and the blind index.
//!
//! A *root key* lies outside the database and wraps *data keys*; a data key
//! (one per customer, one per tenant) seals values; *tenant secrets* turn
//! values that must be found again into tokens that nobody can read back.
//! API keys live here because they are secrets too, though they seal nothing.
//!
//! Every way of failing to open something is the same [`OpenError`]: which
//! part did not fit would only help whoever tampered with it.

pub mod api_key;
pub mod blind;
pub mod delivery;
pub mod envelope;
pub mod keys;
pub mod root_keys;
pub mod signer;
pub mod web_token;
pub mod webhook;

pub use api_key::ApiKey;
pub use blind::TenantSecrets;
pub use delivery::{Algorithm, DeliverySecrets};
pub use envelope::{OpenError, Place, key_id, open, seal};
pub use keys::DataKey;
pub use root_keys::{RootKeyError, RootKeySource, RootKeys, SourceError, Wrapped};
pub use signer::Signer;
pub use webhook::WebhookSecret;

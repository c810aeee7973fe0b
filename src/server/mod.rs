//! One root joins the parts: settings, the service, the listeners, and how they end.

mod attending;
pub mod checkpoints;
mod configuration;
mod listen;
mod machine;
mod root_key;
mod tls;
mod wire;
mod workers;

pub(crate) use configuration::weights;
pub use configuration::{Configuration, ConfigurationError, Layers};
pub use listen::{Running, Serve, serve};
pub use machine::keep_memory_private;
pub use root_key::root_keys;
pub use tls::TlsSettings;

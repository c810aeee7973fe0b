//! One root joins the parts: settings, the service, the listeners, and how they end.

pub mod checkpoints;
mod configuration;
mod listen;
mod root_key;
mod workers;

pub(crate) use configuration::weights;
pub use configuration::{Configuration, ConfigurationError, Layers};
pub use listen::{Running, Serve, serve};
pub use root_key::root_keys;

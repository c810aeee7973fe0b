//! One root joins the parts: settings, the service, the listeners, and how they end.

mod attending;
mod beside;
pub mod checkpoints;
mod coming;
mod configuration;
mod examine;
mod hook_secrets;
mod listen;
mod machine;
mod operating;
mod peer;
mod printing;
pub mod root_key;
mod rotating;
mod running;
mod serving;
mod tls;
mod traces;
mod wire;
mod workers;

pub use configuration::operations::{Operations, Traces};
pub(crate) use configuration::weights;
pub use configuration::{Configuration, ConfigurationError, Layers, LogFormat};
pub use examine::examine;
pub use hook_secrets::HookSettings;
pub use listen::{Serve, serve};
pub use machine::keep_memory_private;
pub use running::Running;
pub use tls::TlsSettings;

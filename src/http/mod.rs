//! The other doors of the one port: REST and JSON, gRPC-Web. Everything is derived from the protocol:
//! each request becomes a call of the same gRPC services, and nothing is implemented twice.

mod calling;
mod comments;
mod counts;
mod doors;
pub mod hooks;
mod json;
mod lending;
mod numbers;
mod openapi;
mod operations;
mod parameters;
mod rest;
mod rules;
mod statuses;
mod sticky_calls;
mod streams;

pub use comments::{Commented, first_sentence};
pub use doors::{Doors, DoorsService, paths_beside};
pub use json::{read, write};
pub use openapi::openapi;
pub use operations::{Asked, Operations};

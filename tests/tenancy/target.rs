//! What is asked: an RPC by one of its ways, or a door that no annotation tells of.

use prost_reflect::MethodDescriptor;
use serde_json::Value;
use threadline::clock::Time;

use super::doors::{Door, Where};
use super::lane::{Lane, shown};
use super::request::{self, Path, Probe};
use super::table::Kind;
use super::ways::Way;
use super::wire::Answer;

/// One string of one request, and what is put there.
pub struct Place<'a> {
    pub target: Target<'a>,
    pub kind: Kind,
}

/// Where the string is.
pub enum Target<'a> {
    /// In the request of an RPC.
    Rpc { method: &'a MethodDescriptor, way: &'a Way, base: &'a Value, path: &'a Path },
    /// In a request of another door.
    Door(&'a Door, Where),
}

impl Place<'_> {
    /// Whose times are compared.
    pub fn name(&self) -> String {
        match &self.target {
            Target::Rpc { method, way: Way::Grpc, .. } => method.name().to_owned(),
            // A string that one route has no place for is looked for by another.
            Target::Rpc { method, .. } => format!("{} (REST)", method.name()),
            Target::Door(door, _) => door.path.to_owned(),
        }
    }

    /// How it is called.
    pub fn way(&self) -> String {
        match &self.target {
            Target::Rpc { method, way, .. } => format!("{} by {}", method.name(), way.text()),
            Target::Door(door, _) => door.path.to_owned(),
        }
    }

    /// Which string it is.
    pub fn string(&self) -> String {
        match &self.target {
            Target::Rpc { path, .. } => format!("{} {}", self.name(), path.text()),
            Target::Door(_, place) => format!("{} {}", self.name(), place.text()),
        }
    }

    /// What is probed, in words.
    pub fn about(&self) -> String {
        match &self.target {
            Target::Rpc { path, base, .. } => format!("{}: {} {base:?}", self.way(), path.text()),
            Target::Door(_, place) => format!("{}: {}", self.way(), place.text()),
        }
    }

    /// Asks with the probe put there; what was asked, and the answer. None where this way has no place
    /// for it.
    pub async fn send(
        &self,
        lane: &Lane,
        role: &str,
        (n, now): (usize, Time),
        probe: &Probe,
    ) -> Option<(Vec<u8>, Answer)> {
        match &self.target {
            Target::Rpc { method, way, base, path } => {
                let messages = lane.filled(method.name(), base, n);
                let messages = request::with(&messages, path, probe);
                let asked = messages.concat();
                Some((asked, way.send(lane.role(role), method, messages).await?))
            }
            Target::Door(door, place) => {
                Some(door.send(lane, role, (n, now), (*place, probe)).await)
            }
        }
    }

    /// The messages of an answer as JSON.
    pub fn shown(&self, answer: &Answer) -> Value {
        match &self.target {
            Target::Rpc { method, .. } => shown(method, answer).into(),
            Target::Door(..) => answer.shown.clone().unwrap_or_default().into(),
        }
    }
}

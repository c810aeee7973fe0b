//! Web-hooks in: a helpdesk says that a ticket is closed, in its own words. `/hooks/zendesk` and
//! `/hooks/generic` let in who is known, read what was delivered as the tenant's settings say, and end
//! the interaction with the same call as everybody.

pub mod condition;
mod delivered;
pub mod hints;
pub mod mapping;
mod moments;
pub mod proof;
pub mod taking;
pub mod zendesk;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use prost::Message as _;
use prost_reflect::MethodDescriptor;
use serde_json::{Value, json};
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::http::request::Parts;
use tonic::codegen::http::{HeaderMap, HeaderValue, Method, Request, Response};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use self::delivered::Delivered;
use self::mapping::Mapping;
use self::proof::{NotLetIn, Proof, api_key};
use super::calling::{Calls, admitted, call, single};
use super::json::from_value;
use super::parameters::spaced;
use super::rest::{Media, whole};
use super::rules::POOL;
use super::statuses::{Refused, in_json};
use crate::context::Redaction;
use crate::continuity::allowance::Allowance;
use crate::continuity::{Caller, Error, HookCaller, Service};
use crate::crypto::DeliverySecrets;
use crate::grpc::{self, ErrorReason, Known};
use crate::ids::Entropy;

/// Below this, nothing of REST is.
pub(super) const PREFIX: &str = "/hooks/";
/// How deep a delivery may be nested.
const MOST_DEPTH: usize = 64;
/// What names a hook in the query.
const NAME: &str = "hook";
/// Why what is none of our settings' is not let in.
const UNKNOWN: NotLetIn = NotLetIn::Refused("there is no such hook");

/// Which path a hook is served at; also its name where the query names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/hooks/zendesk`.
    Zendesk,
    /// `/hooks/generic`.
    Generic,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Zendesk, Self::Generic];

    /// As the settings and the path have it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The same.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zendesk => "zendesk",
            Self::Generic => "generic",
        }
    }
}

/// Every path that a hook is served at.
pub(super) fn paths() -> impl Iterator<Item = String> {
    Kind::ALL.into_iter().map(|kind| format!("{PREFIX}{}", kind.name()))
}

/// One hook of one tenant.
pub struct Hook {
    /// Where it is served.
    pub kind: Kind,
    /// What a delivery must show.
    pub proof: Proof,
    /// How it is read.
    pub mapping: Mapping,
    /// The source that its interaction ids belong to, if an API key shall address another than its own.
    pub source: Option<String>,
    /// Who calls.
    pub caller: HookCaller,
}

/// All hooks of all tenants, by name.
pub struct Hooks {
    named: BTreeMap<String, Arc<Hook>>,
    /// What unknown hooks are checked with: a signature of nobody's.
    nobodys: proof::Signed,
}

impl Hooks {
    /// These, by their names.
    pub fn new(named: BTreeMap<String, Hook>, entropy: &Entropy) -> Self {
        let named = named.into_iter().map(|(name, hook)| (name, Arc::new(hook))).collect();
        let mut secret = zeroize::Zeroizing::new(vec![0; 32]);
        entropy.fill(&mut secret);
        let nobodys = zendesk::signed(DeliverySecrets::new(vec![secret]), 0);
        Self { named, nobodys }
    }

    /// Follows these: whoever calls goes on where they were, with as many calls as `allowed` says of
    /// their tenant.
    pub fn goes_on_from(&self, before: &Self, allowed: impl Fn(&str) -> Allowance) {
        for (name, hook) in &self.named {
            if let Some(before) = before.named.get(name) {
                hook.caller.goes_on_from(&before.caller, allowed(hook.caller.tenant()));
            }
        }
    }

    fn find(&self, kind: Kind, name: &str) -> Option<&Arc<Hook>> {
        self.named.get(name).filter(|hook| hook.kind == kind)
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hooks({})", self.named.len())
    }
}

/// Answers one delivery.
pub(super) async fn answer(
    calls: impl Calls,
    service: &Arc<Service>,
    hooks: &Hooks,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    match answered(calls, service, hooks, parts, body).await {
        Ok(answer) => in_json(answer.to_string().into()),
        Err(refused) => refused.answer(),
    }
}

async fn answered(
    calls: impl Calls,
    service: &Arc<Service>,
    hooks: &Hooks,
    mut parts: Parts,
    body: Body,
) -> Result<Value, Refused> {
    let since = Instant::now();
    let kind = parts.uri.path().strip_prefix(PREFIX).and_then(Kind::parse);
    let kind = kind.ok_or(Refused::NoRoute)?;
    if parts.method != Method::POST {
        return Err(Refused::Verb(vec![Method::POST]));
    }
    readable(&parts.headers)?;
    let name = named(&parts, kind).unwrap_or_default();
    let hook = hooks.find(kind, &name);
    let let_in = let_in(service, hooks, hook.map(Arc::as_ref), &parts, body).await;
    let (caller, body) = let_in.map_err(|why| {
        let known = if hook.is_some() { name.as_str() } else { "another" };
        why.told(known)
    })?;
    // Nobody without a hook was let in.
    let hook = hook.ok_or_else(|| Why::NotLetIn(UNKNOWN).told("another"))?;
    let Media::Json = Media::of(&parts.headers)? else {
        return Err(Refused::MediaType("send content-type: application/json"));
    };
    let received = service.store().now().0;
    let (hook, redaction) = (Arc::clone(hook), Arc::clone(&caller.tenant.policy.redaction));
    // A megabyte and a regular expression of the settings take their time: not that of the calls which
    // this thread serves.
    let reading =
        tokio::task::spawn_blocking(move || understood(&hook, &body, received, &redaction));
    let understood = reading.await.map_err(|_| Status::internal("internal error"))?;
    let Some(mut end) = understood? else { return Ok(json!({"accepted": false})) };
    parts.extensions.insert(Known { caller, since });
    let mut ended = ended(calls.clone(), &parts, &end).await;
    if let Err(status) = &ended
        && hints::without_refused(&mut end, &refused_fields(status))
    {
        ended = self::ended(calls, &parts, &end).await;
    }
    match ended {
        Ok(()) => Ok(json!({"accepted": true, "interaction_id": end["interaction_id"]})),
        // A helpdesk cannot know, and would be told of a failure at every later edit of the ticket.
        Err(status) if is_erased(&status) => Ok(json!({"accepted": false})),
        Err(status) => Err(status.into()),
    }
}

/// Whether headers are as at every other door, before anything of the body is read. Who delivers shows
/// it in ways of their own: here it is as if they had shown a key.
///
/// # Errors
/// A body that is encoded, or a deadline that is none.
fn readable(headers: &HeaderMap) -> Result<(), Refused> {
    let mut parts = Request::new(()).into_parts().0;
    parts.headers = headers.clone();
    parts.headers.insert(AUTHORIZATION, HeaderValue::from_static("looked at later"));
    admitted(&parts)
}

/// The end that a delivery stands for; none where it does not count.
fn understood(
    hook: &Hook,
    body: &[u8],
    received: i64,
    redaction: &Redaction,
) -> Result<Option<Value>, Refused> {
    let delivered = Delivered::read(body)?;
    if !hook.mapping.counts(&delivered) {
        return Ok(None);
    }
    let end = hook.mapping.end(&delivered, received, redaction);
    let mut end = end.map_err(|wrong| grpc::invalid(&wrong, ErrorReason::HookUnmapped))?;
    if let Some(source) = &hook.source {
        end["source"] = source.as_str().into();
    }
    Ok(Some(end))
}

/// The name of the hook: `hook` of the query, else that of its kind.
fn named(parts: &Parts, kind: Kind) -> Option<String> {
    let query = parts.uri.query().unwrap_or_default();
    let mut said = query.split('&').filter_map(|it| it.split_once('='));
    match said.find(|(name, _)| *name == NAME) {
        Some((_, name)) => spaced(name),
        None => Some(kind.name().to_owned()),
    }
}

/// Why nobody is let in.
enum Why {
    NotLetIn(NotLetIn),
    Other(Refused),
}

impl Why {
    /// Why a key, or a hook, may not call.
    fn of(error: Error) -> Self {
        match error {
            Error::MissingApiKey | Error::InvalidApiKey => {
                Self::NotLetIn(NotLetIn::Refused("the API key is none of ours"))
            }
            Error::ExpiredApiKey => Self::NotLetIn(NotLetIn::Refused("the API key has expired")),
            error => Self::Other(grpc::status(&error).into()),
        }
    }

    /// What whoever delivered is told; the log is told more.
    fn told(self, hook: &str) -> Refused {
        let (reason, said) = match self {
            Self::Other(refused) => return refused,
            Self::NotLetIn(NotLetIn::Refused(why)) => {
                tracing::debug!(hook, why, "a web-hook was not let in");
                (ErrorReason::HookRefused, "no such hook, or not signed as it must be")
            }
            Self::NotLetIn(NotLetIn::Stale) => {
                tracing::debug!(hook, "a web-hook was signed too long ago, or ahead of our clock");
                (ErrorReason::HookStale, "signed too long ago, or ahead of our clock")
            }
        };
        grpc::refusal(Code::Unauthenticated, reason, said).into()
    }
}

/// Who delivers, and the whole body. What is signed has to be read before anybody knows whose it is; it
/// costs its sender's connection, and no tenant's allowance.
async fn let_in(
    service: &Arc<Service>,
    hooks: &Hooks,
    hook: Option<&Hook>,
    parts: &Parts,
    body: Body,
) -> Result<(Caller, Bytes), Why> {
    let body = whole(body).await.map_err(Why::Other)?;
    let now = service.store().now();
    let Some(hook) = hook else {
        // As much work as for a known one: most of those that are not Zendesk's take a key.
        let key = api_key(&parts.headers, &AUTHORIZATION);
        match key.filter(|_| parts.uri.path().strip_prefix(PREFIX) == Some(Kind::Generic.name())) {
            Some(key) => drop(service.whose_key(&key).await),
            None => drop(hooks.nobodys.check(&parts.headers, &body, now)),
        }
        return Err(Why::NotLetIn(UNKNOWN));
    };
    let caller = match &hook.proof {
        Proof::Signed(signed) => {
            signed.check(&parts.headers, &body, now).map_err(Why::NotLetIn)?;
            service.authenticate_hook(&hook.caller).await.map_err(Why::of)?
        }
        Proof::ApiKey(header) => {
            let missing = NotLetIn::Refused("there is no API key in its header");
            let key = api_key(&parts.headers, header).ok_or(Why::NotLetIn(missing))?;
            with_key(service, hook, &key).await?
        }
    };
    Ok((caller, body))
}

/// Who delivers with this key. It is a call of theirs only once it is known that they are let in.
async fn with_key(service: &Arc<Service>, hook: &Hook, key: &str) -> Result<Caller, Why> {
    let tenant = service.whose_key(key).await.map_err(Why::of)?;
    // The test tenant of the same name is another tenant.
    if tenant.name != hook.caller.tenant() || tenant.test {
        return Err(Why::NotLetIn(NotLetIn::Refused("the API key is another tenant's")));
    }
    service.authenticate(key).await.map_err(Why::of)
}

/// Ends the interaction.
async fn ended(calls: impl Calls, parts: &Parts, end: &Value) -> Result<(), Status> {
    let rpc = end_rpc()?;
    let message =
        from_value(&rpc.input(), end).map_err(|wrong| grpc::status(&Error::Invalid(wrong)))?;
    let message = single(&message.encode_to_vec());
    let mut answers = call(calls, &rpc, parts, message).await?;
    while answers.next().await?.is_some() {}
    Ok(())
}

fn end_rpc() -> Result<MethodDescriptor, Status> {
    let service = POOL.get_service_by_name("threadline.v1.InteractionService");
    let found = service.and_then(|it| it.methods().find(|it| it.name() == "EndInteraction"));
    found.ok_or_else(|| Status::internal("internal error"))
}

/// The fields that a refusal names.
fn refused_fields(status: &Status) -> Vec<String> {
    let named = status.get_details_bad_request().map(|it| it.field_violations);
    named.unwrap_or_default().into_iter().map(|it| it.field).collect()
}

fn is_erased(status: &Status) -> bool {
    let reason = status.get_details_error_info().map(|it| it.reason);
    reason.is_some_and(|reason| reason == grpc::reason_name(ErrorReason::Erased))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_hook() {
        let named = |path: &str| {
            let parts = Request::post(path).body(()).unwrap().into_parts().0;
            named(&parts, Kind::Generic)
        };
        assert_eq!(named("/hooks/generic").as_deref(), Some("generic"));
        assert_eq!(named("/hooks/generic?hook=acme-desk").as_deref(), Some("acme-desk"));
        assert_eq!(named("/hooks/generic?a=b&hook=a%2Db&hook=c").as_deref(), Some("a-b"));
        assert_eq!(named("/hooks/generic?hook=%FF"), None);
    }

    /// Whatever its settings, the log cannot tell a secret.
    #[test]
    fn nothing_of_a_secret_is_shown() {
        let secrets = DeliverySecrets::new(vec![zeroize::Zeroizing::new(b"canary".to_vec())]);
        let proof = Proof::Signed(zendesk::signed(secrets, 0));
        assert!(!format!("{proof:?}").contains("canary"));
        assert!(format!("{:?}", zendesk::mapping()).starts_with("Ok("));
    }
}

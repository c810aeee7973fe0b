//! One attempt: to an address that was judged, signed, and not waited for for ever.
//!
//! A name's addresses are looked up once, judged all, and handed to the connection: nothing is looked up
//! a second time, so a name that leads elsewhere by then leads nowhere. A name of which one address is
//! refused is refused. Redirects are answers like any other and not followed; no proxy is asked.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use tokio::sync::Semaphore;

use crate::clock::{SECOND, Time};
use crate::continuity::webhooks::destination::may_go_to;
use crate::continuity::webhooks::{Endpoint, Networks};

/// Connecting takes no longer.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// Names that are looked up at once.
const LOOK_UPS: usize = 32;
/// Bytes of an answer that are read, so that the connection can be used again; more are not waited for.
const MOST_ANSWER_BYTES: usize = 16 << 10;
/// How long the rest of an answer is waited for, once its status is known.
const ANSWER_READ_WITHIN: Duration = Duration::from_secs(1);
/// A connection that nobody needs is closed after this.
const IDLE_FOR: Duration = Duration::from_secs(30);
/// Unused connections to one address that are kept.
const MOST_IDLE: usize = 8;

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was accepted, with this status.
    Accepted(u16),
    /// It was not: the status or a code below 100, and in how many milliseconds to come back, if that
    /// was said.
    Failed(i64, Option<i64>),
    /// The endpoint is gone for good (410).
    Gone,
}

/// Why there was no answer, as it is stored: below every status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It took too long.
    TimedOut = 1,
    /// Nobody takes connections there.
    NotConnected = 2,
    /// Where it leads may not be sent to.
    Refused = 3,
    /// The connection was lost.
    Lost = 4,
    /// A name that nobody knows, or that was not looked up in time.
    NameUnknown = 5,
    /// It speaks no TLS of ours, or its certificate is not trusted.
    NotTrusted = 6,
}

impl NoAnswer {
    /// What a person is told of a stored outcome.
    pub fn told(outcome: i64) -> String {
        let all = [
            (Self::TimedOut, "no answer in time"),
            (Self::NotConnected, "not connected"),
            (Self::Refused, "address not allowed"),
            (Self::Lost, "connection lost"),
            (Self::NameUnknown, "name not found"),
            (Self::NotTrusted, "no TLS, or its certificate is not trusted"),
        ];
        let known = all.into_iter().find(|(code, _)| *code as i64 == outcome);
        known.map_or_else(|| format!("status {outcome}"), |(_, text)| text.to_owned())
    }
}

/// Sends web-hooks.
pub struct Sender {
    networks: Arc<Networks>,
    /// For `https`: to the public internet and to what the operator allows.
    outside: Client,
    /// For `http`: only to what the operator allows.
    inside: Client,
}

impl Sender {
    /// One that gives each attempt this long.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(networks: Networks, within: Duration) -> Result<Self, reqwest::Error> {
        let system = |name: String| -> LookedUp {
            Box::pin(async move {
                let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
                Ok(found.collect())
            })
        };
        Self::with(networks, within, Arc::new(system))
    }

    /// The same, with somebody else to look names up.
    fn with(networks: Networks, within: Duration, look_up: LookUp) -> Result<Self, reqwest::Error> {
        let networks = Arc::new(networks);
        let look_ups = Arc::new(Semaphore::new(LOOK_UPS));
        let client = |inside| {
            let judged = Judged {
                networks: Arc::clone(&networks),
                inside,
                look_ups: Arc::clone(&look_ups),
                look_up: Arc::clone(&look_up),
            };
            Client::builder()
                .dns_resolver(Arc::new(judged))
                .no_proxy()
                .redirect(Policy::none())
                .https_only(!inside)
                .connect_timeout(CONNECTED_WITHIN.min(within))
                .timeout(within)
                .pool_idle_timeout(IDLE_FOR)
                .pool_max_idle_per_host(MOST_IDLE)
                .build()
        };
        let (outside, inside) = (client(false)?, client(true)?);
        Ok(Self { networks, outside, inside })
    }

    /// Makes one attempt at `now`.
    pub async fn send(&self, endpoint: &Endpoint, id: &str, body: Vec<u8>, now: Time) -> Attempt {
        let refused = Attempt::Failed(NoAnswer::Refused as i64, None);
        let Ok(url) = Url::parse(&endpoint.url) else { return refused };
        if may_go_to(&url, &self.networks).is_err() {
            return refused;
        }
        let client = if url.scheme() == "http" { &self.inside } else { &self.outside };
        let Some(headers) = headers(endpoint, id, &body, now) else { return refused };
        match client.post(url).headers(headers).body(body).send().await {
            Ok(response) => judge(response, now).await,
            Err(error) => Attempt::Failed(why(&error) as i64, None),
        }
    }
}

fn headers(endpoint: &Endpoint, id: &str, body: &[u8], now: Time) -> Option<HeaderMap> {
    let seconds = now.0.div_euclid(SECOND);
    let signed = endpoint.signed_with(now).map(|secret| secret.signature(id, seconds, body));
    let signatures = signed.collect::<Vec<String>>().join(" ");
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_str(id).ok()?);
    headers.insert("webhook-timestamp", HeaderValue::from(seconds));
    headers.insert("webhook-signature", HeaderValue::from_str(&signatures).ok()?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = concat!("threadline/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    Some(headers)
}

/// What an answer means. Its body means nothing; it is read, as far as it is short, so that the
/// connection can be used again.
async fn judge(mut response: reqwest::Response, now: Time) -> Attempt {
    let status = response.status();
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|text| retry_after(text.trim(), now));
    let rest = async {
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > MOST_ANSWER_BYTES {
                break;
            }
        }
    };
    // Whether it was read to its end changes nothing.
    let _ = tokio::time::timeout(ANSWER_READ_WITHIN, rest).await;
    match status {
        status if status.is_success() => Attempt::Accepted(status.as_u16()),
        StatusCode::GONE => Attempt::Gone,
        status => Attempt::Failed(i64::from(status.as_u16()), asked),
    }
}

/// In how many milliseconds somebody wants to be asked again, who says so in seconds or as a moment
/// (RFC 9110, section 10.2.3).
fn retry_after(text: &str, now: Time) -> Option<i64> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds) * SECOND);
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(at.as_millisecond().saturating_sub(now.0).max(0))
}

/// Why there was no answer; nothing of the error is repeated, for it may hold the address.
fn why(error: &reqwest::Error) -> NoAnswer {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.is::<NotAllowed>() {
            return NoAnswer::Refused;
        }
        if inner.is::<NotFound>() {
            return NoAnswer::NameUnknown;
        }
        if inner.is::<rustls::Error>() {
            return NoAnswer::NotTrusted;
        }
        // An error of reading passes over what it holds when it is asked for its source.
        let held = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = held.map_or_else(|| inner.source(), |held| Some(held));
    }
    match error {
        error if error.is_timeout() => NoAnswer::TimedOut,
        error if error.is_connect() => NoAnswer::NotConnected,
        _ => NoAnswer::Lost,
    }
}

/// Looks names up, and gives only addresses that may be sent to.
struct Judged {
    networks: Arc<Networks>,
    inside: bool,
    look_ups: Arc<Semaphore>,
    look_up: LookUp,
}

/// The addresses of a name, with any port.
type LookedUp = Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>>;
/// Whoever looks names up.
type LookUp = Arc<dyn Fn(String) -> LookedUp + Send + Sync>;

/// Where a name leads may not be sent to.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address that is not allowed")]
struct NotAllowed;

/// Nobody says where a name leads.
#[derive(Debug, thiserror::Error)]
#[error("the name is not known")]
struct NotFound;

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let (networks, inside) = (Arc::clone(&self.networks), self.inside);
        let (look_ups, look_up) = (Arc::clone(&self.look_ups), Arc::clone(&self.look_up));
        Box::pin(async move {
            let _place = look_ups.acquire_owned().await?;
            let found = look_up(name.as_str().to_owned()).await.map_err(|_| NotFound)?;
            let allowed = judged(&found, &networks, inside)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// All of a name's addresses, or none.
fn judged(
    found: &[SocketAddr],
    networks: &Networks,
    inside: bool,
) -> Result<Vec<SocketAddr>, NotAllowed> {
    let may = |address: &SocketAddr| match inside {
        true => networks.name(address.ip()),
        false => networks.allow(address.ip()),
    };
    if !found.is_empty() && found.iter().all(may) { Ok(found.to_vec()) } else { Err(NotAllowed) }
}

#[cfg(test)]
mod tests;

//! The key sets that issuers serve (JWKS): fetched when they are first needed, fetched again for a
//! key that is not among them, and kept through an outage.
//!
//! A fetch is a task of its own that outlives the request: whoever needs it waits as long as their
//! budget allows, and the next one finds it done.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tokio::sync::watch;

use crate::clock::{Clock, MINUTE, SECOND, Time};
use crate::crypto::web_token::{Refused, TrustedKey, WebToken, read_key_set};

/// A set is fetched again for an unknown key once in this time at most, in milliseconds.
const AGAIN_AFTER: i64 = MINUTE;
/// Before there was any set, it is tried again after this time, in milliseconds.
const TRIED_AGAIN_AFTER: i64 = 10 * SECOND;
/// A set older than this is fetched anew behind its use, so that a key taken back is trusted no
/// longer than this, in milliseconds.
const RENEWED_AFTER: i64 = 10 * MINUTE;
/// One fetch takes so long at most.
const FETCHED_WITHIN: Duration = Duration::from_secs(5);
/// The largest set, in bytes.
const MAX_SET_BYTES: usize = 1 << 20;

/// Keys of one set.
type Keys = Arc<[TrustedKey]>;

/// Reads the address of a key set: `https`, or `http` on this machine alone.
///
/// # Errors
/// What is wrong with it.
pub fn key_set_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err("must begin with https:// (http:// is for this machine alone)"),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Every set that was asked for, by its address: tenants of one issuer share it.
pub(super) struct KeySets {
    clock: Clock,
    sets: Mutex<HashMap<Url, Arc<KeySet>>>,
}

impl KeySets {
    pub fn new(clock: Clock) -> Self {
        Self { clock, sets: Mutex::default() }
    }

    /// Fetches the sets at these addresses anew, as far as they were asked for, and forgets the others.
    /// Until a new one is there the one before stays.
    pub fn renew(&self, urls: &[Url]) {
        let mut sets = locked(&self.sets);
        sets.retain(|url, _| urls.contains(url));
        let now = self.clock.now();
        for set in sets.values() {
            locked(&set.state).began = None;
            set.fetch(now);
        }
    }

    /// Verifies a token with the set at `url`; `false` when there was no set to verify it with: none
    /// could be fetched within that time, or the one there is could not be renewed since an
    /// unknown key may have been added.
    ///
    /// # Errors
    /// As [`WebToken::verify`].
    pub async fn verify(
        &self,
        url: &Url,
        token: &WebToken<'_>,
        within: Duration,
    ) -> Result<bool, Refused> {
        let set = Arc::clone(
            locked(&self.sets)
                .entry(url.clone())
                .or_insert_with(|| Arc::new(KeySet { url: url.clone(), state: Mutex::default() })),
        );
        let now = self.clock.now();
        if let Some(keys) = set.keys(now) {
            match token.verify(&keys) {
                Err(refused) if may_be_new(token, refused, &keys) => {}
                verified => return verified.map(|()| true),
            }
        }
        let Some(mut fetch) = set.fetch(now) else { return Ok(false) };
        let Some(keys) = fetch.done(within).await else { return Ok(false) };
        match token.verify(&keys) {
            // A fetch that began before this token came may have missed its key.
            Err(refused) if fetch.joined && may_be_new(token, refused, &keys) => Ok(false),
            verified => verified.map(|()| true),
        }
    }
}

/// Whether a newer set could hold the key. A token without a `kid` does not say which it is, and one
/// whose `kid` the set does not have was tried with keys that have none.
fn may_be_new(token: &WebToken<'_>, refused: Refused, keys: &[TrustedKey]) -> bool {
    let is_here = |kid: &str| keys.iter().any(|key| key.key_id() == Some(kid));
    match refused {
        Refused::UnknownKey => true,
        Refused::BadSignature | Refused::WrongAlgorithm => {
            token.key_id().is_none_or(|kid| !is_here(kid))
        }
        _ => false,
    }
}

struct KeySet {
    url: Url,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Option<Keys>,
    /// When the keys were asked for.
    asked: Time,
    /// When the newest fetch began.
    began: Option<Time>,
    running: Option<watch::Receiver<Outcome>>,
}

#[derive(Clone)]
enum Outcome {
    Running,
    Fetched(Keys),
    Failed,
}

struct Fetch {
    outcome: watch::Receiver<Outcome>,
    /// Whether somebody else had begun it.
    joined: bool,
}

impl Fetch {
    async fn done(&mut self, within: Duration) -> Option<Keys> {
        let ended = self.outcome.wait_for(|outcome| !matches!(outcome, Outcome::Running));
        match tokio::time::timeout(within, ended).await {
            Ok(Ok(outcome)) => match &*outcome {
                Outcome::Fetched(keys) => Some(Arc::clone(keys)),
                Outcome::Running | Outcome::Failed => None,
            },
            _ => None,
        }
    }
}

impl KeySet {
    /// The last good set; one that has become old is renewed meanwhile.
    fn keys(self: &Arc<Self>, now: Time) -> Option<Keys> {
        let (keys, asked) = {
            let state = locked(&self.state);
            (state.keys.clone()?, state.asked)
        };
        if now.since(asked).abs() > RENEWED_AFTER {
            self.fetch(now);
        }
        Some(keys)
    }

    /// The fetch that is running, or a new one; `None` when the last is too short ago.
    fn fetch(self: &Arc<Self>, now: Time) -> Option<Fetch> {
        let mut state = locked(&self.state);
        // One whose sender is gone was cut off and will never end.
        if let Some(running) = state.running.as_ref().filter(|it| it.has_changed().is_ok()) {
            return Some(Fetch { outcome: running.clone(), joined: true });
        }
        let pause = if state.keys.is_some() { AGAIN_AFTER } else { TRIED_AGAIN_AFTER };
        // A clock that was set back must not stop it.
        if state.began.is_some_and(|began| now.since(began).abs() < pause) {
            return None;
        }
        let (sender, outcome) = watch::channel(Outcome::Running);
        state.began = Some(now);
        state.running = Some(outcome.clone());
        drop(state);
        let set = Arc::clone(self);
        tokio::spawn(async move {
            let fetched = load(&set.url).await;
            if let Err(reason) = &fetched {
                tracing::warn!(reason, host = set.url.host_str(), "a key set was not fetched");
            }
            let mut state = locked(&set.state);
            state.running = None;
            let outcome = match fetched {
                Ok(keys) => {
                    state.keys = Some(Arc::clone(&keys));
                    state.asked = now;
                    Outcome::Fetched(keys)
                }
                Err(_) => Outcome::Failed,
            };
            drop(state);
            // Nobody may be waiting any more.
            let _ = sender.send(outcome);
        });
        Some(Fetch { outcome, joined: false })
    }
}

/// Fetches a set, at that address and no other.
async fn load(url: &Url) -> Result<Keys, String> {
    let client = Client::builder()
        .timeout(FETCHED_WITHIN)
        .redirect(Policy::none())
        .pool_max_idle_per_host(0);
    let client = if is_loopback(url) { client.no_proxy() } else { client };
    let client = client.build().map_err(|_| "no client for TLS could be made".to_owned())?;
    let failed = |error: reqwest::Error| error.without_url().to_string();
    let mut response = client.get(url.clone()).send().await.map_err(failed)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("was answered with {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_SET_BYTES {
            return Err("is larger than 1 MiB".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    let keys = read_key_set(&body).map_err(|refused| refused.to_string())?;
    Ok(keys.into())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole at every step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

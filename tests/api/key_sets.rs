//! Issuers that serve their keys: rotation, outages, and addresses that are not what they were.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use threadline::clock::{Clock, MINUTE};
use threadline::grpc::proto::{IdentityHints, StartInteractionResponse};
use tonic::Code;

use super::web_tokens::{AUDIENCE, ISSUER, assert_proven, claims, standing, token_hint};
use crate::support::client::assert_refused;
use crate::support::issuer::{Issuer, key_set};
use crate::support::key_server::{KeyServer, Manner};
use crate::support::requests::{end, start_with};
use crate::support::{Engine, Setup, each_engine};

each_engine!(
    keys_rotate_without_a_refusal,
    an_outage_keeps_the_last_good_set,
    a_slow_issuer_makes_no_start_late,
    a_set_is_fetched_at_its_own_address,
);

pub(super) fn served(server: &KeyServer) -> String {
    format!(
        "[tenants.acme.web_token]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\n\
         jwks_url = \"{}\"\n",
        server.url()
    )
}

#[track_caller]
pub(super) fn assert_unverified(answer: &StartInteractionResponse) {
    let codes: Vec<&str> = answer.warnings.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(codes, ["web_token_unverified"]);
    assert!(answer.new_customer && !answer.degraded, "it identifies nobody");
}

/// Clients that start while keys rotate.
const CLIENTS: usize = 4;
/// Starts of each between two steps of a rotation: of two, the second is begun after the first step.
const STARTS: usize = 3;

/// Waits until each client has finished so many more starts: what they show from then on was signed later
/// than this began.
async fn goes_on(finished: &[AtomicUsize]) {
    let counts = || finished.iter().map(|one| one.load(Ordering::SeqCst));
    let before: Vec<usize> = counts().collect();
    let begun = Instant::now();
    while counts().zip(&before).any(|(now, before)| now < before + STARTS) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no start is answered");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn keys_rotate_without_a_refusal(engine: Engine) {
    let clock = standing();
    let keys: Vec<Issuer> = (0..5).map(|n| Issuer::new("ES256", &format!("key-{n}"))).collect();
    let server = KeyServer::new(Manner::Serves(key_set(&[&keys[0]])));
    let world = Setup::on(engine).clock(&clock).settings(&served(&server)).open().await;
    let client = world.role("telephony").await;
    let current = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    let finished: [AtomicUsize; CLIENTS] = Default::default();
    let starting = |visitor: usize| {
        let (client, clock, keys) = (&client, &clock, &keys);
        let (current, over, finished) = (&current, &over, &finished[visitor]);
        async move {
            let (mut started, mut unverified) = (0, 0);
            while !over.load(Ordering::SeqCst) {
                let key = &keys[current.load(Ordering::SeqCst)];
                let hints =
                    token_hint(&key.token(&claims(&format!("user-{visitor}"), clock.now())));
                let id = format!("{visitor}-{started}");
                let answer = client.start(start_with(&id, "web_chat", hints)).await;
                let answer = answer.unwrap_or_else(|refusal| panic!("{id}: {refusal:?}"));
                unverified += answer.warnings.len();
                started += 1;
                finished.store(started, Ordering::SeqCst);
            }
            (started, unverified)
        }
    };
    let rotating = async {
        for (next, key) in keys.iter().enumerate().skip(1) {
            goes_on(&finished).await;
            // The old key retires at the moment when the new one appears.
            server.now(Manner::Serves(key_set(&[key])));
            current.store(next, Ordering::SeqCst);
            // Whoever was still on the way with the old one has arrived before the next minute.
            goes_on(&finished).await;
            clock.set(clock.now().plus(MINUTE));
        }
        goes_on(&finished).await;
        over.store(true, Ordering::SeqCst);
    };
    let starts = futures_util::future::join_all((0..CLIENTS).map(starting));
    let (counts, ()) = tokio::join!(starts, rotating);
    let all: usize = counts.iter().map(|(started, _)| started).sum();
    assert!(all >= keys.len() * STARTS * CLIENTS, "{all} starts are too few to say anything");
    assert!(
        server.asked() <= keys.len(),
        "asked {} times in {} minutes",
        server.asked(),
        keys.len()
    );
    let last = &keys[keys.len() - 1];
    let hints = token_hint(&last.token(&claims("user-0", clock.now())));
    let answer = client.start(start_with("last", "web_chat", hints)).await.expect("a start");
    assert!(answer.warnings.is_empty(), "the newest key is known by now");
    // A key that nobody has is refused once the set was fetched for it, and makes no more fetches.
    clock.set(clock.now().plus(MINUTE));
    let asked = server.asked();
    let forged =
        || token_hint(&Issuer::new("ES256", "forged").token(&claims("user-x", clock.now())));
    let refusal = client.start(start_with("forged", "web_chat", forged())).await;
    let refusal = assert_refused(refusal, Code::InvalidArgument, "WEB_TOKEN_REFUSED");
    assert_eq!(&*refusal.cause, "UNKNOWN_KEY");
    for n in 0..10 {
        let id = format!("forged {n}");
        let answer = client.start(start_with(&id, "web_chat", forged())).await.expect("a start");
        assert_unverified(&answer);
    }
    assert_eq!(server.asked(), asked + 1, "once a minute");
    world.close().await;
}

async fn an_outage_keeps_the_last_good_set(engine: Engine) {
    let clock = standing();
    let key = Issuer::new("RS256", "k");
    let server = KeyServer::new(Manner::Fails);
    let world = Setup::on(engine).clock(&clock).settings(&served(&server)).open().await;
    let client = world.role("telephony").await;
    let hints = || token_hint(&key.token(&claims("user-17", clock.now())));
    let answer = client.start(start_with("1", "web_chat", hints())).await.expect("a start");
    assert_unverified(&answer);
    server.now(Manner::Serves(key_set(&[&key])));
    clock.set(clock.now().plus(MINUTE));
    // The same start with a key at last: the same decision.
    let again = client.start(start_with("1", "web_chat", hints())).await.expect("the same start");
    assert_eq!(again.customer_ref, answer.customer_ref);
    let known = client.start(start_with("2", "web_chat", hints())).await.expect("a start");
    assert!(known.new_customer && known.warnings.is_empty());
    client.end(end("2")).await.expect("an end");
    for (n, manner) in
        [Manner::Fails, Manner::Hangs, Manner::Serves("{}".into())].iter().enumerate()
    {
        server.now(manner.clone());
        clock.set(clock.now().plus(60 * MINUTE));
        let id = format!("outage {n}");
        let answer = client.start(start_with(&id, "web_chat", hints())).await.expect("a start");
        assert_proven(&answer, &known.customer_ref);
    }
    world.close().await;
}

async fn a_slow_issuer_makes_no_start_late(engine: Engine) {
    let key = Issuer::new("EdDSA", "k");
    let server = KeyServer::new(Manner::Hangs);
    let budget = Duration::from_secs(5);
    let world = Setup::on(engine).budget(budget).settings(&served(&server)).open().await;
    let client = world.role("telephony").await;
    let hints = token_hint(&key.token(&claims("user-17", Clock::System.now())));
    let hints = IdentityHints { caller_number: "+14155550101".into(), ..hints };
    let begun = Instant::now();
    let answer = client.start(start_with("1", "voice", hints)).await.expect("a start");
    assert!(begun.elapsed() < budget, "{:?}", begun.elapsed());
    assert_unverified(&answer);
    world.close().await;
}

async fn a_set_is_fetched_at_its_own_address(engine: Engine) {
    let key = Issuer::new("EdDSA", "k");
    let other = KeyServer::new(Manner::Serves(key_set(&[&key])));
    let server = KeyServer::new(Manner::Redirects(other.url()));
    let clock = standing();
    let world = Setup::on(engine).clock(&clock).settings(&served(&server)).open().await;
    let client = world.role("telephony").await;
    let hints = || token_hint(&key.token(&claims("user-17", clock.now())));
    let answer = client.start(start_with("1", "web_chat", hints())).await.expect("a start");
    assert_unverified(&answer);
    assert_eq!((server.asked(), other.asked()), (1, 0));
    let set = key_set(&[&key]);
    server.now(Manner::Serves(format!("{}{set}", " ".repeat(1 << 20))));
    clock.set(clock.now().plus(MINUTE));
    let answer = client.start(start_with("2", "web_chat", hints())).await.expect("a start");
    assert_unverified(&answer);
    server.now(Manner::Serves(set));
    clock.set(clock.now().plus(MINUTE));
    let answer = client.start(start_with("3", "web_chat", hints())).await.expect("a start");
    assert!(answer.warnings.is_empty());
    world.close().await;
}

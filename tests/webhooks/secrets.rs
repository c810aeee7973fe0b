//! Secrets that are replaced, one side after the other.

use threadline::clock::HOUR;
use threadline::continuity::webhooks::MOST_SECRETS;

use super::ground::{Hooked, whole_call};
use crate::support::{Engine, each_engine};

each_engine!(secrets_are_replaced_with_an_overlap);

async fn secrets_are_replaced_with_an_overlap(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let service = &hooked.world.running.service;
    whole_call(&hooked.client, "0-0", 0).await;
    hooked.receiver.until_accepted(3).await;
    let new = service.rotate_webhook_secret(&hooked.name, HOUR).await.expect("a secret");
    assert_ne!(*new, hooked.secret);
    // Whoever holds the endpoint looks every second: from some event on it is signed with both.
    let mut calls = 0;
    let both = loop {
        calls += 1;
        whole_call(&hooked.client, &format!("0-{calls}"), 0).await;
        let all = hooked.receiver.until_accepted(3 + calls * 3).await;
        assert!(all.iter().all(|one| one.is_signed_with(&hooked.secret)), "the old one works on");
        let last = all.last().expect("some").clone();
        if last.is_signed_with(&new) {
            break last;
        }
    };
    let signatures = both.headers["webhook-signature"].to_str().expect("text").to_owned();
    assert_eq!(signatures.split(' ').count(), 2, "{signatures}");
    assert!(signatures.split(' ').all(|one| one.starts_with("v1,")));
    let newest = service.rotate_webhook_secret(&hooked.name, 0).await.expect("a secret");
    loop {
        calls += 1;
        whole_call(&hooked.client, &format!("0-{calls}"), 0).await;
        let all = hooked.receiver.until_accepted(3 + calls * 3).await;
        let last = all.last().expect("some");
        if last.is_signed_with(&newest) {
            assert!(!last.is_signed_with(&new) && !last.is_signed_with(&hooked.secret));
            break;
        }
    }
    for _ in 1..MOST_SECRETS {
        service.rotate_webhook_secret(&hooked.name, HOUR).await.expect("a secret");
    }
    assert!(service.rotate_webhook_secret(&hooked.name, HOUR).await.is_err(), "one too many");
    assert!(service.rotate_webhook_secret(&hooked.name, -1).await.is_err());
    hooked.world.close().await;
}

//! What is never accepted is given up, can be asked for, and keeps nobody waiting for ever.

use threadline::cli::keys::NewKey;
use threadline::cli::webhooks::{NewEndpoint, create};
use threadline::clock::{DAY, HOUR, Time};
use threadline::continuity::webhooks::{Changes, MOST_ENDPOINTS, Refused};
use threadline::store::rows::Verb;
use threadline::store::webhooks::{EndpointState, Hold, Progress};

use super::ground::{Hooked, QUICK, endpoint, expected, number, terms, told_of, whole_call};
use super::receiver::Manner;
use crate::support::requests::call;
use crate::support::{Engine, World, each_engine};

each_engine!(
    what_is_given_up_can_be_asked_for,
    an_endpoint_that_is_gone_is_switched_off,
    of_an_address_that_has_changed_nothing_is_known,
    a_tenant_has_so_many_endpoints,
    what_was_given_up_is_forgotten_also_while_nothing_is_sent,
    endpoints_of_a_test_tenant_go_after_a_week,
);

async fn what_is_given_up_can_be_asked_for(engine: Engine) {
    let once = "[webhooks]\nallow_networks = [\"127.0.0.0/8\"]\nretry_seconds = [1]\n";
    let hooked = Hooked::with(engine, once).await;
    hooked.receiver.answers(|one| match one.kind().as_str() {
        "interaction.updated" => Manner::Status(400),
        _ => Manner::Status(200),
    });
    whole_call(&hooked.client, "0-0", 0).await;
    hooked.receiver.until_accepted(2).await;
    hooked.until_rows("it is given up", |rows| rows == (0, 1)).await;
    let refused = hooked.receiver.all().into_iter().filter(|one| !one.is_accepted());
    let ids: Vec<String> = refused.map(|one| one.id()).collect();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]), "tried twice, under one id");
    let service = &hooked.world.running.service;
    let letters = service.dead_letters(&hooked.name).await.expect("letters");
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].id, letters[0].attempts, letters[0].outcome), (&ids[0], 2, 400));
    let unknown = service.replay_dead_letters(&hooked.name, Some("msg_0")).await;
    assert!(unknown.is_err());
    hooked.receiver.answers(|_| Manner::Status(200));
    let replayed = service.replay_dead_letters(&hooked.name, Some(&ids[0])).await;
    assert_eq!(replayed.expect("a replay"), 1);
    let all = hooked.receiver.until_accepted(3).await;
    assert_eq!(all[2].id(), ids[0], "the same event under the same id");
    hooked.until_rows("nothing is left", |rows| rows == (0, 0)).await;
    assert_eq!(service.replay_dead_letters(&hooked.name, None).await.expect("none"), 0);
    hooked.world.close().await;
}

async fn an_endpoint_that_is_gone_is_switched_off(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    hooked.receiver.answers(|_| Manner::Status(410));
    whole_call(&hooked.client, "0-0", 0).await;
    let service = &hooked.world.running.service;
    let state = || async {
        let (_, endpoint) = service.webhook(&hooked.name).await.expect("an endpoint");
        endpoint.state
    };
    let begun = std::time::Instant::now();
    while state().await != EndpointState::Gone {
        assert!(begun.elapsed().as_secs() < 60, "it is switched off");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // Whoever had read it before that, and writes it now, does not switch it on again.
    let (tenant, _) = threadline::continuity::webhooks::named(&hooked.name).expect("a name");
    let mut rows = service.store().webhook_endpoints(tenant).await.expect("endpoints");
    let mut row = rows.remove(0);
    row.state = EndpointState::On;
    let change = ((row.revision, EndpointState::On), row);
    let by = (hooked.name.as_str(), Verb::UpdateWebhook);
    let changed = service.store().change_webhook(tenant, change, by).await.expect("the store");
    assert!(!changed && state().await == EndpointState::Gone);
    let asked = hooked.receiver.all().len();
    hooked.receiver.answers(|_| Manner::Status(200));
    whole_call(&hooked.client, "0-1", 0).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(hooked.receiver.all().len(), asked, "it is left in peace");
    let on = Changes { on: Some(true), ..Changes::default() };
    service.update_webhook(&hooked.name, on, &terms(QUICK).networks).await.expect("on");
    let all = hooked.receiver.until_accepted(6).await;
    assert_eq!(told_of(&all, 0), expected(0, 2), "nothing was lost");
    hooked.world.close().await;
}

/// Whoever delivers may not have noticed yet that the address is another one.
async fn of_an_address_that_has_changed_nothing_is_known(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let store = hooked.world.running.service.store();
    let begun = std::time::Instant::now();
    let held = loop {
        let wanted = store.wanted_webhooks().await.expect("endpoints");
        if let Some(held) = wanted.into_iter().find(|one| one.holder != 0) {
            break held;
        }
        assert!(begun.elapsed().as_secs() < 60, "somebody takes it");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let row = async || store.webhook_endpoints(held.tenant).await.expect("endpoints").remove(0);
    let said = |changed: i64, position: i64| Progress {
        hold: Hold { holder: held.holder, until: held.held_until },
        position,
        failing_since: Time(17),
        state: EndpointState::Gone,
        changed,
        put: Vec::new(),
        gone: Vec::new(),
    };
    let (before, note) = (row().await, |said| store.note_webhook(held.tenant, held.endpoint, said));
    assert!(note(said(before.changed ^ 1, before.position)).await.expect("the store"));
    let after = row().await;
    assert!(after.state == EndpointState::On && after.failing_since == before.failing_since);
    assert!(note(said(before.changed, before.position)).await.expect("the store"));
    let after = row().await;
    assert!(after.state == EndpointState::Gone && after.failing_since == Time(17));
    hooked.world.close().await;
}

async fn what_was_given_up_is_forgotten_also_while_nothing_is_sent(engine: Engine) {
    let once = "[webhooks]\nallow_networks = [\"127.0.0.0/8\"]\nretry_seconds = [1]\n";
    let hooked = Hooked::with(engine, once).await;
    hooked.receiver.answers(|_| Manner::Status(400));
    hooked.client.start(call("0-0", &number(0))).await.expect("a start");
    hooked.until_rows("it is given up", |rows| rows == (0, 1)).await;
    let service = &hooked.world.running.service;
    let off = Changes { on: Some(false), ..Changes::default() };
    service.update_webhook(&hooked.name, off, &terms(QUICK).networks).await.expect("off");
    let now = service.store().now();
    let swept = service.sweep_as_of(now.plus(30 * DAY - HOUR)).await.expect("a sweep");
    assert_eq!((swept.letters, hooked.rows().await), (0, (0, 1)), "it can still be asked for");
    let swept = service.sweep_as_of(now.plus(30 * DAY + HOUR)).await.expect("a sweep");
    assert_eq!((swept.letters, hooked.rows().await), (1, (0, 0)));
    hooked.world.close().await;
}

async fn endpoints_of_a_test_tenant_go_after_a_week(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    let service = &hooked.world.running.service;
    let key = NewKey { tenant: "trial".into(), test: true, ..World::new_key(&["telephony"]) };
    hooked.world.client(&key).await;
    let all = service.store().tenants().await.expect("tenants");
    let test = all.iter().find(|row| row.test).expect("it is made");
    let url = hooked.receiver.url();
    let new = NewEndpoint { tenant: test.name.clone(), test: true, url, types: Vec::new() };
    let real = NewEndpoint { test: false, ..new.clone() };
    assert!(create(service, &real, &terms(QUICK)).await.is_err(), "it is a test tenant alone");
    let (name, _) = create(service, &new, &terms(QUICK)).await.expect("an endpoint");
    let now = service.store().now();
    for (age, gone) in [(7 * DAY - HOUR, 0), (7 * DAY + HOUR, 1), (8 * DAY, 0)] {
        let swept = service.sweep_as_of(now.plus(age)).await.expect("a sweep");
        assert_eq!(swept.endpoints, gone, "{age}");
    }
    assert!(matches!(service.webhook(&name).await, Err(Refused::Unknown)), "it went");
    assert!(service.webhook(&hooked.name).await.is_ok(), "another tenant's stays");
    let audit = threadline::cli::audit::verify(service, None, &[]).await;
    assert!(audit.expect("a verdict").1, "the chain is whole");
    hooked.world.close().await;
}

async fn a_tenant_has_so_many_endpoints(engine: Engine) {
    let hooked = Hooked::on(engine).await;
    for _ in 1..MOST_ENDPOINTS {
        endpoint(&hooked.world, &hooked.receiver.url(), &["customer.merged"], QUICK).await;
    }
    let service = &hooked.world.running.service;
    let all = service.store().tenants().await.expect("tenants");
    let tenant = service.tenant(all[0].tenant).await.expect("a tenant");
    let networks = terms(QUICK).networks;
    let url = hooked.receiver.url();
    let refused = |url: String, types: Vec<String>| {
        let (service, tenant, networks) = (service, &tenant, &networks);
        async move { service.create_webhook(tenant, (&url, types), networks).await.err() }
    };
    let told = refused(url.clone(), Vec::new()).await.expect("one too many").to_string();
    assert!(told.contains("at most 16"), "{told}");
    let told = refused(url, vec!["interaction.begun".into()]).await.expect("no type").to_string();
    assert!(told.contains("interaction.started"), "{told}");
    let told = refused("http://10.0.0.1/a".into(), Vec::new()).await.expect("inside").to_string();
    assert!(told.contains("https://") && !told.contains("10.0.0.1"), "{told}");
    hooked.world.close().await;
}

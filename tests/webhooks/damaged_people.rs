//! A customer who is damaged stops nobody's web-hooks: what needs no context is told all the same.

use threadline::continuity::webhooks::Changes;

use super::ground::{Hooked, QUICK, expected, is_let_go, number, terms, told_of, whole_call};
use super::receiver::PATIENCE;
use crate::support::requests::{call, end};
use crate::support::{Engine, World, each_engine};

each_engine!(one_damaged_customer_stops_nobodys_web_hooks);

async fn one_damaged_customer_stops_nobodys_web_hooks(engine: Engine) {
    // Whether somebody has agreed is in their context: so that is opened.
    let strict = format!("{QUICK}[tenants.acme]\ndisclosure_requires_consent = \"history\"\n");
    let Hooked { world, client, receiver, name, .. } = Hooked::with(engine, &strict).await;
    let networks = terms(QUICK).networks;
    let switched = |on| Changes { on: Some(on), ..Changes::default() };
    world.running.service.update_webhook(&name, switched(false), &networks).await.expect("off");
    assert!(is_let_go(&world, &name, PATIENCE).await, "somebody holds it");
    let mut refs = Vec::new();
    for of in 0..3 {
        let id = format!("{of}-0");
        refs.push(client.start(call(&id, &number(of))).await.expect("a start").customer_ref);
        client.end(end(&id)).await.expect("an end");
    }
    let key = "data_key = (SELECT data_key FROM customer WHERE customer = $1)";
    world.damage(("data_key", "wrapped"), key, &refs[0]).await;
    world.damage(("interaction", "content"), "customer = $1", &refs[1]).await;
    // One that remembers nobody.
    let world = world.again_with(&strict).await;
    world.running.service.update_webhook(&name, switched(true), &networks).await.expect("on");
    let all = receiver.until_accepted(4).await;
    for (of, own) in refs.iter().enumerate().skip(1) {
        let id = format!("{of}-0");
        assert_eq!(told_of(&all, of), [format!("{id} started"), format!("{id} ended")]);
        let theirs = all.iter().filter(|one| one.of("interaction_id") == id);
        assert!(theirs.map(|one| one.of("customer_ref")).all(|it| it == *own), "{id}");
    }
    let client = world.client(&World::new_key(&["telephony"])).await;
    whole_call(&client, "3-0", 3).await;
    let all = receiver.until_accepted(7).await;
    assert_eq!(told_of(&all, 3), expected(3, 1));
    assert!(told_of(&all, 0).is_empty(), "what is sealed with her key opens nowhere");
    world.close().await;
}

//! The `customer_ref` of Sticky Calls' dialect: one of ours, one of a caller's own, or one that is gone.

use serde_json::json;
use threadline::cli::keys::NewKey;

use super::auditing::{all, list};
use crate::support::web::Web;
use crate::support::{Engine, World, each_engine};

each_engine!(
    an_own_reference_is_kept_for_its_source,
    who_was_erased_is_gone_and_what_nobody_has_is_the_callers_own,
    whoever_may_not_call_learns_nothing_of_a_reference,
);

async fn an_own_reference_is_kept_for_its_source(engine: Engine) {
    let world = World::on(engine).await;
    let of = |source: &str| NewKey { source: source.into(), ..World::new_key(&["telephony"]) };
    let one = Web::new(world.running.address, Some(&world.key(&of("one")).await));
    let other = Web::new(world.running.address, Some(&world.key(&of("other")).await));
    let end = json!({"call_id": "a", "customer_ref": "cust-1042", "variables": {"tier": "gold"}});
    let told = one.post("/v1/calls/end", &end).await.good();
    assert_eq!(told["customer_ref"], "cust-1042", "echoed");
    let start = |id: &str| json!({"call_id": id, "identity_hints": {"customer_ref": "cust-1042"}});
    let again = one.post("/v1/calls/start", &start("b")).await.good();
    assert_eq!(again["customer_ref"], "cust-1042");
    let disclosed = &again["variables"]["tier"]["value"];
    let asks = again["identity"]["recommendation"] == "confirm";
    assert!(*disclosed == "gold" || asks, "found by it: {again}");
    assert_eq!(again["identity"]["sources"][0], "external_id");
    let stranger = other.post("/v1/calls/start", &start("b")).await.good();
    assert_eq!(stranger["identity"]["recommendation"], "ignore", "17 of another system is another");
    world.close().await;
}

async fn who_was_erased_is_gone_and_what_nobody_has_is_the_callers_own(engine: Engine) {
    let world = World::on(engine).await;
    let of = |tenant: &str| {
        let roles = World::new_key(&["telephony", "admin"]);
        NewKey { tenant: tenant.into(), ..roles }
    };
    let web = Web::new(world.running.address, Some(&world.key(&of("acme")).await));
    let other = Web::new(world.running.address, Some(&world.key(&of("globex")).await));
    let named = |id: &str, customer: &str| json!({"call_id": id, "identity_hints": {"customer_ref": customer}});
    let known = web.post("/v1/calls/start", &json!({"call_id": "a", "ani": "+14155550123"})).await;
    let known = known.good()["customer_ref"].as_str().expect("a ref").to_owned();
    let again = web.post("/v1/calls/start", &named("b", &known)).await.good();
    assert_eq!(again["customer_ref"], *known);
    assert_eq!(again["identity"]["recommendation"], "confirm", "a ref alone is an echo");
    // To another tenant it is what nobody has: a reference of its own, kept and echoed.
    for id in ["a", "b"] {
        let told = other.post("/v1/calls/start", &named(id, &known)).await.good();
        let nowhere = format!("{}{}", &known[..known.len() - 4], "0000");
        let twin = other.post("/v1/calls/start", &named(&format!("{id}-0"), &nowhere)).await.good();
        assert_eq!(
            (&told["customer_ref"], &twin["customer_ref"]),
            (&json!(known), &json!(nowhere))
        );
        // Its confidence moves with each millisecond.
        for part in ["level", "sources", "recommendation"] {
            assert_eq!(told["identity"][part], twin["identity"][part], "{part}");
        }
        let found = told["identity"]["sources"] == json!(["external_id", "recency:1day"]);
        assert_eq!(found, id == "b", "{told}");
        let end = json!({"call_id": id, "customer_ref": known, "variables": {"tier": "gold"}});
        assert_eq!(other.post("/v1/calls/end", &end).await.good()["customer_ref"], *known);
        let end = json!({"call_id": format!("{id}-0"), "customer_ref": nowhere});
        assert_eq!(other.post("/v1/calls/end", &end).await.good()["customer_ref"], *nowhere);
    }
    let place = format!("/api/v1/customers/{known}/erase");
    let preview = web.post(&place, &json!({})).await.good();
    let token = preview["preview"]["preview_token"].as_str().expect("a token");
    web.post(&place, &json!({"request_id": "1", "preview_token": token})).await.good();
    let start = web.post("/v1/calls/start", &named("c", &known)).await;
    let end = web.post("/v1/calls/end", &json!({"call_id": "c", "customer_ref": known})).await;
    for told in [start, end] {
        assert_eq!((told.code, &told.json()["error"]), (410, &json!("Gone")), "{}", told.text);
    }
    world.close().await;
}

/// Who may not start or end is told so before anybody looks whose a reference is; and that somebody was
/// erased is told nobody without a trace.
async fn whoever_may_not_call_learns_nothing_of_a_reference(engine: Engine) {
    let world = World::on(engine).await;
    let of = |role: &str| NewKey { source: role.into(), ..World::new_key(&[role]) };
    let mut doors = std::collections::BTreeMap::new();
    for role in ["telephony", "bot", "helpdesk", "agent", "admin", "backfill", "insight"] {
        doors.insert(role, Web::new(world.running.address, Some(&world.key(&of(role)).await)));
    }
    let phone = |id: &str, number: &str| json!({"call_id": id, "ani": number});
    let mut refs = Vec::new();
    for (id, number) in [("a", "+14155550123"), ("b", "+14155550124")] {
        let told = doors["telephony"].post("/v1/calls/start", &phone(id, number)).await.good();
        refs.push(told["customer_ref"].as_str().expect("a ref").to_owned());
    }
    let place = format!("/api/v1/customers/{}/erase", refs[0]);
    let preview = doors["admin"].post(&place, &json!({})).await.good();
    let token = preview["preview"]["preview_token"].as_str().expect("a token");
    let erase = json!({"request_id": "1", "preview_token": token});
    doors["admin"].post(&place, &erase).await.good();
    let nobodys = format!("{}0000", &refs[1][..refs[1].len() - 4]);
    let mut traces = 0;
    for (path, callers) in [
        ("/v1/calls/start", &["telephony", "bot", "backfill"][..]),
        ("/v1/calls/end", &["telephony", "bot", "helpdesk", "admin", "backfill"]),
    ] {
        for (role, web) in &doors {
            let ask = |which: &str, named: &str| json!({"call_id": format!("{path} {role} {which}"), "customer_ref": named});
            let erased = web.post(path, &ask("erased", &refs[0])).await;
            let known = web.post(path, &ask("known", &refs[1])).await;
            let missing = web.post(path, &ask("missing", &nobodys)).await;
            if callers.contains(role) {
                traces += 1;
                let codes = [erased.code, known.code, missing.code];
                assert_eq!(codes, [410, 200, 200], "{role} {path}");
            } else {
                assert_eq!(missing.code, 403, "{role} {path}: {}", missing.text);
                for told in [&erased, &known] {
                    assert_eq!((told.code, &told.text), (403, &missing.text), "{role} {path}");
                }
            }
        }
    }
    // What is acknowledged comes after every trace before it.
    doors["telephony"].post("/v1/calls/start", &phone("mark", "+14155550125")).await.good();
    let entries = list(&world, &all()).await;
    let looks: Vec<_> = entries.iter().filter(|entry| entry.action == "get_customer").collect();
    assert_eq!(looks.len(), traces, "{looks:?}");
    assert!(looks.iter().all(|look| look.customer().is_empty() && look.outcome() == "not_found"));
    world.close().await;
}

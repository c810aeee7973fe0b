//! Values of the dialect of Sticky Calls that are numbers, or were typed by somebody.

use reqwest::Method;
use serde_json::{Value, json};

use super::sticky_calls::issues;
use crate::support::web::Web;
use crate::support::{Engine, World, each_engine};

each_engine!(
    what_is_typed_and_what_is_said_of_a_channel,
    what_was_typed_loses_no_end,
    a_number_that_cannot_be_kept_names_nobody,
    variables_are_kept_as_they_were_written,
);

async fn variables_are_kept_as_they_were_written(engine: Engine) {
    let world = World::on(engine).await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let web = Web::new(world.running.address, Some(&key));
    let json = [("content-type", "application/json")];
    let end = r#"{"call_id": "1", "identity_hints": {"external_ids": {"crm_id": "CRM-1"}},
        "variables": {"price": 10.00, "p\u0032": 1.10, "nought": -0, "many": 1E3, "count": 7,
            "vip": true, "cold": false, "unknown": null, "text": "1.0"}}"#;
    let ended = web.send(Method::POST, "/v1/calls/end", &json, end.into()).await.good();
    assert_eq!(ended["variables_updated"], 8);
    let start = json!({"call_id": "2", "identity_hints": {"external_ids": {"crm_id": "CRM-1"}}});
    let known = web.post("/v1/calls/start", &start).await.good();
    for (name, value) in [
        ("price", "10.00"),
        ("p2", "1.10"),
        ("nought", "-0"),
        ("many", "1E3"),
        ("count", "7"),
        ("vip", "true"),
        ("cold", "false"),
        ("text", "1.0"),
    ] {
        assert_eq!(known["variables"][name]["value"], value, "{name}: {known}");
    }
    // An id is no truth value, and what has too many digits is no amount.
    let odd = r#"{"call_id": "3", "identity_hints": {"external_ids": {"crm_id": true}},
        "variables": {"long": 0.1000000000000000, "list": [1.10]}}"#;
    let told = web.send(Method::POST, "/v1/calls/end", &json, odd.into()).await;
    let paths: Vec<String> = issues(&told).into_iter().map(|it| it.0).collect();
    let expected =
        ["variables.list", "variables.long", "identity_hints.external_ids.crm_id", "customer_ref"];
    assert_eq!(paths, expected);
    world.close().await;
}

/// Two ids of many digits are one float: nobody is taken for somebody else for that.
async fn a_number_that_cannot_be_kept_names_nobody(engine: Engine) {
    let world = World::on(engine).await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let web = Web::new(world.running.address, Some(&key));
    let ann = r#"{"call_id": "1", "intent": "refund", "intent_status": "open",
        "identity_hints": {"external_ids": {"crm_id": 12345678901234567890123}}}"#;
    let json = [("content-type", "application/json")];
    for path in ["/v1/calls/end", "/v1/calls/start"] {
        let told = web.send(Method::POST, path, &json, ann.into()).await;
        assert_eq!(issues(&told)[0].0, "identity_hints.external_ids.crm_id", "{}", told.text);
    }
    let end = json!({"call_id": "1", "identity_hints": {"external_ids": {"crm_id": u64::MAX}},
        "variables": {"price": 17.5}});
    let known = web.post("/v1/calls/end", &end).await.good()["customer_ref"].clone();
    let start =
        json!({"call_id": "2", "identity_hints": {"external_ids": {"crm_id": u64::MAX - 1}}});
    let other = web.post("/v1/calls/start", &start).await.good();
    assert_ne!(other["customer_ref"], known);
    let start = json!({"call_id": "3", "identity_hints": {"external_ids": {"crm_id": "18446744073709551615"}}});
    let same = web.post("/v1/calls/start", &start).await.good();
    assert_eq!(
        (&same["customer_ref"], &same["variables"]["price"]["value"]),
        (&known, &json!("17.5"))
    );
    // What is wrong with a request is told as far as somebody reads it.
    let many: serde_json::Map<String, Value> =
        (0..1_000).map(|number| (format!("v{number}"), json!([1]))).collect();
    let end = json!({"call_id": "4", "customer_ref": "17", "variables": many});
    assert_eq!(issues(&web.post("/v1/calls/end", &end).await).len(), 32);
    world.close().await;
}

async fn what_was_typed_loses_no_end(engine: Engine) {
    let world = World::on(engine).await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let web = Web::new(world.running.address, Some(&key));
    let long = "9".repeat(200);
    let typed = [
        ("none given", "unknown", "WhatsApp (UK)", "whatsapp__uk_"),
        ("ada@", "ask me", "T\u{e9}l\u{e9}phone", "t_l_phone"),
        ("n/a", &*long, "", "voice"),
        ("Ada\n<ada@example.com>", "+1415\n5550177", "chat", "web_chat"),
    ];
    for (round, (email, phone, channel, called)) in typed.into_iter().enumerate() {
        let id = format!("call-{round}");
        let end = json!({"call_id": id, "customer_ref": "cust-1", "intent": "refund",
            "variables": {"channel": channel, "email": email, "phone": phone}});
        let ended = web.post("/v1/calls/end", &end).await.good();
        assert_eq!(ended["variables_updated"], 3);
        let shown = web.get(&format!("/api/v1/interactions/{id}")).await.good();
        assert_eq!(shown["interaction"]["channel"], called);
    }
    let known = web.get("/api/v1/interactions/call-2/customer").await.good();
    let kinds: Vec<_> = known["identifiers"]
        .as_array()
        .expect("identifiers")
        .iter()
        .map(|it| it["kind"].clone())
        .collect();
    assert_eq!(kinds, ["external"], "{known}");
    world.close().await;
}

async fn what_is_typed_and_what_is_said_of_a_channel(engine: Engine) {
    let world = World::on(engine).await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let web = Web::new(world.running.address, Some(&key));
    let end = json!({"call_id": "chat", "customer_ref": "cust-1", "intent": "refund",
        "variables": {"channel": "Chat", "summary": "wants money back", "email": "ada@example.com",
            "phone": "+14155550177", "order": 17}});
    let ended = web.post("/v1/calls/end", &end).await.good();
    assert_eq!(ended["variables_updated"], 5);
    let shown = web.get("/api/v1/interactions/chat").await.good();
    assert_eq!(shown["interaction"]["channel"], "web_chat");
    assert_eq!(shown["interaction"]["summary"], "wants money back");
    let known = web.get("/api/v1/interactions/chat/customer").await.good();
    let typed = |it: &Value| it["assurance"] == "ASSURANCE_ASSERTED";
    let identifiers = known["identifiers"].as_array().expect("identifiers").clone();
    let mut kinds: Vec<_> =
        identifiers.iter().filter(|it| typed(it)).filter_map(|it| it["kind"].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["email", "phone"], "{known}");
    world.close().await;
}

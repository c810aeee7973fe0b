//! REST: every call in JSON, by the same rules as over gRPC.

use reqwest::Method;
use serde_json::{Value, json};
use threadline::grpc::proto::GetCustomerRequest;

use crate::support::requests::get;
use crate::support::web::Web;
use crate::support::{Engine, World, each_engine};

each_engine!(
    a_contact_by_rest,
    what_is_wrong_is_said_as_over_grpc,
    what_does_not_fit_is_named,
    an_import_is_a_stream_of_lines,
    who_calls_too_often_is_told_when_to_come_back,
    cards_are_masked_here_too,
    what_happens_comes_as_it_happens,
);

async fn web(world: &World, roles: &[&str]) -> Web {
    let key = world.key(&World::new_key(roles)).await;
    Web::new(world.running.address, Some(&key))
}

fn start(id: &str) -> Value {
    json!({"interaction_id": id, "channel": "web_chat",
           "identity_hints": {"external_ids": {"crm_id": "CRM-7"}}})
}

async fn a_contact_by_rest(engine: Engine) {
    let world = World::on(engine).await;
    let web = web(&world, &["telephony", "admin"]).await;
    let first = web.post("/api/v1/interactions", &start("chat/1 é")).await.good();
    assert_eq!(
        (&first["interaction_id"], &first["new_customer"]),
        (&json!("chat/1 é"), &json!(true))
    );
    let customer = first["customer_ref"].as_str().expect("a ref").to_owned();
    let place = "/api/v1/interactions/chat%2F1%20%C3%A9";
    let update = json!({"updateId": "1", "variables": {"language": {"value": "en"}}});
    let updated = web.post(&format!("{place}/updates"), &update).await.good();
    assert_eq!(updated["customer_ref"], *customer);
    let end =
        json!({"intents": [{"intent": "billing_dispute"}], "summary": "asked", "revision": "3"});
    let ended = web.post(&format!("{place}/end"), &end).await.good();
    assert_eq!((&ended["intents_updated"], &ended["variables_updated"]), (&json!(1), &Value::Null));
    let again = web.post("/api/v1/interactions", &start("chat-2")).await.good();
    assert_eq!(again["identity"]["recommendation"], "RECOMMENDATION_REUSE");
    assert_eq!(again["open_intents"][0]["intent"], "billing_dispute");
    assert_eq!(again["variables"]["language"]["value"], "en");
    let shown =
        web.get(&format!("{place}?view=INTERACTION_VIEW_BASIC&history_limit=0")).await.good();
    assert_eq!(shown["interaction"]["revision"], "3", "64 bits are a text in JSON");
    let listed = web.get(&format!("/api/v1/interactions?customer_ref={customer}")).await.good();
    let by_customer = web.get(&format!("/api/v1/customers/{customer}/interactions")).await.good();
    assert_eq!(listed, by_customer);
    assert_eq!(listed["interactions"][0]["summary"], "asked");
    let known = web.get(&format!("/api/v1/customers/{customer}")).await.good();
    let through = web.get(&format!("{place}/customer")).await.good();
    assert_eq!(known, through);
    // It is what a client of gRPC sees.
    let grpc = world.client(&World::new_key(&["admin"])).await;
    let same = grpc.get(get("chat/1 é")).await.expect("an interaction");
    assert_eq!(same.customer_ref, customer);
    let asked = GetCustomerRequest { customer_ref: customer, ..Default::default() };
    assert_eq!(grpc.customer(asked).await.expect("a customer").open_intents.len(), 1);
    world.close().await;
}

async fn what_is_wrong_is_said_as_over_grpc(engine: Engine) {
    let world = World::on(engine).await;
    let web = web(&world, &["telephony"]).await;
    let nobody = Web::new(world.running.address, None);
    let unknown = nobody.get("/api/v1/interactions/a").await;
    assert_eq!((unknown.code, &*unknown.reason()), (401, "MISSING_API_KEY"));
    assert_eq!(unknown.headers["www-authenticate"], "Bearer");
    assert_eq!(unknown.json()["code"], 16);
    let missing = web.get("/api/v1/interactions/a").await;
    assert_eq!((missing.code, &*missing.reason()), (404, "INTERACTION_NOT_FOUND"));
    let other = web.get("/api/v1/conflicts").await;
    assert_eq!((other.code, &*other.reason()), (403, "ROLE_REQUIRED"));
    web.post("/api/v1/interactions", &start("a")).await.good();
    let mut changed = start("a");
    changed["channel"] = json!("voice");
    let conflict = web.post("/api/v1/interactions", &changed).await;
    assert_eq!((conflict.code, &*conflict.reason()), (409, "START_CONFLICT"));
    for nowhere in
        ["/", "/api/v1/interactions/", "/api/v2/interactions", "/api/v1/interactions/%FF"]
    {
        let nowhere = web.get(nowhere).await;
        assert_eq!((nowhere.code, &*nowhere.reason()), (404, "ROUTE_NOT_FOUND"));
    }
    let verb = web.send(Method::DELETE, "/api/v1/interactions/a", &[], Vec::new()).await;
    assert_eq!((verb.code, &*verb.reason()), (405, "METHOD_NOT_ALLOWED"));
    assert_eq!(verb.headers["allow"], "GET, HEAD");
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"]
    {
        let headers = [("content-type", kind)];
        let form = web.send(Method::POST, "/api/v1/interactions", &headers, b"{}".to_vec()).await;
        assert_eq!((form.code, &*form.reason()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{kind}");
    }
    let grpc = [("content-type", "application/grpc")];
    let path = "/threadline.v1.InteractionService/StartInteraction";
    let old = web.send(Method::POST, path, &grpc, Vec::new()).await;
    assert_eq!((old.code, &*old.reason()), (415, "UNSUPPORTED_MEDIA_TYPE"), "gRPC over HTTP/1.1");
    let mut large = start("large");
    large["queue"] = json!("x".repeat(1 << 20));
    let large = web.post("/api/v1/interactions", &large).await;
    assert_eq!((large.code, &*large.reason()), (413, "REQUEST_TOO_LARGE"));
    world.close().await;
}

async fn what_does_not_fit_is_named(engine: Engine) {
    let world = World::on(engine).await;
    let web = web(&world, &["telephony"]).await;
    let wrong = json!({"interaction_id": "a", "channel": "voice", "chanel": "canary",
        "identity_hints": {"phone": "canary", "email": 7}, "telco": {"line_type": "canary"}});
    let told = web.post("/api/v1/interactions", &wrong).await;
    assert_eq!((told.code, &*told.reason()), (400, "INVALID_FIELD"));
    let expected = ["chanel", "identity_hints.email", "identity_hints.phone", "telco.line_type"];
    assert_eq!(told.fields(), expected);
    assert!(!told.text.contains("canary"), "{}", told.text);
    // What fits is checked by the call itself, in the same form.
    let empty = web.post("/api/v1/interactions", &json!({"channel": "Voice!"})).await;
    assert_eq!(
        (empty.code, empty.fields()),
        (400, vec!["interaction_id".into(), "channel".into()])
    );
    let twice = web.post("/api/v1/interactions/a/updates", &json!({"interaction_id": "b"})).await;
    assert_eq!(twice.fields(), ["interaction_id"]);
    let query = web.get("/api/v1/interactions/a?vew=x&history_limit=canary").await;
    assert_eq!(query.fields(), ["vew"]);
    let query = web.get("/api/v1/interactions/a?history_limit=canary").await;
    assert_eq!(query.fields(), ["history_limit"]);
    let body = web.post("/api/v1/interactions?channel=voice", &start("a")).await;
    assert_eq!(body.fields(), ["channel"]);
    let headers = [("content-type", "application/json")];
    let text = b"{\"interaction_id\": canary".to_vec();
    let text = web.send(Method::POST, "/api/v1/interactions", &headers, text).await;
    assert_eq!((text.code, &*text.reason()), (400, "INVALID_FIELD"));
    assert!(text.text.contains("line 1, column") && !text.text.contains("canary"), "{}", text.text);
    world.close().await;
}

async fn an_import_is_a_stream_of_lines(engine: Engine) {
    let world = World::on(engine).await;
    let web = web(&world, &["admin"]).await;
    let row = |number: u32| {
        let email = format!("person{number}@example.com");
        json!({"rows": [{"row_number": number, "identifiers": [{"kind": "email", "value": email}]}]})
    };
    let lines = |rows: &[Value]| {
        rows.iter().map(|row| format!("{row}\n\n")).collect::<String>().trim_end().to_owned()
    };
    let headers = [("content-type", "application/x-ndjson")];
    let path = "/api/v1/customers/import";
    let all = lines(&[row(1), row(2), row(3)]).into_bytes();
    let told = web.send(Method::POST, path, &headers, all).await.good();
    assert_eq!(told, json!({"created_count": "3"}));
    let one = web.post(path, &row(3)).await.good();
    assert_eq!(one, json!({"unchanged_count": "1"}), "one object is a stream of one");
    let wrong = lines(&[row(4), json!({"rows": [{"rov_number": 5}]})]).into_bytes();
    let wrong = web.send(Method::POST, path, &headers, wrong).await;
    assert_eq!((wrong.code, wrong.fields()), (400, vec!["rows[0].rov_number".to_owned()]));
    assert!(wrong.text.contains("line 3 of the stream"), "{}", wrong.text);
    let long = format!("{{\"rows\": [{}", " ".repeat(1 << 20)).into_bytes();
    let long = web.send(Method::POST, path, &headers, long).await;
    assert_eq!(long.reason(), "REQUEST_TOO_LARGE");
    world.close().await;
}

async fn who_calls_too_often_is_told_when_to_come_back(engine: Engine) {
    let world = World::on(engine).await;
    let terms =
        threadline::cli::keys::Terms { rate: Some(1), burst: Some(1), ..Default::default() };
    let key = World::new_key(&["telephony"]);
    let key = threadline::cli::keys::create_with(&world.running.service, &key, &terms);
    let web = Web::new(world.running.address, Some(&key.await.expect("a key")));
    assert_eq!(web.get("/api/v1/interactions/a").await.code, 404);
    let mut told = web.get("/api/v1/interactions/a").await;
    for _ in 0..100 {
        if told.code != 404 {
            break;
        }
        // It took so long that it had another one.
        told = web.get("/api/v1/interactions/a").await;
    }
    assert_eq!((told.code, &*told.reason()), (429, "RATE_LIMITED"));
    assert_eq!(told.headers["retry-after"], "1");
    world.close().await;
}

async fn cards_are_masked_here_too(engine: Engine) {
    let world = World::on(engine).await;
    let web = web(&world, &["telephony", "admin"]).await;
    let end = json!({"channel": "email", "summary": "paid with 4111 1111 1111 1111"});
    let ended = web.post("/api/v1/interactions/card/end", &end).await.good();
    assert_eq!(ended["warnings"][0]["code"], "redacted");
    let shown = web.get("/api/v1/interactions/card").await.good();
    assert_eq!(shown["interaction"]["summary"], "paid with 411111******1111");
    world.close().await;
}

/// Watching, in both forms of a stream; what ends it says where to go on.
async fn what_happens_comes_as_it_happens(engine: Engine) {
    let world = World::on(engine).await;
    let web = web(&world, &["telephony", "admin"]).await;
    let mut lines = web.open("/api/v1/events?channel=web_chat", &[]).await;
    assert_eq!(lines.head(), (200, "application/x-ndjson"));
    let mut events = web.open("/api/v1/events", &[("accept", "text/event-stream")]).await;
    assert_eq!(events.head(), (200, "text/event-stream"));
    let read = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
    assert_eq!(read(&lines.line().await)["type"], "EVENT_TYPE_HEARTBEAT");
    assert!(events.line().await.starts_with("data: ") && events.line().await.is_empty());
    let started = web.post("/api/v1/interactions", &start("chat-1")).await.good();
    let customer = started["customer_ref"].as_str().expect("a ref");
    let event = read(&lines.line().await);
    assert_eq!(event["type"], "EVENT_TYPE_STARTED");
    assert_eq!(event["interaction"]["interaction_id"], "chat-1");
    let same = events.line().await;
    let same = read(same.strip_prefix("data: ").expect("an event"));
    assert_eq!(same["interaction"], event["interaction"]);
    let mut theirs = web.open(&format!("/api/v1/customers/{customer}/events"), &[]).await;
    theirs.line().await;
    web.post("/api/v1/interactions/chat-1/end", &json!({})).await.good();
    assert_eq!(read(&theirs.line().await)["type"], "EVENT_TYPE_ENDED");
    assert_eq!(read(&lines.line().await)["type"], "EVENT_TYPE_ENDED");
    world.close().await;
    let end = read(&lines.line().await);
    let details = end["error"]["details"].as_array().cloned().unwrap_or_default();
    let said = details.iter().find(|it| it["reason"] == "WATCH_INTERRUPTED").cloned();
    let place = said.map_or(Value::Null, |it| it["metadata"]["resume_token"].clone());
    assert!(place.as_str().is_some_and(|it| !it.is_empty()), "{end}");
}

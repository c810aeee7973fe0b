//! A page in a real Chromium calls over gRPC-Web, with the library and the generated code that a
//! browser's program would have, and nothing in between.

#[path = "browser/mod.rs"]
mod browser;
#[expect(dead_code, unused_imports, reason = "the other test binaries use the rest")]
mod support;

use browser::Browser;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Map, Value, json};
use threadline::cli::keys::{Terms, create_with};

use support::requests::get;
use support::{Engine, Setup, World, each_engine};

each_engine!(a_page_calls_as_any_client_does);

fn settings(browser: &Browser, more: &str) -> String {
    format!("[server]\nallowed_origins = [{:?}]\n{more}", browser.allowed)
}

fn start(id: &str) -> Value {
    json!({"rpc": "StartInteraction", "request": {"interaction_id": id, "channel": "web_chat",
        "identity_hints": {"external_ids": {"crm_id": "CRM-7"}}}})
}

fn get_of(id: &str) -> Value {
    json!({"rpc": "GetInteraction", "request": {"interaction_id": id}})
}

/// A contact from its start to its end, and who it was with.
async fn a_page_calls_as_any_client_does(engine: Engine) {
    let Some(mut browser) = Browser::open() else { return };
    let world = Setup::on(engine).settings(&settings(&browser, "")).open().await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let (server, origin) = (format!("http://{}", world.running.address), browser.allowed.clone());
    let calls = json!([
        start("chat-1"),
        {"rpc": "UpdateInteraction", "request": {"interaction_id": "chat-1", "update_id": "1",
            "variables": {"language": {"value": "日本語"}}}},
        {"rpc": "EndInteraction", "request": {"interaction_id": "chat-1", "summary": "asked",
            "intents": [{"intent": "refund"}], "revision": "3"}, "timeout_ms": 30_000},
        {"rpc": "GetInteraction", "request": {"interaction_id": "chat-1",
            "view": "INTERACTION_VIEW_FULL"}},
        start("chat-2"),
    ]);
    let visit = browser.visit(&origin, &server, Some(&key), calls);
    let customer = visit.good(0)["customer_ref"].as_str().expect("a ref").to_owned();
    assert_eq!(visit.good(0)["new_customer"], true);
    assert_eq!(visit.good(1)["customer_ref"], *customer);
    assert_eq!(visit.good(2)["intents_updated"], 1);
    assert_eq!(visit.good(3)["interaction"]["status"], "INTERACTION_STATUS_ENDED");
    assert_eq!(visit.good(3)["interaction"]["revision"], "3");
    let again = visit.good(4);
    assert_eq!((&again["customer_ref"], &again["new_customer"]), (&json!(customer), &Value::Null));
    assert_eq!(again["identity"]["recommendation"], "RECOMMENDATION_REUSE");
    assert_eq!(again["open_intents"][0]["intent"], "refund");
    assert_eq!(again["variables"]["language"]["value"], "日本語");
    // It is what a client of gRPC sees.
    let grpc = world.role("admin").await;
    assert_eq!(grpc.get(get("chat-1")).await.expect("an interaction").customer_ref, customer);
    a_stream(&mut browser, &server, &key, &customer);
    refusals(&mut browser, &world, &server, &key).await;
    drop(browser);
    world.close().await;
}

/// An end with as much in it as a request may have.
fn long_end(id: &str) -> Value {
    let value = json!({"value": "語".repeat(4_000)});
    let variables: Map<_, _> = (0..64).map(|n| (format!("{id}-{n}"), value.clone())).collect();
    json!({"rpc": "EndInteraction", "request": {"interaction_id": id, "channel": "email",
        "identity_hints": {"external_ids": {"crm_id": "CRM-7"}}, "variables": variables}})
}

/// Streams: their messages as they come, and one that is left early.
fn a_stream(browser: &mut Browser, server: &str, key: &str, customer: &str) {
    let export = json!({"customer_ref": customer});
    let calls = json!([
        long_end("long-1"),
        long_end("long-2"),
        {"rpc": "ExportCustomer", "request": export},
        {"rpc": "ExportCustomer", "request": export, "take": 1, "meanwhile": [start("chat-3")]},
        get_of("chat-3"),
        {"rpc": "ExportCustomer", "request": {"customer_ref": "nobody's"}},
    ]);
    let origin = browser.allowed.clone();
    let visit = browser.visit(&origin, server, Some(key), calls);
    let all = visit.good(2).as_array().expect("answers");
    let records = || all.iter().flat_map(|it| it["records"].as_array().expect("records"));
    assert!(all.len() > 1, "one message only");
    assert!(records().any(|it| it["interaction"]["summary"] == "asked"));
    assert!(records().last().is_some_and(|last| last.get("end").is_some()), "it is whole");
    assert_eq!(visit.good(3).as_array().expect("answers").len(), 1, "left after the first");
    assert_eq!(visit.good(4)["customer_ref"], customer, "called while the stream was open");
    assert_eq!(visit.refused(5)["reason"], "CUSTOMER_NOT_FOUND");
}

/// Errors with all that they say, over gRPC-Web and with JSON.
async fn refusals(browser: &mut Browser, world: &World, server: &str, key: &str) {
    let origin = browser.allowed.clone();
    let wrong = json!({"interaction_id": "", "channel": "Voice!",
        "identity_hints": {"email": "nobody"}});
    let calls = json!([
        {"rpc": "StartInteraction", "request": wrong},
        get_of("nobody's"),
        {"path": "/api/v1/interactions", "method": "POST", "body": wrong},
        {"path": "/api/v1/interactions/chat-1"},
        {"path": "/api/v1/interactions/chat-1", "method": "DELETE"},
    ]);
    let visit = browser.visit(&origin, server, Some(key), calls);
    let refused = visit.refused(0);
    assert_eq!(
        (&refused["code"], &refused["reason"]),
        (&json!("InvalidArgument"), &json!("INVALID_FIELD"))
    );
    let fields = refused["fields"].as_array().expect("bad fields");
    assert_eq!(fields[0], "interaction_id is required");
    assert_eq!(fields.len(), 3, "{refused}");
    let missing = visit.refused(1);
    assert_eq!(
        (&missing["code"], &missing["reason"]),
        (&json!("NotFound"), &json!("INTERACTION_NOT_FOUND"))
    );
    assert_eq!(visit.fetched(2)["status"], 400, "{}", visit.said);
    assert!(visit.fetched(2)["body"].to_string().contains("INVALID_FIELD"));
    assert_eq!(visit.fetched(3)["status"], 200);
    assert_eq!(
        (&visit.fetched(4)["status"], &visit.fetched(4)["headers"]["allow"]),
        (&json!(405), &json!("GET, HEAD"))
    );

    let nobody = browser.visit(
        &origin,
        server,
        None,
        json!([start("chat-4"), {"path": "/api/v1/interactions/chat-1"}]),
    );
    let refused = nobody.refused(0);
    assert_eq!(
        (&refused["code"], &refused["reason"]),
        (&json!("Unauthenticated"), &json!("MISSING_API_KEY"))
    );
    assert_eq!(nobody.fetched(1)["status"], 401);

    let terms = Terms { rate: Some(1), burst: Some(1), ..Terms::default() };
    let slow = create_with(&world.running.service, &World::new_key(&["telephony"]), &terms).await;
    // One a second: on a slow machine more than the first are let in.
    let fetch = json!({"path": "/api/v1/interactions/a"});
    let calls = json!([get_of("a"), get_of("a"), fetch, get_of("a"), fetch, fetch]);
    let limited = browser.visit(&origin, server, Some(&slow.expect("a key")), calls);
    let told: Vec<&Value> = (0..6).map(|at| limited.fetched(at)).collect();
    let refused = told.iter().find(|told| told["error"]["reason"] == "RATE_LIMITED");
    assert_eq!(refused.expect("one over gRPC-Web")["error"]["retry"], true);
    let refused = told.iter().find(|told| told["status"] == 429).expect("one over REST");
    assert_eq!(refused["headers"]["retry-after"], "1", "a page may read it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_are_refused_by_the_browser() {
    let Some(mut browser) = Browser::open() else { return };
    let world = Setup::on(Engine::Sqlite).settings(&settings(&browser, "")).open().await;
    let key = world.key(&World::new_key(&["telephony"])).await;
    let server = format!("http://{}", world.running.address);
    let (allowed, stranger) = (browser.allowed.clone(), browser.stranger.clone());
    let calls = json!([
        start("strange"),
        {"path": "/api/v1/interactions", "method": "POST",
            "body": {"interaction_id": "strange", "channel": "voice"}},
    ]);
    let visit = browser.visit(&stranger, &server, Some(&key), calls);
    for call in 0..2 {
        let refused = visit.refused(call).to_string();
        assert!(refused.contains("Failed to fetch"), "{refused}");
    }
    assert!(visit.said.contains("CORS policy"), "{}", visit.said);
    // Nothing of it was done: the browser asks before it sends a key.
    let visit =
        browser.visit(&allowed, &server, Some(&key), json!([get_of("strange"), start("own")]));
    assert_eq!(visit.refused(0)["reason"], "INTERACTION_NOT_FOUND");
    assert_eq!(visit.good(1)["new_customer"], true);
    drop(browser);
    world.close().await;
}

/// Over TLS a browser speaks HTTP/2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_calls_over_tls() {
    let Some(mut browser) = Browser::open() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let pair = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&pair).expect("a certificate");
    let files = [("certificate", certificate.pem()), ("key", pair.serialize_pem())];
    let mut tls = "[server.tls]\n".to_owned();
    for (name, pem) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).expect("a file");
        tls.push_str(&format!("{name} = {path:?}\n"));
    }
    let world = Setup::on(Engine::Sqlite).settings(&settings(&browser, &tls)).open().await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let server = format!("https://localhost:{}", world.running.address.port());
    let origin = browser.allowed.clone();
    let calls = json!([start("a"), get_of("a"), get_of("b"), {"documented": "c"}]);
    let visit = browser.visit(&origin, &server, Some(&key), calls);
    assert_eq!(visit.good(1)["customer_ref"], visit.good(0)["customer_ref"]);
    assert_eq!(visit.refused(2)["reason"], "INTERACTION_NOT_FOUND");
    let named = visit.good(3)["customerRef"].as_str();
    assert!(named.is_some_and(|it| it.starts_with("cus_")), "as docs/rest.md has it");
    assert_eq!(visit.spoken, json!(["h2"]));
    let nobody = browser.visit(&origin, &server, None, json!([{"documented": "d"}]));
    assert_eq!(nobody.good(0)["reason"], "MISSING_API_KEY");
    drop(browser);
    world.close().await;
}

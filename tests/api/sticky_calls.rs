//! The dialect of Sticky Calls. Its published examples contradict each other: each is listed in
//! `published` with what is answered and why.

use reqwest::Method;
use serde_json::{Value, json};
use threadline::cli::keys::{Terms, create_with};
use threadline::clock::{Clock, DAY, HOUR, MINUTE, Time};

use crate::support::web::{Told, Web};
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(what_is_wrong_is_said_in_its_words, a_confirmed_start_answers_with_the_context,);

/// 2026-11-02, 14:00 UTC: a Monday.
const MONDAY: Time = Time(1_793_628_000_000);

/// One step of the published story: why it is answered so, where, what, and how.
struct Step {
    why: &'static str,
    place: &'static str,
    request: Value,
    code: u16,
    answer: Value,
}

fn step(why: &'static str, place: &'static str, request: Value, code: u16, answer: Value) -> Step {
    Step { why, place, request, code, answer }
}

/// Whether `actual` has all that `shown` shows; `null` stands for whatever is there.
fn fits(shown: &Value, actual: &Value) -> bool {
    match (shown, actual) {
        (Value::Null, _) => true,
        (Value::Object(shown), Value::Object(actual)) => {
            shown.iter().all(|(name, it)| actual.get(name).is_some_and(|actual| fits(it, actual)))
        }
        (Value::Array(shown), Value::Array(actual)) => {
            shown.len() == actual.len() && shown.iter().zip(actual).all(|(a, b)| fits(a, b))
        }
        _ => shown == actual,
    }
}

fn ours() -> Value {
    json!({"ani": "+14155550123", "dnis": "+18005550100", "external_ids": {"crm_id": "CRM-1"}})
}

fn story() -> Vec<Step> {
    let start = |id: &str| json!({"call_id": id, "identity_hints": ours(), "telco": {"line_type": "mobile"}});
    let mut other = start("call-2");
    other["identity_hints"]["ani"] = json!("+14155550199");
    let nobody =
        json!({"confidence": 0.0, "level": "low", "sources": [], "recommendation": "ignore"});
    let end = json!({"call_id": "call-1", "customer_ref": "…", "intent": "billing_dispute",
        "intent_status": "open", "variables": {"summary": "asked why", "order": "17", "channel": "phone"}});
    let mut changed = end.clone();
    changed["intent_status"] = json!("resolved");
    vec![
        step(
            "somebody new scores nothing, and has a reference all the same",
            "start",
            start("call-1"),
            200,
            json!({"call_id": "call-1", "customer_ref": null, "call_start": "2026-11-02T14:00:00.000Z",
                "identity": nobody, "open_intents": [], "variables": {}}),
        ),
        step(
            "the same again is the same",
            "start",
            start("call-1"),
            200,
            json!({"call_id": "call-1", "call_start": "2026-11-02T14:00:00.000Z", "identity": nobody}),
        ),
        step(
            "what happened; the reference is echoed and confirms nothing",
            "end",
            end.clone(),
            200,
            json!({"call_id": "call-1", "customer_ref": null, "call_start": "2026-11-02T14:00:00.000Z",
                "call_end": "2026-11-02T14:00:00.000Z", "duration_seconds": 0,
                "intents_updated": 1, "variables_updated": 3}),
        ),
        step(
            "the same end again is the same",
            "end",
            end,
            200,
            json!({"intents_updated": 1, "variables_updated": 3}),
        ),
        step(
            "another end of the same call",
            "end",
            changed,
            409,
            json!({"error": "Conflict", "message": "this call_id was used with other content"}),
        ),
        step(
            "published with .4 (number and id: sums) and with .95 (recently seen): one scale here, \
              measured, on which two identifiers that agree and one call today are high",
            "start",
            start("call-2"),
            200,
            json!({"identity": {"level": "high", "recommendation": "reuse",
                "sources": ["ani:mobile", "external_id", "recency:1day"]},
                "open_intents": [{"intent": "billing_dispute", "status": "open", "attempt_count": 1}],
                "variables": {"order": {"value": "17", "source": "call-1", "ttl_seconds": 2_592_000},
                    "summary": {"value": "asked why"}, "channel": {"value": "phone"}}}),
        ),
        step(
            "the same call_id with other hints",
            "start",
            other,
            409,
            json!({"error": "Conflict"}),
        ),
        step(
            "the older dialect says its hints at the top, and no line type: `ani` alone",
            "start",
            json!({"call_id": "call-3", "ani": "+14155550123", "external_ids": {"crm_id": "CRM-1"}}),
            200,
            json!({"identity": {"recommendation": "reuse", "sources": ["ani", "external_id", "recency:1day"]}}),
        ),
        step(
            "the older dialect's end says only whether the intent is open",
            "end",
            json!({"call_id": "call-3", "ani": "+14155550123", "intent": "billing_dispute",
                "intent_is_open": false}),
            200,
            json!({"intents_updated": 1, "variables_updated": 0}),
        ),
        step(
            "what was settled is not open any more",
            "start",
            start("call-4"),
            200,
            json!({"open_intents": [], "variables": {"order": {"value": "17"}}}),
        ),
        step(
            "an end without a start",
            "end",
            json!({"call_id": "mail-1", "identity_hints": {"external_ids": {"email": "ada@example.com"}},
                "intent": "refund", "variables": {"channel": "email"}}),
            200,
            json!({"call_id": "mail-1", "duration_seconds": 0, "intents_updated": 1, "variables_updated": 1}),
        ),
        step(
            "a number alone, published with .5: from a mobile that called once, a day ago, it is \
              medium at least, and no number is promised that was not measured",
            "start",
            json!({"call_id": "call-5", "identity_hints": {"ani": "+14155550123"},
                "telco": {"line_type": "mobile"}}),
            200,
            json!({"identity": {"recommendation": "reuse", "sources": ["ani:mobile", "recency:1day"]}}),
        ),
        step(
            "a withheld number is nobody",
            "start",
            json!({"call_id": "call-6", "identity_hints": {"ani": "anonymous"}}),
            200,
            json!({"identity": nobody}),
        ),
        step(
            "unknown fields are passed over, as clients of it may send more",
            "start",
            json!({"call_id": "call-7", "identity_hints": {"ani": "anonymous"}, "agent": {"id": 7}}),
            200,
            json!({"call_id": "call-7"}),
        ),
    ]
}

/// On SQLite, where the store's clock is the test's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let web = web(&world).await;
    let (mut customer, mut minutes) = (String::new(), 0);
    for Step { why, place, mut request, code, answer } in story() {
        if request["call_id"] != "call-1" {
            minutes += 1;
            clock.set(Time(MONDAY.0 + minutes * MINUTE));
        }
        if request["customer_ref"] == "…" {
            request["customer_ref"] = customer.clone().into();
        }
        let told = web.post(&format!("/v1/calls/{place}"), &request).await;
        assert_eq!(told.code, code, "{why}: {}", told.text);
        let said = told.json();
        assert!(fits(&answer, &said), "{why}:\n{answer:#}\nis not\n{said:#}");
        let keys: Vec<&String> = said.as_object().expect("an object").keys().collect();
        if code == 200 && place == "start" {
            let all =
                ["call_id", "call_start", "customer_ref", "identity", "open_intents", "variables"];
            assert_eq!(keys, all, "{why}");
            assert_eq!(said["identity"].as_object().expect("an object").len(), 4);
        } else if code == 200 {
            assert_eq!(keys.len(), 7, "{why}: {keys:?}");
        }
        if request["call_id"] == "call-1" && code == 200 {
            let named = said["customer_ref"].as_str().expect("a ref").to_owned();
            assert!(customer.is_empty() || customer == named, "{why}");
            customer = named;
        }
    }
    clock.set(Time(MONDAY.0 + DAY + HOUR));
    let later =
        json!({"call_id": "late", "identity_hints": ours(), "telco": {"line_type": "mobile"}});
    let later = web.post("/v1/calls/start", &later).await.good();
    assert_eq!(later["customer_ref"], *customer);
    assert_eq!(later["call_start"], "2026-11-03T15:00:00.000Z");
    assert!(later["identity"]["sources"].to_string().contains("recency:7days"), "{later}");
    world.close().await;
}

async fn web(world: &World) -> Web {
    let key = world.key(&World::new_key(&["telephony"])).await;
    Web::new(world.running.address, Some(&key))
}

#[track_caller]
pub(crate) fn issues(told: &Told) -> Vec<(String, String)> {
    assert_eq!(told.code, 400, "{}", told.text);
    let said = told.json();
    assert_eq!(
        (&said["error"], &said["message"]),
        (&json!("Bad Request"), &json!("Validation failed"))
    );
    let issues = said["details"]["issues"].as_array().expect("issues");
    let one = |it: &Value| {
        let path = it["path"].as_array().expect("a path").iter().filter_map(Value::as_str);
        (path.collect::<Vec<_>>().join("."), it["message"].as_str().expect("a message").to_owned())
    };
    issues.iter().map(one).collect()
}

async fn what_is_wrong_is_said_in_its_words(engine: Engine) {
    let world = World::on(engine).await;
    let caller = web(&world).await;
    let needed = "identity_hints must include ani, external_ids, or customer_ref";
    let told = caller.post("/v1/calls/start", &json!({"call_id": "a", "identity_hints": {}})).await;
    assert_eq!(issues(&told), [("identity_hints".to_owned(), needed.to_owned())]);
    let whole = json!({"error": "Bad Request", "message": "Validation failed",
        "details": {"issues": [{"path": ["identity_hints"], "message": needed}]}});
    assert_eq!(told.json(), whole, "the very body that is published");
    let many = json!({"call_id": "x".repeat(129), "identity_hints": {"ani": 17, "dnis": {}},
        "identity_confirmed": "canary"});
    let paths: Vec<String> =
        issues(&caller.post("/v1/calls/start", &many).await).into_iter().map(|it| it.0).collect();
    assert_eq!(
        paths,
        [
            "call_id",
            "identity_confirmed",
            "identity_hints.ani",
            "identity_hints.dnis",
            "identity_hints"
        ]
    );
    let end = json!({"customer_ref": "17", "intent": "a", "intent_status": "canary",
        "variables": {"order": ["canary"]}});
    let told = caller.post("/v1/calls/end", &end).await;
    let paths: Vec<String> = issues(&told).into_iter().map(|it| it.0).collect();
    assert_eq!(paths, ["call_id", "intent_status", "variables.order"]);
    assert!(!told.text.contains("canary"));
    let told = caller.post("/v1/calls/end", &json!({"call_id": "a"})).await;
    assert_eq!(issues(&told)[0].0, "customer_ref");
    // What the calls behind it refuse has the names of this dialect.
    let long = json!({"call_id": "a", "customer_ref": "17", "intent": "x".repeat(129)});
    assert_eq!(issues(&caller.post("/v1/calls/end", &long).await)[0].0, "intent");
    let broken = [("content-type", "application/json")];
    let told = caller.send(Method::POST, "/v1/calls/start", &broken, b"canary".to_vec()).await;
    assert_eq!(issues(&told), [(String::new(), "the body must be a JSON object".to_owned())]);
    refused(&world, &caller).await;
    world.close().await;
}

/// Codes other than 400.
async fn refused(world: &World, caller: &Web) {
    let start = json!({"call_id": "a", "identity_hints": {"ani": "+14155550123"}});
    let nobody = Web::new(world.running.address, None).post("/v1/calls/start", &start).await;
    let said =
        json!({"error": "Unauthorized", "message": null, "details": {"reason": "MISSING_API_KEY"}});
    assert!(nobody.code == 401 && fits(&said, &nobody.json()), "{}", nobody.text);
    let stranger =
        Web::new(world.running.address, Some("tl_live_1")).post("/v1/calls/start", &start).await;
    assert_eq!(stranger.code, 401);
    let key = world.key(&World::new_key(&["insight"])).await;
    let other = Web::new(world.running.address, Some(&key)).post("/v1/calls/start", &start).await;
    assert_eq!((other.code, &other.json()["error"]), (403, &json!("Forbidden")));
    let verb = caller.get("/v1/calls/start").await;
    assert_eq!((verb.code, &verb.headers["allow"]), (405, &"POST".parse().expect("a header")));
    assert_eq!(caller.post("/v1/calls/stop", &start).await.json()["error"], "Not Found");
    let terms = Terms { rate: Some(1), burst: Some(1), ..Terms::default() };
    let key = create_with(&world.running.service, &World::new_key(&["telephony"]), &terms).await;
    let often = Web::new(world.running.address, Some(&key.expect("a key")));
    assert_eq!(often.post("/v1/calls/start", &start).await.code, 200);
    let mut told = often.post("/v1/calls/start", &start).await;
    for _ in 0..100 {
        if told.code != 200 {
            break;
        }
        // It took so long that it had another one.
        told = often.post("/v1/calls/start", &start).await;
    }
    assert_eq!((told.code, &told.json()["error"]), (429, &json!("Too Many Requests")));
    assert_eq!(told.headers["retry-after"], "1");
    // A client that leaves no time at all gets no decision.
    let hurried = [("content-type", "application/json"), ("grpc-timeout", "1n")];
    let body = json!({"call_id": "hurry", "identity_hints": {"ani": "+14155550123"}}).to_string();
    let told = caller.send(Method::POST, "/v1/calls/start", &hurried, body.into_bytes()).await;
    assert_eq!((told.code, &told.json()["error"]), (503, &json!("Service Unavailable")));
    assert_eq!(told.headers["retry-after"], "1");
}

async fn a_confirmed_start_answers_with_the_context(engine: Engine) {
    let world = World::on(engine).await;
    let web = web(&world).await;
    let end = json!({"call_id": "m", "identity_hints": {"external_ids": {"email": "ada@example.com"}},
        "variables": {"language": "en"}, "intent": "refund"});
    let known = web.post("/v1/calls/end", &end).await.good()["customer_ref"].clone();
    let mut start =
        json!({"call_id": "c", "identity_hints": {"external_ids": {"email": "ada@example.com"}}});
    let asked = web.post("/v1/calls/start", &start).await.good();
    assert_eq!(
        (&asked["identity"]["recommendation"], &asked["customer_ref"]),
        (&json!("confirm"), &known)
    );
    assert_eq!((&asked["open_intents"], &asked["variables"]), (&json!([]), &json!({})));
    start["identity_confirmed"] = json!(true);
    for _ in 0..2 {
        let told = web.post("/v1/calls/start", &start).await.good();
        assert_eq!(
            (&told["identity"]["recommendation"], &told["customer_ref"]),
            (&json!("reuse"), &known)
        );
        assert_eq!(told["variables"]["language"]["value"], "en");
        assert_eq!(told["open_intents"][0]["intent"], "refund");
    }
    world.close().await;
}

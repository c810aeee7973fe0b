//! Web-hooks in: who is let in, what becomes of deliveries in whatever order, and the worked examples of
//! docs/webhooks-in.md.

mod as_sent;
mod uncounted;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha1::Sha1;
use threadline::cli::keys::NewKey;

use super::auditing::{all, list};
use super::erasing::gone;
use super::helpdesk::{MINE, OTHERS, SECRET, accepted, at, block, desk, hex, sha256};
use crate::support::web::Web;
use crate::support::{Engine, TENANT, World, each_engine};

each_engine!(
    the_worked_examples_are_saved,
    the_order_of_deliveries_does_not_matter,
    who_is_not_let_in_learns_nothing,
    what_cannot_be_read_is_refused,
    what_was_signed_long_ago_is_stale,
    only_what_is_let_in_counts_as_a_call,
    a_ticket_is_worth_more_than_a_bad_number,
    hooks_and_their_secrets_change_while_it_serves,
    an_erased_ticket_stays_erased_and_is_no_failure,
);

async fn the_worked_examples_are_saved(engine: Engine) {
    let names = ["zendesk", "zendesk-trigger", "freshdesk", "salesforce", "intercom"];
    let settings: Vec<&str> =
        names.iter().map(|name| block(&format!("settings: {name}"))).collect();
    let desk = desk(engine, &settings.join("\n"), SECRET).await;
    let key = NewKey { source: "helpdesk".into(), ..World::new_key(&["helpdesk", "backfill"]) };
    let key = desk.world.key(&key).await;
    let bearer = format!("Bearer {key}");
    let basic = data_encoding::BASE64.encode(format!("{key}:X").as_bytes());
    let basic = format!("Basic {basic}");
    let of = |name: &str| block(&format!("delivery: {name}"));
    let zendesk = desk.zendesk("", SECRET, of("zendesk")).await;
    accepted(&zendesk, "5158");
    accepted(&desk.zendesk("?hook=zendesk-trigger", SECRET, of("zendesk-trigger")).await, "5159");
    let shown = [("authorization", basic.as_str())];
    let told = desk.deliver("/hooks/generic?hook=freshdesk", &shown, of("freshdesk")).await;
    accepted(&told, "413");
    let shown = [("authorization", bearer.as_str())];
    let told = desk.deliver("/hooks/generic?hook=salesforce", &shown, of("salesforce")).await;
    accepted(&told, "500Hs00001abcdeIAA");
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).expect("any key");
    mac.update(of("intercom").as_bytes());
    let signature = format!("sha1={}", hex(&mac.finalize().into_bytes()));
    let headers = [("x-hub-signature", signature.as_str())];
    let told = desk.deliver("/hooks/generic?hook=intercom", &headers, of("intercom")).await;
    accepted(&told, "123456789");
    for (source, id, channel, ended, summary, intent) in [
        ("zendesk", "5158", "email", "2026-10-30T10:12:07Z", "Refund for order 7731", "question"),
        (
            "zendesk-trigger",
            "5159",
            "email",
            "2026-10-30T10:12:07Z",
            "Delivery of order 7732",
            "delivery",
        ),
        ("helpdesk", "413", "email", "", "Where is my parcel?", "Question"),
        (
            "helpdesk",
            "500Hs00001abcdeIAA",
            "voice",
            "2026-10-30T10:12:07Z",
            "Charged twice in September\nRefunded 17.50 EUR",
            "Billing",
        ),
        ("intercom", "123456789", "web_chat", "2026-10-30T10:12:07Z", "Cannot sign in", "login"),
    ] {
        let reader = desk.reader(source).await;
        let got = reader.get(&format!("/api/v1/interactions/{id}")).await.good();
        let facts = &got["interaction"];
        assert_eq!(
            (&facts["channel"], &facts["status"]),
            (&json!(channel), &json!("INTERACTION_STATUS_ENDED")),
            "{got:#}"
        );
        assert!(ended.is_empty() || facts["end_time"] == ended, "{got:#}");
        let last = &facts["summary"];
        assert_eq!(last, summary, "{got:#}");
        assert_eq!(facts["intents"][0]["intent"], intent, "{got:#}");
    }
    // Their ping, and whatever else they send.
    let ping = r#"{"type": "notification_event", "topic": "ping", "data": {}}"#;
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).expect("any key");
    mac.update(ping.as_bytes());
    let signature = format!("sha1={}", hex(&mac.finalize().into_bytes()));
    let headers = [("x-hub-signature", signature.as_str())];
    let told = desk.deliver("/hooks/generic?hook=intercom", &headers, ping).await;
    assert_eq!(told.good(), json!({"accepted": false}));
    let entries = list(&desk.world, &all()).await;
    let own = entries.iter().filter(|entry| entry.caller == "hook:zendesk");
    let actions: Vec<&str> = own.map(|entry| entry.action.as_str()).collect();
    // As every end without a start, it keeps the start's place.
    assert_eq!(actions, ["start", "end"]);
    desk.close().await;
}

/// The versions of one ticket: closed, opened again with another topic, closed and scored, edited.
fn versions(id: &str, now: i64) -> Vec<Value> {
    let base = |more: Value, age: i64| {
        let mut all = json!({"id": id, "changed": at(now - age * 1_000), "order": "17",
            "mail": format!("{id}@example.com")});
        all.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        all
    };
    vec![
        base(
            json!({"state": "closed", "topic": "refund", "notes": "first", "outcome": "refused"}),
            40,
        ),
        base(json!({"state": "open", "topic": "billing", "notes": "again", "score": 2}), 30),
        base(json!({"state": "closed", "topic": "billing", "score": 9, "outcome": "paid"}), 20),
        base(json!({"state": "open", "topic": "delivery", "notes": "last"}), 10),
    ]
}

/// What the world makes of a ticket.
async fn contact(reader: &Web, id: &str) -> Value {
    let mut got = reader.get(&format!("/api/v1/interactions/{id}")).await.good();
    let start = json!({"interaction_id": format!("next-{id}"), "channel": "email",
        "identity_hints": {"email": format!("{id}@example.com")}});
    let mut next = reader.post("/api/v1/interactions", &start).await.good();
    let text = |it: &Value| it.to_string().replace(id, "ID");
    let facts = got["interaction"].take();
    let of = ["summary", "intents", "disposition", "csat", "end_time", "channel"]
        .map(|name| text(&facts[name]));
    let open = text(&next["open_intents"].take());
    let order = text(&next["variables"]["order"]["value"].take());
    let counted = next["identity"]["recommendation"].take();
    json!([of, open, order, counted])
}

async fn the_order_of_deliveries_does_not_matter(engine: Engine) {
    let desk = desk(engine, MINE, SECRET).await;
    let reader = desk.reader("mine").await;
    let now = desk.world.now().0;
    let mut expected: Option<Value> = None;
    // All 24 orders; what was delivered is delivered again in between.
    for order in 0..24_usize {
        let id = format!("t{order}x");
        let (mut left, mut number, mut sent) = (versions(&id, now), order, Vec::new());
        for size in (1..=4).rev() {
            let next = left.remove(number % size);
            number /= size;
            sent.push(next);
            accepted(&desk.mine(SECRET, &sent[sent.len() - 1]).await, &id);
            let again = sent[(order * 7 + size) % sent.len()].clone();
            accepted(&desk.mine(SECRET, &again).await, &id);
        }
        let made = contact(&reader, &id).await;
        let expected = expected.get_or_insert_with(|| made.clone());
        assert_eq!(&made, expected, "order {order}");
    }
    let made = expected.expect("some").to_string();
    assert!(made.contains("last") && made.contains("delivery"), "{made}");
    assert!(
        !made.contains("refund") && !made.contains("billing") && !made.contains("paid"),
        "{made}"
    );
    desk.close().await;
}

async fn an_erased_ticket_stays_erased_and_is_no_failure(engine: Engine) {
    let desk = desk(engine, MINE, SECRET).await;
    let ticket = |revision: i64| json!({"id": "1", "changed": revision, "state": "closed", "mail": "dana@example.com", "notes": "told"});
    accepted(&desk.mine(SECRET, &ticket(1)).await, "1");
    let reader = desk.reader("mine").await;
    let dana = reader.get("/api/v1/interactions/1").await.good()["customer_ref"].clone();
    let client = desk.world.client(&World::new_key(&["admin"])).await;
    gone(&client, dana.as_str().expect("a ref"), "gdpr-1").await;
    for revision in [1, 2] {
        assert_eq!(desk.mine(SECRET, &ticket(revision)).await.good(), json!({"accepted": false}));
    }
    assert_eq!(reader.get("/api/v1/interactions/1").await.reason(), "ERASED");
    desk.close().await;
}

async fn hooks_and_their_secrets_change_while_it_serves(engine: Engine) {
    let desk = desk(engine, MINE, SECRET).await;
    let ticket = |id: &str| json!({"id": id, "changed": 1, "state": "closed", "notes": "told"});
    accepted(&desk.mine(SECRET, &ticket("1")).await, "1");
    // A secret that cannot be used changes nothing, and neither does the mapping beside it.
    let mapped = MINE.replace("interaction_id = \"$.id\"", "interaction_id = \"$.number\"");
    let wrong = desk.reload(&mapped, "short").await.expect_err("a refusal");
    assert!(wrong.iter().all(|why| why.starts_with("tenants.acme.hooks.mine: ")), "{wrong:?}");
    accepted(&desk.mine(SECRET, &ticket("2")).await, "2");
    // Old and new sign while the helpdesk is told the new one.
    let newer = "a-newer-secret-of-acme-alone";
    desk.reload(MINE, &format!("{SECRET}\n{newer}\n")).await.expect("valid settings");
    accepted(&desk.mine(SECRET, &ticket("3")).await, "3");
    accepted(&desk.mine(newer, &ticket("4")).await, "4");
    desk.reload(&mapped, newer).await.expect("valid settings");
    assert_eq!(desk.mine(SECRET, &ticket("5")).await.reason(), "HOOK_REFUSED");
    let numbered = json!({"number": "6", "changed": 1, "state": "closed"});
    accepted(&desk.mine(newer, &numbered).await, "6");
    desk.reload("", newer).await.expect("valid settings");
    assert_eq!(desk.mine(newer, &numbered).await.reason(), "HOOK_REFUSED");
    desk.close().await;
}

fn two_tenants() -> String {
    format!(
        "{MINE}\n{}\n{}",
        block("settings: zendesk"),
        "[tenants.globex.hooks.theirs]\nkind = \"zendesk\"\nsecret_env = \"GLOBEX\"\n\
         [tenants.globex.hooks.keyed]\nkind = \"generic\"\nverify = \"api_key\"\ncloses = []\n\
         takes = { interaction_id = \"$.id\", revision = \"$.changed\", channel = { value = \"email\" } }\n"
    )
}

async fn who_is_not_let_in_learns_nothing(engine: Engine) {
    let desk = desk(engine, &two_tenants(), SECRET).await;
    let event = block("delivery: zendesk").replace("Refund for order 7731", "canary");
    let acmes = desk.world.key(&World::new_key(&["helpdesk"])).await;
    let bearer = format!("Bearer {acmes}");
    let tests =
        NewKey { tenant: "globex".into(), test: true, ..World::new_key(&["helpdesk", "backfill"]) };
    let tests = format!("Bearer {}", desk.world.key(&tests).await);
    let keyed = "/hooks/generic?hook=keyed";
    let refused = [
        desk.zendesk("", OTHERS, &event).await,
        desk.zendesk("?hook=theirs", SECRET, &event).await,
        desk.zendesk("?hook=nobodys", SECRET, &event).await,
        desk.zendesk("?hook=mine", SECRET, &event).await,
        desk.zendesk("?hook=%FF", SECRET, &event).await,
        desk.deliver("/hooks/zendesk", &[], &event).await,
        desk.deliver("/hooks/generic", &[], &event).await,
        desk.deliver(keyed, &[], &event).await,
        desk.deliver(keyed, &[("authorization", &bearer)], &event).await,
        desk.deliver(keyed, &[("authorization", &tests)], &event).await,
        desk.deliver(keyed, &[("authorization", "Bearer tl_live_1")], &event).await,
        desk.deliver(keyed, &[("authorization", "canary")], &event).await,
        desk.deliver("/hooks/zendesk", &[], "no JSON").await,
        desk.mine(OTHERS, &json!({"id": "1"})).await,
    ];
    for told in &refused {
        assert_eq!((told.code, told.reason().as_str()), (401, "HOOK_REFUSED"), "{}", told.text);
        assert_eq!(told.text, refused[0].text, "all alike");
        assert!(!told.text.contains("canary"));
    }
    let reader = desk.reader("zendesk").await;
    assert_eq!(reader.get("/api/v1/interactions/5158").await.reason(), "INTERACTION_NOT_FOUND");
    // What was refused before is welcome once it is signed as it must be, in its own tenant alone.
    accepted(&desk.zendesk("?hook=theirs", OTHERS, &event).await, "5158");
    assert_eq!(reader.get("/api/v1/interactions/5158").await.reason(), "INTERACTION_NOT_FOUND");
    accepted(&desk.zendesk("", SECRET, &event).await, "5158");
    assert_eq!(reader.get("/api/v1/interactions/5158").await.code, 200);
    let theirs = NewKey { tenant: "globex".into(), ..World::new_key(&["helpdesk"]) };
    let theirs = format!("Bearer {}", desk.world.key(&theirs).await);
    let body = json!({"id": "1", "changed": 1}).to_string();
    accepted(&desk.deliver(keyed, &[("authorization", &theirs)], &body).await, "1");
    let reads = NewKey { tenant: "globex".into(), ..World::new_key(&["agent"]) };
    let reads = format!("Bearer {}", desk.world.key(&reads).await);
    let told = desk.deliver(keyed, &[("authorization", &reads)], &body).await;
    assert_eq!((told.code, told.reason().as_str()), (403, "ROLE_REQUIRED"));
    assert_eq!(TENANT, "acme");
    desk.close().await;
}

async fn what_cannot_be_read_is_refused(engine: Engine) {
    let desk = desk(engine, MINE, SECRET).await;
    let signed = async |body: &str| {
        let signature = format!("sha256={}", hex(&sha256(SECRET, body)));
        desk.deliver("/hooks/generic?hook=mine", &[("x-signature", &signature)], body).await
    };
    let deep = format!("{{\"state\": {}1{}}}", "[".repeat(64), "]".repeat(64));
    let abyss = format!("{{\"state\": {}", "[".repeat(500_000));
    for body in ["canary", "[]", "", "{\"canary\"", deep.as_str(), abyss.as_str()] {
        let told = signed(body).await;
        assert_eq!((told.code, told.reason().as_str()), (400, "HOOK_UNREADABLE"), "{}", told.text);
        assert!(!told.text.contains("canary"));
    }
    // Two such ids would be one float, and one ticket.
    let told = signed(r#"{"state": "closed", "changed": 1, "id": 12345678901234567890123}"#).await;
    assert_eq!((told.code, told.reason().as_str()), (400, "HOOK_UNMAPPED"));
    assert_eq!(told.fields(), ["takes.interaction_id"]);
    let giant = format!("{{\"state\": \"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(signed(&giant).await.reason(), "REQUEST_TOO_LARGE");
    let unmapped = json!({"state": "closed", "changed": "canary", "notes": {"canary": 1}});
    let told = desk.mine(SECRET, &unmapped).await;
    assert_eq!((told.code, told.reason().as_str()), (400, "HOOK_UNMAPPED"));
    assert_eq!(told.fields(), ["takes.interaction_id", "takes.revision", "takes.summary"]);
    assert!(!told.text.contains("canary"));
    let long = json!({"state": "closed", "changed": 1, "id": "x".repeat(257)});
    let told = desk.mine(SECRET, &long).await;
    assert_eq!(
        (told.reason().as_str(), told.fields()),
        ("INVALID_FIELD", vec!["interaction_id".into()])
    );
    assert_eq!(
        desk.mine(SECRET, &json!({"state": "new"})).await.good(),
        json!({"accepted": false})
    );
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-signature", &*format!("sha256={}", hex(&sha256(SECRET, "a=b")))),
    ];
    let told =
        desk.web.send(Method::POST, "/hooks/generic?hook=mine", &form, b"a=b".to_vec()).await;
    assert_eq!((told.code, told.reason().as_str()), (415, "UNSUPPORTED_MEDIA_TYPE"));
    assert_eq!(desk.web.get("/hooks/zendesk").await.code, 405);
    assert_eq!(desk.web.get("/hooks/jira").await.reason(), "ROUTE_NOT_FOUND");
    // A revision is what `complete` is about.
    let reader = desk.reader("mine").await;
    let end = json!({"channel": "email", "complete": true});
    assert_eq!(reader.post("/api/v1/interactions/a/end", &end).await.fields(), ["complete"]);
    desk.close().await;
}

async fn what_was_signed_long_ago_is_stale(engine: Engine) {
    let desk = desk(engine, block("settings: zendesk"), SECRET).await;
    let event = block("delivery: zendesk");
    let now = desk.world.now().0;
    for away in [-400_000, 400_000] {
        let told = desk.zendesk_at("", SECRET, &at(now + away), event).await;
        assert_eq!((told.code, told.reason().as_str()), (401, "HOOK_STALE"));
        // Whoever cannot sign learns nothing of clocks.
        let told = desk.zendesk_at("", OTHERS, &at(now + away), event).await;
        assert_eq!(told.reason(), "HOOK_REFUSED");
    }
    accepted(&desk.zendesk_at("", SECRET, &at(now - 200_000), event).await, "5158");
    desk.close().await;
}

async fn only_what_is_let_in_counts_as_a_call(engine: Engine) {
    let settings = format!("[tenants.acme]\nkey_rate = 1\nkey_burst = 2\n{MINE}");
    let desk = desk(engine, &settings, SECRET).await;
    let body = json!({"id": "1", "state": "closed", "changed": 1});
    for _ in 0..20 {
        assert_eq!(desk.mine(OTHERS, &body).await.reason(), "HOOK_REFUSED");
    }
    accepted(&desk.mine(SECRET, &body).await, "1");
    let mut limited = None;
    for _ in 0..20 {
        let told = desk.mine(SECRET, &body).await;
        if told.code == 429 {
            limited = Some(told);
            break;
        }
    }
    let limited = limited.expect("twenty calls at once are too many");
    assert_eq!(
        (limited.reason().as_str(), &limited.headers["retry-after"]),
        ("RATE_LIMITED", &"1".parse().expect("a header"))
    );
    desk.close().await;
}

async fn a_ticket_is_worth_more_than_a_bad_number(engine: Engine) {
    let desk = desk(engine, MINE, SECRET).await;
    let now = at(desk.world.now().0);
    let long = format!("{} card 4111 1111 1111 1111 {}", "x".repeat(8_160), "y".repeat(500));
    let body = json!({"id": "1", "state": "closed", "changed": now, "topic": "refund",
        "notes": long, "mail": "no address at all", "phone": "call me"});
    accepted(&desk.mine(SECRET, &body).await, "1");
    let reader = desk.reader("mine").await;
    let got = reader.get("/api/v1/interactions/1").await.good();
    let summary = got["interaction"]["summary"].as_str().expect("a summary");
    assert!(summary.ends_with('…') && summary.chars().count() == 8_192, "{}", summary.len());
    assert!(!summary.contains("1111 1111"), "no half of a card number");
    let mut card = body.clone();
    card["id"] = "2".into();
    card["notes"] = "paid with 4111 1111 1111 1111".into();
    accepted(&desk.mine(SECRET, &card).await, "2");
    let got = reader.get("/api/v1/interactions/2").await.good();
    assert!(!got.to_string().contains("1111 1111 1111"), "{got}");
    desk.close().await;
}

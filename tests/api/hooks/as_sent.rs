//! Deliveries as they are sent: another way to sign them, headers that no door takes, and numbers that
//! are kept as they were written.

use serde_json::json;

use super::super::helpdesk::{Desk, MINE, SECRET, accepted, desk, hex, sha256};
use crate::support::web::Told;
use crate::support::{Engine, each_engine};

each_engine!(
    a_standard_webhook_is_let_in,
    what_no_door_takes_is_not_taken_here,
    an_amount_is_kept_as_it_was_written,
    what_stands_on_several_lines_is_put_on_one,
);

/// To the hook `mine`, signed, with these headers as well.
async fn signed(desk: &Desk, headers: &[(&str, &str)], body: &str) -> Told {
    let signature = format!("sha256={}", hex(&sha256(SECRET, body)));
    let headers = [&[("x-signature", signature.as_str())][..], headers].concat();
    desk.deliver("/hooks/generic?hook=mine", &headers, body).await
}

async fn what_no_door_takes_is_not_taken_here(engine: Engine) {
    let desk = desk(engine, MINE, SECRET).await;
    let body = r#"{"id": "1", "changed": 1, "state": "closed"}"#;
    let told = signed(&desk, &[("content-encoding", "gzip")], body).await;
    assert_eq!((told.code, &*told.reason()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{}", told.text);
    let told = signed(&desk, &[("grpc-timeout", "soon")], body).await;
    assert_eq!((told.code, &*told.reason()), (400, "INVALID_FIELD"), "{}", told.text);
    assert_eq!(told.fields(), ["grpc-timeout"]);
    // Whether there is such a hook nobody learns from that.
    let nobodys = "/hooks/generic?hook=nobodys";
    let told = desk.deliver(nobodys, &[("content-encoding", "gzip")], body).await;
    assert_eq!(told.code, 415);
    let reader = desk.reader("mine").await;
    assert_eq!(reader.get("/api/v1/interactions/1").await.reason(), "INTERACTION_NOT_FOUND");
    let plain = [("content-encoding", "identity"), ("grpc-timeout", "20S")];
    accepted(&signed(&desk, &plain, body).await, "1");
    desk.close().await;
}

async fn an_amount_is_kept_as_it_was_written(engine: Engine) {
    let desk = desk(engine, MINE, SECRET).await;
    let body = r#"{"id": "1", "changed": 1, "state": "closed", "order": 10.00,
        "notes": [1.10, 7, true], "mail": "ada@example.com"}"#;
    accepted(&signed(&desk, &[], body).await, "1");
    let reader = desk.reader("mine").await;
    let got = reader.get("/api/v1/interactions/1").await.good();
    assert_eq!(got["interaction"]["summary"], "1.10\n7\ntrue", "{got:#}");
    let start = json!({"interaction_id": "next", "channel": "email",
        "identity_hints": {"email": "ada@example.com"}});
    let known = reader.post("/api/v1/interactions", &start).await.good();
    assert_eq!(known["variables"]["order"]["value"], "10.00", "{known:#}");
    desk.close().await;
}

async fn what_stands_on_several_lines_is_put_on_one(engine: Engine) {
    let desk = desk(engine, MINE, SECRET).await;
    let ticket = |id: &str| {
        json!({"id": id, "changed": 1, "state": "closed", "topic": "two\r\nlines",
            "outcome": "paid\u{0}\n", "notes": "two\nlines"})
    };
    accepted(&desk.mine(SECRET, &ticket("1")).await, "1");
    let reader = desk.reader("mine").await;
    let got = reader.get("/api/v1/interactions/1").await.good();
    let facts = &got["interaction"];
    assert_eq!(facts["intents"][0]["intent"], "two lines", "{got:#}");
    assert_eq!((&facts["disposition"], &facts["summary"]), (&json!("paid"), &json!("two\nlines")));
    // An id is no text: with another one it would be another ticket.
    let told = desk.mine(SECRET, &ticket("2\n")).await;
    assert_eq!((told.code, &*told.reason()), (400, "INVALID_FIELD"), "{}", told.text);
    assert_eq!(told.fields(), ["interaction_id"]);
    desk.close().await;
}

async fn a_standard_webhook_is_let_in(engine: Engine) {
    let settings = "[tenants.acme.hooks.standard]\nkind = \"generic\"\ncloses = []\n\
        verify = \"standard_webhooks\"\nsecret_env = \"ACME\"\n\
        takes = { interaction_id = \"$.id\", revision = \"received\", channel = { value = \"email\" } }";
    let secret = format!("whsec_{}", data_encoding::BASE64.encode(SECRET.as_bytes()));
    let desk = desk(engine, settings, &secret).await;
    let body = json!({"id": "1"}).to_string();
    let seconds = (desk.world.now().0 / 1_000).to_string();
    let signature = sha256(SECRET, &format!("msg_1.{seconds}.{body}"));
    let signature = format!("v1,AAAA v1,{}", data_encoding::BASE64.encode(&signature));
    for (id, let_in) in [("msg_1", true), ("msg_1", true), ("msg_2", false)] {
        let headers = [
            ("webhook-id", id),
            ("webhook-timestamp", seconds.as_str()),
            ("webhook-signature", signature.as_str()),
        ];
        let told = desk.deliver("/hooks/generic?hook=standard", &headers, &body).await;
        if let_in {
            accepted(&told, "1");
        } else {
            assert_eq!(told.reason(), "HOOK_REFUSED");
        }
    }
    desk.close().await;
}

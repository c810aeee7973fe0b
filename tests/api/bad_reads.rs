//! Bad input of the calls that read, and times that not everybody may state.

use threadline::grpc::proto::{
    EndInteractionRequest, GetCustomerRequest, GetInteractionRequest, ListInteractionsRequest,
    StartInteractionRequest,
};
use tonic::Code;

use super::bad_hints::{Case, assert_names};
use super::bad_input::{CONTROL, long};
use crate::support::client::{assert_refused, refused};
use crate::support::requests::{at, end, get, start};
use crate::support::{Engine, World, each_engine};

each_engine!(
    every_bad_field_of_the_reading_calls_is_named,
    times_in_the_past_need_the_backfill_role,
);

async fn every_bad_field_of_the_reading_calls_is_named(engine: Engine) {
    let world = World::on(engine).await;
    let client = world.client(&World::new_key(&["admin", "telephony"])).await;
    client.start(start("good", "voice")).await.expect("a start");
    let gets: &[Case<GetInteractionRequest>] = &[
        ("no id", |r| r.interaction_id.clear(), &["interaction_id"]),
        ("a long id", |r| r.interaction_id = long(256), &["interaction_id"]),
        ("an id with NUL", |r| r.interaction_id = CONTROL.into(), &["interaction_id"]),
        ("a source with NUL", |r| r.source = CONTROL.into(), &["source"]),
        ("an unknown view", |r| r.view = 99, &["view"]),
        ("a negative limit", |r| r.history_limit = Some(-1), &["history_limit"]),
        (
            "all at once",
            |r| {
                (r.interaction_id, r.source) = (String::new(), long(64));
                (r.view, r.history_limit) = (99, Some(51));
            },
            &["history_limit", "interaction_id", "source", "view"],
        ),
    ];
    for (what, spoil, fields) in gets {
        let mut request = get("good");
        spoil(&mut request);
        assert_names(what, &refused(client.get(request).await), fields);
    }
    let lists: &[Case<ListInteractionsRequest>] = &[
        ("nobody", |r| r.interaction_id.clear(), &["customer_ref"]),
        ("a long ref", |r| r.customer_ref = long(256), &["customer_ref"]),
        ("an id with NUL", |r| r.interaction_id = CONTROL.into(), &["interaction_id"]),
        ("a long source", |r| r.source = long(64), &["source"]),
        ("an odd channel", |r| r.channel = "Canary!".into(), &["channel"]),
        ("a negative page", |r| r.page_size = -1, &["page_size"]),
        ("a huge page", |r| r.page_size = 201, &["page_size"]),
        ("no token of ours", |r| r.page_token = "canary".into(), &["page_token"]),
        ("a long token", |r| r.page_token = long(256), &["page_token"]),
        (
            "all at once",
            |r| {
                (r.interaction_id, r.channel) = (CONTROL.into(), "Canary!".into());
                (r.page_size, r.page_token) = (-1, "canary!".into());
            },
            &["channel", "interaction_id", "page_size", "page_token"],
        ),
    ];
    for (what, spoil, fields) in lists {
        let mut request =
            ListInteractionsRequest { interaction_id: "good".into(), ..Default::default() };
        spoil(&mut request);
        assert_names(what, &refused(client.list(request).await), fields);
    }
    let customers: &[Case<GetCustomerRequest>] = &[
        ("nobody", |r| r.interaction_id.clear(), &["customer_ref"]),
        ("a ref with NUL", |r| r.customer_ref = CONTROL.into(), &["customer_ref"]),
        ("a long source", |r| r.source = long(64), &["source"]),
        ("a long id", |r| r.interaction_id = long(256), &["interaction_id"]),
    ];
    for (what, spoil, fields) in customers {
        let mut request =
            GetCustomerRequest { interaction_id: "good".into(), ..Default::default() };
        spoil(&mut request);
        assert_names(what, &refused(client.customer(request).await), fields);
    }
    world.close().await;
}

async fn times_in_the_past_need_the_backfill_role(engine: Engine) {
    let world = World::on(engine).await;
    let (telephony, backfill) = (world.role("telephony").await, world.role("backfill").await);
    let now = world.now();
    let began = |id: &str, ago: i64| StartInteractionRequest {
        start_time: at(now.plus(-ago)),
        ..start(id, "voice")
    };
    let (minute, day) = (60_000, 86_400_000);
    telephony.start(began("just now", 2 * minute)).await.expect("clocks differ");
    let refusal = telephony.start(began("long ago", 10 * minute)).await;
    assert_refused(refusal, Code::PermissionDenied, "BACKFILL_ROLE_REQUIRED");
    backfill.start(began("long ago", 700 * day)).await.expect("a backfill");
    let ended = |id: &str, ago: i64| EndInteractionRequest {
        channel: "email".into(),
        end_time: at(now.plus(-ago)),
        ..end(id)
    };
    telephony.end(ended("late web-hook", 6 * day)).await.expect("web-hooks come late");
    let refusal = telephony.end(ended("older", 8 * day)).await;
    assert_refused(refusal, Code::PermissionDenied, "BACKFILL_ROLE_REQUIRED");
    backfill.end(ended("older", 800 * day)).await.expect("a backfill");
    let mut ahead = began("ahead", 0);
    ahead.start_time = at(now.plus(10 * minute));
    assert_names("the future", &refused(backfill.start(ahead).await), &["start_time"]);
    world.close().await;
}

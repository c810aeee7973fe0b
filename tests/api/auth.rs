//! Who may call what: keys, roles, sources, tenants.

use std::time::Duration;

use threadline::cli::keys::NewKey;
use threadline::crypto::ApiKey;
use threadline::grpc::proto::{GetCustomerRequest, IntentStatus, ListInteractionsRequest};
use tonic::Code;

use crate::support::client::{assert_refused, refused};
use crate::support::requests::{
    call, confirm, end, end_with, external_hint, get, reject, start, start_with, update,
};
use crate::support::{Client, Engine, Refusal, World, each_engine};

each_engine!(
    keys_that_are_none_are_refused,
    a_revoked_key_ends_within_a_second,
    roles_open_what_the_protocol_says,
    sources_are_kept_apart,
    another_tenant_does_not_exist,
);

async fn keys_that_are_none_are_refused(engine: Engine) {
    let world = World::on(engine).await;
    let key = world.key(&World::new_key(&["telephony"])).await;
    let tenant = ApiKey::parse(&key).expect("our own form").tenant;
    let stranger = ApiKey::generate(tenant, false, &threadline::ids::Entropy::System).text();
    let forged = super::access::forged(&key);
    let cases = [
        (None, "MISSING_API_KEY"),
        (Some(String::new()), "MISSING_API_KEY"),
        (Some("Bearer ".into()), "MISSING_API_KEY"),
        (Some("Bearer rubbish".into()), "MISSING_API_KEY"),
        (Some(format!("Basic {key}")), "MISSING_API_KEY"),
        (Some(key.clone()), "MISSING_API_KEY"),
        (Some(format!("Bearer {stranger}")), "INVALID_API_KEY"),
        (Some(format!("Bearer {forged}")), "INVALID_API_KEY"),
    ];
    for (header, reason) in cases {
        let client = world.with_header(header.as_deref()).await;
        for refusal in each_call(&client).await {
            assert_eq!(refusal.code, Code::Unauthenticated, "{header:?}: {refusal:?}");
            assert_eq!(refusal.reason, reason, "{refusal:?}");
            assert_eq!(&*refusal.domain, "threadline.v1");
            assert!(!refusal.message.contains(&key), "a key in an error");
        }
    }
    let client = world.with_header(Some(&format!("Bearer {key}"))).await;
    client.start(start("good", "voice")).await.expect("the key itself is good");
    world.close().await;
}

/// What each RPC says to a client that none of them serves.
async fn each_call(client: &Client) -> Vec<Refusal> {
    vec![
        refused(client.start(start("a", "voice")).await),
        refused(client.update(update("a", "1")).await),
        refused(client.end(end("a")).await),
        refused(client.get(get("a")).await),
        refused(client.list(ListInteractionsRequest::default()).await),
        refused(client.customer(GetCustomerRequest::default()).await),
    ]
}

async fn a_revoked_key_ends_within_a_second(engine: Engine) {
    let world = World::on(engine).await;
    let text = world.key(&World::new_key(&["telephony"])).await;
    let client = world.with_header(Some(&format!("Bearer {text}"))).await;
    client.start(start("before", "voice")).await.expect("a good key");
    let key = ApiKey::parse(&text).expect("our own form");
    let store = world.running.service.store();
    assert!(store.revoke_api_key(key.tenant, &key.id).await.expect("the store"), "it was active");
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let refusal = client.start(start("after", "voice")).await;
    assert_refused(refusal, Code::Unauthenticated, "INVALID_API_KEY");
    world.close().await;
}

/// The calls that a role opens: start, update, end, get, list, customer.
type Opens = [bool; 6];

async fn roles_open_what_the_protocol_says(engine: Engine) {
    let world = World::on(engine).await;
    let telephony = world.role("telephony").await;
    let started = telephony.start(call("known", "+14155550101")).await.expect("a start");
    telephony.end(end_with("known", "billing", IntentStatus::Open)).await.expect("an end");
    let matrix: [(&str, Opens); 7] = [
        ("telephony", [true, true, true, true, false, false]),
        ("bot", [true, true, true, true, false, false]),
        ("helpdesk", [false, true, true, false, false, false]),
        ("agent", [false, true, false, true, true, true]),
        ("admin", [false, false, true, true, true, true]),
        ("backfill", [true, true, true, true, false, false]),
        ("insight", [false; 6]),
    ];
    for (role, opens) in matrix {
        let client = world.role(role).await;
        let list = ListInteractionsRequest { interaction_id: "known".into(), ..Default::default() };
        let customer = GetCustomerRequest { interaction_id: "known".into(), ..Default::default() };
        let own = format!("of-{role}");
        let ended = threadline::grpc::proto::EndInteractionRequest {
            channel: "email".into(),
            ..end(&format!("ticket-{role}"))
        };
        let results = [
            client.start(start(&own, "voice")).await.err(),
            client.update(update("known", &own)).await.err(),
            client.end(ended).await.err(),
            client.get(get("known")).await.err(),
            client.list(list).await.err(),
            client.customer(customer).await.err(),
        ];
        for (index, (result, open)) in results.into_iter().zip(opens).enumerate() {
            let rpc = ["Start", "Update", "End", "Get", "List", "GetCustomer"][index];
            match (result, open) {
                (None, true) => {}
                (Some(refusal), false) => {
                    let said = (refusal.code, refusal.reason.as_str());
                    let expected = (Code::PermissionDenied, "ROLE_REQUIRED");
                    assert_eq!(said, expected, "{role} {rpc}: {refusal:?}");
                }
                (None, false) => panic!("{role} may not call {rpc}"),
                (Some(refusal), true) => panic!("{role} may call {rpc}: {refusal:?}"),
            }
        }
    }
    // A customer by ref alone is for admins only.
    let agent = world.role("agent").await;
    let customer_ref = started.customer_ref;
    let by_ref = GetCustomerRequest { customer_ref: customer_ref.clone(), ..Default::default() };
    assert_refused(agent.customer(by_ref).await, Code::PermissionDenied, "ROLE_REQUIRED");
    let by_ref = ListInteractionsRequest { customer_ref, ..Default::default() };
    assert_refused(agent.list(by_ref).await, Code::PermissionDenied, "ROLE_REQUIRED");
    world.close().await;
}

async fn sources_are_kept_apart(engine: Engine) {
    let world = World::on(engine).await;
    let pbx = world.of_source(&["telephony"], "pbx", &[]).await;
    let chat = world.of_source(&["telephony"], "chat", &[]).await;
    let desk = world.of_source(&["agent", "admin"], "desk", &["pbx"]).await;
    let one = pbx.start(call("789", "+14155550102")).await.expect("a start");
    let other = chat.start(call("789", "+14155550103")).await.expect("789 of another source");
    assert_ne!(one.customer_ref, other.customer_ref, "two interactions, not one");
    let named = |source: &str| threadline::grpc::proto::GetInteractionRequest {
        source: source.into(),
        ..get("789")
    };
    let refusal = pbx.get(named("chat")).await;
    assert_refused(refusal, Code::PermissionDenied, "SOURCE_NOT_ALLOWED");
    let refusal = pbx.get(named("nobody")).await;
    assert_refused(refusal, Code::PermissionDenied, "SOURCE_NOT_ALLOWED");
    assert_eq!(pbx.get(named("pbx")).await.expect("its own").customer_ref, one.customer_ref);
    assert_eq!(desk.get(named("pbx")).await.expect("allowed").customer_ref, one.customer_ref);
    assert_refused(desk.get(named("chat")).await, Code::PermissionDenied, "SOURCE_NOT_ALLOWED");
    assert_refused(desk.get(get("789")).await, Code::NotFound, "INTERACTION_NOT_FOUND");
    let updating = |source: &str| threadline::grpc::proto::UpdateInteractionRequest {
        source: source.into(),
        agent_ref: "nina".into(),
        ..update("789", "u1")
    };
    desk.update(updating("pbx")).await.expect("allowed");
    let refusal = desk.update(updating("chat")).await;
    assert_refused(refusal, Code::PermissionDenied, "SOURCE_NOT_ALLOWED");
    let ending = |source: &str| threadline::grpc::proto::EndInteractionRequest {
        source: source.into(),
        ..end("789")
    };
    let refusal = chat.end(ending("pbx")).await;
    assert_refused(refusal, Code::PermissionDenied, "SOURCE_NOT_ALLOWED");
    desk.end(ending("pbx")).await.expect("allowed");
    assert_eq!(
        pbx.get(get("789")).await.expect("its own").interaction.expect("its facts").agent_ref,
        "nina"
    );
    world.close().await;
}

async fn another_tenant_does_not_exist(engine: Engine) {
    let world = World::on(engine).await;
    let all = ["telephony", "agent", "admin"];
    let ours = world.client(&World::new_key(&all)).await;
    let theirs = world.client(&NewKey { tenant: "globex".into(), ..World::new_key(&all) }).await;
    let known = theirs.start(call("theirs", "+14155550104")).await.expect("a start");
    theirs.end(end_with("theirs", "billing", IntentStatus::Open)).await.expect("an end");
    let made_up = threadline::ids::CustomerId([9; 16]).to_ref();

    // Each call once with what another tenant has, once with what nobody has.
    let by_ref =
        |named: &str| GetCustomerRequest { customer_ref: named.into(), ..Default::default() };
    let list =
        |named: &str| ListInteractionsRequest { customer_ref: named.into(), ..Default::default() };
    let pairs = [
        (refused(ours.get(get("theirs")).await), refused(ours.get(get("none")).await)),
        (
            refused(ours.update(update("theirs", "u")).await),
            refused(ours.update(update("none", "u")).await),
        ),
        (
            refused(ours.customer(by_ref(&known.customer_ref)).await),
            refused(ours.customer(by_ref(&made_up)).await),
        ),
        (
            refused(ours.list(list(&known.customer_ref)).await),
            refused(ours.list(list(&made_up)).await),
        ),
    ];
    for (one, other) in pairs {
        assert_eq!(one.code, Code::NotFound);
        assert_eq!(one, other);
    }
    // The same number, id and ref are news to us.
    let hints = external_hint("crm_id", "C-1");
    let start = start_with("ours", "voice", hints.clone());
    ours.start(start).await.expect("a start");
    let first = ours.start(call("theirs", "+14155550104")).await.expect("the same id, our own");
    assert!(first.new_customer);
    assert_ne!(first.customer_ref, known.customer_ref);
    for named in [&known.customer_ref, &made_up] {
        let refusal = ours.update(reject("ours", &format!("r-{named}"), Some(named))).await;
        assert_refused(refusal, Code::NotFound, "CUSTOMER_NOT_FOUND");
        let mut echoed = end(&format!("echo-{named}"));
        echoed.channel = "email".into();
        echoed.customer_ref.clone_from(named);
        let answer = ours.end(echoed).await.expect("an unknown ref is a warning");
        assert_ne!(&answer.customer_ref, named);
        let codes: Vec<&str> = answer.warnings.iter().map(|it| it.code.as_str()).collect();
        assert_eq!(codes, ["unknown_customer_ref"]);
    }
    assert_eq!(theirs.history(&known.customer_ref).await, ["theirs"], "nothing of ours got there");
    ours.update(confirm("ours", "c")).await.expect("our own can be confirmed");
    world.close().await;
}

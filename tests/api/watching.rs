//! Watching interactions: what is told, to whom, of which, and how soon.

use std::time::{Duration, Instant};

use threadline::clock::{Clock, HOUR};
use threadline::grpc::proto::{
    EndInteractionRequest, StartInteractionRequest, UpdateInteractionRequest,
    WatchInteractionsRequest,
};
use tonic::Code;

use super::access::second_instance;
use super::remembering::MONDAY;
use super::settling::{MAIL, NUMBER, staff};
use crate::support::client::assert_refused;
use crate::support::requests::{call, email_hint, end, reassign, start, start_with, update};
use crate::support::watcher::{everything, told};
use crate::support::{Client, Engine, Setup, TENANT, World, each_engine};

each_engine!(
    what_happens_is_told_once_in_order,
    only_what_is_asked_for,
    only_of_sources_that_the_key_may_address,
    only_agents_and_admins_watch,
    bad_requests_name_every_field,
    another_tenant_is_not_heard,
    what_another_instance_commits_is_told,
);

fn amended(id: &str, revision: i64) -> EndInteractionRequest {
    EndInteractionRequest { revision: Some(revision), summary: "more".into(), ..end(id) }
}

async fn what_happens_is_told_once_in_order(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut watcher = client.watch(everything()).await.expect("a stream");
    client.start(call("one", NUMBER)).await.expect("a start");
    client.start(call("one", NUMBER)).await.expect("the same again");
    client.update(update("one", "u")).await.expect("an update");
    client.end(end("one")).await.expect("an end");
    client.get(get_of("one")).await.expect("a read, which is no event");
    client.end(amended("one", 1)).await.expect("an amendment");
    client.end(amended("one", 0)).await.expect("a lower revision, which is ignored");
    let alone = EndInteractionRequest { channel: "email".into(), ..end("two") };
    client.end(alone).await.expect("an end without a start");
    client.start(start("two", "email")).await.expect("its start, late");
    client.reassign(reassign("one", "r", None)).await.expect("a reassignment");
    let expected = [
        ("STARTED", "one"),
        ("UPDATED", "one"),
        ("ENDED", "one"),
        ("AMENDED", "one"),
        ("ENDED", "two"),
        ("UPDATED", "two"),
        ("REASSIGNED", "one"),
    ];
    assert_eq!(watcher.events(expected.len()).await, told(&expected));
    client.start(start("last", "web_chat")).await.expect("a start");
    assert_eq!(watcher.events(1).await, told(&[("STARTED", "last")]), "and nothing else");
    world.close().await;
}

fn get_of(id: &str) -> threadline::grpc::proto::GetInteractionRequest {
    crate::support::requests::get(id)
}

/// A start with an agent and a queue.
fn at(id: &str, agent: &str, queue: &str) -> StartInteractionRequest {
    let channel = if id.starts_with("mail") { "email" } else { "voice" };
    StartInteractionRequest { agent_ref: agent.into(), queue: queue.into(), ..start(id, channel) }
}

async fn only_what_is_asked_for(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = client.start(call("past", NUMBER)).await.expect("a start").customer_ref;
    let of = |agent: &str, queue: &str, channel: &str, customer: &str| WatchInteractionsRequest {
        agent_ref: agent.into(),
        queue: queue.into(),
        channel: channel.into(),
        customer_ref: customer.into(),
        ..everything()
    };
    let mut nina = client.watch(of("nina", "", "", "")).await.expect("a stream");
    let mut sales = client.watch(of("", "sales", "", "")).await.expect("a stream");
    let mut mails = client.watch(of("", "", "email", "")).await.expect("a stream");
    let mut both = client.watch(of("nina", "sales", "voice", "")).await.expect("a stream");
    let mut theirs = client.watch(of("", "", "", &known)).await.expect("a stream");
    client.start(at("call 1", "nina", "sales")).await.expect("a start");
    client.start(at("call 2", "omar", "sales")).await.expect("a start");
    client.start(at("mail 1", "nina", "support")).await.expect("a start");
    // Handed over: whom it leaves is told, and so is whom it comes to.
    let over = UpdateInteractionRequest { agent_ref: "omar".into(), ..update("call 1", "u") };
    client.update(over).await.expect("an update");
    client.update(update("call 1", "v")).await.expect("an update");
    client.end(end("past")).await.expect("an end");
    let marks = ["nina", "sales", "voice"];
    client.start(at("last", marks[0], marks[1])).await.expect("a start");
    client.start(at("mail last", "", "")).await.expect("a start");
    client.reassign(reassign("past", "r", None)).await.expect("a reassignment");
    let expected =
        [("STARTED", "call 1"), ("STARTED", "mail 1"), ("UPDATED", "call 1"), ("STARTED", "last")];
    assert_eq!(nina.events(4).await, told(&expected));
    let expected = [
        ("STARTED", "call 1"),
        ("STARTED", "call 2"),
        ("UPDATED", "call 1"),
        ("UPDATED", "call 1"),
        ("STARTED", "last"),
    ];
    assert_eq!(sales.events(5).await, told(&expected));
    let expected = [("STARTED", "mail 1"), ("STARTED", "mail last")];
    assert_eq!(mails.events(2).await, told(&expected));
    let expected = [("STARTED", "call 1"), ("UPDATED", "call 1"), ("STARTED", "last")];
    assert_eq!(both.events(3).await, told(&expected));
    // It was theirs, and is told to have become somebody else's.
    assert_eq!(theirs.events(2).await, told(&[("ENDED", "past"), ("REASSIGNED", "past")]));
    world.close().await;
}

async fn only_of_sources_that_the_key_may_address(engine: Engine) {
    let world = World::on(engine).await;
    let pbx = world.of_source(&["telephony"], "pbx", &[]).await;
    let chat = world.of_source(&["telephony"], "chat", &[]).await;
    let desk = world.of_source(&["agent"], "desk", &["pbx"]).await;
    let mut watcher = desk.watch(everything()).await.expect("a stream");
    chat.start(start("hidden", "web_chat")).await.expect("a start");
    pbx.start(start("shown", "voice")).await.expect("a start");
    assert_eq!(watcher.events(1).await, told(&[("STARTED", "shown")]));
    let all = world.of_source(&["admin"], "office", &["pbx", "chat"]).await;
    let mut watcher = all.watch(everything()).await.expect("a stream");
    chat.end(end("hidden")).await.expect("an end");
    assert_eq!(watcher.events(1).await, told(&[("ENDED", "hidden")]));
    world.close().await;
}

async fn only_agents_and_admins_watch(engine: Engine) {
    let world = World::on(engine).await;
    let known = staff(&world).await.start(call("one", NUMBER)).await.expect("a start");
    for role in ["telephony", "bot", "helpdesk", "backfill", "insight"] {
        let refusal = world.role(role).await.watch(everything()).await;
        assert_refused(refusal, Code::PermissionDenied, "ROLE_REQUIRED");
    }
    let agent = world.role("agent").await;
    assert!(agent.watch(everything()).await.is_ok());
    let theirs = |who: &str| WatchInteractionsRequest { customer_ref: who.into(), ..everything() };
    let refusal = agent.watch(theirs(&known.customer_ref)).await;
    assert_refused(refusal, Code::PermissionDenied, "ROLE_REQUIRED");
    let admin = world.role("admin").await;
    assert!(admin.watch(theirs(&known.customer_ref)).await.is_ok());
    assert_refused(admin.watch(theirs("cus_nobody")).await, Code::NotFound, "CUSTOMER_NOT_FOUND");
    world.close().await;
}

async fn bad_requests_name_every_field(engine: Engine) {
    let world = World::on(engine).await;
    let agent = world.role("agent").await;
    let odd = WatchInteractionsRequest {
        resume_token: "x".repeat(65),
        customer_ref: "x".repeat(257),
        agent_ref: "a\u{1}".into(),
        queue: "q".repeat(129),
        channel: "Voice!".into(),
        view: 9,
        history_limit: Some(51),
    };
    let refusal = assert_refused(agent.watch(odd).await, Code::InvalidArgument, "INVALID_FIELD");
    let fields =
        ["agent_ref", "channel", "customer_ref", "history_limit", "queue", "resume_token", "view"];
    assert_eq!(refusal.names(), fields);
    world.close().await;
}

async fn another_tenant_is_not_heard(engine: Engine) {
    let world = World::on(engine).await;
    let own = staff(&world).await;
    let other = threadline::cli::keys::NewKey {
        tenant: "another".into(),
        ..World::new_key(&["telephony", "admin"])
    };
    assert_ne!(other.tenant, TENANT);
    let other = world.client(&other).await;
    let mut watcher = other.watch(everything()).await.expect("a stream");
    own.start(call("own", NUMBER)).await.expect("a start");
    other.start(call("theirs", NUMBER)).await.expect("a start");
    assert_eq!(watcher.events(1).await, told(&[("STARTED", "theirs")]));
    world.close().await;
}

async fn what_another_instance_commits_is_told(engine: Engine) {
    let world = World::on(engine).await;
    let other = second_instance(&world).await;
    let text = world.key(&World::new_key(&["telephony", "admin"])).await;
    let here = Client::connect(world.running.address, Some(&format!("Bearer {text}"))).await;
    let there = Client::connect(other.address, Some(&format!("Bearer {text}"))).await;
    let mut watcher = here.watch(everything()).await.expect("a stream");
    let ids: Vec<String> = (0..20).map(|number| format!("call {number}")).collect();
    for (number, id) in ids.iter().enumerate() {
        let client = if number % 2 == 0 { &there } else { &here };
        client.start(call(id, NUMBER)).await.expect("a start");
    }
    let expected: Vec<(&str, &str)> = ids.iter().map(|id| ("STARTED", id.as_str())).collect();
    assert_eq!(watcher.events(20).await, told(&expected));
    other.stop().await.expect("an orderly stop");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_sweep_closes_is_told_and_its_late_end_is_no_amendment() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let client = staff(&world).await;
    let mut watcher = client.watch(everything()).await.expect("a stream");
    client.start(call("voice", NUMBER)).await.expect("a start");
    clock.set(MONDAY.plus(24 * HOUR + 1));
    world.running.service.sweep().await.expect("a sweep");
    client.end(end("voice")).await.expect("a late, real end");
    let expected = [("STARTED", "voice"), ("CLOSED", "voice"), ("ENDED", "voice")];
    assert_eq!(watcher.events(3).await, told(&expected));
    world.close().await;
}

/// An idle stream says where it is, and a token of a heartbeat is as good as an event's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_events_has_a_heartbeat() {
    let world = World::on(Engine::Sqlite).await;
    let client = staff(&world).await;
    let of_queue = WatchInteractionsRequest { queue: "sales".into(), ..everything() };
    let mut watcher = client.watch(of_queue.clone()).await.expect("a stream");
    let before = watcher.token.clone();
    client.start(start_with("other", "email", email_hint(MAIL))).await.expect("a start");
    let begun = Instant::now();
    let beat = watcher.message().await.expect("a heartbeat");
    assert!(beat.shown.is_none() && begun.elapsed() < Duration::from_secs(30));
    assert_ne!(beat.token, before, "what is nothing for this stream was passed over");
    let again = WatchInteractionsRequest { resume_token: beat.token, ..of_queue };
    let mut watcher = client.watch(again).await.expect("the stream again");
    client.start(at("sale", "", "sales")).await.expect("a start");
    assert_eq!(watcher.events(1).await, told(&[("STARTED", "sale")]));
    world.close().await;
}

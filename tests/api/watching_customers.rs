//! Watching one customer: their contacts, wherever they come from, and changes beside any contact.

use threadline::cli::keys::NewKey;
use threadline::clock::{Clock, DAY};
use threadline::grpc::proto::WatchCustomerRequest;
use tonic::Code;

use super::customers::{mail, upsert};
use super::merging::join;
use super::remembering::MONDAY;
use super::settling::{MAIL, NUMBER, staff};
use super::ties::{identifier, link};
use crate::support::client::assert_refused;
use crate::support::requests::{
    call, email_hint, end, landline_call, reassign, start_with, unmerge,
};
use crate::support::watcher::{name, told};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    what_happens_to_a_customer_is_told,
    merging_and_parting_are_told_to_both_sides,
    an_agent_watches_through_an_interaction_only,
);

pub(super) fn of(customer_ref: &str) -> WatchCustomerRequest {
    WatchCustomerRequest { customer_ref: customer_ref.into(), ..Default::default() }
}

fn through(interaction_id: &str) -> WatchCustomerRequest {
    WatchCustomerRequest { interaction_id: interaction_id.into(), ..Default::default() }
}

/// Somebody with a past, for whom the caller of `one` is taken.
async fn taken(client: &Client) -> String {
    let known = client.start(call("past", NUMBER)).await.expect("a start").customer_ref;
    client.end(end("past")).await.expect("an end");
    let one = client.start(call("one", NUMBER)).await.expect("a start");
    assert_eq!((&one.customer_ref, one.new_customer), (&known, false));
    known
}

async fn what_happens_to_a_customer_is_told(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let chat = world.of_source(&["telephony"], "chat", &[]).await;
    let known = taken(&client).await;
    let mut watcher = client.watch_customer(of(&known)).await.expect("a stream");
    client.start(call("somebody else's", "+14155550999")).await.expect("a start");
    client.end(end("one")).await.expect("an end");
    chat.start(call("from elsewhere", NUMBER)).await.expect("a start");
    client.link(link("l", &known, identifier("external", "crm_id", "C-1"))).await.expect("a link");
    client.reassign(reassign("one", "r", None)).await.expect("a reassignment");
    let expected = ["ENDED", "STARTED", "CUSTOMER_CHANGED", "REASSIGNED"];
    for what in expected {
        let event = watcher.event().await;
        assert_eq!(name(event.kind), what);
        assert_eq!(event.customer_ref, known, "{what}");
        assert_eq!(event.shown.is_none(), what == "CUSTOMER_CHANGED", "{what}");
        if what == "REASSIGNED" {
            // It is somebody else's by now, of whom this is not the place to tell.
            let facts = event.shown().interaction.as_ref().expect("its facts");
            assert_eq!((event.id(), facts.source.as_str()), ("one", "default"));
            assert_eq!((event.shown().customer_ref.as_str(), facts.channel.as_str()), ("", ""));
        }
    }
    world.close().await;
}

async fn merging_and_parting_are_told_to_both_sides(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let one = client.start(call("one", NUMBER)).await.expect("a start").customer_ref;
    let other = client.upsert(upsert("p", vec![mail(MAIL)])).await.expect("an upsert");
    let other = other.customer.expect("them").customer_ref;
    let mut of_one = client.watch_customer(of(&one)).await.expect("a stream");
    let mut of_other = client.watch_customer(of(&other)).await.expect("a stream");
    let merge = join(&client, "join", &one, &other).await;
    // As one person, what happens to either is told.
    client.end(end("one")).await.expect("an end");
    for watcher in [&mut of_one, &mut of_other] {
        let expected = [("CUSTOMER_MERGED", ""), ("ENDED", "one")];
        assert_eq!(watcher.events(2).await, told(&expected));
    }
    client.unmerge(unmerge("part", &merge)).await.expect("an unmerge");
    for watcher in [&mut of_one, &mut of_other] {
        assert_eq!(watcher.events(1).await, told(&[("CUSTOMER_UNMERGED", "")]));
    }
    client.start(call("two", NUMBER)).await.expect("a start");
    client.start(start_with("mail", "email", email_hint(MAIL))).await.expect("a start");
    assert_eq!(of_one.events(1).await, told(&[("STARTED", "two")]));
    assert_eq!(of_other.events(1).await, told(&[("STARTED", "mail")]));
    world.close().await;
}

async fn an_agent_watches_through_an_interaction_only(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let agent = world.role("agent").await;
    let known = taken(&client).await;
    let refused = |it| assert_refused(it, Code::PermissionDenied, "ROLE_REQUIRED");
    refused(agent.watch_customer(of(&known)).await);
    refused(world.role("telephony").await.watch_customer(through("one")).await);
    let nothing = agent.watch_customer(WatchCustomerRequest::default()).await;
    assert_refused(nothing, Code::InvalidArgument, "INVALID_FIELD");
    let unknown = agent.watch_customer(through("never heard of")).await;
    assert_refused(unknown, Code::NotFound, "INTERACTION_NOT_FOUND");
    let mut watcher = agent.watch_customer(through("one")).await.expect("a stream");
    client.start(call("two", NUMBER)).await.expect("a start");
    assert_eq!(watcher.events(1).await, told(&[("STARTED", "two")]));
    // Of a call elsewhere GetInteraction shows this key nothing: it may be anybody on that line.
    let elsewhere = world.of_source(&["telephony"], "crm", &[]).await;
    elsewhere.start(landline_call("there", NUMBER)).await.expect("a start");
    let event = watcher.event().await;
    let shown = event.shown();
    let facts = shown.interaction.as_ref().expect("its facts");
    assert_eq!((&*facts.interaction_id, &*facts.source, &*facts.channel), ("there", "crm", ""));
    assert!(shown.identity.is_none() && shown.customer_ref.is_empty());
    // It was not theirs: what happens to that customer is not the agent's affair any more.
    client.reassign(reassign("one", "r", None)).await.expect("a reassignment");
    client.end(end("two")).await.expect("an end");
    let end = watcher.message().await.err().expect("nothing more").refusal;
    let said = (end.code, end.reason.as_str());
    assert_eq!(said, (Code::FailedPrecondition, "INTERACTION_NOT_SETTLED"), "{end:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_who_is_gone_is_watched_no_more_and_passed_over() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let roles = ["telephony", "admin"];
    let test: Client = world.client(&NewKey { test: true, ..World::new_key(&roles) }).await;
    let gone = test.start(call("old", NUMBER)).await.expect("a start").customer_ref;
    let token = test.watch(Default::default()).await.expect("a stream").token;
    let mut theirs = test.watch_customer(of(&gone)).await.expect("a stream");
    test.end(end("old")).await.expect("an end");
    clock.set(MONDAY.plus(5 * DAY));
    test.start(call("young", "+14155550177")).await.expect("a start");
    clock.set(MONDAY.plus(7 * DAY + 1));
    assert_eq!(world.running.service.sweep().await.expect("a sweep").purged, 1);
    let end = theirs.end().await.refusal;
    assert_eq!((end.code, end.reason.as_str()), (Code::NotFound, "CUSTOMER_NOT_FOUND"));
    let mut late = test.watch(crate::support::watcher::after(&token)).await.expect("a stream");
    assert_eq!(late.events(1).await, told(&[("STARTED", "young")]), "what is gone is passed over");
    world.close().await;
}

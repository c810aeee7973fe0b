//! What is remembered: matters and attempts, values and their time, lasting values.

use threadline::clock::{Clock, DAY, HOUR, MINUTE, Time};
use threadline::grpc::proto::{
    Direction, EndInteractionRequest, Intent, IntentStatus, OpenIntent, ProfileAttributeInput,
    Sensitivity, StartInteractionRequest, VariableInput, Verification,
};

use super::settling::{MAIL, NUMBER, staff};
use crate::support::client::{Said, said};
use crate::support::requests::{
    at, call, confirm, email_hint, end, end_with, intent_of, landline_call, start_with, variable,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    attempts_are_contacts_since_it_was_last_settled,
    references_are_matters_of_their_own,
    a_chain_of_continuations_is_one_attempt,
    nobody_reached_is_no_attempt,
    the_newest_value_wins_and_may_be_cleared,
    sensitive_things_wait_for_a_secret,
    a_bot_sees_nothing_sensitive,
    lasting_values_last,
);

/// A contact of the usual caller that says this of one matter.
async fn contact(client: &Client, id: &str, status: IntentStatus) -> Vec<OpenIntent> {
    let answer = client.start(call(id, NUMBER)).await.expect("a start");
    client.end(end_with(id, "billing", status)).await.expect("an end");
    answer.open_intents
}

async fn attempts_are_contacts_since_it_was_last_settled(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    assert!(contact(&client, "1", IntentStatus::Open).await.is_empty());
    assert_eq!(contact(&client, "2", IntentStatus::Escalated).await[0].attempt_count, 1);
    let two = contact(&client, "3", IntentStatus::Open).await;
    assert_eq!((two.len(), two[0].attempt_count), (1, 2));
    assert!(two[0].status() == IntentStatus::Escalated, "as it was last said");
    assert_eq!(two[0].last_channel, "voice");
    assert!(two[0].first_time.expect("a time").seconds <= two[0].last_time.expect("one").seconds);
    // A contact that does not mention it leaves it as it is.
    client.start(call("4", NUMBER)).await.expect("a start");
    client.end(end("4")).await.expect("an end");
    assert_eq!(contact(&client, "5", IntentStatus::Resolved).await[0].attempt_count, 3);
    assert!(contact(&client, "6", IntentStatus::Open).await.is_empty(), "it was settled");
    assert_eq!(contact(&client, "7", IntentStatus::Abandoned).await[0].attempt_count, 1);
    assert!(contact(&client, "8", IntentStatus::Open).await.is_empty(), "it was given up");
    world.close().await;
}

async fn references_are_matters_of_their_own(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let of = |reference: &str, status| Intent {
        reference: reference.into(),
        ..intent_of("order", status)
    };
    client.start(call("1", NUMBER)).await.expect("a start");
    let both = vec![of("A-1", IntentStatus::Open), of("B-2", IntentStatus::Open)];
    client.end(EndInteractionRequest { intents: both, ..end("1") }).await.expect("an end");
    client.start(call("2", NUMBER)).await.expect("a start");
    let one = vec![of("A-1", IntentStatus::Resolved)];
    client.end(EndInteractionRequest { intents: one, ..end("2") }).await.expect("an end");
    let open = client.start(call("3", NUMBER)).await.expect("a start").open_intents;
    let names: Vec<&str> = open.iter().map(|it| it.reference.as_str()).collect();
    assert_eq!(names, ["B-2"]);
    world.close().await;
}

async fn a_chain_of_continuations_is_one_attempt(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    contact(&client, "1", IntentStatus::Open).await;
    for (id, before) in [("2", "1"), ("3", "2")] {
        let transfer = StartInteractionRequest {
            continues_interaction_id: before.into(),
            ..call(id, "+14155559999")
        };
        let answer = client.start(transfer).await.expect("a start");
        assert_eq!(said(&answer), Said::Reuse, "identity is kept");
        client.end(end_with(id, "billing", IntentStatus::Open)).await.expect("an end");
    }
    let open = client.start(call("4", NUMBER)).await.expect("a start").open_intents;
    assert_eq!(open[0].attempt_count, 1, "one contact in three parts");
    world.close().await;
}

async fn nobody_reached_is_no_attempt(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    contact(&client, "1", IntentStatus::Open).await;
    let mut back = call("2", "+18005550100");
    back.direction = Direction::Outbound.into();
    back.identity_hints.as_mut().expect("hints").dialed_number = NUMBER.into();
    let answer = client.start(back).await.expect("a start");
    assert!(!answer.new_customer, "the dialled number identifies");
    let unanswered = EndInteractionRequest {
        disposition: "no_answer".into(),
        ..end_with("2", "billing", IntentStatus::Open)
    };
    client.end(unanswered).await.expect("an end");
    let open = client.start(call("3", NUMBER)).await.expect("a start").open_intents;
    assert_eq!(open[0].attempt_count, 1);
    world.close().await;
}

async fn the_newest_value_wins_and_may_be_cleared(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    for (id, value) in [("1", "red"), ("2", "blue")] {
        client.start(call(id, NUMBER)).await.expect("a start");
        let ended = EndInteractionRequest { variables: variable("colour", value), ..end(id) };
        client.end(ended).await.expect("an end");
    }
    let answer = client.start(call("3", NUMBER)).await.expect("a start");
    let colour = &answer.variables["colour"];
    assert_eq!((colour.value.as_str(), colour.ttl_seconds), ("blue", 2_592_000));
    let source = colour.source.as_ref().expect("a source");
    assert_eq!((source.channel.as_str(), source.interaction_id.as_str()), ("voice", "2"));
    let cleared = EndInteractionRequest { clear_variables: vec!["colour".into()], ..end("3") };
    assert_eq!(client.end(cleared).await.expect("an end").variables_updated, 1);
    let answer = client.start(call("4", NUMBER)).await.expect("a start");
    assert!(answer.variables.is_empty(), "cleared, and the older ones with it");
    world.close().await;
}

fn sensitive(value: &str) -> VariableInput {
    let sensitivity = Sensitivity::Sensitive.into();
    VariableInput { value: value.into(), ttl_seconds: None, sensitivity }
}

/// A contact that leaves much that is sensitive, and a little that is not.
async fn delicate(client: &Client) {
    client.start(call("delicate", NUMBER)).await.expect("a start");
    let mut ended = EndInteractionRequest {
        sensitivity: Sensitivity::Sensitive.into(),
        summary: "a secret matter".into(),
        ..end_with("delicate", "debt", IntentStatus::Open)
    };
    ended.variables = variable("colour", "red");
    ended.variables.insert("balance".into(), sensitive("-17.50"));
    let kept = ProfileAttributeInput {
        value: "diabetes".into(),
        sensitivity: Sensitivity::Sensitive.into(),
    };
    ended.profile = [("illness".to_owned(), kept)].into();
    client.end(ended).await.expect("an end");
}

async fn sensitive_things_wait_for_a_secret(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    delicate(&client).await;
    let answer = client.start(call("next", NUMBER)).await.expect("a start");
    assert_eq!(said(&answer), Said::Reuse);
    let names: Vec<&str> = answer.variables.keys().map(String::as_str).collect();
    assert_eq!(names, ["colour"]);
    assert!(answer.open_intents.is_empty() && answer.profile.is_empty());
    assert_eq!(answer.withheld_variables, ["balance", "illness"]);
    assert_eq!(answer.withheld_count, 4, "value, attribute, matter and summary");
    assert_eq!(answer.recent_interactions[0].summary, "");
    assert!(!answer.brief.contains("secret") && !answer.brief.contains("debt"));
    let mut proved = confirm("next", "pin");
    proved.verification = Verification::Pin.into();
    let answer = client.update(proved).await.expect("a confirmation");
    assert_eq!((answer.withheld_count, answer.withheld_variables.len()), (0, 0));
    assert_eq!(answer.variables["balance"].value, "-17.50");
    assert_eq!(answer.profile["illness"].value, "diabetes");
    assert_eq!(answer.open_intents[0].intent, "debt");
    assert_eq!(answer.recent_interactions[0].summary, "a secret matter");
    world.close().await;
}

async fn a_bot_sees_nothing_sensitive(engine: Engine) {
    let world = World::on(engine).await;
    let (client, bot) = (staff(&world).await, world.role("bot").await);
    delicate(&client).await;
    bot.start(call("bot", NUMBER)).await.expect("a start");
    let mut proved = confirm("bot", "pin");
    proved.verification = Verification::Pin.into();
    let answer = bot.update(proved).await.expect("a confirmation");
    assert_eq!(said(&answer), Said::Reuse);
    assert_eq!(answer.withheld_count, 4, "not even after a PIN");
    let names: Vec<&str> = answer.variables.keys().map(String::as_str).collect();
    assert_eq!(names, ["colour"]);
    world.close().await;
}

async fn lasting_values_last(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let named = |name: &str, value: &str| {
        let input = ProfileAttributeInput { value: value.into(), ..Default::default() };
        [(name.to_owned(), input)].into()
    };
    client.start(call("1", NUMBER)).await.expect("a start");
    let ended = EndInteractionRequest { profile: named("name", "Jo Miller"), ..end("1") };
    client.end(ended).await.expect("an end");
    let answer = client.start(call("2", NUMBER)).await.expect("a start");
    assert_eq!(answer.profile["name"].value, "Jo Miller");
    assert!(answer.profile["name"].update_time.is_some());
    // A candidate is named by initials and two digits.
    let asked = client.start(landline_call("3", NUMBER)).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    assert_eq!(asked.identity.expect("an identity").candidates[0].label, "J. M. ··01");
    let ended = EndInteractionRequest { clear_profile: vec!["name".into()], ..end("2") };
    client.end(ended).await.expect("an end");
    let answer = client.start(call("4", NUMBER)).await.expect("a start");
    assert!(answer.profile.is_empty());
    world.close().await;
}

/// 2026-11-02, 14:00 UTC: a Monday.
pub(super) const MONDAY: Time = Time(1_793_628_000_000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_are_never_returned_past_their_time() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let client = staff(&world).await;
    let hour = VariableInput { value: "x".into(), ttl_seconds: Some(3_600), sensitivity: 0 };
    let mail = |id: &str| start_with(id, "email", email_hint(MAIL));
    client.start(mail("1")).await.expect("a start");
    let mut ended = end("1");
    ended.variables = variable("month", "y");
    ended.variables.insert("hour".into(), hour);
    client.end(ended).await.expect("an end");
    let names = async |id: &str| -> Vec<String> {
        let answer = client.start(mail(id)).await.expect("a start");
        assert_eq!(said(&answer), Said::Reuse);
        answer.variables.into_keys().collect()
    };
    assert_eq!(names("2").await, ["hour", "month"]);
    clock.set(MONDAY.plus(HOUR - 1));
    assert_eq!(names("3").await, ["hour", "month"]);
    clock.set(MONDAY.plus(HOUR));
    assert_eq!(names("4").await, ["month"], "not even from the cache");
    clock.set(MONDAY.plus(30 * DAY - 1));
    assert_eq!(
        client
            .person(&client.start(mail("5")).await.expect("a start").customer_ref)
            .await
            .variables
            .len(),
        1
    );
    clock.set(MONDAY.plus(30 * DAY));
    let known = client.start(mail("6")).await.expect("a start").customer_ref;
    assert!(client.person(&known).await.variables.is_empty());
    world.close().await;
}

/// An end may say that it was earlier than one that is known. What it sets is hidden by what was set
/// after it, and stays so when that has expired.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_comes_late_does_not_outlive_what_hides_it() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let client = staff(&world).await;
    let mail = |id: &str| start_with(id, "email", email_hint(MAIL));
    client.start(mail("late")).await.expect("a start");
    client.start(mail("prompt")).await.expect("a start");
    clock.set(MONDAY.plus(HOUR));
    let short = VariableInput { value: "new".into(), ttl_seconds: Some(3_600), sensitivity: 0 };
    let variables = [("plan".to_owned(), short)].into();
    client.end(EndInteractionRequest { variables, ..end("prompt") }).await.expect("an end");
    let end_time = at(MONDAY.plus(MINUTE));
    let late =
        EndInteractionRequest { variables: variable("plan", "old"), end_time, ..end("late") };
    client.end(late).await.expect("an end");
    let plan = async |id: &str| {
        let mut answer = client.start(mail(id)).await.expect("a start");
        answer.variables.remove("plan").map(|it| it.value)
    };
    assert_eq!(plan("1").await.as_deref(), Some("new"));
    clock.set(MONDAY.plus(2 * HOUR));
    assert_eq!(plan("2").await, None, "what was older does not come back");
    world.close().await;
}

//! What is said of a contact after its end: of which time it is, and what it changes of what was said.

use threadline::clock::{DAY, HOUR, MINUTE, Time};
use threadline::context::ConsentState::{Granted, Withdrawn};
use threadline::grpc::proto::{
    EndInteractionRequest, GetCustomerResponse, Intent, IntentStatus, ProfileAttributeInput,
    Sensitivity, StartInteractionResponse, UpdateInteractionRequest, VariableInput, Verification,
};

use super::consents::consent;
use super::settling::{NUMBER, assert_silent, somebody, staff};
use crate::support::client::{Said, said};
use crate::support::requests::{
    at, call, confirm, end, end_with, get, intent_of, landline_call, number_hint, update, variable,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    a_withdrawal_that_an_amendment_tells_counts,
    values_of_an_amendment_are_of_its_own_time,
    what_waited_is_of_the_time_it_was_said_at,
    a_late_score_opens_nothing_again,
    an_end_opens_nothing_that_was_settled_after_it,
    what_an_update_named_stays_as_it_said,
    what_turns_out_to_be_sensitive_hides_its_intents,
    who_was_overtaken_is_told_so,
);

/// A contact of theirs is there, and ended then.
fn ended(request: EndInteractionRequest, time: Time) -> EndInteractionRequest {
    EndInteractionRequest {
        start_time: at(time.plus(-MINUTE)),
        end_time: at(time),
        revision: Some(1),
        ..request
    }
}

/// A call from the usual number that ended then.
async fn contact(client: &Client, request: EndInteractionRequest, time: Time) {
    client.start(call(&request.interaction_id, NUMBER)).await.expect("a start");
    client.end(ended(request, time)).await.expect("an end");
}

/// Somebody who has called once, and said nothing.
async fn caller(client: &Client) -> String {
    let known = client.start(call("first", NUMBER)).await.expect("a start").customer_ref;
    client.end(end("first")).await.expect("an end");
    known
}

/// An end's next version, which says nothing of the time.
fn amended(id: &str, revision: i64) -> EndInteractionRequest {
    EndInteractionRequest { revision: Some(revision), ..end(id) }
}

/// An update that names one matter.
fn names(
    id: &str,
    update_id: &str,
    intent: &str,
    status: IntentStatus,
) -> UpdateInteractionRequest {
    UpdateInteractionRequest { intents: vec![intent_of(intent, status)], ..update(id, update_id) }
}

fn open(person: &GetCustomerResponse) -> Vec<&str> {
    person.open_intents.iter().map(|it| it.intent.as_str()).collect()
}

async fn a_withdrawal_that_an_amendment_tells_counts(engine: Engine) {
    let settings = "[tenants.acme]\ndisclosure_requires_consent = \"history\"\n";
    let world = Setup::on(engine).settings(settings).open().await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let now = world.now();
    for (id, age) in [("c1", 3 * HOUR), ("c2", 2 * HOUR)] {
        let agrees = EndInteractionRequest { consents: consent("history", Granted), ..end(id) };
        contact(&client, agrees, now.plus(-age)).await;
    }
    let shown = client.start(call("shown", NUMBER)).await.expect("a start");
    assert_eq!((said(&shown), shown.open_intents.len()), (Said::Reuse, 1));
    let consents = consent("history", Withdrawn);
    let withdrawn = EndInteractionRequest { consents, ..amended("c1", 2) };
    client.end(withdrawn).await.expect("an amendment");
    let next = client.start(call("next", NUMBER)).await.expect("a start");
    assert_eq!((said(&next), &next.customer_ref), (Said::Reuse, &known));
    assert!(next.warnings.iter().any(|it| it.code == "consent_missing"));
    assert_silent(&StartInteractionResponse { withheld_count: 0, ..next });
    world.close().await;
}

async fn values_of_an_amendment_are_of_its_own_time(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = caller(&client).await;
    let now = world.now();
    let named = |name: &str| {
        let input = ProfileAttributeInput { value: name.into(), ..Default::default() };
        [("name".to_owned(), input)].into()
    };
    let set = |status: &str, name: &str, request: EndInteractionRequest| EndInteractionRequest {
        variables: variable("status", status),
        profile: named(name),
        ..request
    };
    contact(&client, set("open", "Ada", end("a1")), now.plus(-3 * HOUR)).await;
    contact(&client, set("paid", "Ida", end("a2")), now.plus(-2 * HOUR)).await;
    let variables = variable("status", "shipped");
    let shipped = UpdateInteractionRequest { variables, ..update("a1", "u") };
    client.update(shipped).await.expect("an update");
    client.end(set("delivered", "Eda", amended("a1", 2))).await.expect("an amendment");
    let person = client.person(&known).await;
    assert_eq!(person.variables["status"].value, "delivered");
    assert_eq!(person.profile["name"].value, "Eda");
    let shown = client.get(get("a1")).await.expect("it").interaction.expect("its facts");
    assert_eq!(shown.end_time, at(now.plus(-3 * HOUR)), "nothing was said of when it ended");
    // One that says when is of that time.
    let end_time = at(now.plus(-HOUR));
    let dated = EndInteractionRequest { end_time, ..set("packed", "Uda", amended("a1", 3)) };
    client.end(dated).await.expect("an amendment");
    let person = client.person(&known).await;
    assert_eq!(person.variables["status"].value, "delivered");
    assert_eq!(person.profile["name"].value, "Eda");
    // What lives for a day lives from now on, though the contact ended long ago.
    contact(&client, end("old"), now.plus(-6 * DAY)).await;
    let code = VariableInput {
        value: "4711".into(),
        ttl_seconds: Some(86_400),
        ..VariableInput::default()
    };
    let variables = [("code".to_owned(), code)].into();
    let late = EndInteractionRequest { variables, ..amended("old", 2) };
    client.end(late).await.expect("an amendment");
    let person = client.person(&known).await;
    let expire = person.variables["code"].expire_time.expect("a time");
    assert!(expire.seconds >= now.plus(DAY).0 / 1_000, "{expire:?}");
    world.close().await;
}

async fn what_waited_is_of_the_time_it_was_said_at(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = caller(&client).await;
    let now = world.now();
    let asked = client.start(landline_call("asked", NUMBER)).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    let open_then = EndInteractionRequest {
        variables: variable("size", "M"),
        ..end_with("asked", "returns", IntentStatus::Open)
    };
    client.end(ended(open_then, now.plus(-3 * HOUR))).await.expect("an end");
    let settled_then = EndInteractionRequest {
        variables: variable("size", "L").into_iter().chain(variable("status", "paid")).collect(),
        ..end_with("other", "returns", IntentStatus::Resolved)
    };
    contact(&client, settled_then, now.plus(-2 * HOUR)).await;
    let meanwhile = UpdateInteractionRequest {
        variables: variable("status", "shipped"),
        ..names("asked", "meanwhile", "exchange", IntentStatus::Open)
    };
    client.update(meanwhile).await.expect("an update");
    client.update(confirm("asked", "yes")).await.expect("a confirmation");
    let person = client.person(&known).await;
    assert_eq!(open(&person), ["exchange"], "the other was settled after it was said");
    assert_eq!(person.variables["size"].value, "L", "said after the contact's end");
    assert_eq!(person.variables["status"].value, "shipped", "said just now");
    world.close().await;
}

async fn a_late_score_opens_nothing_again(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = caller(&client).await;
    let now = world.now();
    for (id, age) in [("a1", 3 * HOUR), ("a2", 2 * HOUR)] {
        contact(&client, end_with(id, "billing", IntentStatus::Open), now.plus(-age)).await;
    }
    let resolved = names("a1", "u", "billing", IntentStatus::Resolved);
    client.update(resolved).await.expect("an update");
    assert!(open(&client.person(&known).await).is_empty());
    let scored = EndInteractionRequest { csat: Some(5), ..amended("a1", 2) };
    client.end(scored).await.expect("a late score");
    assert!(open(&client.person(&known).await).is_empty(), "a score is no word of the matter");
    // A web-hook says all of the ticket again, as it was.
    let again = |id, revision, status| EndInteractionRequest {
        csat: Some(6),
        intents: vec![intent_of("billing", status)],
        ..amended(id, revision)
    };
    client.end(again("a2", 2, IntentStatus::Open)).await.expect("a late score");
    client.end(again("a1", 3, IntentStatus::Resolved)).await.expect("a late score");
    assert!(open(&client.person(&known).await).is_empty(), "the same again is no news");
    let end_time = at(now.plus(-3 * HOUR));
    let dated = EndInteractionRequest { end_time, ..again("a1", 4, IntentStatus::Open) };
    client.end(dated).await.expect("a late score");
    assert!(open(&client.person(&known).await).is_empty(), "it was open then, and is settled");
    // And here the ticket is opened again.
    client.end(again("a1", 5, IntentStatus::Open)).await.expect("a ticket that is opened again");
    let person = client.person(&known).await;
    assert_eq!(open(&person), ["billing"]);
    assert_eq!(person.open_intents[0].attempt_count, 2, "each contact is one attempt");
    let last = person.open_intents[0].last_time.expect("a time");
    assert!(last.seconds >= now.0 / 1_000, "it is open now");
    assert_eq!(person.contact_count, 3);
    world.close().await;
}

async fn an_end_opens_nothing_that_was_settled_after_it(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = caller(&client).await;
    let now = world.now();
    for id in ["one", "two"] {
        client.start(call(id, NUMBER)).await.expect("a start");
    }
    let resolved = names("one", "u", "returns", IntentStatus::Resolved);
    client.update(resolved).await.expect("an update");
    let ends = |id, revision, intent, status, age: i64| EndInteractionRequest {
        start_time: at(now.plus(-3 * HOUR)),
        end_time: at(now.plus(-age)),
        revision: Some(revision),
        ..end_with(id, intent, status)
    };
    client.end(ends("one", 1, "returns", IntentStatus::Open, HOUR)).await.expect("an end");
    assert!(open(&client.person(&known).await).is_empty(), "it was settled after the end");
    let again = vec![intent_of("returns", IntentStatus::Escalated)];
    let again = EndInteractionRequest { intents: again, ..amended("one", 2) };
    client.end(again).await.expect("an amendment");
    assert_eq!(open(&client.person(&known).await), ["returns"], "opened again");
    let earlier = ends("one", 3, "returns", IntentStatus::Open, 2 * HOUR);
    client.end(earlier).await.expect("an amendment");
    assert!(open(&client.person(&known).await).is_empty(), "that was a mistake");
    // Of what only ends name the newest revision counts, though it says that it ended earlier.
    client.end(ends("two", 1, "exchange", IntentStatus::Open, HOUR)).await.expect("an end");
    assert_eq!(open(&client.person(&known).await), ["exchange"]);
    let earlier = ends("two", 2, "exchange", IntentStatus::Resolved, 2 * HOUR);
    client.end(earlier).await.expect("an amendment");
    assert!(open(&client.person(&known).await).is_empty());
    world.close().await;
}

async fn what_an_update_named_stays_as_it_said(engine: Engine) {
    let world = World::on(engine).await;
    let (client, telephony) = (staff(&world).await, world.role("telephony").await);
    caller(&client).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let private = Intent {
        sensitivity: Sensitivity::Sensitive.into(),
        ..intent_of("divorce", IntentStatus::Open)
    };
    let intents = vec![private, intent_of("debt", IntentStatus::Escalated)];
    let named = UpdateInteractionRequest { intents, ..update("one", "u") };
    client.update(named).await.expect("an update");
    let ends = |revision, complete, intents: &[(&str, IntentStatus)]| EndInteractionRequest {
        complete,
        intents: intents.iter().map(|(intent, status)| intent_of(intent, *status)).collect(),
        ..amended("one", revision)
    };
    let all = [
        ("divorce", IntentStatus::Open),
        ("debt", IntentStatus::Resolved),
        ("fees", IntentStatus::Open),
    ];
    let seen = async |id: &str| {
        let answer = telephony.start(call(id, NUMBER)).await.expect("a start");
        assert_eq!(said(&answer), Said::Reuse);
        answer.open_intents.into_iter().map(|it| it.intent).collect::<Vec<String>>()
    };
    client.end(ends(1, false, &all)).await.expect("an end");
    assert_eq!(seen("a").await, ["fees"]);
    // What only an end named is not so any more; the rest is, and for as few eyes.
    let normal = Intent {
        sensitivity: Sensitivity::Normal.into(),
        ..intent_of("divorce", IntentStatus::Open)
    };
    let lowered = EndInteractionRequest { intents: vec![normal], ..ends(2, true, &[]) };
    client.end(lowered).await.expect("an amendment");
    assert_eq!(seen("b").await, ["debt"]);
    client.end(ends(3, true, &[])).await.expect("an amendment");
    assert_eq!(seen("c").await, ["debt"]);
    let proved =
        UpdateInteractionRequest { verification: Verification::Pin.into(), ..confirm("c", "pin") };
    let opened = client.update(proved).await.expect("a proof");
    assert_eq!(opened.open_intents.len(), 2, "nothing of the update's was taken away");
    world.close().await;
}

async fn what_turns_out_to_be_sensitive_hides_its_intents(engine: Engine) {
    let world = World::on(engine).await;
    let (client, telephony) = (staff(&world).await, world.role("telephony").await);
    caller(&client).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let named = names("one", "before", "divorce", IntentStatus::Open);
    client.update(named).await.expect("an update");
    let first = end_with("one", "debt", IntentStatus::Open);
    client.end(EndInteractionRequest { revision: Some(1), ..first }).await.expect("an end");
    let seen = async |id: &str| {
        let answer = telephony.start(call(id, NUMBER)).await.expect("a start");
        assert_eq!(said(&answer), Said::Reuse);
        let recent = answer.recent_interactions.iter().map(|it| it.intents.len()).sum::<usize>();
        (answer.open_intents.len(), recent)
    };
    assert_eq!(seen("a").await, (2, 2));
    let raised = EndInteractionRequest {
        sensitivity: Sensitivity::Sensitive.into(),
        summary: "cannot pay, lives apart".into(),
        ..amended("one", 2)
    };
    client.end(raised).await.expect("an amendment");
    assert_eq!(seen("b").await, (0, 0), "both are hidden with the summary");
    // Whoever says them again, and nothing of who may see them, does not lower it.
    let intents = vec![intent_of("debt", IntentStatus::Escalated)];
    client.end(EndInteractionRequest { intents, ..amended("one", 3) }).await.expect("an amendment");
    let named = names("one", "after", "divorce", IntentStatus::Escalated);
    client.update(named).await.expect("an update");
    assert_eq!(seen("c").await, (0, 0));
    let proved =
        UpdateInteractionRequest { verification: Verification::Pin.into(), ..confirm("c", "pin") };
    let opened = client.update(proved).await.expect("a proof");
    assert_eq!(opened.open_intents.len(), 2);
    world.close().await;
}

async fn who_was_overtaken_is_told_so(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = caller(&client).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let told = async |request: EndInteractionRequest| {
        let answer = client.end(request).await.expect("acknowledged");
        let warnings = answer.warnings.into_iter().map(|it| (it.code, it.field));
        warnings.collect::<Vec<(String, String)>>()
    };
    assert!(told(amended("one", 5)).await.is_empty());
    let older = EndInteractionRequest {
        consents: consent("history", Withdrawn),
        variables: variable("status", "open"),
        ..amended("one", 3)
    };
    let ignored = [("revision_ignored".to_owned(), "revision".to_owned())];
    assert_eq!(told(older.clone()).await, ignored);
    assert_eq!(told(older).await, ignored, "however often");
    let person = client.person(&known).await;
    assert!(person.consents.is_empty() && person.variables.is_empty());
    // One that was saved before a higher one came is a replay.
    assert!(told(amended("one", 7)).await.is_empty());
    assert!(told(amended("one", 5)).await.is_empty());
    assert!(told(amended("one", 7)).await.is_empty());
    let other = EndInteractionRequest { summary: "another".into(), ..amended("one", 5) };
    assert_eq!(told(other).await, ignored);
    world.close().await;
}

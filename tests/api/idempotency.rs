//! The same id, verb and content has one effect, whatever is repeated and in whatever order.

use threadline::grpc::proto::{
    Direction, EndInteractionRequest, IntentStatus, ListInteractionsRequest,
    StartInteractionRequest,
};
use tonic::Code;

use crate::support::client::assert_refused;
use crate::support::requests::{
    call, confirm, email_hint, end, end_with, external_hint, get, landline_call, number_hint,
    start_with, update, variable,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    a_start_again_answers_the_first,
    an_update_again_answers_and_changes_nothing,
    an_end_again_answers_the_first,
    revisions_amend_in_any_order,
    amendments_count_nothing_twice,
    a_start_after_its_end_attaches,
    an_end_without_a_start_says_whose_it_is,
    many_equal_starts_make_one_customer,
    many_starts_of_one_stranger_make_one_customer,
    many_equal_ends_count_once,
);

const NUMBER: &str = "+14155550101";

async fn staff(world: &World) -> Client {
    world.client(&World::new_key(&["telephony", "admin"])).await
}

async fn a_start_again_answers_the_first(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let first = client.start(call("one", NUMBER)).await.expect("a start");
    assert!(first.new_customer);
    let mut others = call("one", "(415) 555-0101");
    others.agent_ref = "nina".into();
    others.queue = "billing".into();
    others.locale = "de-DE".into();
    let again = client.start(others).await.expect("other fields never conflict");
    assert_eq!(again.customer_ref, first.customer_ref);
    assert!(again.new_customer, "the first decision");
    assert_eq!(again.start_time, first.start_time);
    let conflicts = [
        call("one", "+14155550199"),
        StartInteractionRequest { channel: "sms".into(), ..call("one", NUMBER) },
        StartInteractionRequest { direction: Direction::Outbound.into(), ..call("one", NUMBER) },
        start_with("one", "voice", Default::default()),
    ];
    for other in conflicts {
        let refusal = client.start(other).await;
        assert_refused(refusal, Code::AlreadyExists, "START_CONFLICT");
    }
    // What Update has made of it since is what a replay answers.
    client.end(end("one")).await.expect("an end");
    let asked = client.start(landline_call("two", NUMBER)).await.expect("a start");
    assert_eq!(
        asked.identity.as_ref().expect("an identity").recommendation().as_str_name(),
        CONFIRM
    );
    client.update(confirm("two", "u")).await.expect("a confirmation");
    let again = client.start(landline_call("two", NUMBER)).await.expect("the same start");
    assert_eq!(again.identity.expect("an identity").recommendation().as_str_name(), REUSE);
    world.close().await;
}

const CONFIRM: &str = "RECOMMENDATION_CONFIRM";
const REUSE: &str = "RECOMMENDATION_REUSE";

async fn an_update_again_answers_and_changes_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let mut first = update("one", "u1");
    first.agent_ref = "nina".into();
    client.update(first.clone()).await.expect("an update");
    let mut second = update("one", "u2");
    second.agent_ref = "omar".into();
    client.update(second).await.expect("another update");
    client.update(first.clone()).await.expect("the first again");
    let now = client.get(get("one")).await.expect("it").interaction.expect("its facts");
    assert_eq!(now.agent_ref, "omar", "a replay changes nothing");
    first.agent_ref = "someone".into();
    assert_refused(client.update(first).await, Code::AlreadyExists, "UPDATE_CONFLICT");
    let unknown = client.update(update("nothing", "u1")).await;
    assert_refused(unknown, Code::NotFound, "INTERACTION_NOT_FOUND");
    world.close().await;
}

async fn an_end_again_answers_the_first(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let mut first = end_with("one", "billing", IntentStatus::Open);
    first.variables = variable("order", "17");
    let answer = client.end(first.clone()).await.expect("an end");
    assert_eq!((answer.intents_updated, answer.variables_updated), (1, 1));
    let again = client.end(first.clone()).await.expect("the same end");
    assert!(again == answer, "the first answer");
    first.summary = "something else".into();
    assert_refused(client.end(first).await, Code::AlreadyExists, "END_CONFLICT");
    let person = client.person(&answer.customer_ref).await;
    assert_eq!(person.contact_count, 1);
    world.close().await;
}

/// An end that says which version it is.
fn revised(id: &str, revision: i64, summary: &str) -> EndInteractionRequest {
    EndInteractionRequest { revision: Some(revision), summary: summary.into(), ..end(id) }
}

async fn revisions_amend_in_any_order(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = client.start(call("one", NUMBER)).await.expect("a start").customer_ref;
    let told = async |summary: &str| {
        let request = ListInteractionsRequest { customer_ref: known.clone(), ..Default::default() };
        let listed = client.list(request).await.expect("a customer").interactions;
        assert_eq!(listed.len(), 1, "one interaction, however often amended");
        assert_eq!(listed[0].summary, summary);
        listed[0].revision
    };
    client.end(revised("one", 5, "five")).await.expect("the first");
    assert_eq!(told("five").await, Some(5));
    client.end(revised("one", 7, "seven")).await.expect("higher amends");
    assert_eq!(told("seven").await, Some(7));
    client.end(revised("one", 6, "six")).await.expect("lower is acknowledged");
    assert_eq!(told("seven").await, Some(7));
    client.end(revised("one", 7, "another seven")).await.expect("equal is the first answer");
    assert_eq!(told("seven").await, Some(7));
    client.end(revised("one", 5, "five")).await.expect("a late replay");
    assert_eq!(told("seven").await, Some(7));
    let without = EndInteractionRequest { summary: "unnumbered".into(), ..end("one") };
    assert_refused(client.end(without).await, Code::AlreadyExists, "END_CONFLICT");
    let late = EndInteractionRequest { csat: Some(9), revision: Some(8), ..end("one") };
    client.end(late).await.expect("a late score");
    assert_eq!(told("seven").await, Some(8));
    assert_eq!(client.person(&known).await.contact_count, 1);
    world.close().await;
}

async fn amendments_count_nothing_twice(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let said = |revision: i64, status| EndInteractionRequest {
        revision: Some(revision),
        ..end_with("one", "billing", status)
    };
    client.end(said(1, IntentStatus::Open)).await.expect("an end");
    client.end(said(2, IntentStatus::Escalated)).await.expect("an amendment");
    client.end(said(3, IntentStatus::Open)).await.expect("an amendment");
    let answer = client.start(call("two", NUMBER)).await.expect("a start");
    assert_eq!(answer.open_intents.len(), 1);
    assert_eq!(answer.open_intents[0].attempt_count, 1, "one contact is one attempt");
    assert_eq!(client.person(&answer.customer_ref).await.contact_count, 1);
    client.end(said(4, IntentStatus::Resolved)).await.expect("an amendment");
    let answer = client.start(call("three", NUMBER)).await.expect("a start");
    assert!(answer.open_intents.is_empty(), "settled by the amendment");
    world.close().await;
}

async fn a_start_after_its_end_attaches(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let ended = EndInteractionRequest {
        channel: "voice".into(),
        identity_hints: Some(number_hint(NUMBER)),
        ..end_with("one", "billing", IntentStatus::Open)
    };
    let first = client.end(ended).await.expect("an end without a start");
    let mut late = start_with("one", "voice", external_hint("crm_id", "C-17"));
    late.agent_ref = "nina".into();
    let answer = client.start(late.clone()).await.expect("a start after its end");
    assert_eq!(answer.customer_ref, first.customer_ref);
    let known = client.person(&first.customer_ref).await;
    assert!(known.identifiers.iter().any(|one| one.value == "C-17"), "its hints are attached");
    assert_eq!(known.contact_count, 1);
    let shown = client.get(get("one")).await.expect("it").interaction.expect("its facts");
    assert_eq!(shown.agent_ref, "nina", "its facts are attached");
    let again = client.start(late).await.expect("the same start");
    assert_eq!(again.customer_ref, first.customer_ref);
    let other = start_with("one", "voice", external_hint("crm_id", "C-18"));
    assert_refused(client.start(other).await, Code::AlreadyExists, "START_CONFLICT");
    assert_eq!(client.person(&first.customer_ref).await.contact_count, 1);
    assert_eq!(client.history(&first.customer_ref).await, ["one"]);
    world.close().await;
}

async fn an_end_without_a_start_says_whose_it_is(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mail = |id: &str| EndInteractionRequest {
        channel: "email".into(),
        identity_hints: Some(email_hint("jo@example.com")),
        ..end(id)
    };
    let made = client.end(mail("one")).await.expect("nobody known: a new customer");
    let known = client.end(mail("two")).await.expect("recognised by its sender");
    assert_eq!(known.customer_ref, made.customer_ref);
    let named = EndInteractionRequest {
        channel: "in_app".into(),
        customer_ref: made.customer_ref.clone(),
        identity_hints: Some(external_hint("user_id", "u-1")),
        ..end("three")
    };
    let named = client.end(named).await.expect("settled by its ref");
    assert_eq!(named.customer_ref, made.customer_ref);
    // Three ends in one millisecond have no order.
    let mut history = client.history(&made.customer_ref).await;
    history.sort_unstable();
    assert_eq!(history, ["one", "three", "two"]);
    let person = client.person(&made.customer_ref).await;
    assert_eq!(person.contact_count, 3);
    let linked = person.identifiers.iter().find(|one| one.namespace == "user_id");
    assert_eq!(linked.expect("linked").assurance().as_str_name(), "ASSURANCE_CARRIED");
    world.close().await;
}

/// Asks all at once and gives the answers.
async fn at_once<T: Send + 'static>(
    count: usize,
    ask: impl Fn(usize) -> std::pin::Pin<Box<dyn Future<Output = T> + Send>>,
) -> Vec<T> {
    let tasks: Vec<_> = (0..count).map(|index| tokio::spawn(ask(index))).collect();
    let mut answers = Vec::with_capacity(count);
    for task in tasks {
        answers.push(task.await.expect("a task"));
    }
    answers
}

async fn many_equal_starts_make_one_customer(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let answers = at_once(50, |_| {
        let client = client.clone();
        Box::pin(async move { client.start(call("one", NUMBER)).await.expect("a start") })
    })
    .await;
    let first = &answers[0];
    assert!(answers.iter().all(|one| one.customer_ref == first.customer_ref && one.new_customer));
    client.end(end("one")).await.expect("an end");
    assert_eq!(client.person(&first.customer_ref).await.contact_count, 1);
    assert_eq!(client.history(&first.customer_ref).await, ["one"]);
    world.close().await;
}

async fn many_starts_of_one_stranger_make_one_customer(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let answers = at_once(50, |index| {
        let client = client.clone();
        Box::pin(async move {
            client.start(call(&format!("call {index}"), NUMBER)).await.expect("a start")
        })
    })
    .await;
    assert_eq!(answers.iter().filter(|one| one.new_customer).count(), 1, "one is new");
    let first = &answers[0].customer_ref;
    assert!(answers.iter().all(|one| &one.customer_ref == first), "all others know them");
    for known in answers.iter().filter(|one| !one.new_customer) {
        let said = known.identity.as_ref().expect("an identity").recommendation().as_str_name();
        assert!([CONFIRM, REUSE].contains(&said), "{said}");
    }
    world.close().await;
}

async fn many_equal_ends_count_once(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = client.start(call("one", NUMBER)).await.expect("a start").customer_ref;
    let answers = at_once(30, |_| {
        let client = client.clone();
        Box::pin(async move {
            client.end(end_with("one", "billing", IntentStatus::Open)).await.expect("an end")
        })
    })
    .await;
    assert!(answers.iter().all(|one| one == &answers[0]));
    assert_eq!(client.person(&known).await.contact_count, 1);
    let next = client.start(call("two", NUMBER)).await.expect("a start");
    assert_eq!(next.open_intents[0].attempt_count, 1);
    world.close().await;
}

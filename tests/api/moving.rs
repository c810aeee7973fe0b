//! Late word on who it was: the interaction, its matters, values and links move, and the old
//! customer keeps nothing of it.

use threadline::grpc::proto::{EndInteractionRequest, GetCustomerResponse, IntentStatus};
use tonic::Code;

use super::settling::{MAIL, NUMBER, assert_silent, somebody, staff};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    call, confirm, email_hint, end, end_confirms, end_rejects, end_with, external_hint,
    landline_call, number_hint, reject, update, variable,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    rejected_before_its_end,
    rejected_at_its_end,
    rejected_by_an_amended_end,
    rejected_by_an_update_after_its_end,
    rejected_for_somebody_new,
    an_emptied_customer_resolves_to_the_new_one,
    confirmed_after_its_end,
    moved_there_and_back,
    an_unknown_ref_moves_nothing,
);

/// Two people; a call that is taken for the first's and is the second's.
struct Mistaken {
    first: String,
    second: String,
    before: (GetCustomerResponse, GetCustomerResponse),
}

async fn mistaken(client: &Client) -> Mistaken {
    let first = client.start(call("first", NUMBER)).await.expect("a start").customer_ref;
    client.end(end_with("first", "billing", IntentStatus::Open)).await.expect("an end");
    let second = somebody(client, "second", "email", email_hint(MAIL)).await;
    let before = (client.person(&first).await, client.person(&second).await);
    let mut wrong = call("wrong", NUMBER);
    // What the first's own contacts never showed: it must not stay with them.
    wrong.identity_hints.as_mut().expect("hints").external_ids =
        external_hint("crm_id", "C-2").external_ids;
    let taken = client.start(wrong).await.expect("a start");
    assert_eq!((said(&taken), &taken.customer_ref), (Said::Reuse, &first));
    let mut told = update("wrong", "told");
    told.variables = variable("size", "XL");
    told.intents = end_with("", "returns", IntentStatus::Open).intents;
    client.update(told).await.expect("an update");
    Mistaken { first, second, before }
}

fn ended() -> EndInteractionRequest {
    EndInteractionRequest {
        summary: "wants to return a jacket".into(),
        variables: variable("colour", "red"),
        ..end_with("wrong", "exchange", IntentStatus::Open)
    }
}

/// Who an identifier belongs to, and how often it was used.
fn links(person: &GetCustomerResponse) -> Vec<(String, i32, i32)> {
    let link = |one: &threadline::grpc::proto::CustomerIdentifier| {
        (one.value.clone(), one.assurance, one.contact_count)
    };
    person.identifiers.iter().map(link).collect()
}

fn open(person: &GetCustomerResponse) -> Vec<String> {
    let mut names: Vec<String> = person.open_intents.iter().map(|it| it.intent.clone()).collect();
    names.sort_unstable();
    names
}

/// All of the call is the second's now, and the first is as they were before it.
async fn assert_moved(client: &Client, people: &Mistaken) {
    let first = client.person(&people.first).await;
    assert_eq!(client.history(&people.first).await, ["first"]);
    assert_eq!(links(&first), links(&people.before.0), "no link stays, no use stays");
    assert_eq!(first.contact_count, people.before.0.contact_count);
    assert_eq!(first.last_contact_time, people.before.0.last_contact_time);
    assert_eq!(open(&first), ["billing"]);
    assert!(first.variables.is_empty(), "no value stays");
    let second = client.person(&people.second).await;
    assert_eq!(client.history(&people.second).await, ["wrong", "second"]);
    assert_eq!(second.contact_count, 2);
    assert_eq!(open(&second), ["billing", "exchange", "returns"]);
    let values: Vec<&str> = second.variables.keys().map(String::as_str).collect();
    assert_eq!(values, ["colour", "order", "size"]);
    let linked: Vec<String> = links(&second).into_iter().map(|(value, ..)| value).collect();
    assert!(
        linked.contains(&"C-2".to_owned()) && linked.contains(&NUMBER.to_owned()),
        "{linked:?}"
    );
    let shown = client.get(crate::support::requests::get("wrong")).await.expect("it");
    assert_eq!(shown.interaction.expect("its facts").customer_ref, people.second);
}

async fn rejected_before_its_end(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let people = mistaken(&client).await;
    let answer = client.update(reject("wrong", "no", Some(&people.second))).await;
    let answer = answer.expect("a rejection");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &people.second));
    assert!(!answer.new_customer);
    assert_eq!(answer.variables.len(), 2, "theirs, and what this contact said");
    client.end(ended()).await.expect("an end");
    assert_moved(&client, &people).await;
    world.close().await;
}

async fn rejected_at_its_end(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let people = mistaken(&client).await;
    let request =
        EndInteractionRequest { identity_feedback: end_rejects(Some(&people.second)), ..ended() };
    assert_eq!(client.end(request).await.expect("an end").customer_ref, people.second);
    assert_moved(&client, &people).await;
    world.close().await;
}

async fn rejected_by_an_amended_end(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let people = mistaken(&client).await;
    let first = EndInteractionRequest { revision: Some(1), ..ended() };
    assert_eq!(client.end(first).await.expect("an end").customer_ref, people.first);
    let amended = EndInteractionRequest {
        revision: Some(2),
        identity_feedback: end_rejects(Some(&people.second)),
        ..end("wrong")
    };
    assert_eq!(client.end(amended).await.expect("an amendment").customer_ref, people.second);
    assert_moved(&client, &people).await;
    world.close().await;
}

async fn rejected_by_an_update_after_its_end(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let people = mistaken(&client).await;
    client.end(ended()).await.expect("an end");
    client.update(reject("wrong", "no", Some(&people.second))).await.expect("a rejection");
    assert_moved(&client, &people).await;
    // Once more is the same once.
    client.update(reject("wrong", "no", Some(&people.second))).await.expect("a replay");
    client.update(reject("wrong", "again", Some(&people.second))).await.expect("no news");
    assert_moved(&client, &people).await;
    world.close().await;
}

async fn rejected_for_somebody_new(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let people = mistaken(&client).await;
    client.end(ended()).await.expect("an end");
    let answer = client.update(reject("wrong", "no", None)).await.expect("a rejection");
    assert!(answer.new_customer);
    assert!(![&people.first, &people.second].contains(&&answer.customer_ref));
    assert_silent(&answer);
    assert_eq!(client.history(&people.first).await, ["first"]);
    assert_eq!(links(&client.person(&people.first).await), links(&people.before.0));
    let third = client.person(&answer.customer_ref).await;
    assert_eq!(open(&third), ["exchange", "returns"]);
    assert_eq!(third.contact_count, 1);
    assert_eq!(client.history(&answer.customer_ref).await, ["wrong"]);
    world.close().await;
}

async fn an_emptied_customer_resolves_to_the_new_one(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "email", email_hint(MAIL)).await;
    let mistaken = client.start(call("new number", NUMBER)).await.expect("a start");
    assert!(mistaken.new_customer);
    client.end(end_with("new number", "returns", IntentStatus::Open)).await.expect("an end");
    client.update(reject("new number", "no", Some(&known))).await.expect("a rejection");
    let resolved = client.person(&mistaken.customer_ref).await;
    assert_eq!(resolved.customer_ref, known, "the emptied customer's ref is the other's now");
    assert_eq!(resolved.contact_count, 2);
    assert_eq!(client.history(&mistaken.customer_ref).await, ["new number", "known"]);
    // Their own number brings them back.
    let back = client.start(call("back", NUMBER)).await.expect("a start");
    assert_eq!((said(&back), &back.customer_ref), (Said::Reuse, &known));
    // A named profile keeps a customer, though nothing else is left of them.
    let other = client.start(call("other", "+14155550177")).await.expect("a start").customer_ref;
    let mut named = end("other");
    let attribute = threadline::grpc::proto::ProfileAttributeInput {
        value: "Jo Miller".into(),
        ..Default::default()
    };
    named.profile = [("name".to_owned(), attribute)].into();
    client.end(named).await.expect("an end");
    client.update(reject("other", "no", Some(&known))).await.expect("a rejection");
    assert_eq!(client.person(&other).await.customer_ref, known, "the profile moved with its end");
    assert_eq!(client.person(&known).await.profile["name"].value, "Jo Miller");
    world.close().await;
}

async fn confirmed_after_its_end(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    client.start(landline_call("asked", NUMBER)).await.expect("a start");
    client.end(end_with("asked", "returns", IntentStatus::Open)).await.expect("an end");
    assert_eq!(client.person(&known).await.contact_count, 1);
    let sure = client.update(confirm("asked", "yes")).await.expect("a confirmation");
    assert_eq!((said(&sure), &sure.customer_ref), (Said::Reuse, &known));
    let person = client.person(&known).await;
    assert_eq!(person.contact_count, 2, "counted once it is settled");
    assert_eq!(person.identifiers[0].contact_count, 2);
    assert_eq!(open(&person), ["billing", "returns"]);
    let amended = EndInteractionRequest {
        revision: Some(3),
        identity_feedback: end_confirms(),
        ..end("asked")
    };
    client.end(amended).await.expect("said twice");
    assert_eq!(client.person(&known).await.contact_count, 2, "and only once");
    world.close().await;
}

async fn moved_there_and_back(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let people = mistaken(&client).await;
    client.end(ended()).await.expect("an end");
    let whole = (client.person(&people.first).await, client.person(&people.second).await);
    client.update(reject("wrong", "there", Some(&people.second))).await.expect("a rejection");
    assert_moved(&client, &people).await;
    client.update(reject("wrong", "back", Some(&people.first))).await.expect("a rejection");
    let (first, second) = (client.person(&people.first).await, client.person(&people.second).await);
    assert_eq!(client.history(&people.first).await, ["wrong", "first"]);
    assert_eq!(client.history(&people.second).await, ["second"]);
    assert_eq!(first.contact_count, whole.0.contact_count);
    assert_eq!((open(&first), open(&second)), (open(&whole.0), open(&whole.1)));
    assert_eq!(first.variables.len(), whole.0.variables.len());
    assert_eq!(links(&second), links(&whole.1));
    let used = |person: &GetCustomerResponse| -> Vec<(String, i32)> {
        links(person).into_iter().map(|(value, _, uses)| (value, uses)).collect()
    };
    assert_eq!(used(&first), used(&whole.0));
    world.close().await;
}

async fn an_unknown_ref_moves_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let people = mistaken(&client).await;
    client.end(ended()).await.expect("an end");
    let nobody = threadline::ids::CustomerId([3; 16]).to_ref();
    for named in [nobody.as_str(), "C-2", "cus_"] {
        let refusal = client.update(reject("wrong", named, Some(named))).await;
        assert_refused(refusal, Code::NotFound, "CUSTOMER_NOT_FOUND");
    }
    assert_eq!(client.history(&people.first).await, ["wrong", "first"]);
    world.close().await;
}

//! Somebody said which of two values stands: it is where its own customer and contact are, and nowhere
//! else.

use threadline::grpc::proto::{
    ConflictChoice, EndInteractionRequest, Identifier, ResolveConflictRequest,
};

use super::customers::{attributes, mail, phone, upsert_with, value};
use super::erasing::gone;
use super::merging::join;
use super::settling::{MAIL, NUMBER, somebody, staff};
use crate::support::client::{Said, said};
use crate::support::requests::{
    at, call, email_hint, end, number_hint, reassign, redact, start_with, unmerge,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    an_unmerge_gives_everybody_their_own_value_back,
    who_is_erased_leaves_no_value_with_whom_they_were_one,
    of_two_values_of_one_contact_and_moment_the_chosen_one_stands,
    who_is_left_with_a_choice_alone_is_left_with_nothing,
    a_contact_takes_its_value_along,
    what_was_chosen_of_one_alone_stays_theirs,
    a_choice_is_none_over_what_nobody_saw,
    what_is_redacted_is_not_chosen_any_more,
    a_choice_outlives_what_is_redacted_beside_it,
);

/// Says that this stands of the only conflict there is.
async fn choose(client: &Client, id: &str, customer: &str, choice: ConflictChoice) {
    let conflicts = client.conflicts(customer).await;
    let [conflict] = &conflicts[..] else { panic!("{} conflicts", conflicts.len()) };
    let request = ResolveConflictRequest {
        request_id: id.into(),
        conflict_id: conflict.conflict_id.clone(),
        choice: choice as i32,
        ..Default::default()
    };
    assert_eq!(client.resolve(request).await.expect("resolved").open_conflict_count, 0);
}

/// Who has these identifiers is said to have this attribute.
async fn called(
    client: &Client,
    id: &str,
    identifiers: Vec<Identifier>,
    attribute: (&str, &str),
) -> String {
    let made = client.upsert(upsert_with(id, identifiers, &[attribute])).await;
    made.expect("an upsert").customer.expect("them").customer_ref
}

/// Ann calls, Bea writes; they are one person now, and Bea's name stands.
async fn one_person(client: &Client) -> (String, String, String) {
    let ann = client.upsert(upsert_with("ann", vec![phone(NUMBER)], &[("name", "Ann")])).await;
    let bea = client.upsert(upsert_with("bea", vec![mail(MAIL)], &[("name", "Bea")])).await;
    let [ann, bea] =
        [ann, bea].map(|made| made.expect("an upsert").customer.expect("them").customer_ref);
    let merged = join(client, "merge", &ann, &bea).await;
    choose(client, "choice", &ann, ConflictChoice::Kept).await;
    assert_eq!(value(&client.person(&ann).await, "name"), Some("Bea"));
    (ann, bea, merged)
}

async fn an_unmerge_gives_everybody_their_own_value_back(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (ann, bea, merged) = one_person(&client).await;
    client.unmerge(unmerge("apart", &merged)).await.expect("an unmerge");
    assert_eq!(value(&client.person(&ann).await, "name"), Some("Ann"), "Bea's name is Bea's");
    assert_eq!(value(&client.person(&bea).await, "name"), Some("Bea"));
    let next = client.start(call("next", NUMBER)).await.expect("a start");
    assert_eq!((said(&next), next.profile["name"].value.as_str()), (Said::Reuse, "Ann"));
    join(&client, "again", &ann, &bea).await;
    assert_eq!(value(&client.person(&ann).await, "name"), Some("Bea"), "what was chosen stands");
    assert!(client.conflicts(&ann).await.is_empty());
    world.close().await;
}

async fn who_is_erased_leaves_no_value_with_whom_they_were_one(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (ann, bea, merged) = one_person(&client).await;
    client.unmerge(unmerge("apart", &merged)).await.expect("an unmerge");
    gone(&client, &bea, "gdpr").await;
    assert_eq!(value(&client.person(&ann).await, "name"), Some("Ann"));
    world.close().await;
}

async fn of_two_values_of_one_contact_and_moment_the_chosen_one_stands(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "first", "email", email_hint(MAIL)).await;
    client.start(start_with("ticket", "email", email_hint(MAIL))).await.expect("a start");
    let ended = at(world.now());
    for (revision, name) in [(1, "Ann"), (2, "Bea")] {
        let profile = attributes(&[("name", name)]);
        let revision = Some(revision);
        let end_time = ended;
        let said = EndInteractionRequest { profile, revision, end_time, ..end("ticket") };
        client.end(said).await.expect("an end");
    }
    assert_eq!(value(&client.person(&known).await, "name"), Some("Bea"));
    choose(&client, "choice", &known, ConflictChoice::Other).await;
    assert_eq!(value(&client.person(&known).await, "name"), Some("Ann"));
    assert!(client.conflicts(&known).await.is_empty());
    world.close().await;
}

async fn who_is_left_with_a_choice_alone_is_left_with_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let other = somebody(&client, "other", "voice", number_hint(NUMBER)).await;
    let left = client.start(start_with("ticket", "email", email_hint(MAIL))).await;
    let left = left.expect("a start").customer_ref;
    for (revision, name) in [(1, "Ann"), (2, "Bea")] {
        let (profile, revision) = (attributes(&[("name", name)]), Some(revision));
        client
            .end(EndInteractionRequest { profile, revision, ..end("ticket") })
            .await
            .expect("end");
    }
    choose(&client, "choice", &left, ConflictChoice::Kept).await;
    client.reassign(reassign("ticket", "move", Some(&other))).await.expect("it moves");
    assert_eq!(client.person(&left).await.customer_ref, other, "nothing is left of them");
    world.close().await;
}

/// Two contacts of one customer that call them by two names; the second's stands.
async fn two_names(client: &Client) -> String {
    let known = somebody(client, "first", "email", email_hint(MAIL)).await;
    for (id, name) in [("old", "Ada"), ("new", "Zoe")] {
        client.start(start_with(id, "email", email_hint(MAIL))).await.expect("a start");
        let profile = attributes(&[("name", name), ("city", "Bern")]);
        client.end(EndInteractionRequest { profile, ..end(id) }).await.expect("an end");
    }
    choose(client, "choice", &known, ConflictChoice::Kept).await;
    assert_eq!(value(&client.person(&known).await, "name"), Some("Zoe"));
    known
}

async fn a_contact_takes_its_value_along(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = two_names(&client).await;
    let other = somebody(&client, "other", "voice", number_hint(NUMBER)).await;
    client.reassign(reassign("new", "move", Some(&other))).await.expect("it moves");
    assert_eq!(value(&client.person(&known).await, "name"), Some("Ada"), "Zoe is the other");
    assert_eq!(value(&client.person(&other).await, "name"), Some("Zoe"));
    client.reassign(reassign("new", "back", Some(&known))).await.expect("it moves back");
    assert_eq!(value(&client.person(&known).await, "name"), Some("Zoe"), "as it was chosen");
    assert!(client.conflicts(&known).await.is_empty());
    world.close().await;
}

async fn what_was_chosen_of_one_alone_stays_theirs(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let ann = called(&client, "ann", vec![phone(NUMBER)], ("city", "Bath")).await;
    let bea = called(&client, "bea", vec![mail(MAIL)], ("name", "Bea")).await;
    called(&client, "beth", vec![mail(MAIL)], ("name", "Beth")).await;
    let merged = join(&client, "merge", &ann, &bea).await;
    choose(&client, "choice", &ann, ConflictChoice::Other).await;
    assert_eq!(value(&client.person(&ann).await, "name"), Some("Bea"));
    client.unmerge(unmerge("apart", &merged)).await.expect("an unmerge");
    assert_eq!(value(&client.person(&bea).await, "name"), Some("Bea"), "both names are hers");
    assert!(client.conflicts(&bea).await.is_empty());
    world.close().await;
}

async fn a_choice_is_none_over_what_nobody_saw(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let bea = called(&client, "bea", vec![mail(MAIL)], ("name", "Bea")).await;
    let ann = called(&client, "ann", vec![phone(NUMBER)], ("name", "Ann")).await;
    called(&client, "anna", vec![phone(NUMBER)], ("name", "Anna")).await;
    choose(&client, "choice", &ann, ConflictChoice::Kept).await;
    // Only now are they one person, of whom Bea was said before anybody chose.
    join(&client, "merge", &bea, &ann).await;
    let conflicts = client.conflicts(&bea).await;
    let [conflict] = &conflicts[..] else { panic!("{} conflicts", conflicts.len()) };
    let sides = [&conflict.kept, &conflict.other];
    let sides = sides.map(|side| side.as_ref().map(|it| it.value.as_str()));
    assert_eq!(sides, [Some("Anna"), Some("Bea")], "and Ann was decided");
    choose(&client, "again", &bea, ConflictChoice::Other).await;
    assert_eq!(value(&client.person(&ann).await, "name"), Some("Bea"));
    assert!(client.conflicts(&bea).await.is_empty());
    world.close().await;
}

async fn what_is_redacted_is_not_chosen_any_more(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = two_names(&client).await;
    client.redact(redact("new", "out", &["profile.name"])).await.expect("a redaction");
    let person = client.person(&known).await;
    assert!(value(&person, "name") != Some("Zoe"), "it was taken out for good");
    world.close().await;
}

async fn a_choice_outlives_what_is_redacted_beside_it(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = two_names(&client).await;
    client.redact(redact("old", "out", &["profile.city"])).await.expect("a redaction");
    assert!(client.conflicts(&known).await.is_empty(), "what was old before is no news");
    assert_eq!(value(&client.person(&known).await, "name"), Some("Zoe"));
    world.close().await;
}

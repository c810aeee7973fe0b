//! What becomes known late: a start after its end, a merge or a word after a customer was made, an
//! unlink while a contact is under way, an upsert of before; and that conflicts are listed however they
//! come about.

use threadline::clock::{Clock, HOUR, MINUTE, SECOND};
use threadline::grpc::proto::{
    Audience, CustomerConflict, Direction, EndInteractionRequest, IdentityHints, IntentStatus,
    ListConflictsRequest, StartInteractionRequest, UpdateInteractionRequest, Verification,
};

use super::customers::{attributes, mail, phone, upsert, upsert_with};
use super::merging::{join, two};
use super::settling::{MAIL, NUMBER, assert_silent, somebody, staff};
use super::ties::unlink;
use super::web_tokens::{assert_proven, claims, token_hint, trusting};
use crate::support::client::{Said, said};
use crate::support::issuer::Issuer;
use crate::support::requests::{
    at, call, confirm, email_hint, end, end_with, get, number_hint, reject, start_with, unmerge,
    update,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    what_one_member_says_against_another_is_listed,
    what_a_sign_in_joins_is_listed,
    a_late_start_says_who_turned_to_whom,
    a_late_start_is_of_the_chain_it_continues,
    a_contact_under_way_undoes_no_unlink,
    an_upsert_of_before_says_what_stays_unlinked,
    whom_a_merge_makes_known_is_shown,
    whom_somebody_confirms_is_a_customer_like_any_other,
);

/// The open conflicts of the whole tenant.
async fn all_conflicts(client: &Client) -> Vec<CustomerConflict> {
    let page = client.list_conflicts(ListConflictsRequest::default()).await.expect("a page");
    assert!(page.next_page_token.is_empty());
    page.conflicts
}

/// Attempts at a matter of a customer's.
async fn attempts(client: &Client, customer_ref: &str, intent: &str) -> i32 {
    let person = client.person(customer_ref).await;
    let open = person.open_intents.iter().find(|it| it.intent == intent);
    open.expect("an open matter").attempt_count
}

async fn what_one_member_says_against_another_is_listed(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let says = |id: &str, whom: &str, name: &str| {
        let mut request = upsert_with(id, Vec::new(), &[("name", name)]);
        request.customer_ref = whom.into();
        request
    };
    client.upsert(says("one", &caller, "Ada")).await.expect("an upsert");
    join(&client, "m", &caller, &writer).await;
    assert!(all_conflicts(&client).await.is_empty(), "only one of them says anything");
    client.upsert(says("other", &writer, "Ida")).await.expect("an upsert");
    let found = all_conflicts(&client).await;
    assert_eq!((found.len(), found[0].name.as_str()), (1, "name"));
    assert!(found == client.conflicts(&caller).await);
    world.close().await;
}

async fn what_a_sign_in_joins_is_listed(engine: Engine) {
    let key = Issuer::new("EdDSA", "k");
    let world = Setup::on(engine).settings(&trusting("acme", &[&key])).open().await;
    let client = staff(&world).await;
    let signed_in = || token_hint(&key.token(&claims("user-17", Clock::System.now())));
    let visitor = |hints: IdentityHints| IdentityHints { visitor_id: "browser-1".into(), ..hints };
    let anonymous = visitor(IdentityHints::default());
    for (id, hints, name) in [("known", signed_in(), "Ada"), ("visitor", anonymous, "Ida")] {
        client.start(start_with(id, "web_chat", hints)).await.expect("a start");
        let profile = attributes(&[("name", name)]);
        client.end(EndInteractionRequest { profile, ..end(id) }).await.expect("an end");
    }
    assert!(all_conflicts(&client).await.is_empty(), "two people");
    let both = start_with("signs in", "web_chat", visitor(signed_in()));
    let answer = client.start(both).await.expect("a start");
    assert_proven(&answer, &answer.customer_ref);
    let found = all_conflicts(&client).await;
    assert_eq!((found.len(), found[0].name.as_str()), (1, "name"));
    assert_eq!(found[0].customer_ref, answer.customer_ref);
    world.close().await;
}

async fn a_late_start_says_who_turned_to_whom(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let before = client.person(&known).await;
    let unanswered = EndInteractionRequest {
        customer_ref: known.clone(),
        channel: "voice".into(),
        disposition: "no_answer".into(),
        ..end_with("out", "renewal", IntentStatus::Open)
    };
    client.end(unanswered).await.expect("an end");
    assert_eq!(attempts(&client, &known, "renewal").await, 1, "as far as anybody knows");
    let mut late = call("out", "+18005550100");
    late.direction = Direction::Outbound.into();
    late.identity_hints.as_mut().expect("hints").dialed_number = NUMBER.into();
    assert_eq!(client.start(late).await.expect("a late start").customer_ref, known);
    let shown = client.get(get("out")).await.expect("it").interaction.expect("its facts");
    assert!(shown.direction() == Direction::Outbound);
    assert_eq!(attempts(&client, &known, "renewal").await, 0, "nobody was reached");
    let after = client.person(&known).await;
    assert_eq!(after.contact_count, before.contact_count);
    assert_eq!(after.last_contact_time, before.last_contact_time);
    let uses = |of: &threadline::grpc::proto::GetCustomerResponse| {
        of.identifiers.iter().map(|it| (it.contact_count, it.last_time)).collect::<Vec<_>>()
    };
    assert_eq!(uses(&after), uses(&before));
    world.close().await;
}

async fn a_late_start_is_of_the_chain_it_continues(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "bot", "voice", number_hint(NUMBER)).await;
    let ended = EndInteractionRequest {
        customer_ref: known.clone(),
        channel: "voice".into(),
        ..end_with("agent", "billing", IntentStatus::Open)
    };
    client.end(ended).await.expect("an end");
    assert_eq!(attempts(&client, &known, "billing").await, 2);
    let late =
        StartInteractionRequest { continues_interaction_id: "bot".into(), ..call("agent", NUMBER) };
    client.start(late).await.expect("a late start");
    assert_eq!(attempts(&client, &known, "billing").await, 1, "one contact in two parts");
    let amended = EndInteractionRequest {
        revision: Some(2),
        ..end_with("agent", "billing", IntentStatus::Open)
    };
    client.end(amended).await.expect("an amendment");
    assert_eq!(attempts(&client, &known, "billing").await, 1);
    world.close().await;
}

async fn a_contact_under_way_undoes_no_unlink(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let started = client.start(call("under way", NUMBER)).await.expect("a start");
    assert_eq!((said(&started), &started.customer_ref), (Said::Reuse, &known));
    let ahead = StartInteractionRequest {
        start_time: at(world.now().plus(3 * MINUTE)),
        ..call("ahead", NUMBER)
    };
    assert_eq!(client.start(ahead).await.expect("a start").customer_ref, known);
    client.unlink(unlink("u", &known, phone(NUMBER))).await.expect("an unlink");
    // Their clocks run ahead of ours: both had begun.
    let ended = EndInteractionRequest {
        start_time: at(world.now().plus(SECOND)),
        ..end_with("under way", "billing", IntentStatus::Open)
    };
    client.end(ended).await.expect("an end");
    client.end(end("ahead")).await.expect("an end");
    let mut more = update("ahead", "more");
    more.identity_hints = Some(IdentityHints { email: MAIL.into(), ..number_hint(NUMBER) });
    client.update(more).await.expect("an update");
    let values = |person: threadline::grpc::proto::GetCustomerResponse| {
        person.identifiers.into_iter().map(|it| it.value).collect::<Vec<_>>()
    };
    assert_eq!(values(client.person(&known).await), [MAIL], "it stays unlinked");
    // A contact that begins later may link it again, whatever its clock says.
    let later = StartInteractionRequest {
        start_time: at(world.now().plus(3 * MINUTE)),
        ..call("later", NUMBER)
    };
    assert_ne!(client.start(later).await.expect("a start").customer_ref, known);
    client.update(reject("later", "it is", Some(&known))).await.expect("a word");
    assert!(values(client.person(&known).await).contains(&NUMBER.to_owned()));
    world.close().await;
}

async fn an_upsert_of_before_says_what_stays_unlinked(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let both = |id: &str| upsert(id, vec![mail(MAIL), phone(NUMBER)]);
    let known = client.upsert(both("one")).await.expect("an upsert").customer.expect("them");
    client.unlink(unlink("u", &known.customer_ref, phone(NUMBER))).await.expect("an unlink");
    let mut late = both("late");
    late.update_time = at(world.now().plus(-HOUR));
    let late = client.upsert(late).await.expect("an upsert");
    let warned: Vec<_> = late.warnings.iter().map(|it| (&*it.code, &*it.field)).collect();
    assert_eq!(warned, [("identifier_unlinked", "customer.identifiers[1]")]);
    assert_eq!(late.customer.expect("them").identifiers.len(), 1);
    let now = client.upsert(both("now")).await.expect("an upsert");
    assert!(now.warnings.is_empty());
    assert_eq!(now.customer.expect("them").identifiers.len(), 2);
    world.close().await;
}

async fn whom_a_merge_makes_known_is_shown(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "email", email_hint(MAIL)).await;
    let new = client.start(call("call", NUMBER)).await.expect("a start");
    assert!(new.new_customer);
    assert_silent(&new);
    let merge_id = join(&client, "m", &known, &new.customer_ref).await;
    let again = client.start(call("call", NUMBER)).await.expect("the same start");
    assert_eq!((said(&again), &again.customer_ref), (Said::Reuse, &known));
    assert!(!again.new_customer);
    assert_eq!((again.open_intents.len(), again.variables["order"].value.as_str()), (1, "17"));
    let shown = client.get(get("call")).await.expect("it");
    assert_eq!((shown.new_customer, shown.open_intents.len()), (false, 1));
    // Not to others who listen.
    let group = Audience::Group.into();
    let overheard = UpdateInteractionRequest { audience: group, ..update("call", "group") };
    let overheard = client.update(overheard).await.expect("an update");
    assert!(!overheard.new_customer);
    assert_silent(&overheard);
    let alone = UpdateInteractionRequest {
        audience: Audience::Private.into(),
        ..update("call", "private")
    };
    assert_eq!(client.update(alone).await.expect("an update").open_intents.len(), 1);
    // Two again, it is somebody new's as it was.
    client.unmerge(unmerge("u", &merge_id)).await.expect("an unmerge");
    let again = client.start(call("call", NUMBER)).await.expect("the same start");
    assert_eq!((said(&again), &again.customer_ref), (Said::Ignore, &new.customer_ref));
    assert!(again.new_customer);
    assert_silent(&again);
    world.close().await;
}

async fn whom_somebody_confirms_is_a_customer_like_any_other(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let new = client.start(call("call", NUMBER)).await.expect("a start").customer_ref;
    let mut filled = upsert_with("pop", Vec::new(), &[("name", "Ada")]);
    filled.customer_ref.clone_from(&new);
    client.upsert(filled).await.expect("an upsert");
    let before = client.start(call("call", NUMBER)).await.expect("the same start");
    assert!(before.new_customer && before.profile.is_empty(), "nobody has said that it is Ada");
    let proved = UpdateInteractionRequest {
        verification: Verification::Pin as i32,
        ..confirm("call", "pin")
    };
    let answer = client.update(proved).await.expect("a proof");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &new));
    assert!(!answer.new_customer);
    assert_eq!(answer.profile["name"].value, "Ada");
    let shown = client.get(get("call")).await.expect("it");
    assert_eq!((shown.new_customer, shown.profile.len()), (false, 1));
    // It was somebody else after all.
    let other = client.update(reject("call", "no", None)).await.expect("a rejection");
    assert!(other.new_customer && other.customer_ref != new);
    assert_silent(&other);
    world.close().await;
}

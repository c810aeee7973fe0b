//! What somebody has decided of people holds for all who are one person with them: who was told apart,
//! and what was unlinked.

use threadline::clock::HOUR;
use threadline::grpc::proto::{
    IdentityHints, ImportCustomersRequest, ImportRow, ImportSettings, UpdateInteractionRequest,
};

use super::customers::{mail, phone, upsert};
use super::merging::{confirmed_as, join};
use super::merging_corners::{cards, merging, prove};
use super::settling::{MAIL, NUMBER, somebody};
use super::ties::unlink;
use super::visitors::Site;
use super::{merging_corners, settling};
use crate::support::requests::{
    at, confirm, email_hint, end, external_hint, number_hint, reject, start_with, unmerge, update,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    who_is_not_one_member_is_none_of_them,
    who_was_unmerged_is_not_joined_by_another_sign_in,
    nobody_is_joined_with_two_who_were_told_apart,
    what_was_unlinked_comes_back_to_no_member,
);

const SPOUSES: &str = "+14155550188";

fn at_the_phone(number: &str, values: &[&str]) -> IdentityHints {
    IdentityHints { caller_number: number.into(), ..cards(values) }
}

/// Somebody who has shown this card at a desk.
async fn holder(client: &Client, value: &str) -> String {
    let began = client.start(start_with(value, "in_person", cards(&[value]))).await;
    client.end(end(value)).await.expect("an end");
    began.expect("a start").customer_ref
}

async fn who_is_not_one_member_is_none_of_them(engine: Engine) {
    let world = merging(engine).await;
    let client = merging_corners::staff(&world).await;
    let holder = holder(&client, "K-1").await;
    let caller = somebody(&client, "call", "voice", number_hint(NUMBER)).await;
    prove(&client, "proof", at_the_phone(NUMBER, &["K-1"]), &caller).await;
    assert_eq!(client.person(&holder).await.member_refs.len(), 2, "one person");
    // The spouse shows the same card: it is neither of the two, says the desk of the one it is shown.
    let spouses = || at_the_phone(SPOUSES, &["K-1"]);
    client.start(start_with("spouse", "voice", spouses())).await.expect("a start");
    client.update(reject("spouse", "u", None)).await.expect("a rejection");
    let spouse = client.end(end("spouse")).await.expect("an end").customer_ref;
    client.start(start_with("again", "voice", spouses())).await.expect("a start");
    let mut sure = confirm("again", "u");
    sure.identity_feedback = confirmed_as(&spouse);
    client.update(sure).await.expect("a confirmation");
    client.end(end("again")).await.expect("an end");
    let person = client.person(&spouse).await;
    assert_eq!(person.customer_ref, spouse);
    assert!(person.member_refs.is_empty(), "somebody said that they are two");
    let person = client.person(&caller).await;
    assert_eq!(person.member_refs, [holder, caller]);
    world.close().await;
}

async fn who_was_unmerged_is_not_joined_by_another_sign_in(engine: Engine) {
    let site = Site::on(engine).await;
    let client = &site.client;
    let known = site.chat("1", "", "user-17").await;
    let visitor = site.chat("2", "browser-1", "").await;
    site.start("3", "browser-1", "user-17").await;
    client.end(end("3")).await.expect("an end");
    let merges = client.person(&visitor).await.merges;
    assert_eq!(merges.len(), 1, "the visitor signed in");
    client.unmerge(unmerge("u", &merges[0].merge_id)).await.expect("it was somebody else");
    // The same person has another account, and signs in at that browser by it.
    let account = site.chat("4", "", "user-18").await;
    join(client, "m", &known, &account).await;
    site.start("5", "browser-1", "user-18").await;
    client.end(end("5")).await.expect("an end");
    let person = client.person(&visitor).await;
    assert_eq!(person.customer_ref, visitor);
    assert!(person.member_refs.is_empty(), "somebody said that they are two");
    let person = client.person(&known).await;
    assert_eq!(person.member_refs, [known, account]);
    site.world.close().await;
}

async fn nobody_is_joined_with_two_who_were_told_apart(engine: Engine) {
    let world = merging(engine).await;
    let client = merging_corners::staff(&world).await;
    let (one, other) = (holder(&client, "K-1").await, holder(&client, "K-2").await);
    let merge_id = join(&client, "m", &one, &other).await;
    client.unmerge(unmerge("u", &merge_id)).await.expect("an unmerge");
    let caller = somebody(&client, "call", "voice", number_hint(NUMBER)).await;
    prove(&client, "proof", at_the_phone(NUMBER, &["K-1", "K-2"]), &caller).await;
    for customer in [&one, &other, &caller] {
        let person = client.person(customer).await;
        assert_eq!(person.customer_ref, *customer);
        assert!(person.member_refs.is_empty(), "two were told apart, and who is who is not known");
    }
    world.close().await;
}

/// An import of an hour ago that says that the address and the number are one person's.
fn older(world: &World) -> Vec<ImportCustomersRequest> {
    let update_time = at(world.now().plus(-HOUR));
    let settings = Some(ImportSettings { update_time, ..Default::default() });
    let identifiers = vec![mail(MAIL), phone(NUMBER)];
    let row = ImportRow { row_number: 2, identifiers, ..Default::default() };
    vec![ImportCustomersRequest { settings, rows: vec![row] }]
}

async fn what_was_unlinked_comes_back_to_no_member(engine: Engine) {
    let world = World::on(engine).await;
    let client = settling::staff(&world).await;
    let writer = client.upsert(upsert("w", vec![mail(MAIL)])).await.expect("an upsert");
    let writer = writer.customer.expect("them").customer_ref;
    let caller = client.upsert(upsert("c", vec![phone(NUMBER)])).await.expect("an upsert");
    let caller = caller.customer.expect("them").customer_ref;
    join(&client, "m", &writer, &caller).await;
    let hints = IdentityHints { caller_number: NUMBER.into(), ..email_hint(MAIL) };
    client.start(start_with("under way", "voice", hints)).await.expect("a start");
    let mut sure = confirm("under way", "yes");
    sure.identity_feedback = confirmed_as(&writer);
    client.update(sure).await.expect("a confirmation");
    assert!(client.unlink(unlink("u", &writer, phone(NUMBER))).await.expect("it").was_linked);
    let numbers = async || {
        let person = client.person(&writer).await;
        person.identifiers.iter().filter(|it| it.value == NUMBER).count()
    };
    assert_eq!(numbers().await, 0);
    let answer = client.import(older(&world)).await.expect("an import");
    assert_eq!((answer.unchanged_count, answer.rejected_count), (1, 0));
    assert_eq!(numbers().await, 0, "what was said before it was unlinked");
    let more = UpdateInteractionRequest {
        identity_hints: Some(external_hint("crm_id", "C-9")),
        ..update("under way", "more")
    };
    client.update(more).await.expect("an update");
    client.end(end("under way")).await.expect("an end");
    assert_eq!(numbers().await, 0, "what was under way when it was unlinked");
    world.close().await;
}

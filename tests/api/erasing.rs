//! Erasing a person: all of it goes, on every instance, and nothing that comes late brings them back.

use threadline::cli::audit::verify;
use threadline::grpc::proto::erase_customer_response::Outcome;
use threadline::grpc::proto::{
    EndInteractionRequest, EraseCustomerRequest, ErasurePreview, ErasureReceipt,
    GetCustomerRequest, IdentityHints, IntentStatus, ListInteractionsRequest,
    UnmergeCustomersRequest,
};
use tonic::Code;

use super::access::second_instance;
use super::customers::{mail as mail_address, upsert, upsert_with};
use super::merging::{join, mail, two};
use super::settling::{MAIL, NUMBER, somebody, staff};
use super::ties::{identifier, link, unlink};

use crate::support::client::{Answered, Said, assert_refused, said};
use crate::support::requests::{
    call, confirm, email_hint, end, end_with, get, landline_call, merge, number_hint, start,
    start_with, unmerge, update,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    a_person_goes_and_nothing_brings_them_back,
    whoever_shares_a_line_keeps_theirs,
    everybody_who_is_one_person_goes,
    whoever_was_unmerged_stays,
    every_instance_forgets_them,
    what_is_remembered_of_them_leaves_every_memory,
    requests_that_changed_them_are_not_done_again,
);

pub(super) fn erase(customer_ref: &str, token: &str, request_id: &str) -> EraseCustomerRequest {
    EraseCustomerRequest {
        customer_ref: customer_ref.into(),
        preview_token: token.into(),
        request_id: request_id.into(),
        ..Default::default()
    }
}

pub(super) async fn preview(client: &Client, customer_ref: &str) -> ErasurePreview {
    let answer = client.erase(erase(customer_ref, "", "")).await.expect("a preview");
    match answer.outcome {
        Some(Outcome::Preview(preview)) => preview,
        _ => panic!("nothing may be erased without a token"),
    }
}

pub(super) async fn receipt(client: &Client, request: EraseCustomerRequest) -> ErasureReceipt {
    match client.erase(request).await.expect("an erasure").outcome {
        Some(Outcome::Receipt(receipt)) => receipt,
        _ => panic!("a token is to erase"),
    }
}

/// Previews and erases.
pub(super) async fn gone(client: &Client, customer_ref: &str, request_id: &str) -> ErasureReceipt {
    let token = preview(client, customer_ref).await.preview_token;
    receipt(client, erase(customer_ref, &token, request_id)).await
}

#[track_caller]
pub(super) fn erased<T>(answer: Answered<T>) {
    assert_refused(answer, Code::NotFound, "ERASED");
}

pub(super) async fn whole(world: &World) {
    let (text, whole) = verify(&world.running.service, None, &[]).await.expect("a verdict");
    assert!(whole, "{text}");
}

async fn a_person_goes_and_nothing_brings_them_back(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let dana = somebody(&client, "first", "voice", number_hint(NUMBER)).await;
    client.start(call("second", NUMBER)).await.expect("a start");
    client.update(update("second", "u")).await.expect("an update");
    let seen = preview(&client, &dana).await;
    assert_eq!(
        (seen.customer_ref.as_str(), seen.member_refs.as_slice()),
        (&*dana, &[dana.clone()][..])
    );
    let counts = seen.counts.expect("counts");
    assert_eq!(
        (counts.customer_count, counts.interaction_count, counts.identifier_count),
        (1, 2, 1)
    );
    assert_eq!((counts.intent_count, counts.variable_count, counts.merge_count), (1, 1, 0));
    let request = erase(&dana, &seen.preview_token, "gdpr-1");
    let done = receipt(&client, request.clone()).await;
    assert_eq!(done.counts.expect("counts").interaction_count, 2);
    assert!(receipt(&client, request).await == done, "sent again, it is answered again");
    whole(&world).await;

    let by_ref = GetCustomerRequest { customer_ref: dana.clone(), ..Default::default() };
    erased(client.customer(by_ref).await);
    erased(client.get(get("first")).await);
    erased(client.start(call("first", NUMBER)).await);
    erased(client.start(call("second", NUMBER)).await);
    erased(client.start(start_with("second", "email", number_hint("+442079460999"))).await);
    erased(client.update(update("second", "u")).await);
    erased(client.update(update("second", "later")).await);
    erased(client.end(end_with("second", "billing", IntentStatus::Open)).await);
    erased(client.end(EndInteractionRequest { channel: "voice".into(), ..end("first") }).await);
    erased(client.erase(erase(&dana, "", "")).await);
    erased(client.erase(erase(&dana, &seen.preview_token, "gdpr-2")).await);
    let listing = ListInteractionsRequest { customer_ref: dana.clone(), ..Default::default() };
    erased(client.list(listing).await);

    let anew = client.start(call("third", NUMBER)).await.expect("a start");
    assert!(anew.new_customer && said(&anew) == Said::Ignore, "nobody is known by the number");
    assert_ne!(anew.customer_ref, dana);
    whole(&world).await;
    world.close().await;
}

/// A landline of two: each is known by it and by a mail of their own.
async fn whoever_shares_a_line_keeps_theirs(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let both = |id: &str, address: &str| {
        let hints = IdentityHints { caller_number: NUMBER.into(), ..email_hint(address) };
        threadline::grpc::proto::StartInteractionRequest {
            identity_hints: Some(hints),
            ..landline_call(id, NUMBER)
        }
    };
    let dana = client.start(both("d", "dana@example.com")).await.expect("a start").customer_ref;
    client
        .end(EndInteractionRequest { summary: "Dana's".into(), ..end("d") })
        .await
        .expect("an end");
    let ira =
        client.upsert(upsert_with("i", vec![mail_address("ira@example.com")], &[("name", "Ira")]));
    let ira = ira.await.expect("somebody").customer.expect("them").customer_ref;
    let owners = async |id: &str| {
        let tied = client.link(link(id, &ira, identifier("phone", "", NUMBER))).await;
        tied.expect("a link").owner_count
    };
    assert_eq!(owners("il").await, 2);
    client
        .end(EndInteractionRequest {
            channel: "voice".into(),
            customer_ref: ira.clone(),
            summary: "Ira's".into(),
            ..end("i")
        })
        .await
        .expect("an end");
    gone(&client, &dana, "e").await;
    let left = client.person(&ira).await;
    assert_eq!((left.contact_count, left.identifiers.len()), (1, 2));
    assert_eq!(owners("il2").await, 1);
    assert_eq!(client.history(&ira).await, ["i"]);
    let called = client.start(both("again", "ira@example.com")).await.expect("a start");
    assert_eq!((called.customer_ref.as_str(), said(&called)), (&*ira, Said::Reuse));
    assert!(called.recent_interactions.iter().all(|one| one.summary == "Ira's"));
    let called = client.start(call("mobile", NUMBER)).await.expect("a start");
    let candidates = called.identity.expect("an identity").candidates;
    assert!(candidates.iter().all(|one| one.customer_ref == ira));
    whole(&world).await;
    world.close().await;
}

async fn everybody_who_is_one_person_goes(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (one, other) = two(&client).await;
    join(&client, "m", &one, &other).await;
    let seen = preview(&client, &other).await;
    assert_eq!(seen.member_refs, [one.clone(), other.clone()]);
    let counts = seen.counts.expect("counts");
    assert_eq!((counts.customer_count, counts.merge_count, counts.interaction_count), (2, 1, 2));
    assert_eq!((counts.identifier_count, counts.intent_count, counts.variable_count), (2, 2, 2));
    receipt(&client, erase(&other, &seen.preview_token, "e")).await;
    for customer_ref in [&one, &other] {
        let whom = GetCustomerRequest { customer_ref: customer_ref.clone(), ..Default::default() };
        erased(client.customer(whom).await);
    }
    erased(client.merge(merge("m", &one, &other)).await);
    erased(client.get(get("first call")).await);
    erased(client.end(end("first mail")).await);
    for request in [call("new call", NUMBER), mail("new mail")] {
        let anew = client.start(request).await.expect("a start");
        assert!(anew.new_customer && anew.open_intents.is_empty() && anew.variables.is_empty());
    }
    whole(&world).await;
    world.close().await;
}

async fn whoever_was_unmerged_stays(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (one, other) = two(&client).await;
    let merge_id = join(&client, "m", &one, &other).await;
    client.unmerge(unmerge("u", &merge_id)).await.expect("an unmerge");
    let seen = preview(&client, &one).await;
    assert_eq!(
        (seen.member_refs.as_slice(), seen.counts.expect("counts").merge_count),
        (&[one.clone()][..], 1)
    );
    receipt(&client, erase(&one, &seen.preview_token, "e")).await;
    let left = client.person(&other).await;
    assert_eq!((left.contact_count, left.merges.len(), left.open_intents.len()), (1, 0, 1));
    assert_eq!(client.history(&other).await, ["first mail"]);
    let known = client.start(mail("again")).await.expect("a start");
    assert_eq!(known.customer_ref, other);
    // The merge named both; whoever says so again is told.
    erased(client.merge(merge("m", &one, &other)).await);
    erased(client.merge(merge("m2", &other, &one)).await);
    // So is whoever repeats what named somebody as the second of the two.
    let third = somebody(&client, "third", "voice", number_hint("+14155550177")).await;
    join(&client, "m3", &other, &third).await;
    let between = UnmergeCustomersRequest {
        request_id: "u3".into(),
        customer_ref: other.clone(),
        other_customer_ref: third.clone(),
        ..Default::default()
    };
    client.unmerge(between.clone()).await.expect("an unmerge");
    gone(&client, &third, "e3").await;
    erased(client.merge(merge("m3", &other, &third)).await);
    erased(client.unmerge(between).await);
    whole(&world).await;
    world.close().await;
}

/// What each of two instances remembers: a customer, an interaction, who owns a number.
async fn every_instance_forgets_them(engine: Engine) {
    let world = World::on(engine).await;
    let other = second_instance(&world).await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let header = format!("Bearer {key}");
    let here = world.with_header(Some(&header)).await;
    let there = Client::connect(other.address, Some(&header)).await;
    for (round, eraser, remembering) in [(1, &here, &there), (2, &there, &here)] {
        let number = format!("+1415555019{round}");
        let id = |what: &str| format!("{what} {round}");
        let dana = somebody(eraser, &id("first"), "voice", number_hint(&number)).await;
        for client in [remembering, eraser] {
            let warm = id(if std::ptr::eq(client, eraser) { "warm" } else { "cold" });
            let known = client.start(call(&warm, &number)).await.expect("a start");
            assert_eq!((known.customer_ref.as_str(), known.variables.len()), (&*dana, 1));
            client.get(get(&warm)).await.expect("it is known");
        }
        let ira = vec![mail_address(&format!("ira{round}@example.com"))];
        let ira = eraser.upsert(upsert_with(&id("i"), ira, &[])).await.expect("somebody");
        let ira = ira.customer.expect("them").customer_ref;
        gone(eraser, &dana, &id("e")).await;
        // Who owns a number is remembered as well: nobody but whom it is given to.
        let giver = if round == 1 { remembering } else { eraser };
        let phone = || identifier("phone", "", &number);
        let given = giver.link(link(&id("l"), &ira, phone())).await.expect("a link");
        assert_eq!(given.owner_count, 1, "round {round}");
        giver.unlink(unlink(&id("ul"), &ira, phone())).await.expect("an unlink");
        erased(remembering.get(get(&id("cold"))).await);
        erased(remembering.update(update(&id("cold"), "u")).await);
        erased(remembering.end(end(&id("cold"))).await);
        erased(remembering.start(call(&id("warm"), &number)).await);
        for (client, new) in [(remembering, true), (eraser, false)] {
            let next = id(if new { "next" } else { "last" });
            let anew = client.start(call(&next, &number)).await.expect("a start");
            assert_eq!(anew.new_customer, new);
            assert!(anew.customer_ref != dana && anew.variables.is_empty());
            assert!(anew.recent_interactions.is_empty() && anew.open_intents.is_empty());
        }
        erased(remembering.erase(erase(&dana, "", "")).await);
    }
    whole(&world).await;
    other.stop().await.expect("an orderly stop");
    world.close().await;
}

async fn what_is_remembered_of_them_leaves_every_memory(engine: Engine) {
    let world = World::on(engine).await;
    let other = second_instance(&world).await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let header = format!("Bearer {key}");
    let here = world.with_header(Some(&header)).await;
    let there = Client::connect(other.address, Some(&header)).await;
    let dana = somebody(&here, "first", "voice", number_hint(NUMBER)).await;
    // Calls of people who are known change nothing of them, so that nobody's memory is stale.
    somebody(&here, "bystander", "voice", number_hint("+14155550178")).await;
    for request in [call("warm", NUMBER), call("warm too", "+14155550178")] {
        there.start(request).await.expect("a start");
    }
    let service = &other.service;
    assert_eq!(
        (service.remembered_customers(), service.forget_changed().await.expect("it")),
        (2, 0)
    );
    gone(&here, &dana, "e").await;
    assert_eq!(service.remembered_customers(), 2, "nobody has asked since");
    assert_eq!(service.forget_changed().await.expect("a look"), 1);
    assert_eq!(service.remembered_customers(), 1, "the other one stays");
    assert_eq!(world.running.service.forget_changed().await.expect("a look"), 0, "gone at once");
    other.stop().await.expect("an orderly stop");
    world.close().await;
}

async fn requests_that_changed_them_are_not_done_again(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let made = || upsert_with("u", vec![mail_address(MAIL)], &[("name", "Dana")]);
    let dana = client.upsert(made()).await.expect("somebody").customer.expect("them").customer_ref;
    let tied = || link("l", &dana, identifier("phone", "", NUMBER));
    client.link(tied()).await.expect("a link");
    gone(&client, &dana, "e").await;
    erased(client.upsert(made()).await);
    erased(client.link(tied()).await);
    erased(client.link(link("l2", &dana, identifier("phone", "", NUMBER))).await);
    let named = threadline::grpc::proto::UpsertCustomerRequest {
        customer_ref: dana.clone(),
        ..upsert("u2", Vec::new())
    };
    erased(client.upsert(named).await);
    erased(client.preview(&dana, &dana).await);
    // As a hint it is nobody's: what was meant is told, and nothing comes back.
    let hints = IdentityHints { customer_ref: dana.clone(), ..email_hint(MAIL) };
    let hinted = client.start(start_with("hinted", "email", hints)).await.expect("a start");
    assert!(hinted.new_customer);
    assert_eq!(hinted.warnings[0].code, "unknown_customer_ref");
    client.start(start("s", "voice")).await.expect("a start");
    let echoed = EndInteractionRequest { customer_ref: dana.clone(), ..end("s") };
    assert_eq!(client.end(echoed).await.expect("an end").warnings[0].code, "unknown_customer_ref");
    client.start(start("c", "voice")).await.expect("a start");
    let said = threadline::grpc::proto::UpdateInteractionRequest {
        identity_feedback: super::merging::confirmed_as(&dana),
        ..confirm("c", "u")
    };
    erased(client.update(said).await);
    // A new request is about somebody new.
    let anew = upsert_with("u3", vec![mail_address("new@example.com")], &[("name", "Dana")]);
    assert!(client.upsert(anew).await.expect("somebody").created);
    whole(&world).await;
    world.close().await;
}

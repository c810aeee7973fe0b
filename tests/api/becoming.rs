//! Whose a contact becomes, when what is said of it comes in another order or from another system.

use threadline::grpc::proto::{
    Assurance, EndInteractionRequest, IdentityHints, StartInteractionRequest,
    UpdateInteractionRequest,
};

use super::customers::{attributes, upsert_with};
use super::merging::attribute;
use super::settling::{MAIL, NUMBER, assert_silent, somebody, staff};
use crate::support::client::{Said, said};
use crate::support::requests::{
    call, confirm, email_hint, end, end_confirms, external_hint, get, number_hint, reject,
    start_with, update, variable,
};
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(
    a_customer_that_became_somebody_is_not_passed_over,
    an_end_before_its_start_is_found_by_its_start,
    a_bots_echo_settles_nothing,
    a_system_that_names_the_customer_is_as_sure_as_it_says,
    the_primary_identifier_decides_for_updates_too,
    a_ref_of_somebody_else_is_listed,
    after_a_correction_what_points_elsewhere_is_listed,
    what_is_said_with_the_confirmation_is_newer,
    what_is_said_with_the_correction_is_newer,
);

fn hinted(id: &str, update_id: &str, hints: IdentityHints) -> UpdateInteractionRequest {
    UpdateInteractionRequest { identity_hints: Some(hints), ..update(id, update_id) }
}

async fn a_customer_that_became_somebody_is_not_passed_over(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let gil = somebody(&client, "gil", "app", external_hint("user_id", "U-1")).await;
    let made = client.start(start_with("call", "web", email_hint("nina@example.com"))).await;
    let nina = made.expect("a start").customer_ref;
    let mut filled = upsert_with("crm", Vec::new(), &[("name", "Nina")]);
    filled.customer_ref.clone_from(&nina);
    client.upsert(filled).await.expect("an upsert");
    let answer = client.update(hinted("call", "more", external_hint("user_id", "U-1"))).await;
    let answer = answer.expect("an update");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Ignore, &nina), "hers still");
    assert_silent(&answer);
    let conflicts = answer.identity.expect("an identity").conflicts;
    assert_eq!(conflicts.iter().map(|it| it.namespace.as_str()).collect::<Vec<_>>(), ["user_id"]);
    assert_eq!(client.person(&nina).await.identifiers.len(), 1, "Gil's id is not hers");
    assert_eq!(client.person(&gil).await.profile.len(), 0);
    world.close().await;
}

async fn an_end_before_its_start_is_found_by_its_start(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "first", "app", external_hint("crm_id", "K-1")).await;
    let early = EndInteractionRequest {
        channel: "app".into(),
        summary: "came before its start".into(),
        variables: variable("seat", "12A"),
        ..end("early")
    };
    client.end(early).await.expect("an end");
    let late = client.start(start_with("early", "app", external_hint("crm_id", "K-1"))).await;
    assert_eq!(late.expect("a late start").customer_ref, known);
    let next = client.start(start_with("next", "app", external_hint("crm_id", "K-1"))).await;
    let next = next.expect("a start");
    assert_eq!((said(&next), &next.customer_ref), (Said::Reuse, &known));
    assert_eq!(next.variables["seat"].value, "12A");
    assert_eq!(client.person(&known).await.contact_count, 2);
    world.close().await;
}

async fn a_bots_echo_settles_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let (client, bot) = (staff(&world).await, world.role("bot").await);
    let victim = somebody(&client, "victim", "email", email_hint(MAIL)).await;
    let asked = bot.start(start_with("chat", "web", email_hint(MAIL))).await.expect("a start");
    assert_eq!((said(&asked), &asked.customer_ref), (Said::Confirm, &victim));
    let echo = |id: &str| EndInteractionRequest {
        channel: "web".into(),
        customer_ref: victim.clone(),
        ..end(id)
    };
    bot.end(echo("other chat")).await.expect("an end");
    let got = bot.get(get("other chat")).await.expect("it");
    assert!(got.variables.is_empty() && got.open_intents.is_empty(), "the victim's");
    let late = bot.start(start_with("other chat", "web", email_hint(MAIL))).await.expect("late");
    assert_silent(&late);
    // A person's system knows whose it was.
    client.end(echo("desk")).await.expect("an end");
    assert_eq!(client.person(&victim).await.contact_count, 2);
    world.close().await;
}

async fn a_system_that_names_the_customer_is_as_sure_as_it_says(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let ada = somebody(&client, "ada", "voice", number_hint(NUMBER)).await;
    let bob = somebody(&client, "bob", "email", email_hint(MAIL)).await;
    let named = |id: &str, hints: Option<IdentityHints>| EndInteractionRequest {
        channel: "email".into(),
        customer_ref: ada.clone(),
        identity_hints: hints,
        profile: attributes(&[("tier", "gold")]),
        ..end(id)
    };
    client.end(named("ticket", None)).await.expect("an end");
    let got = client.get(get("ticket")).await.expect("it").identity.expect("an identity");
    assert!(got.assurance() == Assurance::Carried);
    assert!(got.confidence >= 0.5, "{}", got.confidence);
    let sum: f64 = got.evidence.iter().map(|one| one.log_odds).sum();
    assert!((sum - 2.944).abs() < 1e-9, "the evidence sums to the score: {sum}");
    assert!(client.person(&ada).await.profile["tier"].assurance() == Assurance::Carried);
    // What is somebody else's stays theirs, and is listed.
    client.end(named("shared", Some(email_hint(MAIL)))).await.expect("an end");
    let conflicts = client.conflicts(&ada).await;
    assert_eq!(conflicts.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["email"]);
    assert_eq!(client.person(&ada).await.identifiers.len(), 1);
    let mail = client.start(start_with("mail", "email", email_hint(MAIL))).await.expect("a start");
    assert_eq!((said(&mail), &mail.customer_ref), (Said::Reuse, &bob));
    world.close().await;
}

async fn the_primary_identifier_decides_for_updates_too(engine: Engine) {
    let settings = "[tenants.acme]\nprimary_identifier = \"email\"\n";
    let world = Setup::on(engine).settings(settings).open().await;
    let client = staff(&world).await;
    let ada = somebody(&client, "ada", "email", email_hint(MAIL)).await;
    somebody(&client, "bob", "voice", number_hint(NUMBER)).await;
    let both = IdentityHints { caller_number: NUMBER.into(), ..email_hint(MAIL) };
    let decided = client.start(start_with("both", "email", both)).await.expect("a start");
    assert_eq!((said(&decided), &decided.customer_ref), (Said::Reuse, &ada));
    let more = client.update(hinted("both", "order", external_hint("order_number", "7"))).await;
    let more = more.expect("an update");
    assert_eq!((said(&more), &more.customer_ref), (Said::Reuse, &ada), "still the same");
    assert!(!more.open_intents.is_empty());
    world.close().await;
}

async fn a_ref_of_somebody_else_is_listed(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let ada = somebody(&client, "ada", "email", email_hint(MAIL)).await;
    let bob = somebody(&client, "bob", "voice", number_hint(NUMBER)).await;
    let of_bob = IdentityHints { customer_ref: bob, ..Default::default() };
    client.start(start_with("one", "email", email_hint(MAIL))).await.expect("a start");
    let asked = client.update(hinted("one", "ref", of_bob.clone())).await.expect("an update");
    assert_eq!((said(&asked), &asked.customer_ref), (Said::Confirm, &ada));
    assert_silent(&asked);
    client.start(start_with("two", "email", email_hint(MAIL))).await.expect("a start");
    let on = StartInteractionRequest {
        continues_interaction_id: "two".into(),
        ..start_with("three", "email", of_bob)
    };
    let on = client.start(on).await.expect("a continuation");
    assert_eq!((said(&on), &on.customer_ref), (Said::Confirm, &ada));
    assert_silent(&on);
    world.close().await;
}

async fn after_a_correction_what_points_elsewhere_is_listed(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let ada = somebody(&client, "ada", "telegram", telegram("7001")).await;
    let bob = somebody(&client, "bob", "email", email_hint(MAIL)).await;
    let both = IdentityHints { telegram_user_id: "7001".into(), ..email_hint(MAIL) };
    let asked = client.start(start_with("both", "email", both)).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    let (first, other) = if asked.customer_ref == ada { (&ada, &bob) } else { (&bob, &ada) };
    assert_eq!(&asked.customer_ref, first);
    let moved = client.update(reject("both", "no", Some(other))).await.expect("a correction");
    let conflicts = moved.identity.expect("an identity").conflicts;
    let expected = if other == &bob { "telegram" } else { "email" };
    assert_eq!(conflicts.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(), [expected]);
    world.close().await;
}

fn telegram(id: &str) -> IdentityHints {
    IdentityHints { telegram_user_id: id.into(), ..Default::default() }
}

async fn what_is_said_with_the_confirmation_is_newer(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "first", "email", email_hint(MAIL)).await;
    for round in 0..6 {
        let id = format!("form {round}");
        client.start(start_with(&id, "web", email_hint(MAIL))).await.expect("a start");
        let old = UpdateInteractionRequest { variables: variable("x", "old"), ..update(&id, "1") };
        client.update(old).await.expect("an update");
        let new = format!("new {round}");
        let said = UpdateInteractionRequest { variables: variable("x", &new), ..confirm(&id, "2") };
        let answer = client.update(said).await.expect("a confirmation");
        assert_eq!(answer.variables["x"].value, new);
        let revision = |number, value: &str| EndInteractionRequest {
            revision: Some(number),
            variables: variable("y", value),
            profile: attribute("tier", value),
            ..end(&format!("ticket {round}"))
        };
        let hints = Some(email_hint(MAIL));
        let first = EndInteractionRequest {
            channel: "web".into(),
            identity_hints: hints,
            ..revision(1, "old")
        };
        client.end(first).await.expect("an end");
        let said = EndInteractionRequest { identity_feedback: end_confirms(), ..revision(2, &new) };
        client.end(said).await.expect("an amendment");
        for place in [&world.client(&World::new_key(&["admin"])).await, &client] {
            let person = place.person(&known).await;
            assert_eq!(person.variables["y"].value, new);
            assert_eq!(person.profile["tier"].value, new);
        }
    }
    world.close().await;
}

async fn what_is_said_with_the_correction_is_newer(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let other = somebody(&client, "first", "email", email_hint(MAIL)).await;
    for round in 0..6 {
        let id = format!("call {round}");
        client.start(call(&id, NUMBER)).await.expect("a start");
        let first = EndInteractionRequest {
            revision: Some(1),
            variables: variable("x", "old"),
            ..end(&id)
        };
        client.end(first).await.expect("an end");
        let new = format!("new {round}");
        let said = EndInteractionRequest {
            revision: Some(2),
            variables: variable("x", &new),
            identity_feedback: crate::support::requests::end_rejects(Some(&other)),
            ..end(&id)
        };
        client.end(said).await.expect("a correction");
        assert_eq!(client.person(&other).await.variables["x"].value, new);
    }
    world.close().await;
}

//! Who made a customer by what anybody could say, or sits at a browser, is shown nothing of what others
//! have made of that customer, and is not met as them from then on.

use threadline::grpc::proto::{
    ConsentInput, ConsentState, EndInteractionRequest, GetCustomerRequest, IdentityHints,
    IntentStatus, MergeCustomersRequest, StartInteractionRequest, StartInteractionResponse,
    UpdateInteractionRequest,
};
use tonic::Code;

use super::settling::{MAIL, NUMBER, assert_silent, somebody, staff};
use super::visitors::Site;
use super::web_tokens::assert_proven;
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    confirm, email_hint, end, end_with, external_hint, merge, number_hint, reject, start_with,
    update, variable,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    whoever_typed_an_address_first_does_not_become_its_owner,
    nor_by_signing_in,
    nor_is_whoever_sits_where_a_known_one_signed_in,
    that_it_is_somebody_new_vouches_for_nobody,
    what_a_contact_showed_goes_with_it_where_a_token_moves_it,
    nor_does_who_goes_on_with_it,
    who_called_by_their_number_goes_on_as_themselves,
    what_goes_on_in_one_chain_is_handed_on,
    an_agent_does_not_look_through_it,
    a_stranger_who_signs_in_at_a_browser_is_nobody_who_did_before,
    what_the_primary_identifier_overrules_is_not_linked_by_an_update,
    an_end_that_names_its_customer_stays_in_its_chain,
);

fn hinted(id: &str, hints: IdentityHints) -> UpdateInteractionRequest {
    UpdateInteractionRequest { identity_hints: Some(hints), ..update(id, "more") }
}

fn going_on(id: &str, with: &str, hints: IdentityHints) -> StartInteractionRequest {
    StartInteractionRequest {
        continues_interaction_id: with.into(),
        ..start_with(id, "web_chat", hints)
    }
}

/// At a browser, or at none that is known.
const BROWSERS: [&str; 2] = ["", "browser-1"];

/// A chat that only typed the address; then whoever has it writes, an agent says that it is them, and
/// what they said is on file.
async fn typed_by_one_and_had_by_another(client: &Client, browser: &str) -> String {
    let typed = IdentityHints { visitor_id: browser.to_owned(), ..email_hint(MAIL) };
    let chat = client.start(start_with("chat", "web_chat", typed)).await;
    let customer = chat.expect("a start").customer_ref;
    let mail = client.start(start_with("mail", "email", email_hint(MAIL))).await.expect("a start");
    assert_eq!((said(&mail), &mail.customer_ref), (Said::Confirm, &customer));
    client.update(confirm("mail", "it is them")).await.expect("an update");
    let refused = ConsentInput { state: ConsentState::Refused.into(), ..Default::default() };
    let ended = EndInteractionRequest {
        variables: variable("secret", "of whoever wrote"),
        consents: [("marketing".to_owned(), refused)].into(),
        ..end_with("mail", "divorce", IntentStatus::Open)
    };
    client.end(ended).await.expect("an end");
    customer
}

fn assert_not_them(answer: &StartInteractionResponse) {
    assert_ne!(said(answer), Said::Reuse);
    assert_silent(answer);
    assert!(answer.consents.is_empty(), "what others said of consent");
}

async fn whoever_typed_an_address_first_does_not_become_its_owner(engine: Engine) {
    for browser in BROWSERS {
        let world = World::on(engine).await;
        let client = staff(&world).await;
        let customer = typed_by_one_and_had_by_another(&client, browser).await;
        let before = client.person(&customer).await.identifiers.len();
        let own = || external_hint("user_id", "U-666");
        assert_not_them(&client.update(hinted("chat", own())).await.expect("an update"));
        let next = client.start(start_with("next", "app", own())).await.expect("a start");
        assert_not_them(&next);
        assert_ne!(next.customer_ref, customer);
        assert_eq!(client.person(&customer).await.identifiers.len(), before, "{browser}");
        world.close().await;
    }
}

async fn nor_by_signing_in(engine: Engine) {
    for browser in BROWSERS {
        let site = Site::on(engine).await;
        let customer = typed_by_one_and_had_by_another(&site.client, browser).await;
        assert_not_them(&site.sign_in("chat", "user-666").await);
        let next = site.start("next", "", "user-666").await;
        assert_not_them(&next);
        assert_ne!(next.customer_ref, customer);
        site.world.close().await;
    }
}

async fn nor_is_whoever_sits_where_a_known_one_signed_in(engine: Engine) {
    let site = Site::on(engine).await;
    let known = site.chat("at home", "", "user-17").await;
    let open = site.start("open", "browser-1", "").await;
    assert!(open.new_customer);
    site.chat("signed in", "browser-1", "user-17").await;
    let own = || external_hint("user_id", "U-666");
    assert_not_them(&site.client.update(hinted("open", own())).await.expect("an update"));
    let on = site.client.start(going_on("on", "open", IdentityHints::default())).await;
    assert_not_them(&on.expect("a continuation"));
    assert_not_them(&site.client.update(hinted("on", own())).await.expect("an update"));
    let next = site.client.start(start_with("next", "app", own())).await.expect("a start");
    assert_not_them(&next);
    assert_ne!(next.customer_ref, known);
    site.world.close().await;
}

async fn that_it_is_somebody_new_vouches_for_nobody(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(start_with("chat", "web_chat", email_hint(MAIL))).await.expect("a start");
    client.update(reject("chat", "somebody new", None)).await.expect("a rejection");
    client.start(start_with("mail", "email", email_hint(MAIL))).await.expect("a start");
    client.update(confirm("mail", "it is them")).await.expect("an update");
    client.end(end_with("mail", "divorce", IntentStatus::Open)).await.expect("an end");
    let on = client.start(going_on("on", "chat", IdentityHints::default())).await;
    assert_not_them(&on.expect("a continuation"));
    world.close().await;
}

async fn what_a_contact_showed_goes_with_it_where_a_token_moves_it(engine: Engine) {
    let site = Site::on(engine).await;
    let known = site.chat("at home", "", "user-17").await;
    let other = somebody(&site.client, "other", "app", external_hint("crm_id", "C-1")).await;
    let shown = IdentityHints { telegram_user_id: "7001".into(), ..external_hint("crm_id", "C-1") };
    let chat = site.client.start(start_with("chat", "telegram", shown)).await.expect("a start");
    assert_eq!((said(&chat), &chat.customer_ref), (Said::Reuse, &other));
    assert_proven(&site.sign_in("chat", "user-17").await, &known);
    let hints = IdentityHints { telegram_user_id: "7001".into(), ..Default::default() };
    let next = site.client.start(start_with("next", "telegram", hints)).await.expect("a start");
    assert_eq!(next.customer_ref, known);
    site.world.close().await;
}

async fn nor_does_who_goes_on_with_it(engine: Engine) {
    for browser in BROWSERS {
        goes_on_with_it(engine, browser).await;
    }
}

async fn goes_on_with_it(engine: Engine, browser: &str) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    // Taken over while nobody else was known by it.
    let hints = IdentityHints { visitor_id: browser.to_owned(), ..email_hint(MAIL) };
    let chat = client.start(start_with("chat", "web_chat", hints)).await;
    let customer = chat.expect("a start").customer_ref;
    let early = client.start(going_on("early", "chat", IdentityHints::default())).await;
    assert_eq!(said(&early.expect("a continuation")), Said::Reuse);
    let mail = client.start(start_with("mail", "email", email_hint(MAIL))).await.expect("a start");
    assert_eq!(mail.customer_ref, customer);
    client.update(confirm("mail", "it is them")).await.expect("an update");
    let ended = end_with("mail", "divorce", IntentStatus::Open);
    client.end(ended).await.expect("an end");
    for id in ["chat", "early"] {
        let on = client.start(going_on(&format!("on from {id}"), id, IdentityHints::default()));
        let on = on.await.expect("a continuation");
        assert_eq!((said(&on), &on.customer_ref), (Said::Confirm, &customer), "{id}");
        assert_silent(&on);
    }
    let early = client.update(update("early", "later")).await.expect("an update");
    assert_eq!(said(&early), Said::Confirm);
    assert_silent(&early);
    let sure = client.update(confirm("early", "an agent asked")).await.expect("an update");
    assert_eq!(said(&sure), Said::Reuse);
    assert_eq!(sure.open_intents.len(), 1);
    // One person with somebody who is known.
    let visitor_id = if browser.is_empty() { "" } else { "browser-2" }.to_owned();
    let other = IdentityHints { visitor_id, ..email_hint("other@example.com") };
    let typed = client.start(start_with("typed", "web_chat", other)).await;
    let typed = typed.expect("a start").customer_ref;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let merged: MergeCustomersRequest = merge("they are one", &typed, &known);
    client.merge(merged).await.expect("a merge");
    let on = client.start(going_on("on", "typed", IdentityHints::default())).await;
    assert_not_them(&on.expect("a continuation"));
    world.close().await;
}

async fn who_called_by_their_number_goes_on_as_themselves(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let called = client.start(start_with("call", "voice", number_hint(NUMBER))).await;
    let caller = called.expect("a start").customer_ref;
    let on = client.start(going_on("agent's", "call", IdentityHints::default())).await;
    assert_eq!(said(&on.expect("a continuation")), Said::Reuse);
    // They call again, and turn out to be somebody who is known.
    client.start(start_with("again", "voice", number_hint(NUMBER))).await.expect("a start");
    client.end(end_with("again", "delivery", IntentStatus::Open)).await.expect("an end");
    let known = somebody(&client, "known", "email", email_hint(MAIL)).await;
    client.merge(merge("they are one", &caller, &known)).await.expect("a merge");
    let agent = world.role("agent").await;
    let same = client.update(update("agent's", "later")).await.expect("an update");
    assert_eq!(said(&same), Said::Reuse);
    assert!(!same.open_intents.is_empty(), "whose they are");
    let whom = GetCustomerRequest { interaction_id: "agent's".into(), ..Default::default() };
    agent.customer(whom).await.expect("whose contact it is");
    let on = client.start(going_on("second level", "agent's", IdentityHints::default())).await;
    assert_eq!(said(&on.expect("a continuation")), Said::Reuse);
    world.close().await;
}

async fn what_goes_on_in_one_chain_is_handed_on(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(start_with("bot", "web_chat", email_hint(MAIL))).await.expect("a start");
    let ended = EndInteractionRequest {
        variables: variable("seat", "12A"),
        ..end_with("bot", "seat", IntentStatus::Open)
    };
    client.end(ended).await.expect("an end");
    for (id, before) in [("agent", "bot"), ("second level", "agent")] {
        let on = client.start(going_on(id, before, IdentityHints::default())).await;
        let on = on.expect("a continuation");
        assert_eq!(said(&on), Said::Reuse, "{id}");
        assert_eq!(on.variables["seat"].value, "12A", "{id}");
        client.end(end(id)).await.expect("an end");
    }
    world.close().await;
}

async fn an_agent_does_not_look_through_it(engine: Engine) {
    let site = Site::on(engine).await;
    typed_by_one_and_had_by_another(&site.client, "browser-0").await;
    site.start("browser's", "browser-1", "").await;
    site.chat("signed in", "browser-1", "user-17").await;
    let agent = site.world.role("agent").await;
    for id in ["chat", "browser's"] {
        let whom = GetCustomerRequest { interaction_id: id.into(), ..Default::default() };
        let refused = agent.customer(whom).await;
        assert_refused(refused, Code::FailedPrecondition, "INTERACTION_NOT_SETTLED");
    }
    for id in ["mail", "signed in"] {
        let whom = GetCustomerRequest { interaction_id: id.into(), ..Default::default() };
        agent.customer(whom).await.expect("whose contact it is");
    }
    site.world.close().await;
}

async fn a_stranger_who_signs_in_at_a_browser_is_nobody_who_did_before(engine: Engine) {
    let site = Site::on(engine).await;
    for (browser, hints) in [
        ("browser-1", site.hints("", "user-666")),
        ("browser-2", external_hint("user_id", "U-666")),
    ] {
        let ids = ["before", "open", "signed in", "later"].map(|id| format!("{id} {browser}"));
        let [before, open, signed_in, later] = &ids;
        site.chat(before, browser, "").await;
        assert_eq!(said(&site.start(open, browser, "").await), Said::Reuse);
        let owner = site.chat(signed_in, browser, &format!("owner of {browser}")).await;
        let stranger = site.client.update(hinted(open, hints.clone())).await.expect("an update");
        assert_not_them(&stranger);
        let on = site.client.start(going_on(&format!("on {browser}"), open, hints.clone())).await;
        assert_not_them(&on.expect("a continuation"));
        let next = site.client.start(start_with(later, "app", hints)).await.expect("a start");
        assert_not_them(&next);
        assert_ne!(next.customer_ref, owner);
        let back = site.start(&format!("back {browser}"), "", &format!("owner of {browser}")).await;
        assert_proven(&back, &owner);
    }
    site.world.close().await;
}

async fn what_the_primary_identifier_overrules_is_not_linked_by_an_update(engine: Engine) {
    let settings = "[tenants.acme]\nprimary_identifier = \"user_id\"\n";
    let world = Setup::on(engine).settings(settings).open().await;
    let client = staff(&world).await;
    let ada = somebody(&client, "ada", "app", external_hint("user_id", "U-1")).await;
    let bob = somebody(&client, "bob", "voice", number_hint(NUMBER)).await;
    client.start(start_with("both", "voice", IdentityHints::default())).await.expect("a start");
    let both = IdentityHints { caller_number: NUMBER.into(), ..external_hint("user_id", "U-1") };
    let decided = client.update(hinted("both", both)).await.expect("an update");
    assert_eq!((said(&decided), &decided.customer_ref), (Said::Reuse, &ada));
    assert_eq!(client.person(&ada).await.identifiers.len(), 1, "Bob's number is his");
    client.end(end("both")).await.expect("an end");
    let next = client.start(start_with("next", "voice", number_hint(NUMBER))).await;
    let next = next.expect("a start");
    assert_eq!((said(&next), &next.customer_ref), (Said::Reuse, &bob));
    world.close().await;
}

async fn an_end_that_names_its_customer_stays_in_its_chain(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let ada = somebody(&client, "ada", "voice", number_hint(NUMBER)).await;
    let of_ada = EndInteractionRequest {
        channel: "email".into(),
        customer_ref: ada.clone(),
        continues_interaction_id: "ada".into(),
        ..end_with("ticket", "billing", IntentStatus::Open)
    };
    client.end(of_ada).await.expect("an end");
    let next = client.start(start_with("next", "voice", number_hint(NUMBER))).await;
    let next = next.expect("a start");
    assert_eq!(next.open_intents[0].attempt_count, 1, "one conversation");
    world.close().await;
}

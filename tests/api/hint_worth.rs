//! What a hint is worth: who names an address in a mail, whom we write to, what a name that only a proof
//! opens says, whoever has signed in by an odd name, and what is no part of a hint at all.

use threadline::grpc::proto::{
    Assurance, Direction, EndInteractionRequest, Identifier, IdentityHints, LineType,
    ProfileAttributeInput, Sensitivity, StartInteractionRequest, StartInteractionResponse,
    VariableInput,
};
use tonic::Code;

use super::settling::{MAIL, NUMBER, assert_silent, somebody, staff};
use super::ties::identifier;
use super::visitors::Site;
use super::web_tokens::{assert_proven, assurance};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    call, confirm, email_hint, end, landline_call, line, number_hint, start_with,
};
use crate::support::{Engine, World, each_engine};

each_engine!(
    an_address_that_a_mail_names_opens_nothing,
    whom_we_write_to_has_proved_nothing,
    a_name_that_a_proof_opens_is_no_label,
    whoever_signed_in_may_be_called_anything,
    what_line_it_is_makes_no_other_start,
);

async fn an_address_that_a_mail_names_opens_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let victim = somebody(&client, "victim", "email", email_hint(MAIL)).await;
    let listed = IdentityHints {
        identifiers: vec![identifier("email", "", MAIL)],
        ..email_hint("eve@example.com")
    };
    let entry = IdentityHints {
        external_ids: [("email".to_owned(), MAIL.to_owned())].into(),
        ..email_hint("mallory@example.com")
    };
    for (id, hints) in [("listed", listed), ("entry", entry)] {
        let answer = client.start(start_with(id, "email", hints)).await.expect("a start");
        assert_eq!((said(&answer), &answer.customer_ref), (Said::Confirm, &victim), "{id}");
        assert_silent(&answer);
        client.end(end(id)).await.expect("an end");
    }
    let linked = client.person(&victim).await.identifiers;
    assert_eq!(linked.len(), 1, "no sender's address became the victim's");
    // Where the caller's own system vouches for it, it counts; and so does the one address there is.
    let stated =
        Identifier { assurance: Assurance::Carried as i32, ..identifier("email", "", MAIL) };
    let stated = IdentityHints { identifiers: vec![stated], ..Default::default() };
    let alone = IdentityHints {
        external_ids: [("email".to_owned(), MAIL.to_owned())].into(),
        ..Default::default()
    };
    for (id, hints) in [("stated", stated), ("alone", alone)] {
        let answer = client.start(start_with(id, "email", hints)).await.expect("a start");
        assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &victim), "{id}");
    }
    world.close().await;
}

fn on_whatsapp(id: &str, number: &str) -> StartInteractionRequest {
    let hints = IdentityHints { whatsapp_id: number.into(), ..Default::default() };
    start_with(id, "whatsapp", hints)
}

/// Whether it was evidence that a platform has vouched for the number.
fn is_proved(answer: &StartInteractionResponse) -> bool {
    let evidence = &answer.identity.as_ref().expect("an identity").evidence;
    evidence.iter().any(|one| one.signal == "proved_number")
}

async fn whom_we_write_to_has_proved_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let worth = async |customer: &str| {
        let linked = client.person(customer).await.identifiers;
        linked.iter().map(|one| one.assurance()).collect::<Vec<_>>()
    };
    let mut sent = on_whatsapp("sent", NUMBER);
    sent.direction = Direction::Outbound.into();
    let known = client.start(sent).await.expect("a start").customer_ref;
    let secret = VariableInput {
        value: "4711".into(),
        sensitivity: Sensitivity::Sensitive as i32,
        ..Default::default()
    };
    let variables = [("account".to_owned(), secret)].into();
    client.end(EndInteractionRequest { variables, ..end("sent") }).await.expect("an end");
    assert!(worth(&known).await == [Assurance::Carried], "nobody has written from there");
    let called = client.start(call("called", NUMBER)).await.expect("a start");
    assert_eq!((said(&called), is_proved(&called)), (Said::Reuse, false));
    // Who answers has that number; whether they are whom we meant, nobody has said.
    let back = client.start(on_whatsapp("back", NUMBER)).await.expect("a start");
    assert_eq!((said(&back), &back.customer_ref), (Said::Reuse, &known));
    assert!(assurance(&back) == Assurance::Carried, "our own word for it");
    assert!(!back.variables.contains_key("account"), "opened by what we sent");
    client.update(confirm("back", "yes")).await.expect("a confirmation");
    client.end(end("back")).await.expect("an end");
    assert!(worth(&known).await == [Assurance::Authenticated], "now somebody has");
    let next = client.start(on_whatsapp("next", NUMBER)).await.expect("a start");
    assert!(assurance(&next) == Assurance::Authenticated, "the platform's word and an agent's");
    // An end without a start says so as well.
    let alone = EndInteractionRequest {
        channel: "whatsapp".into(),
        direction: Direction::Outbound.into(),
        identity_hints: on_whatsapp("", "+14155550177").identity_hints,
        ..end("alone")
    };
    let other = client.end(alone).await.expect("an end").customer_ref;
    assert!(other != known && worth(&other).await == [Assurance::Carried]);
    world.close().await;
}

async fn a_name_that_a_proof_opens_is_no_label(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let secret = ProfileAttributeInput {
        value: "Jo Miller".into(),
        sensitivity: Sensitivity::Sensitive.into(),
    };
    let profile = [("name".to_owned(), secret)].into();
    client.end(EndInteractionRequest { profile, ..end("one") }).await.expect("an end");
    let asked = client.start(landline_call("two", NUMBER)).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    assert_eq!(asked.identity.expect("an identity").candidates[0].label, "··01");
    world.close().await;
}

async fn whoever_signed_in_may_be_called_anything(engine: Engine) {
    let site = Site::on(engine).await;
    for subject in ["111", "test"] {
        let known = site.chat(&format!("{subject} first"), "", subject).await;
        let again = site.start(&format!("{subject} again"), "", subject).await;
        assert!(again.warnings.is_empty(), "{subject}");
        assert_proven(&again, &known);
    }
    for id in ["guest one", "guest two"] {
        let guest = site.start(id, "", "guest").await;
        assert!(guest.new_customer, "{id}");
        assert_eq!(guest.warnings[0].code, "junk_value", "{id}");
    }
    site.world.close().await;
}

async fn what_line_it_is_makes_no_other_start(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    // Once more when the carrier has said what line it is.
    let looked_up = |request: StartInteractionRequest| StartInteractionRequest {
        telco: line(LineType::Mobile),
        ..request
    };
    let once = start_with("one", "voice", number_hint(NUMBER));
    let listed =
        IdentityHints { identifiers: vec![identifier("phone", "", NUMBER)], ..number_hint(NUMBER) };
    let twice = start_with("two", "voice", listed);
    for request in [once, twice] {
        let id = request.interaction_id.clone();
        let first = client.start(request.clone()).await.expect("a start");
        let again = client.start(looked_up(request.clone())).await.expect("the same start");
        assert_eq!(again.customer_ref, first.customer_ref, "{id}");
        assert_eq!(again.start_time, first.start_time, "{id}");
        client.end(end(&id)).await.expect("an end");
        client.start(looked_up(request)).await.expect("the same start");
    }
    // The same number on WhatsApp is another start.
    let hints = IdentityHints { whatsapp_id: NUMBER.into(), ..Default::default() };
    let other = client.start(start_with("one", "voice", hints)).await;
    assert_refused(other, Code::AlreadyExists, "START_CONFLICT");
    world.close().await;
}

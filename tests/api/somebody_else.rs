//! It was somebody else: what was said, proved or linked of one customer says nothing of the next.

use threadline::clock::{Clock, DAY, HOUR, MINUTE};
use threadline::context::ConsentState::{Granted, Withdrawn};
use threadline::grpc::proto::{
    Disclosure, EndInteractionRequest, IdentityHints, IntentStatus, Sensitivity,
    StartInteractionRequest, StartInteractionResponse, UpdateInteractionRequest, VariableInput,
    Verification,
};

use super::consents::told;
use super::customers::{upsert, upsert_with};
use super::key_sets::served;
use super::settling::{MAIL, NUMBER, assert_silent, somebody, staff};
use super::web_tokens::{claims, standing, token_hint, trusting};
use crate::support::client::{Said, assert_refused, said};
use crate::support::issuer::{Issuer, key_set};
use crate::support::key_server::{KeyServer, Manner};
use crate::support::requests::{
    at, call, confirm, email_hint, end, end_with, external_hint, get, number_hint, reassign,
    reject, start_with, update, variable,
};
use crate::support::{Client, Engine, Setup, World, each_engine};
use tonic::Code;

each_engine!(
    somebody_new_leaves_a_filled_in_customer_behind,
    a_proof_is_of_one_customer,
    a_hint_that_moves_it_takes_no_proof_along,
    what_somebody_vouched_for_keeps_its_customer,
    a_proof_alone_keeps_its_customer,
    a_continuation_lists_what_points_elsewhere,
    a_token_decides_in_a_continuation,
    what_goes_on_for_days_is_updated_now,
    an_outcome_is_shown_with_its_context,
    who_was_not_reached_after_all_is_not_counted,
    an_update_is_repeated_only_with_its_token,
);

/// Somebody with a value that only a proof opens.
async fn somebody_secretive(client: &Client) -> String {
    let known = client.start(start_with("mail", "email", email_hint(MAIL))).await.expect("a start");
    let secret = VariableInput {
        value: "4711".into(),
        sensitivity: Sensitivity::Sensitive as i32,
        ..Default::default()
    };
    let variables = [("account".to_owned(), secret)].into();
    client.end(EndInteractionRequest { variables, ..end("mail") }).await.expect("an end");
    known.customer_ref
}

async fn somebody_new_leaves_a_filled_in_customer_behind(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let ada = client.start(call("first", NUMBER)).await.expect("a start").customer_ref;
    let mut filled = upsert_with("pop", Vec::new(), &[("name", "Ada")]);
    filled.customer_ref.clone_from(&ada);
    client.upsert(filled).await.expect("an upsert");
    let answer = client.update(reject("first", "no", None)).await.expect("a rejection");
    assert!(answer.new_customer && answer.customer_ref != ada, "it is not Ada");
    client.end(end("first")).await.expect("an end");
    let next = client.start(call("next", NUMBER)).await.expect("a start");
    assert_ne!(next.customer_ref, ada);
    assert!(next.profile.is_empty(), "Ada's name is shown to somebody else");
    assert_eq!(client.person(&ada).await.profile["name"].value, "Ada", "she keeps what is hers");
    // Who has nothing else is somebody new already.
    let other = client.start(call("other", "+14155550133")).await.expect("a start").customer_ref;
    let same = client.update(reject("other", "no", None)).await.expect("a rejection");
    assert!(same.new_customer && same.customer_ref == other);
    world.close().await;
}

async fn a_proof_is_of_one_customer(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let other = somebody_secretive(&client).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    client.start(call("asked", NUMBER)).await.expect("a start");
    let proved = UpdateInteractionRequest {
        verification: Verification::Pin as i32,
        ..confirm("asked", "pin")
    };
    assert_eq!(client.update(proved).await.expect("a proof").customer_ref, known);
    let moved = client.update(reject("asked", "no", Some(&other))).await.expect("a rejection");
    assert_eq!((said(&moved), &moved.customer_ref), (Said::Reuse, &other));
    assert!(!moved.variables.contains_key("account"), "opened by somebody else's PIN");
    let shown = client.get(get("asked")).await.expect("it");
    assert!(!shown.variables.contains_key("account"));
    let opened = UpdateInteractionRequest {
        verification: Verification::Pin as i32,
        ..update("asked", "own pin")
    };
    let opened = client.update(opened).await.expect("their own proof");
    assert_eq!(opened.variables["account"].value, "4711");
    world.close().await;
}

async fn a_hint_that_moves_it_takes_no_proof_along(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let other = somebody_secretive(&client).await;
    client.start(start_with("new", "email", email_hint("new@example.com"))).await.expect("a start");
    let proved =
        UpdateInteractionRequest { verification: Verification::Pin as i32, ..update("new", "pin") };
    client.update(proved).await.expect("a proof");
    let hint = Some(email_hint(MAIL));
    let moved = UpdateInteractionRequest { identity_hints: hint, ..update("new", "another") };
    let moved = client.update(moved).await.expect("another address");
    assert_eq!((said(&moved), &moved.customer_ref), (Said::Reuse, &other));
    assert!(!moved.variables.contains_key("account"), "opened by somebody else's PIN");
    world.close().await;
}

async fn what_somebody_vouched_for_keeps_its_customer(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let other = somebody(&client, "other", "email", email_hint(MAIL)).await;
    let by_account = |id: &str| start_with(id, "voice", external_hint("account_no", "A-1"));
    let first = client.start(by_account("first")).await.expect("a start").customer_ref;
    client.end(end("first")).await.expect("an end");
    let asked = client.start(by_account("second")).await.expect("a start");
    assert_eq!((said(&asked), &asked.customer_ref), (Said::Confirm, &first));
    client.update(confirm("second", "yes")).await.expect("a word");
    client.reassign(reassign("first", "r", Some(&other))).await.expect("a reassignment");
    let shown = client.get(get("second")).await.expect("it");
    assert_eq!(shown.interaction.expect("its facts").customer_ref, first, "nobody took it away");
    assert!(shown.open_intents.is_empty() && shown.variables.is_empty(), "the other's affairs");
    assert_eq!(client.end(end("second")).await.expect("an end").customer_ref, first);
    assert_eq!(client.history(&first).await, ["second"]);
    world.close().await;
}

async fn a_proof_alone_keeps_its_customer(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let other = somebody_secretive(&client).await;
    let first = client.start(call("first", NUMBER)).await.expect("a start").customer_ref;
    client.end(end("first")).await.expect("an end");
    let again = client.start(call("second", NUMBER)).await.expect("a start");
    assert_eq!((said(&again), &again.customer_ref), (Said::Reuse, &first));
    let proved = UpdateInteractionRequest {
        verification: Verification::Pin as i32,
        ..update("second", "pin")
    };
    client.update(proved).await.expect("a proof");
    client.reassign(reassign("first", "r", Some(&other))).await.expect("a reassignment");
    let shown = client.get(get("second")).await.expect("it");
    assert_eq!(shown.interaction.expect("its facts").customer_ref, first);
    assert!(!shown.variables.contains_key("account"), "opened by somebody else's PIN");
    world.close().await;
}

async fn a_continuation_lists_what_points_elsewhere(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let one = somebody(&client, "one", "voice", number_hint(NUMBER)).await;
    somebody(&client, "two", "email", email_hint(MAIL)).await;
    let before = client.start(call("before", NUMBER)).await.expect("a start");
    assert_eq!((said(&before), &before.customer_ref), (Said::Reuse, &one));
    let transfer = |hints: IdentityHints| StartInteractionRequest {
        continues_interaction_id: "before".into(),
        ..start_with(&format!("to {}", hints.email), "voice", hints)
    };
    let answer = client.start(transfer(email_hint(MAIL))).await.expect("a start");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Confirm, &one));
    assert_silent(&answer);
    let conflicts = answer.identity.expect("an identity").conflicts;
    assert_eq!((conflicts.len(), conflicts[0].kind.as_str()), (1, "email"));
    let fine = client.start(transfer(email_hint("new@example.com"))).await.expect("a start");
    assert_eq!((said(&fine), fine.open_intents.len()), (Said::Reuse, 1));
    // What was asked for before is asked for once.
    let both = IdentityHints { email: MAIL.into(), ..number_hint(NUMBER) };
    let unsure = client.start(start_with("unsure", "voice", both)).await.expect("a start");
    assert_eq!(said(&unsure), Said::Confirm);
    let once = unsure.identity.expect("an identity").conflicts.len();
    let on = StartInteractionRequest {
        continues_interaction_id: "unsure".into(),
        ..start_with("on", "voice", email_hint(MAIL))
    };
    let on = client.start(on).await.expect("a start").identity.expect("an identity");
    assert_eq!(on.conflicts.len(), once);
    world.close().await;
}

async fn a_token_decides_in_a_continuation(engine: Engine) {
    let (key, clock) = (Issuer::new("EdDSA", "k"), standing());
    let settings = trusting("acme", &[&key]);
    let world = Setup::on(engine).clock(&clock).settings(&settings).open().await;
    let client = staff(&world).await;
    let hints = || token_hint(&key.token(&claims("user-17", clock.now())));
    let signed_in =
        client.start(start_with("chat", "web_chat", hints())).await.expect("a start").customer_ref;
    client.end(end("chat")).await.expect("an end");
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    client.start(call("before", NUMBER)).await.expect("a start");
    let proved = UpdateInteractionRequest {
        verification: Verification::Pin as i32,
        ..confirm("before", "pin")
    };
    assert_eq!(client.update(proved).await.expect("a proof").customer_ref, known);
    let transfer = StartInteractionRequest {
        continues_interaction_id: "before".into(),
        ..start_with("transfer", "web_chat", hints())
    };
    let answer = client.start(transfer).await.expect("a start");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &signed_in));
    assert!(answer.open_intents.is_empty(), "the other's affairs");
    world.close().await;
}

async fn what_goes_on_for_days_is_updated_now(engine: Engine) {
    let clock = Clock::manual(Clock::System.now());
    let settings = "[tenants.acme]\ndisclosure_requires_consent = \"history\"\n";
    let world = Setup::on(engine).clock(&clock).settings(settings).open().await;
    let (client, telephony) = (staff(&world).await, world.role("telephony").await);
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let chat = StartInteractionRequest { start_time: at(clock.now()), ..call("chat", NUMBER) };
    let chat = telephony.start(chat).await.expect("a start");
    assert_eq!((said(&chat), &chat.customer_ref), (Said::Reuse, &known));
    clock.set(clock.now().plus(DAY + HOUR));
    telephony.start(call("call", NUMBER)).await.expect("a start");
    telephony.update(told("call", "yes", Granted)).await.expect("a consent");
    telephony.end(end("call")).await.expect("an end");
    clock.set(clock.now().plus(DAY));
    let said = UpdateInteractionRequest {
        variables: variable("size", "XL"),
        ..told("chat", "no", Withdrawn)
    };
    telephony.update(said).await.expect("a withdrawal");
    clock.set(clock.now().plus(MINUTE));
    let next = telephony.start(call("next", NUMBER)).await.expect("a start");
    assert_eq!(next.customer_ref, known);
    assert_silent(&StartInteractionResponse { withheld_count: 0, ..next });
    assert_eq!(client.person(&known).await.variables["size"].value, "XL", "said just now");
    world.close().await;
}

async fn an_outcome_is_shown_with_its_context(engine: Engine) {
    let world = World::on(engine).await;
    let (client, agent) = (staff(&world).await, world.role("agent").await);
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let told = EndInteractionRequest {
        disposition: "bereavement_reported".into(),
        escalated: true,
        ..end("one")
    };
    client.end(told).await.expect("an end");
    let shown = agent.get(get("one")).await.expect("it").interaction.expect("its facts");
    assert_eq!((shown.disposition.as_str(), shown.escalated), ("bereavement_reported", true));
    let mut never = upsert("never", Vec::new());
    never.customer_ref = known;
    never.customer.as_mut().expect("one").disclosure = Disclosure::Never as i32;
    client.upsert(never).await.expect("an upsert");
    let shown = agent.get(get("one")).await.expect("it").interaction.expect("its facts");
    assert_eq!((shown.disposition.as_str(), shown.escalated), ("", false));
    world.close().await;
}

async fn who_was_not_reached_after_all_is_not_counted(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let before = client.person(&known).await;
    let mut outbound = call("out", NUMBER);
    outbound.direction = threadline::grpc::proto::Direction::Outbound.into();
    let dialed = IdentityHints { dialed_number: NUMBER.into(), ..Default::default() };
    outbound.identity_hints = Some(dialed);
    assert_eq!(client.start(outbound).await.expect("a start").customer_ref, known);
    let ended =
        EndInteractionRequest { revision: Some(1), ..end_with("out", "x", IntentStatus::Open) };
    client.end(ended).await.expect("an end");
    assert_eq!(client.person(&known).await.contact_count, before.contact_count + 1);
    let amended =
        EndInteractionRequest { revision: Some(2), disposition: "no_answer".into(), ..end("out") };
    client.end(amended).await.expect("an amendment");
    let after = client.person(&known).await;
    assert_eq!(after.contact_count, before.contact_count);
    assert_eq!(after.last_contact_time, before.last_contact_time);
    let uses = |of: &threadline::grpc::proto::GetCustomerResponse| {
        of.identifiers.iter().map(|it| (it.contact_count, it.last_time)).collect::<Vec<_>>()
    };
    assert_eq!(uses(&after), uses(&before), "its use is taken back");
    let reached =
        EndInteractionRequest { revision: Some(3), disposition: "sold".into(), ..end("out") };
    client.end(reached).await.expect("an amendment");
    assert_eq!(client.person(&known).await.contact_count, before.contact_count + 1);
    world.close().await;
}

async fn an_update_is_repeated_only_with_its_token(engine: Engine) {
    let (key, clock) = (Issuer::new("EdDSA", "k"), standing());
    let server = KeyServer::new(Manner::Serves(key_set(&[&key])));
    let open = || Setup::on(engine).clock(&clock).settings(&served(&server));
    let world = open().open().await;
    let client = staff(&world).await;
    client.start(start_with("chat", "web_chat", number_hint(NUMBER))).await.expect("a start");
    let signed_in = |token: String| UpdateInteractionRequest {
        identity_hints: Some(token_hint(&token)),
        ..update("chat", "signed in")
    };
    let token = || key.token(&claims("user-17", clock.now()));
    let answer = client.update(signed_in(token())).await.expect("an update");
    let again = client.update(signed_in(token())).await.expect("the same update");
    assert_eq!(again.customer_ref, answer.customer_ref);
    // Somebody signs the same claims with a key that nobody can look up now.
    server.now(Manner::Fails);
    let forged = Issuer::new("EdDSA", "unknown").token(&claims("user-17", clock.now()));
    let refusal = client.update(signed_in(forged)).await;
    assert_refused(refusal, Code::Unavailable, "STORE_UNAVAILABLE");
    world.close().await;
}

//! Erasing, where it is not so plain: what was somebody else's before or since, what nobody settled,
//! what has changed since it was previewed, and the command.

use std::process::Command;

use data_encoding::BASE64;
use threadline::clock::{Clock, MINUTE};
use threadline::crypto::signer::verifies;
use threadline::grpc::proto::{
    EndInteractionRequest, GetCustomerRequest, IdentityHints, StartInteractionRequest,
};
use threadline::ids::TenantId;
use tonic::Code;

use super::customers::upsert_with;
use super::erasing::{erase, erased, gone, preview, receipt, whole};
use super::merging::{join, mail, two};
use super::remembering::MONDAY;
use super::settling::{MAIL, NUMBER, somebody, staff};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    call, confirm, email_hint, end, get, number_hint, reassign, reject, start_with, update,
};
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(
    only_what_was_previewed_is_erased,
    what_is_somebody_elses_since_stays_theirs,
    what_nobody_settled_goes_with_its_candidate,
    a_receipt_is_signed_by_the_tenant,
);

async fn only_what_was_previewed_is_erased(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (one, other) = two(&client).await;
    let refuse = async |customer: &str, token: &str, why: &str| {
        let asked = client.erase(erase(customer, token, why)).await;
        assert_refused(asked, Code::FailedPrecondition, "PREVIEW_OUTDATED");
        client.person(customer).await;
    };
    for odd in ["x", "AAAA", "-", &"A".repeat(32), &"A".repeat(33)] {
        refuse(&one, odd, "odd").await;
    }
    let of_other = preview(&client, &other).await.preview_token;
    refuse(&one, &of_other, "somebody else's").await;
    let mut flipped = preview(&client, &one).await.preview_token;
    let last = if flipped.pop() == Some('A') { 'Q' } else { 'A' };
    flipped.push(last);
    refuse(&one, &flipped, "flipped").await;
    // One more call writes nothing of the customer but its own row.
    let token = preview(&client, &one).await.preview_token;
    client.start(call("one more", NUMBER)).await.expect("a start");
    refuse(&one, &token, "one more call").await;
    let token = preview(&client, &one).await.preview_token;
    client.end(end("one more")).await.expect("an end");
    refuse(&one, &token, "a contact").await;
    let token = preview(&client, &one).await.preview_token;
    join(&client, "m", &one, &other).await;
    refuse(&one, &token, "a merge").await;
    let token = preview(&client, &one).await.preview_token;
    // Whoever looks changes nothing.
    client.person(&one).await;
    preview(&client, &other).await;
    let request = erase(&one, &token, "now");
    receipt(&client, request.clone()).await;
    let changed = erase(&other, &token, "now");
    assert_refused(client.erase(changed).await, Code::AlreadyExists, "REQUEST_CONFLICT");
    whole(&world).await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_is_good_for_a_quarter_of_an_hour() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let client = staff(&world).await;
    let dana = somebody(&client, "first", "voice", number_hint(NUMBER)).await;
    let seen = preview(&client, &dana).await;
    clock.set(MONDAY.plus(15 * MINUTE + 1));
    let late = client.erase(erase(&dana, &seen.preview_token, "e")).await;
    assert_refused(late, Code::FailedPrecondition, "PREVIEW_OUTDATED");
    let seen = preview(&client, &dana).await;
    clock.set(MONDAY.plus(30 * MINUTE + 1));
    receipt(&client, erase(&dana, &seen.preview_token, "e")).await;
    world.close().await;
}

/// Contacts that came to somebody else, as they are and as they are sent again.
async fn what_is_somebody_elses_since_stays_theirs(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let dana = somebody(&client, "first", "voice", number_hint(NUMBER)).await;
    let ira =
        client.upsert(upsert_with("i", vec![super::customers::mail(MAIL)], &[("name", "Ira")]));
    let ira = ira.await.expect("somebody").customer.expect("them").customer_ref;
    // Settled on Dana, with values and a summary, and then on Ira.
    client.start(call("moved", NUMBER)).await.expect("a start");
    let ended = EndInteractionRequest { summary: "about a boat".into(), ..end("moved") };
    client.end(ended.clone()).await.expect("an end");
    client.reassign(reassign("moved", "r", Some(&ira))).await.expect("a reassignment");
    // Decided on Dana, rejected while it goes on, back and forth.
    client.start(call("running", NUMBER)).await.expect("a start");
    client.update(reject("running", "u1", Some(&ira))).await.expect("an update");
    client.update(reject("running", "u2", Some(&dana))).await.expect("an update");
    client.update(reject("running", "u3", Some(&ira))).await.expect("an update");
    let before = client.history(&ira).await;
    gone(&client, &dana, "e").await;
    whole(&world).await;
    assert_eq!(client.history(&ira).await, before);
    for id in ["moved", "running"] {
        let known = client.get(get(id)).await.expect("it is Ira's");
        let answer = known;
        assert_eq!(answer.customer_ref, ira, "{id}");
        let candidates = answer.identity.expect("an identity").candidates;
        assert!(candidates.iter().all(|one| one.customer_ref == ira), "{id}");
        // Sent again it is a replay; with other content a conflict.
        let again = client.start(call(id, NUMBER)).await.expect("a replay");
        assert_eq!(again.customer_ref, ira);
        let changed = client.start(call(id, "+14155550100")).await;
        assert_refused(changed, Code::AlreadyExists, "START_CONFLICT");
    }
    assert_eq!(client.end(ended).await.expect("a replay").customer_ref, ira);
    let changed = EndInteractionRequest { summary: "another".into(), ..end("moved") };
    assert_refused(client.end(changed).await, Code::AlreadyExists, "END_CONFLICT");
    for update_id in ["u1", "u2", "u3"] {
        let who = if update_id == "u2" { &dana } else { &ira };
        let again = client.update(reject("running", update_id, Some(who))).await;
        assert_eq!(again.expect("a replay").customer_ref, ira, "{update_id}");
    }
    let again = client.reassign(reassign("moved", "r", Some(&ira))).await.expect("a replay");
    assert_eq!(again.customer_ref, ira);
    client.end(end("running")).await.expect("an end");
    client.update(update("running", "u4")).await.expect("an update");
    assert_eq!(client.person(&ira).await.contact_count, 2);
    // And Ira goes as well, with what came from Dana.
    gone(&client, &ira, "e2").await;
    for id in ["moved", "running", "first"] {
        erased(client.get(get(id)).await);
        erased(client.start(call(id, NUMBER)).await);
    }
    whole(&world).await;
    world.close().await;
}

async fn what_nobody_settled_goes_with_its_candidate(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let dana = client.start(mail("first")).await.expect("a start").customer_ref;
    client.end(end("first")).await.expect("an end");
    let typed = |id: &str| start_with(id, "web_chat", email_hint(MAIL));
    for id in ["asked", "ended", "somebody else"] {
        assert_eq!(said(&client.start(typed(id)).await.expect("a start")), Said::Confirm);
    }
    client
        .end(EndInteractionRequest { summary: "a boat".into(), ..end("ended") })
        .await
        .expect("it");
    let other = client.update(reject("somebody else", "u", None)).await.expect("an update");
    let seen = preview(&client, &dana).await;
    assert_eq!(seen.counts.expect("counts").interaction_count, 3);
    receipt(&client, erase(&dana, &seen.preview_token, "e")).await;
    for id in ["asked", "ended"] {
        erased(client.get(get(id)).await);
        erased(client.start(typed(id)).await);
        erased(client.update(confirm(id, "u")).await);
        erased(client.end(end(id)).await);
    }
    let known = client.get(get("somebody else")).await.expect("it is somebody else's");
    let answer = known;
    assert_eq!(answer.customer_ref, other.customer_ref);
    assert!(answer.identity.expect("an identity").candidates.is_empty());
    // What continued an interaction that is no more begins anew.
    let transfer = StartInteractionRequest {
        continues_interaction_id: "first".into(),
        ..call("transfer", "+14155550111")
    };
    let transfer = client.start(transfer).await.expect("a start");
    assert_eq!(transfer.warnings[0].code, "unknown_continues_interaction_id");
    whole(&world).await;
    world.close().await;
}

async fn a_receipt_is_signed_by_the_tenant(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let dana = somebody(&client, "first", "voice", number_hint(NUMBER)).await;
    let receipt = gone(&client, &dana, "e").await;
    let tenant = world.running.service.tenant(TenantId(1)).await.expect("the tenant");
    let public = tenant.secrets.signer().public_key();
    let statement = receipt.statement.as_bytes();
    assert!(verifies(&public, statement, &receipt.signature));
    let said: serde_json::Value = serde_json::from_slice(statement).expect("JSON");
    assert_eq!(said["statement"], "threadline erasure 1");
    assert_eq!((&said["customer_ref"], &said["tenant"]), (&dana.into(), &"acme".into()));
    assert_eq!(said["receipt_id"], receipt.receipt_id);
    assert_eq!(said["audit_position"], receipt.audit_position);
    assert_eq!((&said["interactions"], &said["identifiers"]), (&1.into(), &1.into()));
    let forged = receipt.statement.replacen("\"interactions\":1", "\"interactions\":2", 1);
    assert!(
        forged != receipt.statement && !verifies(&public, forged.as_bytes(), &receipt.signature)
    );
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_shows_and_erases() {
    let world = World::on(Engine::Sqlite).await;
    let client = staff(&world).await;
    let hints = IdentityHints { caller_number: NUMBER.into(), ..email_hint(MAIL) };
    let dana = somebody(&client, "first", "voice", hints).await;
    let key = world.key(&World::new_key(&["admin"])).await;
    let server = format!("http://{}", world.running.address);
    let run_as = async |verb: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
        command.arg(verb).args(arguments).args(["--server", &server, "--api-key", &key]);
        command.stdin(std::process::Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
        let output = output.await.expect("it ran");
        let text = [output.stderr, output.stdout].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let run = async |arguments: &[&str]| run_as("erase", arguments).await;
    // Nobody is there to ask: it is shown, and nothing goes.
    let (done, text) = run(&[&dana]).await;
    assert!(!done && text.contains("1 interactions") && text.contains("--yes"), "{text}");
    client.person(&dana).await;
    let (done, text) = run(&[&dana, "--yes"]).await;
    assert!(done && text.contains("erased\n{\"statement\":\"threadline erasure 1\""), "{text}");
    let signature = BASE64.decode(text.trim().rsplit('\n').next().expect("a line").as_bytes());
    assert_eq!(signature.expect("a signature").len(), 64);
    // Whoever lost it asks again, as they were told to.
    let again = text.split('\'').nth(1).expect("a request");
    let (done, receipt) = run_as("call", &["EraseCustomer", again]).await;
    let last = text.trim().rsplit('\n').next().expect("a line");
    assert!(done && receipt.contains(last), "{receipt}");
    let whom = GetCustomerRequest { customer_ref: dana.clone(), ..Default::default() };
    erased(client.customer(whom).await);
    let (done, text) = run(&[&dana, "--yes"]).await;
    assert!(!done && text.contains("ERASED"), "{text}");
    world.close().await;
}

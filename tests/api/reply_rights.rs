//! Who is told of a customer's other threads, and what becomes of them when people are joined, taken
//! apart, redacted, exported, past retention.

use threadline::clock::HOUR;
use threadline::context::ConsentState::{Granted, Withdrawn};
use threadline::grpc::proto::{
    Audience, Disclosure, ExportedMessage, IdentityHints, LastInbound, StartInteractionRequest,
    StartInteractionResponse, UpdateInteractionRequest, UpsertCustomerRequest,
    export_record::Record,
};

use super::consents::{consent, told, upsert_consents};
use super::customers::upsert;
use super::replying::{known, message, windows};
use super::retention::Passing;
use super::settling::{assert_silent, staff};
use crate::support::client::{Said, said};
use crate::support::requests::{
    at, confirm, email_hint, end, get, merge, redact, start_with, unmerge, update,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    a_thread_of_yesterday_is_answered_elsewhere,
    whoever_is_shown_nothing_hears_of_no_other_thread,
    without_consent_other_threads_are_not_told,
    a_protected_customers_threads_are_not_told,
    joined_they_have_the_threads_of_both,
    what_is_redacted_closes_no_channel,
    they_are_in_the_export,
    what_nobody_ended_keeps_its_window_until_it_is_past_retention,
);

const WHATSAPP: (&str, &str, bool) = ("whatsapp", "thread-1", true);

/// Somebody who wrote on WhatsApp and, within that contact, on Telegram; their ref.
async fn wrote(client: &Client) -> String {
    let first = client.start(message("wa", "whatsapp", "thread-1")).await.expect("a start");
    client.update(also("wa", "telegram", "t-2")).await.expect("an update");
    first.customer_ref
}

fn also(id: &str, channel: &str, thread: &str) -> UpdateInteractionRequest {
    let sent = LastInbound { channel: channel.into(), thread_ref: thread.into(), time: None };
    UpdateInteractionRequest { last_inbound: Some(sent), ..update(id, thread) }
}

/// A chat in the same thread: of whoever may be shown it, it has diverged.
fn chat(id: &str) -> StartInteractionRequest {
    message(id, "web_chat", "thread-1")
}

/// Nothing but where they write now.
#[track_caller]
fn only_own(answer: &StartInteractionResponse) {
    assert_eq!(windows(&answer.reply_windows), [("web_chat", "thread-1", true)]);
    assert!(answer.diverged_thread.is_none() && answer.brief.is_empty());
}

#[track_caller]
fn all(answer: &StartInteractionResponse) {
    let told = windows(&answer.reply_windows);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.contains(&WHATSAPP) && told.contains(&("telegram", "t-2", true)), "{told:?}");
    assert!(answer.diverged_thread.is_some());
}

/// The case of the contract as an agent reads it, on the database's own clock.
async fn a_thread_of_yesterday_is_answered_elsewhere(engine: Engine) {
    let world = World::on(engine).await;
    let (client, past) = (staff(&world).await, world.role("backfill").await);
    let then = world.now().plus(-25 * HOUR);
    let first =
        StartInteractionRequest { start_time: at(then), ..message("wa", "whatsapp", "thread-1") };
    let customer = past.start(first).await.expect("a start").customer_ref;
    let answer = client.start(chat("web")).await.expect("a start");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &customer));
    let agent = world.role("agent").await;
    let shown = agent.get(get("web")).await.expect("it");
    let told = [("web_chat", "thread-1", true), ("whatsapp", "thread-1", false)];
    assert_eq!(windows(&shown.reply_windows), told);
    let closed = &shown.reply_windows[1];
    assert_eq!(closed.last_inbound_time, at(then));
    assert_eq!(closed.close_time, at(then.plus(24 * HOUR)));
    assert_eq!(shown.reply_windows[0].close_time, None, "the web does not close");
    let diverged = shown.diverged_thread.expect("it left WhatsApp");
    assert_eq!(
        (&*diverged.channel, diverged.reply_channels),
        ("web_chat", vec!["web_chat".into()])
    );
    let text = "WhatsApp → chat: a reply goes to chat and is not seen on WhatsApp; \
                WhatsApp has been closed for replies since ";
    assert!(diverged.text.starts_with(text), "{}", diverged.text);
    assert!(shown.brief.ends_with(&diverged.text));
    // She asks them to write on WhatsApp again: now both channels show a reply.
    let back = client.update(also("web", "whatsapp", "thread-1")).await.expect("an update");
    assert_eq!(windows(&back.reply_windows), [WHATSAPP, ("web_chat", "thread-1", true)]);
    assert!(back.diverged_thread.is_none());
    world.close().await;
}

async fn whoever_is_shown_nothing_hears_of_no_other_thread(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let customer = wrote(&client).await;
    all(&client.start(chat("known")).await.expect("a start"));
    // Before others, to a helpdesk, and to whoever has only typed an address.
    let group = StartInteractionRequest { audience: Audience::Group.into(), ..chat("group") };
    let heard = client.start(group).await.expect("a start");
    assert_eq!(heard.customer_ref, customer);
    assert!(heard.reply_windows.is_empty() && heard.diverged_thread.is_none());
    let desk = world.role("helpdesk").await;
    let answer = desk.update(also("known", "sms", "s-1")).await.expect("an update");
    assert!(answer.reply_windows.is_empty() && answer.diverged_thread.is_none());
    let mut mail = start_with("mail", "email", email_hint("jo@example.com"));
    mail.identity_hints.as_mut().expect("hints").external_ids = known().external_ids;
    client.start(mail).await.expect("a start");
    client.end(end("mail")).await.expect("an end");
    let typed = StartInteractionRequest {
        thread_ref: "thread-1".into(),
        ..start_with("typed", "web_chat", email_hint("jo@example.com"))
    };
    let asked = client.start(typed).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    assert_silent(&asked);
    only_own(&asked);
    // Somebody new is told of nobody, whatever thread they name.
    let hints = IdentityHints { telegram_user_id: "771".into(), ..Default::default() };
    let stranger = StartInteractionRequest { identity_hints: Some(hints), ..chat("stranger") };
    only_own(&client.start(stranger).await.expect("a start"));
    let sure = client.update(confirm("typed", "yes")).await.expect("a confirmation");
    assert!(windows(&sure.reply_windows).contains(&WHATSAPP) && sure.diverged_thread.is_some());
    world.close().await;
}

async fn without_consent_other_threads_are_not_told(engine: Engine) {
    let strict = "[tenants.acme]\ndisclosure_requires_consent = \"history\"\n";
    let world = Setup::on(engine).settings(strict).open().await;
    let client = staff(&world).await;
    let customer = wrote(&client).await;
    let answer = client.start(chat("web")).await.expect("a start");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &customer));
    only_own(&answer);
    all(&client.update(told("web", "yes", Granted)).await.expect("an update"));
    only_own(&client.update(told("web", "no", Withdrawn)).await.expect("an update"));
    let yes = upsert_consents("yes", &customer, consent("history", Granted));
    client.upsert(yes).await.expect("an upsert");
    all(&client.start(chat("later")).await.expect("a start"));
    world.close().await;
}

async fn a_protected_customers_threads_are_not_told(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let customer = wrote(&client).await;
    for (n, rule) in [Disclosure::AlwaysConfirm, Disclosure::Never].into_iter().enumerate() {
        let id = format!("rule {n}");
        let mut request =
            UpsertCustomerRequest { customer_ref: customer.clone(), ..upsert(&id, Vec::new()) };
        request.customer.as_mut().expect("one").disclosure = rule.into();
        client.upsert(request).await.expect("an upsert");
        let id = format!("chat {n}");
        only_own(&client.start(chat(&id)).await.expect("a start"));
        let shown = client.get(get(&id)).await.expect("it");
        assert_eq!(windows(&shown.reply_windows), [("web_chat", "thread-1", true)]);
    }
    world.close().await;
}

async fn joined_they_have_the_threads_of_both(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let one = wrote(&client).await;
    let mail = start_with("mail", "email", email_hint("eve@example.com"));
    let mail = StartInteractionRequest { thread_ref: "m-1".into(), ..mail };
    let other = client.start(mail).await.expect("a start").customer_ref;
    let joined = client.merge(merge("m", &one, &other)).await.expect("a merge").merge_id;
    let told = |answer: &StartInteractionResponse| {
        let told = windows(&answer.reply_windows);
        ["whatsapp", "email"].map(|channel| told.iter().any(|window| window.0 == channel))
    };
    let call = |id: &str| start_with(id, "voice", known());
    let both = client.start(call("joined")).await.expect("a start");
    assert_eq!(told(&both), [true, true]);
    client.unmerge(unmerge("u", &joined)).await.expect("an unmerge");
    let own = client.start(call("apart")).await.expect("a start");
    assert_eq!((told(&own), own.customer_ref), ([true, false], one));
    world.close().await;
}

/// That somebody wrote, where and when, is no text: what is said in it may go, the window stays.
async fn what_is_redacted_closes_no_channel(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    wrote(&client).await;
    let fields = ["summary", "intents", "variables", "profile", "disposition", "conversion"];
    client.redact(redact("wa", "r", &fields)).await.expect("a redaction");
    all(&client.start(chat("web")).await.expect("a start"));
    client.end(end("wa")).await.expect("an end");
    client.redact(redact("wa", "again", &fields)).await.expect("a redaction");
    all(&client.start(chat("later")).await.expect("a start"));
    world.close().await;
}

async fn they_are_in_the_export(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let customer = wrote(&client).await;
    let time = at(world.now().plus(-2 * HOUR));
    let mut older = also("wa", "sms", "s-1");
    older.last_inbound.as_mut().expect("it").time = time;
    client.update(older).await.expect("an update");
    let newer = UpdateInteractionRequest { update_id: "newer".into(), ..also("wa", "sms", "s-1") };
    client.update(newer).await.expect("an update");
    let records = client.export(&customer).await.expect("an export");
    let messages: Vec<&ExportedMessage> = records
        .iter()
        .filter_map(|it| if let Record::Message(message) = it { Some(message) } else { None })
        .collect();
    assert!(messages.iter().all(|it| it.customer_ref == customer && it.time.is_some()));
    let of = |thread: &str| messages.iter().filter(|it| it.thread_ref == thread).count();
    // On file and in the journal; the older word only there.
    assert_eq!((of("t-2"), of("s-1")), (2, 3));
    assert!(messages.iter().any(|it| (&*it.channel, it.time) == ("sms", time)));
    world.close().await;
}

async fn what_nobody_ended_keeps_its_window_until_it_is_past_retention(engine: Engine) {
    let passing = Passing::on(engine, "[policy]\ninteractions_kept = \"60d\"").await;
    let client = staff(&passing.world).await;
    let customer = wrote(&client).await;
    let sweep = async || passing.world.running.service.sweep().await.expect("a sweep");
    let telegram = async |id: &str| {
        let next = client.start(start_with(id, "voice", known())).await.expect("a start");
        assert_eq!((said(&next), &next.customer_ref), (Said::Reuse, &customer));
        windows(&next.reply_windows).contains(&("telegram", "t-2", true))
    };
    passing.days(31).await;
    assert_eq!(sweep().await.closed, 1, "nobody ended it");
    assert!(telegram("closed").await);
    client.end(end("closed")).await.expect("an end");
    passing.days(30).await;
    assert_eq!(sweep().await.forgotten, 1);
    assert!(!telegram("later").await, "it went with its contact");
    passing.close().await;
}

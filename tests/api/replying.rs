//! Where a reply reaches the customer: windows of channels that close, and conversations that go
//! on elsewhere than they began.

use threadline::clock::{Clock, DAY, HOUR, Time};
use threadline::grpc::proto::{
    Audience, IdentityHints, LastInbound, ReplyWindow, StartInteractionRequest,
    StartInteractionResponse, UpdateInteractionRequest,
};
use tonic::Code;

use super::remembering::MONDAY;
use super::settling::staff;
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{at, confirm, email_hint, end, get, reassign, start_with, update};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    a_running_thread_has_its_window_at_once,
    an_ended_thread_keeps_its_window,
    a_window_moves_with_its_interaction,
    nobody_is_told_of_anothers_windows,
    bad_messages_are_refused,
);

/// What the customer's own system knows them by, and their WhatsApp number.
pub(super) fn known() -> IdentityHints {
    let external_ids = [("crm_id".to_owned(), "C-77".to_owned())].into();
    IdentityHints { whatsapp_id: "14155550177".into(), external_ids, ..Default::default() }
}

pub(super) fn message(id: &str, channel: &str, thread: &str) -> StartInteractionRequest {
    StartInteractionRequest { thread_ref: thread.into(), ..start_with(id, channel, known()) }
}

fn wrote(id: &str, update_id: &str, channel: &str, time: Option<Time>) -> UpdateInteractionRequest {
    let last_inbound = LastInbound {
        channel: channel.into(),
        thread_ref: "thread-1".into(),
        time: time.and_then(at),
    };
    UpdateInteractionRequest { last_inbound: Some(last_inbound), ..update(id, update_id) }
}

/// Channel, thread, whether it is open.
pub(super) fn windows(of: &[ReplyWindow]) -> Vec<(&str, &str, bool)> {
    fn told(it: &ReplyWindow) -> (&str, &str, bool) {
        (&it.channel, &it.thread_ref, it.open)
    }
    of.iter().map(told).collect()
}

fn of_channel<'a>(answer: &'a StartInteractionResponse, channel: &str) -> &'a ReplyWindow {
    let found = answer.reply_windows.iter().find(|window| window.channel == channel);
    found.expect("a window of that channel")
}

/// The case of the contract: a WhatsApp thread, answered from the web messenger after 25 hours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatsapp_is_answered_from_the_web_messenger_after_25_hours() {
    let clock = Clock::manual(MONDAY);
    let world = Setup::on(Engine::Sqlite).clock(&clock).open().await;
    let client = staff(&world).await;
    let first = client.start(message("wa", "whatsapp", "thread-1")).await.expect("a start");
    assert_eq!(windows(&first.reply_windows), [("whatsapp", "thread-1", true)], "their own");
    assert_eq!(of_channel(&first, "whatsapp").close_time, at(MONDAY.plus(DAY)));
    clock.set(MONDAY.plus(25 * HOUR));
    let mut web = message("web", "web_chat", "thread-1");
    web.time_zone = "UTC".into();
    let answer = client.start(web.clone()).await.expect("a start");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &first.customer_ref));
    let told = [("web_chat", "thread-1", true), ("whatsapp", "thread-1", false)];
    assert_eq!(windows(&answer.reply_windows), told);
    assert_eq!(of_channel(&answer, "whatsapp").close_time, at(MONDAY.plus(DAY)), "when it closed");
    assert_eq!(of_channel(&answer, "web_chat").close_time, None, "it does not");
    let diverged = answer.diverged_thread.expect("it left WhatsApp");
    let origin = diverged.origin.expect("where it began");
    assert_eq!((origin.channel.as_str(), origin.open), ("whatsapp", false));
    assert_eq!(
        (diverged.channel.as_str(), diverged.reply_channels),
        ("web_chat", vec!["web_chat".into()])
    );
    assert_eq!(
        diverged.text,
        "WhatsApp → chat: a reply goes to chat and is not seen on WhatsApp; \
         WhatsApp has been closed for replies since Tue 2:00 PM"
    );
    assert_eq!(answer.brief.lines().last(), Some(diverged.text.as_str()), "an agent reads it");
    let again = client.start(web).await.expect("a retry");
    assert_eq!(windows(&again.reply_windows), told, "a retry is told the same");
    // What is written on the web does not reopen WhatsApp.
    let still = client.update(wrote("web", "1", "web_chat", None)).await.expect("an update");
    assert!(!of_channel(&still, "whatsapp").open);
    // Back on WhatsApp, it is open, and the conversation is where it began.
    let back = client.update(wrote("web", "2", "whatsapp", None)).await.expect("an update");
    assert!(of_channel(&back, "whatsapp").open && back.diverged_thread.is_none());
    assert_eq!(of_channel(&back, "whatsapp").close_time, at(MONDAY.plus(49 * HOUR)));
    let shown = client.get(get("web")).await.expect("it");
    assert!(shown.reply_windows == back.reply_windows, "whoever asks is told the same");
    clock.set(MONDAY.plus(49 * HOUR));
    let closed = client.get(get("web")).await.expect("later");
    assert!(closed.reply_windows.iter().any(|it| it.channel == "whatsapp" && !it.open));
    world.close().await;
}

async fn a_running_thread_has_its_window_at_once(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(message("ig", "instagram", "i-1")).await.expect("a start");
    let call = client.start(start_with("call", "voice", known())).await.expect("a start");
    assert_eq!(said(&call), Said::Reuse);
    assert_eq!(windows(&call.reply_windows), [("voice", "", true), ("instagram", "i-1", true)]);
    assert!(call.diverged_thread.is_none(), "a call is no answer to a thread");
    // An older word than is known, or one for the future, changes nothing.
    let then = world.now().plus(-3 * DAY);
    let answer = client.update(wrote("ig", "1", "whatsapp", Some(then))).await.expect("an update");
    assert!(!of_channel(&answer, "whatsapp").open, "three days ago");
    let ahead = world.now().plus(HOUR / 20);
    let answer = client.update(wrote("ig", "2", "whatsapp", Some(ahead))).await.expect("an update");
    let close = of_channel(&answer, "whatsapp").close_time.expect("it closes").seconds;
    assert!(close <= world.now().plus(DAY).0 / 1_000 + 1, "nothing was sent later than now");
    let answer = client.update(wrote("ig", "3", "whatsapp", Some(then))).await.expect("late word");
    assert!(of_channel(&answer, "whatsapp").open);
    world.close().await;
}

async fn an_ended_thread_keeps_its_window(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(message("wa", "whatsapp", "thread-1")).await.expect("a start");
    let later = world.now();
    client.update(wrote("wa", "1", "messenger", Some(later))).await.expect("an update");
    client.end(end("wa")).await.expect("an end");
    let next = client.start(start_with("mail", "email", known())).await.expect("a start");
    let told = windows(&next.reply_windows);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told.contains(&("whatsapp", "thread-1", true))
            && told.contains(&("messenger", "thread-1", true))
    );
    // One that began with its end.
    let mut only = end("ticket");
    (only.channel, only.thread_ref) = ("telegram".into(), "t-9".into());
    only.identity_hints = Some(known());
    client.end(only).await.expect("an end");
    let next = client.start(start_with("next", "voice", known())).await.expect("a start");
    assert!(windows(&next.reply_windows).contains(&("telegram", "t-9", true)));
    world.close().await;
}

async fn a_window_moves_with_its_interaction(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let right = client.start(start_with("other", "email", email_hint("right@example.com"))).await;
    let right = right.expect("a start").customer_ref;
    client.end(end("other")).await.expect("an end");
    // Somebody whom this thread alone made, and one who is known by more.
    client.start(start_with("before", "voice", known())).await.expect("a start");
    client.end(end("before")).await.expect("an end");
    client.start(message("wa", "whatsapp", "thread-1")).await.expect("a start");
    client.update(wrote("wa", "1", "messenger", None)).await.expect("an update");
    client.reassign(reassign("wa", "r", Some(&right))).await.expect("a reassignment");
    let old = client.start(start_with("old", "voice", known())).await.expect("a start");
    let told = windows(&old.reply_windows);
    assert!(
        !told.iter().any(|(channel, ..)| ["whatsapp", "messenger"].contains(channel)),
        "{told:?}"
    );
    let hints = email_hint("right@example.com");
    client.start(start_with("new", "email", hints)).await.expect("a start");
    let new = client.update(confirm("new", "yes")).await.expect("an update");
    assert_eq!(new.customer_ref, right);
    let told = windows(&new.reply_windows);
    assert!(
        told.contains(&("whatsapp", "thread-1", true))
            && told.contains(&("messenger", "thread-1", true))
    );
    world.close().await;
}

async fn nobody_is_told_of_anothers_windows(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(message("wa", "whatsapp", "thread-1")).await.expect("a start");
    client.end(end("wa")).await.expect("an end");
    // Only a typed address: to be confirmed, and told nothing but of themselves.
    let typed = email_hint("jo@example.com");
    let mut first = start_with("mail", "email", typed.clone());
    first.identity_hints.as_mut().expect("hints").external_ids = known().external_ids;
    client.start(first).await.expect("a start");
    client.end(end("mail")).await.expect("an end");
    let asked = client.start(start_with("web", "web_chat", typed)).await.expect("a start");
    assert_eq!(said(&asked), Said::Confirm);
    assert_eq!(windows(&asked.reply_windows), [("web_chat", "", true)]);
    // Before others, not even that.
    let group = StartInteractionRequest {
        audience: Audience::Group.into(),
        ..message("group", "whatsapp", "thread-1")
    };
    let heard = client.start(group).await.expect("a start");
    assert!(heard.reply_windows.is_empty() && heard.diverged_thread.is_none());
    world.close().await;
}

async fn bad_messages_are_refused(engine: Engine) {
    let world = World::on(engine).await;
    let client: Client = staff(&world).await;
    client.start(message("wa", "whatsapp", "thread-1")).await.expect("a start");
    let with = |channel: &str, thread: &str, time: Option<Time>| UpdateInteractionRequest {
        last_inbound: Some(LastInbound {
            channel: channel.into(),
            thread_ref: thread.into(),
            time: time.and_then(at),
        }),
        ..update("wa", "u")
    };
    let (long, late) = ("x".repeat(257), world.now().plus(HOUR));
    for (bad, field) in [
        (with("", "t", None), "last_inbound.channel"),
        (with("What's App", "t", None), "last_inbound.channel"),
        (with("whatsapp", &long, None), "last_inbound.thread_ref"),
        (with("whatsapp", "t", Some(late)), "last_inbound.time"),
    ] {
        let refusal =
            assert_refused(client.update(bad).await, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(refusal.names(), [field]);
    }
    let good = client.update(with("whatsapp", "t", None)).await.expect("nothing was lost");
    assert_eq!(windows(&good.reply_windows).len(), 2);
    world.close().await;
}

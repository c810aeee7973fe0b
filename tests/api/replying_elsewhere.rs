//! Conversations that go on elsewhere than they began, where that is not seen by their thread alone:
//! we began them, or they are continued after more than a day.

use threadline::clock::HOUR;
use threadline::grpc::proto::{
    Direction, EndInteractionRequest, IdentityHints, LastInbound, StartInteractionRequest,
    StartInteractionResponse, UpdateInteractionRequest,
};

use super::replying::{known, message, windows};
use super::settling::{assert_silent, staff};
use crate::support::client::{Said, said};
use crate::support::requests::{at, confirm, email_hint, end, get, start_with, update};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    a_thread_that_we_began_has_its_origin,
    what_we_began_is_told_to_nobody_else,
    a_continuation_after_a_day_is_the_same_conversation,
    a_late_continuation_inherits_nothing,
    an_end_and_a_late_start_continue_as_a_start_does,
);

const OURS: (&str, &str, bool) = ("whatsapp", "TO", false);

/// A notification that we send on WhatsApp.
fn notification(id: &str) -> StartInteractionRequest {
    StartInteractionRequest {
        direction: Direction::Outbound.into(),
        ..message(id, "whatsapp", "TO")
    }
}

fn continuing(id: &str, channel: &str, before: &str) -> StartInteractionRequest {
    StartInteractionRequest {
        continues_interaction_id: before.into(),
        ..start_with(id, channel, known())
    }
}

/// The channel it began on, the one it goes on now, those that show a reply.
fn left(answer: &StartInteractionResponse) -> Option<(&str, &str, Vec<&str>)> {
    let it = answer.diverged_thread.as_ref()?;
    let origin = it.origin.as_ref().expect("where it began");
    let shown = it.reply_channels.iter().map(String::as_str).collect();
    Some((&origin.channel, &it.channel, shown))
}

fn codes(answer: &StartInteractionResponse) -> Vec<&str> {
    answer.warnings.iter().map(|warning| warning.code.as_str()).collect()
}

/// A WhatsApp contact of 25 hours ago, not yet ended; its customer.
async fn of_yesterday(world: &World) -> String {
    let past = world.role("backfill").await;
    let then = at(world.now().plus(-25 * HOUR));
    let first = StartInteractionRequest { start_time: then, ..message("wa", "whatsapp", "W") };
    past.start(first).await.expect("a start").customer_ref
}

async fn a_thread_that_we_began_has_its_origin(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    // Whom we know by all that the notification shows: it needs no row for a link's sake.
    client.start(message("first", "whatsapp", "old")).await.expect("a start");
    client.end(end("first")).await.expect("an end");
    let sent = client.start(notification("n")).await.expect("a start");
    assert!(windows(&sent.reply_windows).contains(&OURS), "{:?}", windows(&sent.reply_windows));
    let answer = client.start(message("web", "web_chat", "TO")).await.expect("a start");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &sent.customer_ref));
    let told = windows(&answer.reply_windows);
    assert_eq!((told[0], told.last()), (("web_chat", "TO", true), Some(&OURS)), "{told:?}");
    let closed = answer.reply_windows.last().expect("one");
    assert!(closed.last_inbound_time.is_none() && closed.close_time.is_none(), "never opened");
    assert_eq!(left(&answer), Some(("whatsapp", "web_chat", vec!["web_chat"])));
    let text = answer.diverged_thread.as_ref().map_or("", |it| &it.text);
    assert!(text.ends_with("WhatsApp takes no replies until they write there"), "{text}");
    let shown = client.get(get("web")).await.expect("it");
    assert!(shown.diverged_thread == answer.diverged_thread, "whoever asks is told the same");
    // The same once it has ended.
    client.end(end("n")).await.expect("an end");
    let again = client.start(message("again", "web_chat", "TO")).await.expect("a start");
    assert_eq!(left(&again), Some(("whatsapp", "web_chat", vec!["web_chat"])));
    // They answer where it began: that opens it.
    let sent = LastInbound { channel: "whatsapp".into(), thread_ref: "TO".into(), time: None };
    let back = UpdateInteractionRequest { last_inbound: Some(sent), ..update("again", "1") };
    let back = client.update(back).await.expect("an update");
    assert!(windows(&back.reply_windows).contains(&("whatsapp", "TO", true)));
    assert_eq!(left(&back), None);
    // A call of ours is no thread.
    let call = StartInteractionRequest {
        direction: Direction::Outbound.into(),
        ..message("dialled", "voice", "TO")
    };
    let answer = client.start(call).await.expect("a start");
    assert!(!windows(&answer.reply_windows).contains(&("voice", "TO", true)));
    world.close().await;
}

async fn what_we_began_is_told_to_nobody_else(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(notification("n")).await.expect("a start");
    let hints = IdentityHints { telegram_user_id: "771".into(), ..Default::default() };
    let stranger = StartInteractionRequest {
        identity_hints: Some(hints),
        ..message("stranger", "web_chat", "TO")
    };
    let answer = client.start(stranger).await.expect("a start");
    assert!(answer.new_customer && left(&answer).is_none());
    assert_eq!(windows(&answer.reply_windows), [("web_chat", "TO", true)]);
    world.close().await;
}

async fn a_continuation_after_a_day_is_the_same_conversation(engine: Engine) {
    let world = World::on(engine).await;
    let (client, customer) = (staff(&world).await, of_yesterday(&world).await);
    let web = client.start(continuing("web", "web_chat", "wa")).await.expect("a start");
    assert_eq!((said(&web), &web.customer_ref), (Said::Reuse, &customer));
    assert_eq!(codes(&web), ["continuation_too_old"]);
    assert_eq!(web.warnings[0].field, "continues_interaction_id");
    assert_eq!(left(&web), Some(("whatsapp", "web_chat", vec!["web_chat"])));
    client.end(end("web")).await.expect("an end");
    // Whoever goes on from there is in the same conversation, and hears of every channel.
    let mail = client.start(continuing("mail", "email", "web")).await.expect("a start");
    assert_eq!(codes(&mail), [""; 0]);
    assert_eq!(left(&mail), Some(("whatsapp", "email", vec!["email", "web_chat"])));
    let text = mail.diverged_thread.as_ref().map_or("", |it| &it.text);
    assert!(text.ends_with("; open for replies, too: chat"), "{text}");
    // Another customer's contact is no conversation of theirs.
    let hints = IdentityHints { telegram_user_id: "771".into(), ..Default::default() };
    let stranger = StartInteractionRequest {
        identity_hints: Some(hints),
        ..continuing("stranger", "telegram", "wa")
    };
    let answer = client.start(stranger).await.expect("a start");
    assert!(answer.new_customer && left(&answer).is_none());
    assert_eq!(windows(&answer.reply_windows).len(), 1);
    world.close().await;
}

async fn a_late_continuation_inherits_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let (client, customer) = (staff(&world).await, of_yesterday(&world).await);
    // An address that anybody can type, of the same customer.
    let mut mail = start_with("mail", "email", email_hint("jo@example.com"));
    mail.identity_hints.as_mut().expect("hints").external_ids = known().external_ids;
    client.start(mail).await.expect("a start");
    client.end(end("mail")).await.expect("an end");
    let typed = StartInteractionRequest {
        identity_hints: Some(email_hint("jo@example.com")),
        ..continuing("typed", "web_chat", "wa")
    };
    let asked = client.start(typed).await.expect("a start");
    assert_eq!((said(&asked), codes(&asked)), (Said::Confirm, vec!["continuation_too_old"]));
    assert_silent(&asked);
    assert_eq!(windows(&asked.reply_windows), [("web_chat", "", true)]);
    let sure = client.update(confirm("typed", "yes")).await.expect("a confirmation");
    assert_eq!(sure.customer_ref, customer);
    assert_eq!(left(&sure), Some(("whatsapp", "web_chat", vec!["web_chat"])));
    world.close().await;
}

async fn an_end_and_a_late_start_continue_as_a_start_does(engine: Engine) {
    let world = World::on(engine).await;
    let client: Client = staff(&world).await;
    of_yesterday(&world).await;
    let ticket = EndInteractionRequest {
        channel: "web_chat".into(),
        identity_hints: Some(known()),
        continues_interaction_id: "wa".into(),
        ..end("ticket")
    };
    let ended = client.end(ticket).await.expect("an end");
    assert_eq!(ended.warnings[0].code, "continuation_too_old");
    // An end that did not name it, and a start that says it late.
    let mut bare = end("bare");
    (bare.channel, bare.identity_hints) = ("web_chat".into(), Some(known()));
    client.end(bare).await.expect("an end");
    let late = client.start(continuing("bare", "web_chat", "wa")).await.expect("a late start");
    assert_eq!(codes(&late), ["continuation_too_old"]);
    for before in ["ticket", "bare"] {
        let id = format!("after {before}");
        let mail = client.start(continuing(&id, "email", before)).await.expect("a start");
        let origin = left(&mail).map(|it| it.0);
        assert_eq!(origin, Some("whatsapp"), "{before}");
    }
    world.close().await;
}

//! Windows and conversations, in any order of their messages.

use proptest::prelude::*;

use super::*;
use crate::clock::HOUR;
use crate::context::sample::MONDAY;

fn sent<'a>(channel: &'a str, thread: &'a str, hours: i64) -> Sent<'a> {
    let time = MONDAY.plus(hours * HOUR);
    Sent { channel, thread_ref: thread, time, conversation: Token([9; 16]), inbound: true }
}

fn alone(conversation: u8, sent: Sent<'_>) -> Sent<'_> {
    Sent { conversation: Token([conversation; 16]), ..sent }
}

fn ours(sent: Sent<'_>) -> Sent<'_> {
    Sent { inbound: false, ..sent }
}

#[test]
fn three_channels_close_a_day_after_the_last_message_on_them() {
    for (channel, closes) in [
        ("whatsapp", true),
        ("messenger", true),
        ("instagram", true),
        ("sms", false),
        ("telegram", false),
        ("discord", false),
        ("email", false),
        ("voice", false),
        ("web_chat", false),
    ] {
        let all = [sent(channel, "t", 0), sent(channel, "t", 2), sent("sms", "s", 25)];
        let of = |now: Time| {
            let windows = reply_windows(all.into_iter(), now);
            let found =
                windows.iter().find(|window| window.channel == channel && window.thread_ref == "t");
            *found.expect("its window")
        };
        let last = MONDAY.plus(2 * HOUR);
        let before = of(last.plus(DAY - 1));
        assert_eq!((before.last_inbound, before.open), (Some(last), true), "{channel}");
        assert_eq!(before.close, closes.then_some(last.plus(DAY)), "{channel}");
        assert_eq!(of(last.plus(DAY)).open, !closes, "{channel}");
    }
}

#[test]
fn a_message_elsewhere_does_not_reopen_it() {
    let all = [sent("whatsapp", "t", 0), sent("web_chat", "t", 25)];
    let windows = reply_windows(all.into_iter(), MONDAY.plus(25 * HOUR));
    let told: Vec<_> = windows.iter().map(|one| (one.channel, one.open, one.close)).collect();
    assert_eq!(told, [("web_chat", true, None), ("whatsapp", false, Some(MONDAY.plus(DAY)))]);
}

#[test]
fn threads_of_one_channel_have_windows_of_their_own() {
    let all = [sent("whatsapp", "support", 0), sent("whatsapp", "sales", 20)];
    let windows = reply_windows(all.into_iter(), MONDAY.plus(30 * HOUR));
    let told: Vec<_> = windows.iter().map(|one| (one.thread_ref, one.open)).collect();
    assert_eq!(told, [("sales", true), ("support", false)]);
}

#[test]
fn whoever_answers_a_thread_elsewhere_has_diverged() {
    let earlier = [alone(1, sent("whatsapp", "t", 0)), alone(2, sent("sms", "other", 3))];
    let own = [alone(3, sent("web_chat", "t", 25))];
    let now = MONDAY.plus(25 * HOUR);
    let it = diverged(earlier.into_iter(), &own, now).expect("diverged");
    assert_eq!((it.origin.channel, it.origin.open, it.channel), ("whatsapp", false, "web_chat"));
    assert_eq!(it.origin.close, Some(MONDAY.plus(DAY)));
    assert_eq!(it.reply_channels, ["web_chat"]);
    // While WhatsApp is open, it takes replies as well.
    let soon = [alone(3, sent("web_chat", "t", 2))];
    let it = diverged(earlier.into_iter(), &soon, MONDAY.plus(2 * HOUR)).expect("diverged");
    assert_eq!(it.reply_channels, ["web_chat", "whatsapp"]);
    // Back on WhatsApp, it is where it began.
    let back = [own[0], alone(3, sent("whatsapp", "t", 26))];
    assert_eq!(diverged(earlier.into_iter(), &back, MONDAY.plus(26 * HOUR)), None);
}

#[test]
fn a_continued_interaction_is_the_same_conversation() {
    let earlier = [alone(1, sent("instagram", "i", 0))];
    let own = [alone(1, sent("web_chat", "w", 1))];
    assert!(diverged(earlier.into_iter(), &own, MONDAY.plus(HOUR)).is_some());
    let another = [alone(2, sent("web_chat", "w", 1))];
    assert_eq!(diverged(earlier.into_iter(), &another, MONDAY.plus(HOUR)), None);
}

#[test]
fn a_call_is_no_thread() {
    let earlier = [alone(1, sent("whatsapp", "t", 0))];
    let call = [alone(1, sent("voice", "", 1))];
    assert_eq!(diverged(earlier.into_iter(), &call, MONDAY.plus(HOUR)), None);
    assert_eq!(diverged([sent("voice", "t", 0)].into_iter(), &[sent("sms", "t", 1)], MONDAY), None);
    assert_eq!(diverged([].into_iter(), &[], MONDAY), None);
}

#[test]
fn messages_without_a_thread_are_no_conversation_of_one() {
    let earlier = [alone(1, sent("whatsapp", "", 0))];
    let own = [alone(2, sent("web_chat", "", 1))];
    assert_eq!(diverged(earlier.into_iter(), &own, MONDAY.plus(HOUR)), None);
}

#[test]
fn an_interaction_tells_when_the_customer_wrote_and_not_when_it_ended() {
    let later = |channel: &str, hours: i64| LaterMessage {
        channel: channel.into(),
        thread_ref: "w".into(),
        time: MONDAY.plus(hours * HOUR),
    };
    let mut messages = Messages {
        conversation: Token([1; 16]),
        thread_ref: "t".into(),
        inbound: true,
        later: vec![later("web_chat", 3)],
    };
    let told = |messages: &Messages, channel: &str| {
        messages
            .of(channel, MONDAY)
            .map(|it| (it.channel.to_owned(), it.time, it.inbound))
            .collect::<Vec<_>>()
    };
    let first = |inbound| ("whatsapp".to_owned(), MONDAY, inbound);
    let second = ("web_chat".to_owned(), MONDAY.plus(3 * HOUR), true);
    assert_eq!(told(&messages, "whatsapp"), [first(true), second.clone()]);
    messages.inbound = false;
    let ours = told(&messages, "whatsapp");
    assert_eq!(ours, [first(false), second.clone()], "our own message is not the customer's");
    assert_eq!(told(&messages, "voice"), [second], "our own call is none");
}

#[test]
fn what_we_send_opens_no_window() {
    let all = [ours(sent("whatsapp", "t", 20)), ours(sent("sms", "s", 21)), sent("email", "m", 0)];
    let told = |all: &[Sent<'_>], hours: i64| {
        let windows = reply_windows(all.iter().copied(), MONDAY.plus(hours * HOUR));
        let of = |it: &ReplyWindow<'_>| (it.channel.to_owned(), it.open, it.last_inbound, it.close);
        windows.iter().map(of).collect::<Vec<_>>()
    };
    let (mail, text) =
        (("email".to_owned(), true, Some(MONDAY), None), ("sms".to_owned(), true, None, None));
    let never = ("whatsapp".to_owned(), false, None, None);
    assert_eq!(told(&all, 21), [mail.clone(), text, never]);
    // Nor does it keep one open.
    let after = [sent("whatsapp", "t", 0), ours(sent("whatsapp", "t", 20))];
    let closed = ("whatsapp".to_owned(), false, Some(MONDAY), Some(MONDAY.plus(DAY)));
    assert_eq!(told(&after, 24), [closed]);
}

#[test]
fn a_conversation_that_we_began_has_its_origin() {
    let earlier = [alone(1, ours(sent("whatsapp", "t", 0)))];
    let (own, now) = ([alone(2, sent("web_chat", "t", 1))], MONDAY.plus(HOUR));
    let it = diverged(earlier.into_iter(), &own, now).expect("diverged");
    assert_eq!((it.origin.channel, it.origin.open, it.channel), ("whatsapp", false, "web_chat"));
    assert_eq!((it.origin.last_inbound, it.reply_channels), (None, vec!["web_chat"]));
    // They answer where it began, whatever we send elsewhere: it is where they write.
    let answered = [alone(2, sent("whatsapp", "t", 1)), alone(2, ours(sent("sms", "t", 2)))];
    assert_eq!(diverged(earlier.into_iter(), &answered, now), None);
    // Nobody has answered yet.
    assert_eq!(diverged(earlier.into_iter(), &[alone(2, ours(sent("sms", "t", 1)))], now), None);
}

proptest! {
    #[test]
    fn the_order_of_the_messages_does_not_matter(
        messages in prop::collection::vec(
            (0..4usize, 0..3usize, 0..100i64, 0..3u8, any::<bool>()), 0..30
        ),
        turn in 0..30usize,
        hour in 0..120i64,
    ) {
        let channels = ["whatsapp", "web_chat", "sms", "voice"];
        let threads = ["", "t", "u"];
        let all: Vec<Sent<'_>> = messages
            .iter()
            .map(|&(channel, thread, hours, contact, inbound)| {
                let one = sent(channels[channel], threads[thread], hours);
                Sent { inbound, ..alone(contact, one) }
            })
            .collect();
        let mut turned = all.clone();
        turned.rotate_left(turn % all.len().max(1));
        let now = MONDAY.plus(hour * HOUR);
        let windows = reply_windows(all.iter().copied(), now);
        prop_assert_eq!(&windows, &reply_windows(turned.into_iter(), now));
        for window in &windows {
            // Nothing is said to be open that is not.
            let open = match (open_for(window.channel), window.last_inbound) {
                (None, _) => true,
                (Some(kept), last) => last.is_some_and(|last| now < last.plus(kept)),
            };
            prop_assert_eq!(window.open, open);
            let newer = |one: &&Sent<'_>| {
                (one.channel, one.thread_ref) == (window.channel, window.thread_ref)
                    && one.inbound
                    && window.last_inbound.is_none_or(|last| one.time > last)
            };
            prop_assert!(all.iter().find(newer).is_none());
        }
    }
}

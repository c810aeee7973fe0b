//! Briefs as an agent reads them, and that no input can break one.

use proptest::prelude::*;

use super::*;
use crate::clock::{DAY, HOUR};
use crate::context::sample::MONDAY;
use crate::context::{IntentStatus, PastIntent, Sensitivity, Sent, diverged};
use crate::identity::Direction;

fn intent(name: &str, status: IntentStatus) -> PastIntent {
    PastIntent {
        intent: name.to_owned(),
        reference: String::new(),
        status,
        sensitivity: Sensitivity::Normal,
    }
}

fn contact<'a>(channel: &'a str, end: Time, summary: &'a str) -> ShownInteraction<'a> {
    ShownInteraction {
        interaction_id: "id",
        source: "source",
        channel,
        direction: Direction::Inbound,
        start: end.plus(-HOUR),
        end,
        summary,
        intents: Vec::new(),
        disposition: "",
        sentiment: None,
        csat: None,
        agent_ref: "",
        confirmed: true,
        never_ended: false,
        redacted: Time(0),
    }
}

const WEDNESDAY: Time = Time(MONDAY.0 + 2 * DAY);

#[test]
fn three_channels_read_as_one_story() {
    let billing = intent("billing_dispute", IntentStatus::Open);
    let tuesday = MONDAY.plus(DAY - 5 * HOUR + 12 * crate::clock::MINUTE);
    let history = [
        contact("email", tuesday, "sent the\nbank statement "),
        ShownInteraction {
            intents: vec![&billing],
            ..contact("web_chat", MONDAY, "asked about the invoice")
        },
    ];
    assert_eq!(
        brief(&history, "voice", WEDNESDAY, "en-US", "UTC"),
        "Mon 2:00 PM chat: asked about the invoice (billing_dispute, open)\n\
         Tue 9:12 AM e-mail: sent the bank statement\n\
         now: phone"
    );
    assert_eq!(
        brief(&history, "voice", WEDNESDAY, "de-DE", "Europe/Berlin"),
        "Mo 15:00 Chat: asked about the invoice (billing_dispute, offen)\n\
         Di 10:12 E-Mail: sent the bank statement\n\
         jetzt: Telefon"
    );
    assert_eq!(
        brief(&history[1..], "in_app", WEDNESDAY, "fr-CA", "America/Toronto"),
        "lun. 09 h 00 chat : asked about the invoice (billing_dispute, en cours)\n\
         maintenant : application"
    );
}

#[test]
fn without_a_summary_it_says_what_else_is_known() {
    let (open, done) =
        (intent("refund", IntentStatus::Escalated), intent("address", IntentStatus::Resolved));
    let told = |past: ShownInteraction<'_>| {
        let lines = brief(&[past], "sms", WEDNESDAY, "en-US", "UTC");
        lines.lines().next().unwrap().strip_prefix("Mon ").unwrap().to_owned()
    };
    let bare = || contact("voice", MONDAY, "");
    let intents = ShownInteraction { intents: vec![&open, &done], disposition: "x", ..bare() };
    assert_eq!(told(intents), "2:00 PM phone: refund, escalated; address, resolved");
    let (one, other) =
        (intent("tariff", IntentStatus::Open), intent("moving", IntentStatus::Abandoned));
    let four = || vec![&open, &done, &one, &other];
    let three = "refund, escalated; address, resolved; tariff, open";
    let many = ShownInteraction { intents: four(), ..bare() };
    assert_eq!(told(many), format!("2:00 PM phone: {three}"));
    let noted = ShownInteraction { intents: four(), ..contact("voice", MONDAY, "moves out") };
    assert_eq!(told(noted), format!("2:00 PM phone: moves out ({three})"));
    let closed = ShownInteraction { disposition: "callback_promised", ..bare() };
    assert_eq!(told(closed), "2:00 PM phone: callback promised");
    assert_eq!(told(bare()), "2:00 PM phone: no note");
    let redacted = ShownInteraction { redacted: MONDAY, ..bare() };
    assert_eq!(told(redacted), "2:00 PM phone: note removed");
    let lost = ShownInteraction { never_ended: true, ..bare() };
    assert_eq!(told(lost), "1:00 PM phone: never ended", "told by its start");
    let doubtful = ShownInteraction { confirmed: false, ..bare() };
    assert_eq!(told(doubtful), "2:00 PM phone (unconfirmed): no note");
}

#[test]
fn the_newest_four_oldest_first() {
    let days: Vec<String> = (0..6).map(|n| format!("contact {n}")).collect();
    let history: Vec<_> = days
        .iter()
        .enumerate()
        .map(|(n, summary)| contact("sms", MONDAY.plus(-(n as i64) * HOUR), summary))
        .collect();
    let told = brief(&history, "sms", MONDAY, "en-US", "UTC");
    let numbers: Vec<_> = told.lines().filter_map(|line| line.split("contact ").nth(1)).collect();
    assert_eq!(numbers, ["3", "2", "1", "0"]);
    assert_eq!(told.lines().last(), Some("now: SMS"));
    assert_eq!(brief(&[], "sms", MONDAY, "en-US", "UTC"), "");
}

#[test]
fn a_long_summary_is_cut_at_a_word() {
    let cut = one_line(&"lorem ipsum ".repeat(20), SUMMARY_LENGTH).into_owned();
    assert_eq!(cut, format!("{}…", "lorem ipsum ".repeat(10).trim_end()));
    assert_eq!(one_line("one two three", 8), "one two…");
    assert_eq!(one_line("one two", 7), "one two");
    assert_eq!(one_line("unbroken", 5), "unbr…");
    // A family drawn as one character is kept whole or left out whole.
    let family = "👩\u{200d}👩\u{200d}👧";
    assert_eq!(one_line(&family.repeat(3), 8), format!("{family}…"));
}

#[test]
fn a_line_cannot_be_made_to_look_like_two() {
    let forged = contact("web\nchat", MONDAY, "hello\r\nnow: \u{202e}phone\u{0}\u{2028}x");
    let told = brief(&[forged], "voice\nx", WEDNESDAY, "en-US", "UTC");
    assert_eq!(told, "Mon 2:00 PM web chat: hello now: phone x\nnow: voice x");
}

proptest! {
    #[test]
    fn no_input_breaks_a_brief(
        (texts, locale, zone) in (proptest::array::uniform5("(?s).{0,300}"), ".{0,40}", ".{0,70}"),
        end in any::<i64>(), now in any::<i64>(), confirmed in any::<bool>(), never_ended in any::<bool>(),
    ) {
        let [channel, summary, name, disposition, current] = &texts;
        let about = intent(name, IntentStatus::Open);
        let past = ShownInteraction {
            intents: vec![&about],
            disposition,
            confirmed,
            never_ended,
            ..contact(channel, Time(end), summary)
        };
        let told = brief(&[past.clone(), past], current, Time(now), &locale, &zone);
        prop_assert_eq!(told.lines().count(), 3);
        prop_assert!(told.chars().all(|c| c == '\n' || !c.is_control()));
        prop_assert!(told.lines().all(|line| line.chars().count() <= 350));
    }

    #[test]
    fn known_places_and_any_time_never_break_a_brief(
        end in any::<i64>(), now in any::<i64>(), locale in "(en|de|th|fa|ar|ja|he)(-u-(ca-buddhist|nu-thai|hc-h12))?",
        zone in prop_oneof![Just("Europe/Dublin"), Just("Pacific/Apia"), Just("America/St_Johns")],
    ) {
        let told = brief(&[contact("sms", Time(end), "x")], "sms", Time(now), &locale, zone);
        prop_assert_eq!(told.lines().count(), 2);
    }

    #[test]
    fn a_line_keeps_its_limit(text in "(?s).{0,200}", limit in 1usize..150) {
        let line = one_line(&text, limit).into_owned();
        prop_assert!(line.chars().count() <= limit);
        prop_assert!(!line.contains('\n'));
        if text.chars().count() <= limit && !text.contains(breaks_a_line) {
            prop_assert_eq!(line, text);
        }
    }
}

fn sent(channel: &str, hours: i64) -> Sent<'_> {
    let (time, conversation) = (MONDAY.plus(hours * HOUR), crate::ids::Token([1; 16]));
    Sent { channel, thread_ref: "t", time, conversation, inbound: true }
}

/// What is said of a conversation when its last message comes.
fn said_of(all: &[Sent<'_>], locale: &str) -> String {
    said_at(all, all.last().expect("one").time, locale)
}

fn said_at(all: &[Sent<'_>], now: Time, locale: &str) -> String {
    let it = diverged([].into_iter(), all, now).expect("diverged");
    divergence(&it, now, locale, "UTC")
}

#[test]
fn where_a_reply_is_seen_is_said_in_the_readers_language() {
    let told = |origin: &str, hours: i64, locale: &str| {
        said_of(&[sent(origin, 0), sent("web_chat", hours)], locale)
    };
    assert_eq!(
        told("whatsapp", 25, "en-US"),
        "WhatsApp → chat: a reply goes to chat and is not seen on WhatsApp; \
         WhatsApp has been closed for replies since Tue 2:00 PM"
    );
    assert_eq!(
        told("messenger", 1, "de"),
        "Messenger → Chat: Eine Antwort geht an Chat und ist auf Messenger nicht zu sehen; \
         Messenger nimmt bis Di 14:00 Antworten an"
    );
    assert_eq!(
        told("sms", 25, "es"),
        "SMS → chat: una respuesta va a chat y no se ve en SMS; SMS sigue aceptando respuestas"
    );
    assert!(told("instagram", 25, "fr").ends_with("fermé aux réponses depuis mar. 14:00"));
    // A name that a caller made up holds no line break.
    assert!(!told("kiosk\n2", 25, "en").contains('\n'));
}

#[test]
fn every_channel_that_takes_a_reply_is_in_the_words() {
    let three = [sent("whatsapp", 0), sent("sms", 1), sent("email", 2), sent("web_chat", 25)];
    for (locale, ending) in [
        ("en", "since Tue 2:00 PM; open for replies, too: e-mail, SMS"),
        ("de", "geschlossen; ebenfalls offen für Antworten: E-Mail, SMS"),
        ("fr", "mar. 14:00 ; ouvert aux réponses aussi : e-mail, SMS"),
        ("es", "; también abierto a respuestas: correo, SMS"),
    ] {
        let text = said_of(&three, locale);
        assert!(text.ends_with(ending), "{text}");
    }
}

#[test]
fn a_channel_that_is_closed_by_now_is_not_said_to_take_a_reply() {
    let gone = [sent("whatsapp", 0), sent("messenger", 1)];
    assert_eq!(
        said_at(&gone, MONDAY.plus(48 * HOUR), "en-US"),
        "WhatsApp → Messenger: Messenger takes no replies now; \
         WhatsApp has been closed for replies since Tue 2:00 PM"
    );
    // We began it, and they have never written there.
    let ours = [Sent { inbound: false, ..sent("whatsapp", 0) }, sent("web_chat", 1)];
    assert_eq!(
        said_of(&ours, "en"),
        "WhatsApp → chat: a reply goes to chat and is not seen on WhatsApp; \
         WhatsApp takes no replies until they write there"
    );
}

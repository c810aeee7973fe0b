//! What a hint is worth where several of its kind are shown, who began the interaction, and on
//! channels that nobody has heard of.

use crate::identity::{
    Assurance, Circumstances, Direction, HintKind, RawHints, ShownToken, SignedIn,
};

use super::hints::{listed, on, raw, read};

use Assurance::{Asserted, Authenticated, Carried, Verified};

const SENDER: &str = "a@example.com";
const OTHER: &str = "b@example.com";

/// Addresses that a mail shows, with what each is worth.
fn by_mail(raw: &RawHints) -> Vec<(String, Assurance)> {
    let found = read(raw, &on("email"));
    assert!(found.violations.is_empty() && found.notices.is_empty(), "{found:?}");
    found.hints.into_iter().map(|hint| (hint.identifier.value, hint.assurance)).collect()
}

#[test]
fn only_the_address_that_a_mail_came_from_is_carried() {
    let from = || raw_sender(RawHints::default());
    let entry = || raw("Email ", OTHER);
    let item = |kind: &str, stated| listed(kind, "email", OTHER, stated);
    let expected = |worth: &[(&str, Assurance)]| {
        worth.iter().map(|(value, worth)| ((*value).to_owned(), *worth)).collect::<Vec<_>>()
    };
    for (name, raw, worth) in [
        ("the shorthand", from(), &[(SENDER, Carried)][..]),
        ("an entry", entry(), &[(OTHER, Carried)]),
        ("both", raw_sender(entry()), &[(SENDER, Carried), (OTHER, Asserted)]),
        ("listed", item("email", None), &[(OTHER, Asserted)]),
        ("listed as external", item("external", None), &[(OTHER, Asserted)]),
        ("beside", raw_sender(item("email", None)), &[(SENDER, Carried), (OTHER, Asserted)]),
        ("stated", item("email", Some(Carried)), &[(OTHER, Carried)]),
        ("overstated", item("external", Some(Verified)), &[(OTHER, Carried)]),
    ] {
        assert_eq!(by_mail(&raw), expected(worth), "{name}");
    }
    let mut two = entry();
    two.external_ids.insert("EMAIL".into(), SENDER.into());
    assert_eq!(by_mail(&two), expected(&[(SENDER, Asserted), (OTHER, Asserted)]));
    // Listed once more, the sender's own address is worth no less.
    let again = raw_sender(listed("email", "", SENDER, None));
    assert_eq!(by_mail(&again), expected(&[(SENDER, Carried)]));
}

fn raw_sender(raw: RawHints) -> RawHints {
    RawHints { email: SENDER.into(), ..raw }
}

#[test]
fn a_platform_vouches_for_who_writes_and_not_for_whom_we_write_to() {
    let outbound = |channel| Circumstances { direction: Direction::Outbound, ..on(channel) };
    for (field, value, channel, outward) in [
        ("whatsapp_id", "12015550123", "whatsapp", Carried),
        ("whatsapp_id", "US.1349120865530", "whatsapp", Carried),
        ("telegram_user_id", "4427958297", "telegram", Carried),
        ("telegram_user_id", "4427958297", "whatsapp", Asserted),
    ] {
        let worth = |at: &Circumstances<'_>| read(&raw(field, value), at).hints[0].assurance;
        assert_eq!(worth(&outbound(channel)), outward, "{field} on {channel}");
        let own = outward == Carried;
        let inward = if own { Authenticated } else { Asserted };
        assert_eq!(worth(&on(channel)), inward, "{field} on {channel}");
    }
    let stated = listed("messenger", "page-7", "12345678", Some(Verified));
    assert_eq!(read(&stated, &outbound("messenger")).hints[0].assurance, Carried);
    let trusted = Circumstances { max_assurance: Some(Authenticated), ..outbound("messenger") };
    assert_eq!(read(&stated, &trusted).hints[0].assurance, Authenticated);
}

#[test]
fn a_channel_of_its_own_name_vouches_for_nobody() {
    for (name, assurance) in [
        ("messenger", Authenticated),
        ("apple_messages", Authenticated),
        ("viber", Authenticated),
        ("line", Authenticated),
        ("x", Authenticated),
        ("portal", Asserted),
        ("fax", Asserted),
        ("my_whatsapp", Asserted),
        ("sms", Asserted),
        ("contact_form", Asserted),
    ] {
        let found = read(&listed(name, "", "12345678", None), &on(name));
        assert_eq!(found.hints[0].assurance, assurance, "{name}");
    }
}

#[test]
fn a_signed_subject_is_somebody_whatever_they_are_called() {
    let signed_in = |subject: &str| {
        let who = SignedIn { issuer: "issuer".into(), subject: subject.into(), late: false };
        read(
            &RawHints { web_token: ShownToken::SignedIn(who), ..RawHints::default() },
            &on("web_chat"),
        )
    };
    for subject in ["111", "test", "x"] {
        let found = signed_in(subject);
        assert!(found.notices.is_empty(), "{subject}");
        let hint = &found.hints[0];
        assert_eq!((hint.kind, hint.assurance), (HintKind::WebToken, Verified), "{subject}");
        assert_eq!(hint.identifier.value, subject);
    }
    for subject in ["0", "null", "guest"] {
        let found = signed_in(subject);
        assert!(found.hints.is_empty(), "{subject}");
        assert_eq!(found.notices[0].code, "junk_value", "{subject}");
    }
}

//! A few lines that an agent can read aloud: what happened, oldest first, and
//! where we are now. Made only of what may be shown.

use std::borrow::Cow;

use icu::segmenter::GraphemeClusterSegmenter;

use super::calendar::Calendar;
use super::disclosure::ShownInteraction;
use super::reply_windows::Diverged;
use super::wording::{Words, words};
use crate::clock::Time;

/// Most earlier contacts in a brief.
const CONTACTS: usize = 4;
/// Most characters of a summary.
const SUMMARY_LENGTH: usize = 120;
/// Most characters of a name somebody made up: an intent, a disposition, a channel.
const NAME_LENGTH: usize = 60;
/// Most intents of one contact.
const INTENTS: usize = 3;
/// Bytes that a line begins with; it takes more if it needs more.
const LINE_ROOM: usize = 96;

/// The newest four of `history` (which is newest first), oldest first, and
/// the present contact, a line each:
///
/// ```text
/// Mon 2:00 PM chat: asked about the invoice (billing_dispute, open)
/// Tue 9:12 AM e-mail: sent the bank statement
/// now: phone
/// ```
///
/// Empty when there is no history. An unknown locale counts as `en-US`, an
/// unknown time zone as UTC. Lines never hold control characters or
/// characters that turn the direction of writing.
pub fn brief(
    history: &[ShownInteraction<'_>],
    current_channel: &str,
    now: Time,
    locale: &str,
    time_zone: &str,
) -> String {
    if history.is_empty() {
        return String::new();
    }
    let calendar = Calendar::new(locale, time_zone, now);
    let words = words(calendar.language());
    let mut brief = String::with_capacity(LINE_ROOM * (history.len().min(CONTACTS) + 1));
    for past in history.iter().take(CONTACTS).rev() {
        tell(&mut brief, past, &calendar, words);
        brief.push('\n');
    }
    brief.push_str(words.now);
    brief.push_str(words.colon);
    brief.push_str(&one_line(&words.channel(current_channel), NAME_LENGTH));
    brief
}

/// What a conversation that left its channel means for a reply, in a line to read:
///
/// ```text
/// WhatsApp → chat: a reply goes to chat and is not seen on WhatsApp; WhatsApp has been closed for replies since Tue 2:00 PM
/// ```
///
/// Locale and time zone as in [`brief`].
pub fn divergence(diverged: &Diverged<'_>, now: Time, locale: &str, time_zone: &str) -> String {
    let calendar = Calendar::new(locale, time_zone, now);
    let words = words(calendar.language());
    let name = |channel: &str| one_line(&words.channel(channel), NAME_LENGTH).into_owned();
    let Diverged { origin, channel, reply_channels } = diverged;
    let lead = match reply_channels.contains(channel) {
        true => words.diverged,
        false => words.diverged_closed,
    };
    let ending = match (origin.open, origin.close) {
        (true, None) => words.stays_open,
        (true, Some(_)) => words.open_until,
        (false, Some(_)) => words.closed_since,
        (false, None) => words.never_opened,
    };
    let time = origin.close.map_or_else(String::new, |time| calendar.tell_near(time));
    let mut text = format!("{lead}{ending}")
        .replace("{origin}", &name(origin.channel))
        .replace("{channel}", &name(channel))
        .replace("{time}", &time);
    let told = [origin.channel, *channel];
    let others = reply_channels.iter().filter(|open| !told.contains(open));
    let others: Vec<_> = others.map(|open| name(open)).collect();
    if !others.is_empty() {
        text.push_str(words.others_open);
        text.push_str(&others.join(", "));
    }
    text
}

/// One earlier contact.
fn tell(brief: &mut String, past: &ShownInteraction<'_>, calendar: &Calendar, words: &Words) {
    // A contact that never ended was closed by us much later: its start is when the customer was there.
    brief.push_str(&calendar.tell(if past.never_ended { past.start } else { past.end }));
    brief.push(' ');
    brief.push_str(&one_line(&words.channel(past.channel), NAME_LENGTH));
    if !past.confirmed {
        brief.extend([" (", words.unconfirmed, ")"]);
    }
    brief.push_str(words.colon);
    tell_what_happened(brief, past, words);
}

/// The summary with its intents; else the intents; else how it closed; else that nobody noted
/// anything, or that what they noted was taken out.
fn tell_what_happened(brief: &mut String, past: &ShownInteraction<'_>, words: &Words) {
    let summary = one_line(past.summary, SUMMARY_LENGTH);
    brief.push_str(&summary);
    match (summary.is_empty(), past.intents.is_empty()) {
        (false, false) => {
            brief.push_str(" (");
            tell_intents(brief, past, words);
            brief.push(')');
        }
        (false, true) => {}
        (true, false) => tell_intents(brief, past, words),
        (true, true) => brief.push_str(&how_it_closed(past, words)),
    }
}

/// Why they were in touch: each matter, and how it stands.
fn tell_intents(brief: &mut String, past: &ShownInteraction<'_>, words: &Words) {
    for (index, one) in past.intents.iter().take(INTENTS).enumerate() {
        let joint = if index == 0 { "" } else { "; " };
        let intent = one_line(&one.intent, NAME_LENGTH);
        brief.extend([joint, &intent, ", ", words.status(one.status)]);
    }
}

fn how_it_closed(past: &ShownInteraction<'_>, words: &Words) -> String {
    let closed = if past.never_ended { "never_ended" } else { past.disposition };
    let closed = one_line(&words.disposition(closed), NAME_LENGTH).into_owned();
    match (closed.is_empty(), past.redacted == Time(0)) {
        (false, _) => closed,
        (true, true) => words.no_note.to_owned(),
        (true, false) => words.redacted.to_owned(),
    }
}

/// Whether it is one line of ASCII with single spaces between words, as most texts are.
fn is_plain(text: &str) -> bool {
    let single = !text.starts_with(' ') && !text.ends_with(' ') && !text.contains("  ");
    single && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// `text` on one line of at most `limit` characters, cut at a word, else
/// between what a reader takes for characters, with an ellipsis.
fn one_line(text: &str, limit: usize) -> Cow<'_, str> {
    if is_plain(text) && text.len() <= limit {
        return text.into();
    }
    let words = text.split(breaks_a_line).filter(|word| !word.is_empty());
    let spaced = words.flat_map(|word| std::iter::once(' ').chain(word.chars())).skip(1);
    let line: String = spaced.take(limit + 1).collect();
    if line.chars().count() <= limit {
        return line.into();
    }
    // The last character is one too many, and one more makes room for the ellipsis.
    let room = line.char_indices().rev().nth(1).map_or(0, |(end, _)| end);
    let cut = match line.rfind(' ') {
        Some(space) if space >= room / 2 && space <= room => space,
        _ => GraphemeClusterSegmenter::new()
            .segment_str(&line)
            .take_while(|&boundary| boundary <= room)
            .last()
            .unwrap_or(0),
    };
    format!("{}…", line[..cut].trim_end()).into()
}

/// White space, control characters, and the marks that turn the direction of
/// writing, with which one line could be made to look like another.
fn breaks_a_line(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;

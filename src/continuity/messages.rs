//! What was sent in an interaction: from it follows where a reply reaches the customer.

use super::load::message;
use super::record::{MessageRecord, State};
use super::settling::token_of;
use crate::clock::Time;
use crate::context::{MAX_WINDOWS, Messages, Sent, carries_text};
use crate::identity::Direction;
use crate::ids::Token;

/// Whether an interaction is put on its customer's file while it goes on, for the sake of its
/// messages: what either side writes begins a thread. A call is not: a phone does not close, and its
/// start writes nothing but its journal row.
pub(super) fn are_on_file(state: &State) -> bool {
    carries_text(&state.channel) || !state.messages.is_empty()
}

fn is_inbound(state: &State) -> bool {
    state.direction == Direction::Inbound.code()
}

/// Takes a message in: the newest of each channel and thread, and of those the newest
/// [`MAX_WINDOWS`]. Whether it was news.
pub(super) fn take_in(state: &mut State, new: MessageRecord) -> bool {
    let same = |known: &MessageRecord| {
        (&known.channel, &known.thread_ref) == (&new.channel, &new.thread_ref)
    };
    if state.messages.iter().any(|known| same(known) && known.time >= new.time) {
        return false;
    }
    state.messages.retain(|known| !same(known));
    state.messages.push(new);
    state.messages.sort_by_key(|known| known.time);
    let surplus = state.messages.len().saturating_sub(MAX_WINDOWS);
    state.messages.drain(..surplus);
    true
}

/// The messages of an interaction as it stands.
pub fn messages_of(state: &State) -> Messages {
    let about = state.about.as_ref();
    Messages {
        // Every interaction names the first of its chain; one that does not continues nothing.
        conversation: token_of(&state.conversation)
            .or_else(|| token_of(&state.contact))
            .unwrap_or(Token([0; 16])),
        thread_ref: about.map_or_else(String::new, |about| about.thread_ref.clone()),
        inbound: is_inbound(state),
        later: state.messages.iter().map(message).collect(),
    }
}

/// Its own messages, in terms of [`Messages`].
pub fn own<'a>(messages: &'a Messages, state: &'a State) -> Vec<Sent<'a>> {
    messages.of(&state.channel, Time(state.start_time)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(channel: &str, thread: &str, time: i64) -> MessageRecord {
        MessageRecord { channel: channel.into(), thread_ref: thread.into(), time }
    }

    #[test]
    fn only_the_newest_of_a_channel_and_thread_is_kept_in_any_order() {
        for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
            let mut state = State::default();
            for time in order {
                take_in(&mut state, record("whatsapp", "t", time));
                take_in(&mut state, record("whatsapp", "u", 10 * time));
            }
            let kept = [record("whatsapp", "t", 3), record("whatsapp", "u", 30)];
            assert_eq!(state.messages, kept);
            assert!(!take_in(&mut state, record("whatsapp", "t", 3)), "no news");
        }
    }

    #[test]
    fn there_are_never_too_many() {
        let mut state = State::default();
        for number in 0..100 {
            take_in(&mut state, record("web_chat", &number.to_string(), number));
        }
        assert_eq!(state.messages.len(), MAX_WINDOWS);
        assert_eq!(state.messages.last().map(|last| last.time), Some(99));
    }

    #[test]
    fn a_call_is_not_put_on_file_for_its_messages() {
        let begun = |channel: &str, direction: Direction| State {
            channel: channel.into(),
            direction: direction.code(),
            ..State::default()
        };
        assert!(are_on_file(&begun("whatsapp", Direction::Inbound)));
        assert!(are_on_file(&begun("whatsapp", Direction::Outbound)), "a notification");
        assert!(!are_on_file(&begun("voice", Direction::Outbound)));
        let mut call = begun("voice", Direction::Inbound);
        assert!(!are_on_file(&call));
        take_in(&mut call, record("sms", "", 1));
        assert!(are_on_file(&call));
    }
}

//! Where a reply still reaches the customer, and whether a conversation has left the channel it
//! began on.
//!
//! WhatsApp, Messenger and Instagram take free replies for 24 hours after the customer's last
//! message *on that channel* (the platforms' customer service window); other channels do not close.
//! A customer who answers a WhatsApp thread from the web messenger has diverged: what they write
//! there does not reopen WhatsApp, and a reply there is not seen on WhatsApp. That holds as well
//! where we wrote first: what we send gives a conversation its origin, and opens no window.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::clock::{DAY, Time};
use crate::ids::Token;

/// Most windows of one customer: the newest.
pub const MAX_WINDOWS: usize = 20;

/// Something that the customer sent, or that we wrote to them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sent<'a> {
    /// The channel it was sent on.
    pub channel: &'a str,
    /// The channel's own thread; empty when none was named.
    pub thread_ref: &'a str,
    /// When it was sent.
    pub time: Time,
    /// The first interaction of the conversation in which it was sent.
    pub conversation: Token,
    /// Whether the customer sent it.
    pub inbound: bool,
}

debug_without_text!(Sent<'_> { time, inbound });

/// What one interaction tells of messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Messages {
    /// The first interaction of its conversation: of its chain, and of what that continued too late
    /// to be of one chain with it.
    pub conversation: Token,
    /// Its thread; empty when none was named.
    pub thread_ref: String,
    /// Whether the customer's own message began it; else it was ours.
    pub inbound: bool,
    /// The customer's newest message on each channel and in each thread, as updates told of them.
    pub later: Vec<LaterMessage>,
}

debug_without_text!(Messages { inbound });

/// A message within an interaction.
#[derive(Clone, PartialEq, Eq)]
pub struct LaterMessage {
    /// The channel it came on.
    pub channel: String,
    /// The channel's own thread; empty when none was named.
    pub thread_ref: String,
    /// When it came.
    pub time: Time,
}

debug_without_text!(LaterMessage { time });

impl Messages {
    /// All messages of an interaction that began on `channel` at `start`. How long it went on says
    /// nothing of when the customer last wrote: a window is never taken for longer than is known.
    /// A call of ours is no message.
    pub fn of<'a>(&'a self, channel: &'a str, start: Time) -> impl Iterator<Item = Sent<'a>> {
        let (conversation, inbound) = (self.conversation, self.inbound);
        let first =
            Sent { channel, thread_ref: &self.thread_ref, time: start, conversation, inbound };
        let later = self.later.iter().map(move |one| Sent {
            channel: &one.channel,
            thread_ref: &one.thread_ref,
            time: one.time,
            conversation,
            inbound: true,
        });
        (inbound || carries_text(channel)).then_some(first).into_iter().chain(later)
    }

    pub(super) fn bytes(&self) -> usize {
        let later = |one: &LaterMessage| {
            size_of::<LaterMessage>() + one.channel.len() + one.thread_ref.len()
        };
        self.thread_ref.len() + self.later.iter().map(later).sum::<usize>()
    }
}

/// Whether a free reply goes through on one channel, in one thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReplyWindow<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The channel's own thread; empty when none was named.
    pub thread_ref: &'a str,
    /// The customer's last message there; `None` where only we have written.
    pub last_inbound: Option<Time>,
    /// When it closes; `None` for channels that do not, and where it was never opened.
    pub close: Option<Time>,
    /// Whether a reply goes through now.
    pub open: bool,
}

debug_without_text!(ReplyWindow<'_> { last_inbound, close, open });

/// How long a channel takes free replies after the customer's last message on it, in milliseconds;
/// `None` when it does not close.
fn open_for(channel: &str) -> Option<i64> {
    matches!(channel, "whatsapp" | "messenger" | "instagram").then_some(DAY)
}

fn window<'a>(sent: &Sent<'a>, last_inbound: Option<Time>, now: Time) -> ReplyWindow<'a> {
    let kept = open_for(sent.channel);
    let close = kept.and_then(|kept| Some(last_inbound?.plus(kept)));
    ReplyWindow {
        channel: sent.channel,
        thread_ref: sent.thread_ref,
        last_inbound,
        close,
        // What closes is closed until the customer writes: what we send opens nothing.
        open: kept.is_none() || close.is_some_and(|close| now < close),
    }
}

/// The windows of a customer with whom all of this was exchanged, one a channel and thread, by the
/// customer's newest message, newest first; those they have never written on come last.
pub fn reply_windows<'a>(sent: impl Iterator<Item = Sent<'a>>, now: Time) -> Vec<ReplyWindow<'a>> {
    // Of each the newest, and the newest of the customer's.
    let mut newest: HashMap<(&str, &str), (Sent<'a>, Option<Time>)> = HashMap::new();
    for one in sent {
        let (last, inbound) = newest.entry((one.channel, one.thread_ref)).or_insert((one, None));
        last.time = last.time.max(one.time);
        *inbound = (*inbound).max(one.inbound.then_some(one.time));
    }
    let mut newest: Vec<_> = newest.into_values().collect();
    newest.sort_by_key(|(last, inbound)| {
        (Reverse(*inbound), Reverse(last.time), last.channel, last.thread_ref)
    });
    newest.truncate(MAX_WINDOWS);
    newest.iter().map(|(last, inbound)| window(last, *inbound, now)).collect()
}

/// A conversation that goes on elsewhere than it began.
#[derive(Clone, PartialEq, Eq)]
pub struct Diverged<'a> {
    /// The window of the channel and thread that it began on.
    pub origin: ReplyWindow<'a>,
    /// The channel on which the customer writes now.
    pub channel: &'a str,
    /// The channels of this conversation on which a free reply reaches the customer now, the one
    /// they write on first.
    pub reply_channels: Vec<&'a str>,
}

debug_without_text!(Diverged<'_> { origin });

/// Whether the conversation that `own` (the messages of the present interaction) belongs to has
/// left its channel: it is that of the same thread, or of the same chain of interactions, whoever
/// began it. A call shows no text: it neither begins such a conversation nor takes one over.
pub fn diverged<'a>(
    earlier: impl Iterator<Item = Sent<'a>>,
    own: &[Sent<'a>],
    now: Time,
) -> Option<Diverged<'a>> {
    let belongs = |one: &Sent<'a>| {
        let same_thread =
            |mine: &Sent<'a>| !mine.thread_ref.is_empty() && mine.thread_ref == one.thread_ref;
        own.iter().any(|mine| mine.conversation == one.conversation || same_thread(mine))
    };
    let own_messages = own.iter().copied();
    let conversation: Vec<Sent<'a>> =
        earlier.filter(belongs).chain(own_messages).filter(is_written).collect();
    let origin = *conversation.iter().min_by_key(|one| one.time)?;
    let newest = *conversation.iter().filter(|one| one.inbound).max_by_key(|one| one.time)?;
    if origin.channel == newest.channel {
        return None;
    }
    let windows = reply_windows(conversation.into_iter(), now);
    let mut reply_channels = Vec::new();
    for window in windows.iter().filter(|window| window.open) {
        if !reply_channels.contains(&window.channel) {
            reply_channels.push(window.channel);
        }
    }
    let on_origin = windows.into_iter().find(|one| one.channel == origin.channel);
    let first = origin.inbound.then_some(origin.time);
    Some(Diverged {
        // It may have fallen behind the newest twenty; then its first message is what is known.
        origin: on_origin.unwrap_or_else(|| window(&origin, first, now)),
        channel: newest.channel,
        reply_channels,
    })
}

/// Whether a channel carries text, so that a conversation on it can be answered elsewhere.
pub fn carries_text(channel: &str) -> bool {
    channel != "voice"
}

fn is_written(sent: &Sent<'_>) -> bool {
    carries_text(sent.channel)
}

#[cfg(test)]
mod tests;

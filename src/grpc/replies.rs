//! Reply windows and diverged conversations, as they are answered. Of a context that is not shown
//! nothing is told: then the windows are those of this very interaction.

use super::answers::timestamp;
use super::proto;
use crate::context::{ReplyWindow, Shown, diverged, divergence, reply_windows};
use crate::continuity::Answer;
use crate::continuity::messages::{messages_of, own};

/// Where a reply reaches the customer.
pub(super) fn fill(message: &mut proto::StartInteractionResponse, answer: &Answer, shown: Shown) {
    let (now, (locale, time_zone)) = (answer.view.now, &answer.voice);
    let messages = messages_of(&answer.state);
    let own = own(&messages, &answer.state);
    let sent = || answer.context.sent().filter(|_| shown == Shown::Context);
    let windows = reply_windows(sent().chain(own.iter().copied()), now);
    message.reply_windows = windows.into_iter().map(window).collect();
    let Some(diverged) = diverged(sent(), &own, now) else { return };
    let text = divergence(&diverged, now, locale, time_zone);
    message.brief.push_str(if message.brief.is_empty() { "" } else { "\n" });
    message.brief.push_str(&text);
    message.diverged_thread = Some(proto::DivergedThread {
        origin: Some(window(diverged.origin)),
        channel: diverged.channel.to_owned(),
        reply_channels: diverged.reply_channels.into_iter().map(str::to_owned).collect(),
        text,
    });
}

fn window(it: ReplyWindow<'_>) -> proto::ReplyWindow {
    proto::ReplyWindow {
        channel: it.channel.to_owned(),
        thread_ref: it.thread_ref.to_owned(),
        last_inbound_time: it.last_inbound.and_then(timestamp),
        open: it.open,
        close_time: it.close.and_then(timestamp),
    }
}

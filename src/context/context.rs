//! All that is remembered of one customer, or of a merged set, in the form in
//! which the cache keeps it.

use std::cmp::Reverse;
use std::sync::Arc;

use super::consent::Consents;
use super::history::PastInteraction;
use super::intents::IntentFact;
use super::profile::AttributeWrite;
use super::reply_windows::{Messages, Sent};
use super::variables::VariableWrite;
use crate::clock::Time;
use crate::ids::Token;

/// A contact that goes on.
#[derive(Clone, PartialEq, Eq)]
pub struct RunningContact {
    /// The interaction.
    pub interaction: Token,
    /// Its channel.
    pub channel: String,
    /// When it started.
    pub start: Time,
    /// What was sent in it.
    pub messages: Messages,
}

debug_without_text!(RunningContact { start });

/// All that is remembered of a customer, opened. What of it may be shown is
/// for [`disclose`](super::disclose) to say.
#[derive(Clone, Default)]
pub struct Context {
    /// What interactions said of matters, in any order.
    pub facts: Vec<IntentFact>,
    /// Writes of variables, in any order.
    pub variables: Vec<VariableWrite>,
    /// Writes of profile attributes, in any order.
    pub profile: Vec<AttributeWrite>,
    /// Earlier contacts, newest first.
    pub history: Vec<PastInteraction>,
    /// Contacts that go on and in which something is written.
    pub running: Vec<RunningContact>,
    /// Contacts that showed an identifier of somebody else, where somebody said that it may stay so.
    pub acknowledged: Vec<Token>,
    /// What they said of consent.
    pub consents: Consents,
}

impl Context {
    /// What is remembered of customers who are one person, as if it had always been one.
    pub fn gathered(contexts: Vec<Arc<Self>>) -> Arc<Self> {
        let mut contexts = contexts;
        if contexts.len() == 1
            && let Some(alone) = contexts.pop()
        {
            return alone;
        }
        let mut whole = Self::default();
        for context in &contexts {
            whole.facts.extend(context.facts.iter().cloned());
            whole.variables.extend(context.variables.iter().cloned());
            whole.profile.extend(context.profile.iter().cloned());
            whole.history.extend(context.history.iter().cloned());
            whole.running.extend(context.running.iter().cloned());
            whole.acknowledged.extend(context.acknowledged.iter().copied());
            whole.consents.join(&context.consents);
        }
        whole.history.sort_by_key(|past| Reverse((past.end, past.interaction)));
        Arc::new(whole)
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("facts", &self.facts.len())
            .field("variables", &self.variables.len())
            .field("profile", &self.profile.len())
            .field("history", &self.history.len())
            .finish()
    }
}

impl Context {
    /// The agent of the newest contact that has one and is known to be this
    /// customer's; empty when there is none.
    pub fn last_agent_ref(&self) -> &str {
        self.history
            .iter()
            .find(|past| past.confirmed && !past.agent_ref.is_empty())
            .map_or("", |past| past.agent_ref.as_str())
    }

    /// What the customer sent and what was written to them, on all channels, as far as it is known to
    /// be theirs.
    pub fn sent(&self) -> impl Iterator<Item = Sent<'_>> {
        let known = self.history.iter().filter(|past| past.confirmed);
        let past = known.flat_map(|past| past.messages.of(&past.channel, past.start));
        let running = self.running.iter().flat_map(|one| one.messages.of(&one.channel, one.start));
        past.chain(running)
    }

    /// Roughly how many bytes of memory this takes, for the cache's bound.
    pub fn approximate_bytes(&self) -> u32 {
        let facts = self.facts.iter().map(|fact| {
            size_of::<IntentFact>() + fact.intent.len() + fact.reference.len() + fact.channel.len()
        });
        let variables = self.variables.iter().map(|write| {
            let text = write.name.len() + write.value.as_ref().map_or(0, String::len);
            let source = write.channel.len() + write.interaction_id.len() + write.agent_ref.len();
            size_of::<VariableWrite>() + text + source
        });
        let profile =
            self.profile.iter().map(|write| size_of::<AttributeWrite>() + write.bytes_beside());
        let history = self.history.iter().map(past_bytes);
        let running = self
            .running
            .iter()
            .map(|one| size_of::<RunningContact>() + one.channel.len() + one.messages.bytes());
        let acknowledged = self.acknowledged.iter().map(size_of_val);
        let total: usize = facts
            .chain(variables)
            .chain(profile)
            .chain(history)
            .chain(running)
            .chain(acknowledged)
            .sum();
        u32::try_from(size_of::<Self>() + total + self.consents.bytes()).unwrap_or(u32::MAX)
    }
}

fn past_bytes(past: &PastInteraction) -> usize {
    let names = past.interaction_id.len() + past.source.len() + past.channel.len();
    let outcome = past.summary.len() + past.disposition.len() + past.agent_ref.len();
    let intents: usize = past
        .intents
        .iter()
        .map(|one| size_of_val(one) + one.intent.len() + one.reference.len())
        .sum();
    size_of::<PastInteraction>() + names + outcome + intents + past.messages.bytes()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_last_agent_is_the_newest_of_a_confirmed_contact() {
        let mut context = Context { history: sample::history(), ..Context::default() };
        context.history[0].agent_ref = "stranger".into();
        context.history[0].confirmed = false;
        context.history[1].agent_ref = String::new();
        context.history[2].agent_ref = "kim".into();
        assert_eq!(context.last_agent_ref(), "kim");
        assert_eq!(Context::default().last_agent_ref(), "");
    }

    #[test]
    fn the_weight_grows_with_what_is_kept() {
        let mut context = sample::context();
        let before = context.approximate_bytes();
        assert!(before > Context::default().approximate_bytes());
        context.history[0].summary.push_str(&"x".repeat(1_000));
        assert_eq!(context.approximate_bytes(), before + 1_000);
        context.variables[0].value = Some("y".repeat(5_000));
        assert!(context.approximate_bytes() >= before + 5_900);
    }

    #[test]
    fn nothing_a_person_said_is_printed() {
        let context = sample::context();
        let printed = format!(
            "{context:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            context.facts,
            context.variables,
            context.profile,
            context.history,
            context.history[0].intents,
            super::super::open_intents(&context.facts),
        );
        assert!(printed.contains("PastInteraction") && !printed.contains(sample::CANARY));
    }
}

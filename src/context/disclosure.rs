//! What of a context may be shown, and to whom: the one place that decides.
//!
//! Three questions, in this order. How many people hear the answer? How sure
//! is it whose context this is? And, value by value, is it sensitive?

use std::collections::BTreeSet;

use super::context::Context;
use super::history::{PastIntent, PastInteraction};
use super::intents::{OpenIntent, open_intents};
use super::profile::{AttributeWrite, current_profile};
use super::variables::{VariableWrite, current_variables};
use super::vocabulary::{Audience, Disclosure, Sensitivity};
use crate::clock::Time;
use crate::identity::{Assurance, Direction, Level, Recommendation};

/// From where a context is looked at: the decision as it now stands, who asks, and who hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewpoint {
    /// What time it is.
    pub now: Time,
    /// What the decision recommends, before [`capped`].
    pub recommendation: Recommendation,
    /// How sure the decision is.
    pub level: Level,
    /// How hard it would have been to pretend; `None` when nothing matched.
    pub assurance: Option<Assurance>,
    /// Who hears the answer.
    pub audience: Audience,
    /// The customer's own rule.
    pub disclosure: Disclosure,
    /// Whether the identity was confirmed or verified in this interaction.
    pub confirmed: bool,
    /// The tenant's choice that `confirm` already discloses the context.
    pub confirm_discloses_context: bool,
    /// Whether the caller may see sensitive values at all; bots may not.
    pub may_see_sensitive: bool,
    /// Most earlier contacts to show.
    pub history_limit: usize,
    /// Whether the interaction, as it now stands, belongs to a customer it has made: there is nothing earlier to show.
    pub new_customer: bool,
}

/// How much an answer shows, beside whose interaction it is and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// No candidate and nothing of a context.
    Nothing,
    /// Others listen: not even candidates and conflicts.
    IdentityOnly,
    /// The best candidate's ref and masked label.
    Candidates,
    /// The context, sensitive values by their own rule.
    Context,
}

/// The recommendation under the customer's own rule: ALWAYS_CONFIRM makes
/// `reuse` a `confirm` until the identity is confirmed in this interaction,
/// NEVER makes everything `ignore`.
pub fn capped(
    recommendation: Recommendation,
    disclosure: Disclosure,
    confirmed: bool,
) -> Recommendation {
    match disclosure {
        Disclosure::Normal => recommendation,
        Disclosure::AlwaysConfirm if confirmed => recommendation,
        Disclosure::AlwaysConfirm => recommendation.min(Recommendation::Confirm),
        Disclosure::Never => Recommendation::Ignore,
    }
}

/// How much an answer shows.
///
/// An audience of more than one comes first, whatever the decision. A tenant
/// whose `confirm` discloses the context does not overrule a customer whose
/// own rule asks for confirmation.
pub fn what_is_shown(view: &Viewpoint) -> Shown {
    if view.audience != Audience::Private {
        return Shown::IdentityOnly;
    }
    if view.new_customer {
        return Shown::Nothing;
    }
    let confirm_is_enough =
        view.confirmed || (view.confirm_discloses_context && view.disclosure == Disclosure::Normal);
    match capped(view.recommendation, view.disclosure, view.confirmed) {
        Recommendation::Ignore => Shown::Nothing,
        Recommendation::Confirm if confirm_is_enough => Shown::Context,
        Recommendation::Confirm => Shown::Candidates,
        Recommendation::Reuse => Shown::Context,
    }
}

/// An earlier contact without what may not be shown of it.
#[derive(Clone, PartialEq)]
pub struct ShownInteraction<'a> {
    /// The caller's own id of it.
    pub interaction_id: &'a str,
    /// The source that named it.
    pub source: &'a str,
    /// The channel.
    pub channel: &'a str,
    /// Who turned to whom.
    pub direction: Direction,
    /// When it started.
    pub start: Time,
    /// When it ended, or was closed.
    pub end: Time,
    /// What happened; empty when withheld.
    pub summary: &'a str,
    /// What it was about, without what is withheld.
    pub intents: Vec<&'a PastIntent>,
    /// How it closed.
    pub disposition: &'a str,
    /// From −1 (bad) to 1 (good).
    pub sentiment: Option<f64>,
    /// The customer's own score, 0 to 10.
    pub csat: Option<i32>,
    /// Who handled it; empty when nobody was named.
    pub agent_ref: &'a str,
    /// Whether its identity was settled; otherwise it may have been somebody else.
    pub confirmed: bool,
    /// Whether it was closed because no end came in time.
    pub never_ended: bool,
}

debug_without_text!(ShownInteraction<'_> { direction, start, end, confirmed, never_ended });

/// What may be shown of a context.
#[derive(Clone, Default, PartialEq)]
pub struct Disclosed<'a> {
    /// Matters not settled, newest first.
    pub open_intents: Vec<OpenIntent>,
    /// Variables that have not expired, by name.
    pub variables: Vec<(&'a str, &'a VariableWrite)>,
    /// Profile attributes, by name.
    pub profile: Vec<(&'a str, &'a AttributeWrite)>,
    /// Earlier contacts, newest first.
    pub history: Vec<ShownInteraction<'a>>,
    /// How many variables, attributes, intents and summaries were held back;
    /// an intent held back in several places counts once.
    pub withheld_count: i32,
    /// Names of the variables and attributes held back, sorted; empty unless the recommendation is `reuse` or the identity confirmed.
    pub withheld_variables: Vec<String>,
    /// The agent of the last contact known to be this customer's; empty when there is none.
    pub last_agent_ref: String,
}

debug_without_text!(Disclosed<'_> { withheld_count });

/// What may be shown of `context` from `view`: empty unless [`what_is_shown`]
/// says [`Shown::Context`]. Sensitive values need level high or above,
/// assurance AUTHENTICATED or above, and a caller who may see them at all.
pub fn disclose<'a>(context: &'a Context, view: &Viewpoint) -> Disclosed<'a> {
    if what_is_shown(view) != Shown::Context {
        return Disclosed::default();
    }
    let mut gate = Gate::new(view);
    let mut open = open_intents(&context.facts);
    open.retain(|one| gate.lets_intent(&one.intent, &one.reference, one.sensitivity));
    let mut variables: Vec<_> =
        current_variables(&context.variables, view.now).into_iter().collect();
    variables.retain(|(name, write)| gate.lets_named(name, write.sensitivity));
    let mut profile: Vec<_> = current_profile(&context.profile).into_iter().collect();
    profile.retain(|(name, write)| gate.lets_named(name, write.sensitivity));
    let recent = context.history.iter().take(view.history_limit);
    let history = recent.map(|past| gate.shown(past)).collect();
    let reuse = capped(view.recommendation, view.disclosure, view.confirmed)
        == Recommendation::Reuse
        || view.confirmed;
    Disclosed {
        open_intents: open,
        variables,
        profile,
        history,
        withheld_count: gate.withheld_count(),
        withheld_variables: if reuse { gate.withheld_names() } else { Vec::new() },
        last_agent_ref: context.last_agent_ref().to_owned(),
    }
}

/// Lets values through, or holds them back and remembers that it did.
struct Gate {
    open_to_sensitive: bool,
    names: Vec<String>,
    intents: BTreeSet<(String, String)>,
    summaries: usize,
}

impl Gate {
    fn new(view: &Viewpoint) -> Self {
        let open_to_sensitive = view.may_see_sensitive
            && view.level >= Level::High
            && view.assurance.is_some_and(|assurance| assurance >= Assurance::Authenticated);
        Self { open_to_sensitive, names: Vec::new(), intents: BTreeSet::new(), summaries: 0 }
    }

    fn lets(&self, sensitivity: Sensitivity) -> bool {
        self.open_to_sensitive || sensitivity == Sensitivity::Normal
    }

    /// A variable or a profile attribute.
    fn lets_named(&mut self, name: &str, sensitivity: Sensitivity) -> bool {
        let lets = self.lets(sensitivity);
        if !lets {
            self.names.push(name.to_owned());
        }
        lets
    }

    fn lets_intent(&mut self, intent: &str, reference: &str, sensitivity: Sensitivity) -> bool {
        let lets = self.lets(sensitivity);
        if !lets {
            self.intents.insert((intent.to_owned(), reference.to_owned()));
        }
        lets
    }

    fn shown<'a>(&mut self, past: &'a PastInteraction) -> ShownInteraction<'a> {
        let lets_summary = self.lets(past.summary_sensitivity);
        if !lets_summary && !past.summary.is_empty() {
            self.summaries += 1;
        }
        let intents = past
            .intents
            .iter()
            .filter(|one| self.lets_intent(&one.intent, &one.reference, one.sensitivity))
            .collect();
        ShownInteraction {
            interaction_id: &past.interaction_id,
            source: &past.source,
            channel: &past.channel,
            direction: past.direction,
            start: past.start,
            end: past.end,
            summary: if lets_summary { &past.summary } else { "" },
            intents,
            disposition: &past.disposition,
            sentiment: past.sentiment,
            csat: past.csat,
            agent_ref: &past.agent_ref,
            confirmed: past.confirmed,
            never_ended: past.never_ended,
        }
    }

    fn withheld_count(&self) -> i32 {
        let count = self.names.len() + self.intents.len() + self.summaries;
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// A variable and an attribute of one name are named once.
    fn withheld_names(self) -> Vec<String> {
        self.names.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

#[cfg(test)]
mod tests;

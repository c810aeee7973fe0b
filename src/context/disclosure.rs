//! What of a context may be shown, and to whom: the one place that decides.
//!
//! Four questions, in this order. How many people hear the answer? How sure
//! is it whose context this is? Have they agreed to be shown, where the tenant
//! asks for that? And, value by value, is it sensitive?

use std::collections::BTreeSet;

use super::context::Context;
use super::history::{PastIntent, PastInteraction};
use super::intents::{OpenIntent, open_intents};
use super::profile::{AttributeWrite, current_profile};
use super::variables::{VariableWrite, current_variables};
use super::vocabulary::{Audience, ConsentState, Disclosure, Sensitivity};
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
    /// Whether the interaction, as it now stands, belongs to a customer it has made, whom nobody has
    /// confirmed or joined with another since: there is nothing earlier to show.
    pub new_customer: bool,
    /// Whether the customer has agreed to be shown, or need not: see [`consented`].
    pub consented: bool,
    /// Whether the caller may see how a consent can be shown; administrators may.
    pub may_see_evidence: bool,
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
    /// It is sure enough whose context it is, and they have not agreed that it is shown: only how
    /// much is held back, and what they said of consent.
    Unconsented,
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

/// A customer's rule while they are set aside for want of a contact: as if it asked for confirmation,
/// until somebody confirms or proves in this interaction that it is them. What led to them may be
/// somebody else's by now: numbers are given out again.
pub fn set_aside(
    rule: Disclosure,
    archived: bool,
    confirmed: bool,
    assurance: Option<Assurance>,
) -> Disclosure {
    let proved = confirmed || assurance >= Some(Assurance::Verified);
    if archived && !proved && rule == Disclosure::Normal { Disclosure::AlwaysConfirm } else { rule }
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
        Recommendation::Confirm if !confirm_is_enough => Shown::Candidates,
        _ if !view.consented => Shown::Unconsented,
        Recommendation::Confirm | Recommendation::Reuse => Shown::Context,
    }
}

/// Whether a customer, with all who are one person with them, has agreed to be shown: where the
/// tenant asks for no purpose, everybody has.
pub fn consented(context: &Context, purpose: &str) -> bool {
    purpose.is_empty() || context.consents.grants(purpose)
}

/// Whether what a customer said of consent is shown: with their context, where nothing but their
/// consent is missing, and of a customer whom this interaction has made.
fn shows_consents(view: &Viewpoint) -> bool {
    match what_is_shown(view) {
        Shown::Context | Shown::Unconsented => true,
        Shown::Nothing => view.new_customer && view.disclosure != Disclosure::Never,
        Shown::IdentityOnly | Shown::Candidates => false,
    }
}

/// Whether the customer's own rule lets anything be shown.
fn own_rule_allows(view: &Viewpoint) -> bool {
    match view.disclosure {
        Disclosure::Normal => true,
        Disclosure::AlwaysConfirm => view.confirmed,
        Disclosure::Never => false,
    }
}

/// Whether the outcome of the interaction itself is shown: what it was about, and what was said. Its
/// own matter may be told once it is settled whose it is, however sure that is; but not to others
/// who listen, against the customer's own rule, or without their consent.
pub fn shows_outcome(view: &Viewpoint, settled: bool) -> bool {
    let known = settled || what_is_shown(view) == Shown::Context;
    view.audience == Audience::Private && own_rule_allows(view) && view.consented && known
}

/// Whether it is sure enough who this is, and the caller one who may see it, for sensitive values.
pub fn shows_sensitive(view: &Viewpoint) -> bool {
    view.may_see_sensitive
        && view.level >= Level::High
        && view.assurance.is_some_and(|assurance| assurance >= Assurance::Authenticated)
}

/// Whether an agent may look at a customer through an interaction that is settled on them, as far
/// as their consent is not asked for: not while others listen, against the customer's own rule, or
/// while somebody has to be asked who it is.
pub fn is_open_to(view: &Viewpoint) -> bool {
    view.audience == Audience::Private
        && own_rule_allows(view)
        && view.recommendation != Recommendation::Confirm
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
    /// When texts were last taken out of it; zero when none were.
    pub redacted: Time,
}

debug_without_text!(ShownInteraction<'_> { direction, start, end, confirmed, never_ended });

/// What a customer said of one purpose, without what may not be shown of it.
#[derive(Clone, PartialEq)]
pub struct ShownConsent<'a> {
    /// What for.
    pub purpose: &'a str,
    /// What they said.
    pub state: ConsentState,
    /// When they said it.
    pub time: Time,
    /// The channel; empty when it came from the caller's own system.
    pub channel: &'a str,
    /// The source that told it.
    pub source: &'a str,
    /// The interaction, or the request that told it.
    pub interaction_id: &'a str,
    /// How it can be shown; empty when withheld.
    pub evidence: &'a str,
}

debug_without_text!(ShownConsent<'_> { state, time });

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
    /// What they said of consent, by purpose.
    pub consents: Vec<ShownConsent<'a>>,
}

debug_without_text!(Disclosed<'_> { withheld_count });

/// What may be shown of `context` from `view`: but for what was said of consent, empty unless
/// [`what_is_shown`] says [`Shown::Context`]. Sensitive values need level high or above,
/// assurance AUTHENTICATED or above, and a caller who may see them at all.
pub fn disclose<'a>(context: &'a Context, view: &Viewpoint) -> Disclosed<'a> {
    let consents = if shows_consents(view) { consents(context, view) } else { Vec::new() };
    let shown = match what_is_shown(view) {
        Shown::Context => through(Gate::new(view), context, view),
        Shown::Unconsented => Disclosed {
            withheld_count: through(Gate::closed(), context, view).withheld_count,
            ..Disclosed::default()
        },
        Shown::Nothing | Shown::IdentityOnly | Shown::Candidates => Disclosed::default(),
    };
    Disclosed { consents, ..shown }
}

fn consents<'a>(context: &'a Context, view: &Viewpoint) -> Vec<ShownConsent<'a>> {
    let current = context.consents.current().into_iter();
    let shown = current.map(|(purpose, write)| ShownConsent {
        purpose,
        state: write.state,
        time: write.time,
        channel: &write.channel,
        source: &write.source,
        interaction_id: &write.interaction_id,
        evidence: if view.may_see_evidence { &write.evidence } else { "" },
    });
    shown.collect()
}

/// A context as a gate lets it through.
fn through<'a>(mut gate: Gate, context: &'a Context, view: &Viewpoint) -> Disclosed<'a> {
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
        consents: Vec::new(),
    }
}

/// Lets values through, or holds them back and remembers that it did.
struct Gate {
    lets: Option<Sensitivity>,
    names: Vec<String>,
    intents: BTreeSet<(String, String)>,
    summaries: usize,
}

impl Gate {
    fn new(view: &Viewpoint) -> Self {
        let most = if shows_sensitive(view) { Sensitivity::Sensitive } else { Sensitivity::Normal };
        Self { lets: Some(most), ..Self::closed() }
    }

    /// Lets nothing through.
    fn closed() -> Self {
        Self { lets: None, names: Vec::new(), intents: BTreeSet::new(), summaries: 0 }
    }

    fn lets(&self, sensitivity: Sensitivity) -> bool {
        self.lets.is_some_and(|most| sensitivity <= most)
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
            redacted: past.redacted,
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

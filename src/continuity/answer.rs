//! What an answer is made of: the interaction as it stands, and the context behind a viewpoint.
//!
//! Nothing is cut here: `context::disclose` decides what of it may be shown, and transport shows no
//! more than that.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Error;
use super::absorb::{REJECTED, said_yes};
use super::caller::{Caller, Role};
use super::candidates;
use super::catching_up::as_left;
use super::desk::Desk;
use super::recognise;
use super::record::{CandidateRecord, State};
use super::redactions::Field;
use super::resting;
use super::settling::customer_of;
use super::vouching;
use crate::clock::Time;
use crate::context::{
    Audience, Context, Disclosure, Shown, Viewpoint, capped, consented, set_aside, shows_outcome,
    what_is_shown,
};
use crate::identity::{
    Assurance, ConfirmDiscloses, Hint, Level, Notice, Recommendation, confidence, level,
    probability,
};
use crate::ids::CustomerId;

/// Something that was accepted but deserves a look.
#[derive(Clone)]
pub struct Warning {
    /// A stable name.
    pub code: &'static str,
    /// The request's field.
    pub field: String,
    /// In words, without any value.
    pub message: String,
}

impl Warning {
    /// A ref that nobody has.
    pub(super) fn unknown_customer_ref(field: &str) -> Self {
        Self {
            code: "unknown_customer_ref",
            field: field.into(),
            message: "no customer has this ref; it was not used".into(),
        }
    }

    /// A customer who has not agreed to be shown, where the tenant asks for that.
    pub fn consent_missing(purpose: &str) -> Self {
        let message = format!(
            "the customer has not agreed to `{purpose}`: nothing of their context is shown"
        );
        Self { code: "consent_missing", field: "consents".into(), message }
    }

    /// An interaction of which only that it took place is left.
    pub(super) fn removed() -> Self {
        Self {
            code: "interaction_removed",
            field: "interaction_id".into(),
            message:
                "what was said in this interaction was removed, by time or with its customer; \
                      start a new one"
                    .into(),
        }
    }

    /// A text that was taken out of this interaction before, and was not taken in again.
    pub(super) fn stays_redacted(field: &Field) -> Self {
        Self {
            code: "stays_redacted",
            field: field.to_string(),
            message: "this was redacted from the interaction before; it was left out".into(),
        }
    }

    /// A candidate who was not in contact for long.
    pub(super) fn set_aside() -> Self {
        Self {
            code: "customer_archived",
            field: "identity_hints".into(),
            message:
                "the best candidate was not in contact for long and is set aside: what led to \
                      them may be somebody else's by now; confirm the identity"
                    .into(),
        }
    }
}

impl From<Notice> for Warning {
    fn from(notice: Notice) -> Self {
        Self { code: notice.code, field: notice.field, message: notice.message }
    }
}

/// Who this is, as it now stands.
#[derive(Clone)]
pub struct Standing {
    /// From 0 to 1.
    pub confidence: f64,
    /// In words.
    pub level: Level,
    /// What to do with it, under the customer's own rule.
    pub recommendation: Recommendation,
    /// How hard it would be to pretend.
    pub assurance: Option<Assurance>,
    /// Calibrated, from 0 to 1.
    pub probability: f64,
    /// Signals and their log-odds.
    pub evidence: Vec<(String, f64)>,
}

/// Why a start gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Degraded {
    /// The budget ended before a decision.
    BudgetExhausted,
    /// The store does not answer.
    StoreUnavailable,
}

/// An answer to a start, an update or a get.
pub struct Answer {
    /// The interaction.
    pub state: Arc<State>,
    /// The customer's ref as it is now; `None` when degraded, and while it is not settled that it is a
    /// protected person.
    pub customer: Option<CustomerId>,
    /// Whom it is about, for the audit: never shown.
    pub(super) whom: Option<CustomerId>,
    /// Who it is.
    pub standing: Standing,
    /// All that is remembered.
    pub context: Arc<Context>,
    /// From where it is looked at.
    pub view: Viewpoint,
    /// Whether the caller may be told anything but the outcome.
    pub reads: bool,
    /// What deserves a look.
    pub warnings: Vec<Warning>,
    /// Why there is no decision.
    pub degraded: Option<Degraded>,
    /// Locale and time zone of the brief.
    pub voice: (String, String),
}

/// What a decision leaves to make an answer of once it is durable.
#[derive(Clone)]
pub struct Settled {
    pub(super) state: State,
    pub(super) customer: Option<CustomerId>,
    pub(super) context: Arc<Context>,
    /// Whether the context holds what this very decision wrote; else it must be read.
    pub(super) complete: bool,
    pub(super) disclosure: Disclosure,
    /// Whether the customer is set aside for want of a contact.
    pub(super) archived: bool,
    /// Whether it rests on less than an identifier of a customer of whom others made more since.
    pub(super) borrowed: bool,
    /// What the sets of the customer and the candidates are called, where they belong to one.
    pub(super) set_names: FxHashMap<CustomerId, CustomerId>,
    /// Candidates of whom nothing is ever told, not even that they exist.
    pub(super) unnamed: FxHashSet<CustomerId>,
    pub(super) labels: Vec<(crate::ids::Token, Arc<str>)>,
    pub(super) warnings: Vec<Warning>,
}

impl Settled {
    /// As it stands, without anything of anybody.
    pub(super) fn of_nobody(state: State) -> Self {
        Self {
            state,
            customer: None,
            context: Arc::default(),
            complete: true,
            disclosure: Disclosure::Normal,
            archived: false,
            borrowed: false,
            set_names: FxHashMap::default(),
            unnamed: FxHashSet::default(),
            labels: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// What the answer will show of the customer: as they are once this decision is written.
pub(super) async fn settled(
    desk: &mut Desk<'_, '_>,
    mut state: State,
    mut warnings: Vec<Warning>,
) -> Result<Settled, Error> {
    warnings.append(&mut desk.warnings);
    vouching::forget_if_moved(desk, &mut state).await?;
    let id = customer_of(&state.customer);
    let labels = std::mem::take(&mut desk.labels);
    let left = match id {
        Some(id) => as_left(desk, id, &labels).await?,
        None => None,
    };
    let borrowed = resting::is_borrowed(desk, &state).await?;
    let (mut set_names, unnamed) = candidates::named(desk, &mut state).await?;
    let joined = left.as_ref().filter(|left| left.joined).map(|left| left.customer);
    set_names.extend(id.zip(joined));
    let nothing = Settled {
        customer: id,
        borrowed,
        set_names,
        unnamed,
        labels,
        warnings,
        ..Settled::of_nobody(state)
    };
    Ok(match left {
        None => nothing,
        Some(left) => Settled {
            customer: Some(left.customer),
            context: left.context,
            complete: left.complete,
            disclosure: left.disclosure,
            archived: left.archived,
            ..nothing
        },
    })
}

/// How sure it is by now: the decision, lifted by what somebody said in this interaction.
///
/// A confirmation is evidence: it lifts the score to that of the threshold it vouches for (0.5 by
/// an agent's judgement, 0.9 by a PIN, a one-time password, knowledge or a document).
pub(super) fn standing(state: &State) -> Standing {
    let nothing = Standing {
        confidence: 0.0,
        level: Level::Low,
        recommendation: Recommendation::Ignore,
        assurance: None,
        probability: 0.0,
        evidence: Vec::new(),
    };
    let Some(decision) = &state.decision else { return nothing };
    let said = said_yes(state);
    if state.feedback == REJECTED {
        return nothing;
    }
    let of_customer = decision.candidates.iter().find(|one| one.customer == state.customer);
    let candidate = match state.settled && !state.made_customer {
        true => of_customer,
        // Nobody yet, or somebody new: what spoke for somebody else is still worth telling.
        false => of_customer.or(decision.candidates.first()),
    };
    let recommendation = match said {
        true => Recommendation::Reuse,
        false => {
            Recommendation::from_code(decision.recommendation).unwrap_or(Recommendation::Ignore)
        }
    };
    let mut standing = best(candidate, recommendation, nothing);
    let vouched = Assurance::from_code(state.vouched).filter(|_| said || state.settled);
    if let Some(vouched) = vouched {
        standing.assurance = standing.assurance.max(Some(vouched));
        if said {
            let floor = if vouched == Assurance::Verified { VERY_HIGH } else { MEDIUM };
            lift(&mut standing, "identity_confirmed", floor);
        }
    }
    standing
}

/// The same of a customer who may have been `joined` with others. Whom this contact has made, and who
/// turned out to be one with somebody known, they are as surely as who goes on in another contact; what
/// was shown of them is worth what it was. What they only said, and whose browser it was, opens nothing.
pub(super) fn standing_of(state: &State, joined: bool, borrowed: bool) -> Standing {
    let mut standing = standing(state);
    if borrowed && standing.recommendation == Recommendation::Reuse && !said_yes(state) {
        standing.recommendation = Recommendation::Confirm;
        standing.assurance = standing.assurance.min(Some(Assurance::Asserted));
        return standing;
    }
    if !joined || !state.made_customer || said_yes(state) {
        return standing;
    }
    // What a rejected candidate had against them is settled: they have it themselves.
    let listed = state.decision.as_ref().is_some_and(|decision| !decision.conflicts.is_empty());
    let conflicted = listed && state.feedback != REJECTED;
    let carried = |hint: &Hint| !borrowed && !hint.is_visitor();
    let worth = |hint: Hint| if carried(&hint) { hint.assurance } else { Assurance::Asserted };
    let shown = state.hints.iter().filter_map(recognise::hint).map(worth).max();
    let asks = conflicted || shown < Some(Assurance::Carried);
    standing.recommendation = if asks { Recommendation::Confirm } else { Recommendation::Reuse };
    standing.assurance = standing.assurance.max(shown);
    standing.evidence.clear();
    lift(&mut standing, "merged", MEDIUM);
    standing
}

fn best(
    candidate: Option<&CandidateRecord>,
    recommendation: Recommendation,
    nothing: Standing,
) -> Standing {
    let Some(candidate) = candidate else { return Standing { recommendation, ..nothing } };
    let sure = confidence(candidate.log_odds);
    Standing {
        confidence: sure,
        level: level(sure),
        recommendation,
        assurance: Assurance::from_code(candidate.assurance),
        probability: probability(candidate.log_odds),
        evidence: candidate.evidence.iter().map(|one| (one.signal(), one.log_odds)).collect(),
    }
}

/// Log-odds of confidence 0.5 and 0.9 on the scale of `identity::confidence`.
pub(super) const MEDIUM: f64 = 2.944;
const VERY_HIGH: f64 = 4.595;

fn lift(standing: &mut Standing, signal: &str, floor: f64) {
    let reached: f64 = standing.evidence.iter().map(|(_, log_odds)| log_odds).sum();
    let lifted = reached.max(floor);
    standing.evidence.push((signal.into(), lifted - reached));
    standing.confidence = confidence(lifted);
    standing.level = level(standing.confidence);
    standing.probability = probability(lifted);
}

/// How a caller wants to see an answer.
pub struct Wish {
    /// Earlier contacts at most.
    pub history_limit: usize,
}

/// Makes the answer that this caller may see.
pub(super) fn answer(settled: Settled, caller: &Caller, now: Time, wish: &Wish) -> Answer {
    let Settled { mut state, customer, context, archived, set_names, unnamed, .. } = settled;
    let mut warnings = settled.warnings;
    let joined = customer_of(&state.customer).is_some_and(|id| set_names.contains_key(&id));
    let mut standing = standing_of(&state, joined, settled.borrowed);
    let disclosure = set_aside(settled.disclosure, archived, said_yes(&state), standing.assurance);
    // Whoever only typed what led to a protected person is not told who that is.
    let shown = customer.filter(|_| state.settled || disclosure != Disclosure::Never);
    let named =
        |one: &CandidateRecord| customer_of(&one.customer).is_none_or(|id| !unnamed.contains(&id));
    state.decision.iter_mut().for_each(|decision| decision.candidates.retain(named));
    for candidate in state.decision.iter_mut().flat_map(|decision| &mut decision.candidates) {
        let name = customer_of(&candidate.customer).and_then(|id| set_names.get(&id));
        if let Some(name) = name {
            candidate.customer = name.0.to_vec();
        }
    }
    let said = said_yes(&state);
    let policy = &caller.tenant.policy;
    let view = Viewpoint {
        now,
        recommendation: standing.recommendation,
        level: standing.level,
        assurance: standing.assurance,
        audience: Audience::from_code(state.audience).unwrap_or(Audience::Private),
        disclosure,
        confirmed: said,
        confirm_discloses_context: policy.identity.confirm_discloses == ConfirmDiscloses::Context,
        may_see_sensitive: caller.may_see_sensitive(),
        history_limit: wish.history_limit,
        // Once somebody has said who it is, they are a customer like any other.
        new_customer: state.made_customer && !said && !joined && !settled.borrowed,
        consented: consented(&context, &policy.disclosure_requires_consent),
        may_see_evidence: caller.has(Role::Admin),
    };
    let reads = caller.reads();
    if reads && lacks_consent(&view, &state) {
        warnings.push(Warning::consent_missing(&policy.disclosure_requires_consent));
    }
    standing.recommendation = capped(standing.recommendation, disclosure, said);
    let or = |own: &str, default: &str| if own.is_empty() { default } else { own }.to_owned();
    let voice = (or(&state.locale, &policy.locale), or(&state.time_zone, &policy.time_zone));
    Answer {
        state: Arc::new(state),
        customer: shown,
        whom: customer,
        standing,
        context,
        view,
        reads,
        warnings,
        degraded: None,
        voice,
    }
}

/// Whether something would be shown, had the customer agreed to it.
fn lacks_consent(view: &Viewpoint, state: &State) -> bool {
    let agreed = Viewpoint { consented: true, ..*view };
    let of_outcome = state.ending.is_some() && shows_outcome(&agreed, state.settled);
    !view.consented && (what_is_shown(view) == Shown::Unconsented || of_outcome)
}

//! What an answer is made of: the interaction as it stands, and the context behind a viewpoint.
//!
//! Nothing is cut here: `context::disclose` decides what of it may be shown, and transport shows no
//! more than that.

use std::collections::HashMap;
use std::sync::Arc;

use super::Error;
use super::absorb::{REJECTED, said_yes};
use super::caller::Caller;
use super::catching_up::as_left;
use super::desk::Desk;
use super::record::{CandidateRecord, State};
use super::settling::customer_of;
use crate::clock::Time;
use crate::context::{Audience, Context, Disclosure, Viewpoint, capped};
use crate::identity::{
    Assurance, ConfirmDiscloses, Level, Notice, Recommendation, confidence, level, probability,
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

    /// An interaction whose content was removed by time.
    pub(super) fn removed() -> Self {
        Self {
            code: "interaction_removed",
            field: "interaction_id".into(),
            message: "this interaction's customer was removed; start a new one".into(),
        }
    }

    /// A continued interaction that nobody has.
    pub(super) fn unknown_continuation() -> Self {
        Self {
            code: "unknown_continues_interaction_id",
            field: "continues_interaction_id".into(),
            message: "no such interaction, or it is older than 24 hours; nothing was inherited"
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
    /// The customer's ref as it is now; `None` when degraded.
    pub customer: Option<CustomerId>,
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
pub struct Settled {
    pub(super) state: State,
    pub(super) customer: Option<CustomerId>,
    pub(super) context: Arc<Context>,
    /// Whether the context holds what this very decision wrote; else it must be read.
    pub(super) complete: bool,
    pub(super) disclosure: Disclosure,
    /// What the sets of the candidates are called, where they belong to one.
    pub(super) set_names: HashMap<CustomerId, CustomerId>,
    pub(super) labels: Vec<(crate::ids::Token, Arc<str>)>,
    pub(super) warnings: Vec<Warning>,
}

/// What the answer will show of the customer: as they are once this decision is written.
pub(super) async fn settled(
    desk: &mut Desk<'_, '_>,
    state: State,
    mut warnings: Vec<Warning>,
) -> Result<Settled, Error> {
    warnings.append(&mut desk.warnings);
    let id = customer_of(&state.customer);
    let labels = std::mem::take(&mut desk.labels);
    let left = match id {
        Some(id) => as_left(desk, id, &labels).await?,
        None => None,
    };
    let set_names = set_names(desk, &state).await?;
    let (customer, context, complete, disclosure) = match left {
        Some(left) => (Some(left.customer), left.context, left.complete, left.disclosure),
        None => (id, Arc::default(), true, Disclosure::Normal),
    };
    Ok(Settled { state, customer, context, complete, disclosure, set_names, labels, warnings })
}

/// What the candidates' sets are called. A settled contact's own customer is answered anyhow.
async fn set_names(
    desk: &mut Desk<'_, '_>,
    state: &State,
) -> Result<HashMap<CustomerId, CustomerId>, Error> {
    let candidates = state.decision.iter().flat_map(|decision| &decision.candidates);
    let ids: Vec<CustomerId> =
        candidates.filter_map(|candidate| customer_of(&candidate.customer)).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let people = desk.people(&ids, false).await?;
    let joined = people.values().filter(|person| !person.members.is_empty());
    Ok(joined.map(|person| (person.row.customer, person.set_name())).collect())
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
            lift(&mut standing, vouched);
        }
    }
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
        evidence: candidate.evidence.iter().map(|one| (one.signal.clone(), one.log_odds)).collect(),
    }
}

/// Log-odds of confidence 0.5 and 0.9 on the scale of `identity::confidence`.
pub(super) const MEDIUM: f64 = 2.944;
const VERY_HIGH: f64 = 4.595;

fn lift(standing: &mut Standing, vouched: Assurance) {
    let reached: f64 = standing.evidence.iter().map(|(_, log_odds)| log_odds).sum();
    let floor = if vouched == Assurance::Verified { VERY_HIGH } else { MEDIUM };
    let lifted = reached.max(floor);
    standing.evidence.push(("identity_confirmed".into(), lifted - reached));
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
    let Settled { mut state, customer, context, disclosure, set_names, warnings, .. } = settled;
    let mut standing = standing(&state);
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
        new_customer: state.made_customer,
    };
    standing.recommendation = capped(standing.recommendation, disclosure, said);
    let or = |own: &str, default: &str| if own.is_empty() { default } else { own }.to_owned();
    let voice = (or(&state.locale, &policy.locale), or(&state.time_zone, &policy.time_zone));
    let reads = caller.reads();
    Answer {
        state: Arc::new(state),
        customer,
        standing,
        context,
        view,
        reads,
        warnings,
        degraded: None,
        voice,
    }
}

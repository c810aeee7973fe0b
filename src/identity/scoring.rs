//! The model itself: one candidate's log-odds, and what they are made of.
//!
//! L is the sum of base, match, conflict, share, owners, uses, recency, novel, two kinds and
//! candidates (shared/identity/README.md). An identifier shown twice, as caller number and as
//! WhatsApp id, counts once in all but `match`.

use crate::clock::{DAY, Time};
use crate::ids::CustomerId;

use super::model::{Candidate, Owner, Question, Shown, Signal, effective_owners};
use super::scale::{confidence, probability};
use super::usage::decayed;
use super::vocabulary::{Assurance, HintKind};
use super::weights::Weights;

/// After so long without use a number no longer proves what its platform once vouched for: it
/// may have been given to somebody else.
const NUMBER_PROOF_AGES_AFTER: i64 = 180 * DAY;

/// What is the same for all candidates of a question.
pub(super) struct Scene<'a> {
    question: &'a Question<'a>,
    weights: &'a Weights,
    identifiers: Vec<Seen<'a>>,
    novel: usize,
    with_number: bool,
}

/// One identifier with its owners, however many hints carry it.
struct Seen<'a> {
    index: usize,
    /// The first of its kinds: it sets half-life and whether it counts among the numbers.
    kind: HintKind,
    owners: Vec<&'a Owner>,
    /// Sum of the owners' decayed use counters.
    used: f64,
    never_used: bool,
}

impl<'a> Scene<'a> {
    pub(super) fn new(question: &'a Question<'a>, weights: &'a Weights) -> Self {
        let mut identifiers: Vec<Seen<'a>> = Vec::with_capacity(question.shown.len());
        let mut novel = 0;
        for hint in question.shown.iter().filter(|hint| hint.kind != HintKind::CustomerRef) {
            let index = hint.identifier_index;
            if let Some(seen) = identifiers.iter_mut().find(|seen| seen.index == index) {
                seen.kind = seen.kind.min(hint.kind);
                continue;
            }
            novel += usize::from(!hint.seen_before);
            let owners: Vec<&Owner> = effective_owners(&hint.owners).collect();
            let never_used = owners.iter().all(|owner| owner.uses <= 0);
            identifiers.push(Seen { index, kind: hint.kind, owners, used: 0.0, never_used });
        }
        for seen in &mut identifiers {
            let (kind, now) = (seen.kind, question.now);
            seen.used = seen.owners.iter().map(|owner| weight_of(owner, now, kind)).sum();
        }
        let with_number = question.shown.iter().any(|hint| hint.kind.is_number());
        Self { question, weights, identifiers, novel, with_number }
    }

    /// Every customer that owns an identifier shown, and the named one; each once, by id.
    pub(super) fn customers(&self) -> Vec<CustomerId> {
        let owners = self.identifiers.iter().flat_map(|seen| &seen.owners);
        let mut customers: Vec<CustomerId> =
            owners.map(|owner| owner.customer).chain(self.question.named).collect();
        customers.sort_unstable();
        customers.dedup();
        customers
    }

    fn seen(&self, hint: &Shown) -> Option<&Seen<'a>> {
        self.identifiers.iter().find(|seen| seen.index == hint.identifier_index)
    }

    /// The owners of a hint's identifier that count, and the candidate's own link among them.
    pub(super) fn link(
        &self,
        hint: &Shown,
        customer: CustomerId,
    ) -> Option<(usize, Option<&'a Owner>)> {
        let seen = self.seen(hint).filter(|_| hint.kind != HintKind::CustomerRef)?;
        let link = seen.owners.iter().copied().find(|owner| owner.customer == customer);
        (!seen.owners.is_empty()).then_some((seen.owners.len(), link))
    }

    /// Weighs one candidate of `candidates`.
    pub(super) fn score(&self, customer: CustomerId, candidates: usize) -> Candidate {
        let mut evidence = Evidence(Vec::with_capacity(12));
        evidence.add("base", self.weights.base);
        let (matched, assurance) = self.matched(customer);
        self.kinds(customer, &mut evidence);
        self.use_of_identifiers(customer, &mut evidence);
        let days = self.days_since_contact(customer);
        evidence.add("recency", self.weights.recency * days.ln_1p());
        evidence.add("novel", self.weights.novel * self.novel as f64);
        if self.two_kinds(&matched) {
            evidence.add("two_kinds", self.weights.two_kinds);
        }
        evidence.add("candidates", self.weights.candidates * (candidates as f64).ln());
        let log_odds = evidence.0.iter().map(|signal| signal.log_odds).sum();
        Candidate {
            customer,
            log_odds,
            probability: probability(log_odds),
            confidence: confidence(log_odds),
            assurance,
            matched,
            evidence: evidence.0,
        }
    }

    /// The hints linked to the candidate, and the strongest assurance among them.
    fn matched(&self, customer: CustomerId) -> (Vec<usize>, Assurance) {
        let mut matched = Vec::with_capacity(self.question.shown.len());
        let mut strongest = Assurance::Asserted;
        for (index, hint) in self.question.shown.iter().enumerate() {
            if let Some((_, Some(link))) = self.link(hint, customer) {
                matched.push(index);
                strongest = strongest.max(proven(hint, link, self.question.now));
            }
        }
        (matched, strongest)
    }

    /// One contribution for each kind that matches and each that points elsewhere. Of several
    /// hints of a kind the one that says most counts.
    fn kinds(&self, customer: CustomerId, evidence: &mut Evidence) {
        let mut matches: [Option<f64>; HintKind::ALL.len()] = [None; HintKind::ALL.len()];
        let mut conflicts = matches;
        for hint in self.question.shown {
            let (kind, derived) = (hint.kind, hint.derived);
            let at = kind as usize - 1;
            match self.link(hint, customer) {
                Some((_, Some(_))) => {
                    let weight = self.weights.matching(kind, derived, self.with_number);
                    matches[at] = Some(matches[at].map_or(weight, |other| other.max(weight)));
                }
                Some((_, None)) => {
                    let weight = self.weights.conflicting(kind, derived, self.with_number);
                    conflicts[at] = Some(conflicts[at].map_or(weight, |other| other.min(weight)));
                }
                None => {}
            }
        }
        if let Some(named) = self.question.named {
            let kind = HintKind::CustomerRef;
            let side = if named == customer { &mut matches } else { &mut conflicts };
            let weights =
                if named == customer { &self.weights.matches } else { &self.weights.conflicts };
            side[kind as usize - 1] = Some(weights[kind as usize - 1]);
        }
        for (side, weights) in [("match:", matches), ("conflict:", conflicts)] {
            for (kind, weight) in HintKind::ALL.into_iter().zip(weights) {
                if let Some(weight) = weight.filter(|weight| *weight != 0.0) {
                    evidence.add_named([side, kind.name()].concat(), weight);
                }
            }
        }
    }

    /// How widely the matching identifiers are shared, and how much the candidate uses them.
    fn use_of_identifiers(&self, customer: CustomerId, evidence: &mut Evidence) {
        let (mut shares, mut owners) = ([0.0; 2], [0.0; 2]);
        let mut most_uses = 0;
        for seen in &self.identifiers {
            let Some(own) = seen.owners.iter().find(|owner| owner.customer == customer) else {
                continue;
            };
            let among = usize::from(!seen.kind.is_number());
            let count = seen.owners.len() as f64;
            let share = if seen.never_used {
                // Nobody's use has been counted yet, as when a customer calls back before their
                // first contact has ended: that speaks against none of them.
                1.0 / count
            } else {
                weight_of(own, self.question.now, seen.kind)
                    / (seen.used + self.weights.share_prior)
            };
            shares[among] += share.max(self.weights.share_floor).ln();
            owners[among] += count.ln();
            most_uses = most_uses.max(own.uses);
        }
        let weights = self.weights;
        evidence.add("share:numbers", weights.share_numbers * shares[0]);
        evidence.add("share:others", weights.share_others * shares[1]);
        evidence.add("owners:numbers", weights.owners_numbers * owners[0]);
        evidence.add("owners:others", weights.owners_others * owners[1]);
        evidence.add("uses", weights.uses * (most_uses as f64).ln_1p());
    }

    fn days_since_contact(&self, customer: CustomerId) -> f64 {
        self.question.people.get(&customer).map_or(0.0, |person| {
            self.question.now.days_since(person.last_contact.unwrap_or(person.created))
        })
    }

    /// Whether two of the matching hints are independent witnesses: of two kinds and of two
    /// identifiers. What was looked up from another hint repeats that hint.
    fn two_kinds(&self, matched: &[usize]) -> bool {
        let witnesses = || {
            let hints = matched.iter().map(|index| &self.question.shown[*index]);
            hints.filter(|hint| hint.derived != Some(true))
        };
        witnesses().any(|one| {
            witnesses().any(|other| {
                one.kind != other.kind && one.identifier_index != other.identifier_index
            })
        })
    }
}

/// What a hint proves of the owner of a link: the weaker of the two.
fn proven(hint: &Shown, link: &Owner, now: Time) -> Assurance {
    let assurance = hint.assurance.min(link.assurance);
    if hint.number && now.since(link.newest) > NUMBER_PROOF_AGES_AFTER {
        return assurance.min(Assurance::Carried);
    }
    assurance
}

/// An owner's use of an identifier as it counts at `now`.
fn weight_of(owner: &Owner, now: Time, kind: HintKind) -> f64 {
    if owner.uses > 0 { decayed(owner.weight, owner.newest, now, kind) } else { 0.0 }
}

struct Evidence(Vec<Signal>);

impl Evidence {
    fn add(&mut self, name: &str, log_odds: f64) {
        if log_odds != 0.0 {
            self.add_named(name.to_owned(), log_odds);
        }
    }

    fn add_named(&mut self, name: String, log_odds: f64) {
        self.0.push(Signal { name, log_odds });
    }
}

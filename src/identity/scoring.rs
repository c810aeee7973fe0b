//! The model itself: one candidate's log-odds, and what they are made of.
//!
//! L is the sum of a candidate's figures, each times its weight (docs/identity.md). An identifier
//! shown twice, as caller number and as WhatsApp id, counts once in all but `match`.

use crate::clock::{DAY, Time};
use crate::ids::CustomerId;

use super::features::{Feature, Features};
use super::model::{Candidate, Owner, Question, Shown, Signal, effective_owners};
use super::scale::{confidence, probability};
use super::usage::decayed;
use super::vocabulary::{Assurance, Attestation, HintKind};
use super::weights::{SHARE_FLOOR, Weights};

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
        let (matched, assurance) = self.matched(customer);
        let features = self.features(customer, candidates, &matched);
        let mut evidence = Vec::with_capacity(16);
        for feature in Feature::ALL {
            let log_odds = self.weights.get(feature) * features.get(feature);
            if log_odds != 0.0 {
                evidence.push(Signal { name: feature.name(), log_odds });
            }
        }
        let log_odds = evidence.iter().map(|signal| signal.log_odds).sum();
        Candidate {
            customer,
            log_odds,
            probability: probability(log_odds),
            confidence: confidence(log_odds),
            assurance,
            matched,
            evidence,
        }
    }

    /// The figures of one candidate, whose hints are `matched`.
    pub(super) fn features(
        &self,
        customer: CustomerId,
        candidates: usize,
        matched: &[usize],
    ) -> Features {
        let mut features = Features::default();
        features.set(Feature::Base, 1.0);
        self.kinds(customer, &mut features);
        self.use_of_identifiers(customer, &mut features);
        self.proofs(customer, matched, &mut features);
        features.set(Feature::Novel, self.novel as f64);
        features.set(Feature::Rival, f64::from(u8::from(candidates > 1)));
        features.set(Feature::Candidates, (candidates as f64).ln());
        if !matched.is_empty() && !self.confirmed(customer) {
            self.unconfirmed(&mut features);
        }
        features
    }

    /// The hints linked to the candidate, and the strongest assurance among them.
    pub(super) fn matched(&self, customer: CustomerId) -> (Vec<usize>, Assurance) {
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

    /// One figure for each kind that matches and each that points elsewhere. Where several CRM ids
    /// do, one that came by itself says all that they say.
    fn kinds(&self, customer: CustomerId, features: &mut Features) {
        for hint in self.question.shown {
            let looked_up = self.looked_up(hint);
            match self.link(hint, customer) {
                Some((_, Some(_))) => features.set(Feature::matching(hint.kind, looked_up), 1.0),
                Some((_, None)) => features.set(Feature::conflicting(hint.kind, looked_up), 1.0),
                None => {}
            }
        }
        for (by_itself, looked_up) in [
            (Feature::MatchCrm, Feature::MatchCrmLookedUp),
            (Feature::ConflictCrm, Feature::ConflictCrmLookedUp),
        ] {
            if features.get(by_itself) > 0.0 {
                features.set(looked_up, 0.0);
            }
        }
        if let Some(named) = self.question.named {
            let figure = match named == customer {
                true => Feature::MatchCustomerRef,
                false => Feature::ConflictCustomerRef,
            };
            features.set(figure, 1.0);
        }
    }

    /// Whether a hint was, or may have been, looked up from another one.
    fn looked_up(&self, hint: &Shown) -> bool {
        let silent = hint.derived.is_none() && hint.kind == HintKind::Crm && self.with_number;
        hint.derived == Some(true) || silent
    }

    /// How widely the matching identifiers are shared, how much the candidate uses them, and since
    /// when they do not.
    fn use_of_identifiers(&self, customer: CustomerId, features: &mut Features) {
        let (mut most_uses, mut newest_number) = (0, None);
        let mut only_numbers = true;
        for seen in &self.identifiers {
            let Some(own) = seen.owners.iter().find(|owner| owner.customer == customer) else {
                continue;
            };
            let count = seen.owners.len() as f64;
            let share = match seen.never_used || seen.used <= 0.0 {
                // Nobody's use has been counted yet, as when a customer calls back before their
                // first contact has ended: that speaks against none of them.
                true => 1.0 / count,
                false => weight_of(own, self.question.now, seen.kind) / seen.used,
            };
            let (shares, owners) = match seen.kind.is_number() {
                true => (Feature::ShareNumbers, Feature::OwnersNumbers),
                false => (Feature::ShareOthers, Feature::OwnersOthers),
            };
            features.add(shares, share.max(SHARE_FLOOR).ln());
            features.add(owners, count.ln());
            most_uses = most_uses.max(own.uses);
            only_numbers &= seen.kind.is_number();
            if seen.kind.is_number() && own.uses > 0 {
                newest_number = newest_number.max(Some(own.newest));
            }
        }
        features.set(Feature::Uses, (most_uses as f64).ln_1p());
        let days = self.days_since_contact(customer);
        features.set(Feature::Recency, days.ln_1p());
        if let Some(newest) = newest_number.filter(|_| only_numbers) {
            let idle = self.question.now.days_since(newest).ln_1p() - days.ln_1p();
            features.set(Feature::NumberIdle, idle.max(0.0));
        }
    }

    fn days_since_contact(&self, customer: CustomerId) -> f64 {
        self.question.people.get(&customer).map_or(0.0, |person| {
            self.question.now.days_since(person.last_contact.unwrap_or(person.created))
        })
    }

    /// What stands behind the matching hints: a second witness, a platform, the network.
    fn proofs(&self, customer: CustomerId, matched: &[usize], features: &mut Features) {
        if self.two_kinds(matched, |hint| !self.looked_up(hint)) {
            features.set(Feature::TwoKinds, 1.0);
        } else if self.two_kinds(matched, |hint| hint.derived != Some(true)) {
            features.set(Feature::TwoKindsLookedUp, 1.0);
        }
        let numbers = matched.iter().map(|index| &self.question.shown[*index]);
        for hint in numbers.filter(|hint| hint.kind.is_number()) {
            let link = self.link(hint, customer).and_then(|(_, link)| link);
            if link.is_some_and(|link| link.assurance >= Assurance::Authenticated) {
                features.set(Feature::ProvedNumber, 1.0);
            }
            let attested = match self.question.attestation {
                Attestation::A => Feature::AttestationFull,
                Attestation::C => Feature::AttestationGateway,
                Attestation::Failed => Feature::AttestationFailed,
                Attestation::Unknown | Attestation::B => continue,
            };
            features.set(attested, 1.0);
        }
    }

    /// Whether two of the matching hints are independent witnesses: of two kinds and of two
    /// identifiers. What was looked up from another hint repeats that hint.
    fn two_kinds(&self, matched: &[usize], counts: impl Fn(&Shown) -> bool) -> bool {
        let witnesses = || {
            let hints = matched.iter().map(|index| &self.question.shown[*index]);
            hints.filter(|hint| counts(hint))
        };
        witnesses().any(|one| {
            witnesses().any(|other| {
                one.kind != other.kind && one.identifier_index != other.identifier_index
            })
        })
    }

    /// Whether somebody ever confirmed the candidate with one of the matching identifiers.
    fn confirmed(&self, customer: CustomerId) -> bool {
        let mut owners = self.identifiers.iter().flat_map(|seen| &seen.owners);
        owners.any(|owner| owner.customer == customer && owner.confirmed.is_some())
    }

    /// What nobody ever confirmed is worth another sum: many uses of it may all be the same error.
    fn unconfirmed(&self, features: &mut Features) {
        let line = [Feature::MatchLandline, Feature::MatchVoip];
        let line = line.into_iter().any(|feature| features.get(feature) > 0.0);
        let conflict = HintKind::ALL.into_iter().any(|kind| {
            [false, true]
                .into_iter()
                .any(|looked_up| features.get(Feature::conflicting(kind, looked_up)) > 0.0)
        });
        features.set(Feature::Unconfirmed, 1.0);
        features.set(Feature::UnconfirmedUses, features.get(Feature::Uses));
        features.set(Feature::UnconfirmedRival, features.get(Feature::Rival));
        features.set(Feature::UnconfirmedConflict, f64::from(u8::from(conflict)));
        features.set(Feature::UnconfirmedLookedUp, features.get(Feature::TwoKindsLookedUp));
        features.set(Feature::UnconfirmedLine, f64::from(u8::from(line)));
    }
}

/// What a hint proves of the owner of a link: the weaker of the two.
fn proven(hint: &Shown, link: &Owner, now: Time) -> Assurance {
    let assurance = hint.assurance.min(link.assurance);
    // Where somebody confirmed the use of it once, only another confirmation renews that.
    if hint.number && now.since(link.confirmed.unwrap_or(link.newest)) > NUMBER_PROOF_AGES_AFTER {
        return assurance.min(Assurance::Carried);
    }
    assurance
}

/// An owner's use of an identifier as it counts at `now`.
fn weight_of(owner: &Owner, now: Time, kind: HintKind) -> f64 {
    if owner.uses > 0 { decayed(owner.weight, owner.newest, now, kind) } else { 0.0 }
}

//! From hints to a decision: look up who owns what was shown, then let the rules decide.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use prost::bytes::Bytes;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::Error;
use super::answer::Warning;
use super::desk::Desk;
use super::load;
use super::record::{
    CandidateRecord, ConflictRecord, DecisionRecord, EvidenceRecord, HintRecord, State,
};
use super::sealing::Slot;
use super::signing_in;
use crate::cache::Remembered;
use crate::clock::Time;
use crate::context::{Disclosure, Sensitivity, current_profile};
use crate::identity::{
    Assurance, Attestation, Decision, Fitted, Hint, HintKind, Identifier, MAX_OWNERS, Owner,
    Person, Proof, Question, Recommendation, Shown, decide, effective_owners, evidence, gathered,
    masked_label,
};
use crate::ids::{CustomerId, Token};

/// Candidates that an answer shows at most.
const MOST_CANDIDATES: usize = 5;

/// What the store knows of the hints shown.
pub(super) struct Looked<'h> {
    pub hints: &'h [Hint],
    pub tokens: Vec<Token>,
    pub shown: Vec<Shown>,
    /// Tokens that nobody has ever shown.
    pub unseen: Vec<Token>,
    /// The owners, and everybody who is one person with any of them.
    pub people: FxHashMap<CustomerId, Arc<Remembered>>,
    /// What a signed-in customer proves, of a set.
    pub proof: Proof,
    /// The sets that own visitor ids shown and are known by nothing else.
    pub anonymous: BTreeSet<CustomerId>,
}

impl Looked<'_> {
    /// What the customer's set is called; the owners of `shown` are called so.
    pub fn set_name(&self, customer: CustomerId) -> CustomerId {
        set_name(&self.people, customer)
    }

    /// Whether a hint has owners, and this customer's set is none of them.
    pub fn points_elsewhere(&self, index: usize, customer: CustomerId) -> bool {
        let own = self.set_name(customer);
        let mut owners = effective_owners(&self.shown[index].owners).peekable();
        owners.peek().is_some() && owners.all(|owner| owner.customer != own)
    }

    /// Whether another member of the customer's set has this identifier, and the customer has not:
    /// it need not be linked once more, and an unmerge leaves it where it is.
    pub fn is_held_within(&self, index: usize, customer: CustomerId) -> bool {
        let Some(person) = self.people.get(&customer) else { return false };
        if person.members.is_empty() {
            return false;
        }
        let has = |one: &Remembered| one.links.iter().any(|link| link.token == self.tokens[index]);
        !has(person)
            && person.members.iter().any(|id| self.people.get(id).is_some_and(|one| has(one)))
    }

    /// Whether this customer's whole set is set aside for want of a contact.
    pub fn is_set_aside(&self, customer: CustomerId) -> bool {
        let Some(person) = self.people.get(&customer) else { return false };
        let members = person.members.iter().filter_map(|id| self.people.get(id));
        members.chain([person]).all(|one| one.row.archived != Time(0))
    }

    /// The member of a set to whom an interaction belongs, be it named by whichever of its
    /// members: the one whose link matched, the strongest and newest of them.
    pub fn member(&self, customer: CustomerId) -> CustomerId {
        let Some(person) = self.people.get(&customer) else { return customer };
        let members = person.members.iter().filter_map(|id| self.people.get(id));
        let strongest = |one: &Arc<Remembered>| {
            let links = one.links.iter().filter(|link| self.tokens.contains(&link.token));
            links.map(|link| (link.assurance, link.newest, link.uses)).max()
        };
        let matched = members.filter_map(|one| Some((strongest(one)?, Reverse(one.row.customer))));
        matched.max().map_or(customer, |(_, Reverse(member))| member)
    }
}

fn set_name(people: &FxHashMap<CustomerId, Arc<Remembered>>, customer: CustomerId) -> CustomerId {
    people.get(&customer).map_or(customer, |person| person.set_name())
}

/// Looks up who owns what was shown; `except` counts as nobody.
pub(super) async fn look<'h>(
    desk: &mut Desk<'_, '_>,
    hints: &'h [Hint],
    named: Option<CustomerId>,
    except: Option<CustomerId>,
) -> Result<Looked<'h>, Error> {
    let secrets = &desk.tenant.secrets;
    let token = |hint: &Hint| {
        let Identifier { scheme, namespace, value } = &hint.identifier;
        secrets.identifier(scheme, namespace, value)
    };
    let tokens: Vec<Token> = hints.iter().map(token).collect();
    let mut distinct: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in &tokens {
        if !distinct.contains(token) {
            distinct.push(*token);
        }
    }
    let owners = desk.owners(&distinct).await?;
    let mut ids: Vec<CustomerId> = owners
        .values()
        .flat_map(|owners| owners.customers.iter().map(|(customer, _)| *customer))
        .chain(named)
        .filter(|customer| Some(*customer) != except)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    // One candidate will most likely be the answer: the context comes with the same look.
    let people = desk.sets(&ids, ids.len() == 1).await?;
    let anonymous = signing_in::anonymous(desk, hints, &tokens, &people)?;
    let mut shown = Vec::with_capacity(hints.len());
    let mut unseen = Vec::new();
    for (hint, token) in hints.iter().zip(&tokens) {
        let index = distinct.iter().position(|one| one == token).unwrap_or_default();
        let known = owners.get(token);
        let seen = known.is_some_and(|owners| owners.stamp.is_some());
        if !seen {
            unseen.push(*token);
        }
        let customers = known.map_or(&[][..], |owners| &owners.customers);
        let ties = customers
            .iter()
            .filter(|(id, _)| Some(*id) != except)
            .filter_map(|(id, _)| owner(people.get(id)?, *token));
        let mut owners = match customers.len() > MAX_OWNERS {
            // No more were read: how many sets they are, nobody knows.
            true => ties.collect(),
            false => gathered(ties, hint.kind, |id| set_name(&people, id)),
        };
        if hint.is_visitor() {
            signing_in::weaken(&mut owners, &anonymous);
        }
        shown.push(Shown::new(hint, index, seen, owners));
    }
    let proof = Proof::of(&shown);
    Ok(Looked { hints, tokens, shown, unseen, people, proof, anonymous })
}

/// A customer as one of an identifier's owners; `None` without a link.
pub(super) fn owner(person: &Remembered, token: Token) -> Option<Owner> {
    let link = person.links.iter().find(|link| link.token == token)?;
    Some(Owner {
        customer: person.row.customer,
        assurance: Assurance::from_code(link.assurance)?,
        uses: link.uses,
        weight: link.weight,
        newest: link.newest,
        confirmed: (link.confirmed.0 != 0).then_some(link.confirmed),
    })
}

/// Decides who it is.
pub(super) fn judge(
    desk: &Desk<'_, '_>,
    looked: &Looked<'_>,
    named: Option<CustomerId>,
    state: &State,
) -> Decision {
    let now = Time(state.start_time);
    let attestation = Attestation::from_code(state.attestation).unwrap_or_default();
    let mut people: FxHashMap<CustomerId, Person> =
        FxHashMap::with_capacity_and_hasher(looked.people.len(), FxBuildHasher);
    for person in looked.people.values() {
        let last_contact = (person.row.contacts > 0).then_some(person.row.last_contact);
        let known = Person { last_contact, created: person.row.created };
        people
            .entry(person.set_name())
            .and_modify(|set| {
                set.last_contact = set.last_contact.max(known.last_contact);
                set.created = set.created.min(known.created);
            })
            .or_insert(known);
    }
    let named_set = named.map(|named| looked.set_name(named));
    let shown = evidence(&looked.shown, looked.proof);
    let question = Question { now, shown: &shown, people: &people, named: named_set, attestation };
    let mut decision = decide(&question, &desk.tenant.policy.identity, &desk.tenant.policy.weights);
    if let Proof::Decides(customer) = looked.proof {
        // Listed, though it was no evidence: another customer used this browser.
        let elsewhere = |index: &usize| looked.visitor_of_another(*index, customer);
        decision.conflicts.extend((0..looked.shown.len()).filter(elsewhere));
    }
    let best = decision.candidates.first().map(|candidate| candidate.customer);
    let proved = matches!(looked.proof, Proof::Decides(_));
    if best.is_some_and(|best| looked.is_set_aside(best)) && !proved {
        // Settled on them, a stranger with their old number would make them active again.
        decision.recommendation = decision.recommendation.min(Recommendation::Confirm);
    }
    // The rules know sets only; what is written goes to a member.
    for candidate in &mut decision.candidates {
        let named = named.filter(|named| looked.set_name(*named) == candidate.customer);
        candidate.customer = match candidate.matched.is_empty() {
            true => named.unwrap_or(candidate.customer),
            false => looked.member(candidate.customer),
        };
    }
    decision
}

/// The decision as it is stored, with masked labels where somebody will have to ask: the policy,
/// the customer's own rule, or, with `ask`, what came after says so.
pub(super) async fn record(
    desk: &mut Desk<'_, '_>,
    looked: &Looked<'_>,
    decision: &Decision,
    now: Time,
    ask: bool,
) -> Result<DecisionRecord, Error> {
    let best: Vec<CustomerId> =
        decision.candidates.iter().take(MOST_CANDIDATES).map(|one| one.customer).collect();
    let rule = |id: &CustomerId| rule(looked, *id);
    let cautious = best.first().and_then(rule) == Some(Disclosure::AlwaysConfirm);
    let labelled = ask || cautious || decision.recommendation == Recommendation::Confirm;
    let people = if labelled { desk.people(&best, true).await? } else { FxHashMap::default() };
    let mut candidates = Vec::with_capacity(best.len());
    for (rank, candidate) in decision.candidates.iter().take(MOST_CANDIDATES).enumerate() {
        let person = people.get(&candidate.customer);
        if rank > 0 && rule(&candidate.customer) == Some(Disclosure::Never) {
            continue;
        }
        let evidence = candidate.evidence.iter().map(|signal| EvidenceRecord {
            signal: Bytes::from_static(signal.name.as_bytes()),
            log_odds: signal.log_odds,
        });
        candidates.push(CandidateRecord {
            customer: candidate.customer.0.to_vec(),
            log_odds: candidate.log_odds,
            assurance: candidate.assurance.code(),
            evidence: evidence.collect(),
            sealed_label: person.map_or_else(|| Ok(Vec::new()), |it| sealed_label(desk, it))?,
            label: String::new(),
        });
    }
    let mut conflicts = conflicts(looked, decision.conflicts.iter().copied());
    if decision.named_conflict {
        conflicts.push(named_elsewhere());
    }
    let weights = &desk.tenant.policy.weights;
    Ok(DecisionRecord {
        recommendation: decision.recommendation.code(),
        assurance: decision.assurance.map_or(0, Assurance::code),
        candidates,
        conflicts,
        sources: sources(looked, decision, now),
        model_version: weights.version.to_string(),
        policy_version: desk.tenant.policy_version.clone(),
        inherited: false,
        archived: decision
            .candidates
            .first()
            .is_some_and(|best| looked.is_set_aside(best.customer)),
        fitted_on: match weights.fitted {
            Fitted::OnSimulation => 0,
            Fitted::OnTenant(decisions) => i64::from(decisions),
        },
    })
}

/// Says that somebody will have to ask since the candidate is set aside.
pub(super) fn warn_of_archived(desk: &mut Desk<'_, '_>, looked: &Looked<'_>, decision: &Decision) {
    let best = decision.candidates.first().map(|candidate| candidate.customer);
    let asks = decision.recommendation == Recommendation::Confirm;
    let told = |best: &CustomerId| rule(looked, *best) != Some(Disclosure::Never);
    if asks && best.filter(told).is_some_and(|best| looked.is_set_aside(best)) {
        desk.warnings.push(Warning::set_aside());
    }
}

/// The strictest rule of a customer's set; `None` for somebody unknown.
fn rule(looked: &Looked<'_>, customer: CustomerId) -> Option<Disclosure> {
    let person = looked.people.get(&customer)?;
    let members = person.members.iter().filter_map(|id| looked.people.get(id));
    let rules = members.chain([person]).map(|one| load::disclosure(one));
    rules.max_by_key(|rule| rule.code())
}

/// Hints that point to somebody else, as they are stored.
pub(super) fn conflicts(
    looked: &Looked<'_>,
    indexes: impl Iterator<Item = usize>,
) -> Vec<ConflictRecord> {
    let conflict = |index: usize| ConflictRecord {
        kind: looked.hints[index].kind.name().to_owned(),
        namespace: looked.hints[index].identifier.namespace.clone(),
        owner_count: looked.shown[index].owners.len() as i64,
    };
    indexes.map(conflict).collect()
}

/// A known customer's ref was shown, and is another's.
pub(super) fn named_elsewhere() -> ConflictRecord {
    let kind = HintKind::CustomerRef.name().to_owned();
    ConflictRecord { kind, namespace: String::new(), owner_count: 1 }
}

/// The hints that matched the best candidate, and how recent the last contact is.
fn sources(looked: &Looked<'_>, decision: &Decision, now: Time) -> Vec<String> {
    let Some(best) = decision.candidates.first() else { return Vec::new() };
    let mut sources: Vec<String> = best
        .matched
        .iter()
        .filter_map(|index| looked.hints.get(*index))
        .map(Hint::source)
        .collect();
    let own = looked.set_name(best.customer);
    let members = looked.people.values().filter(|person| person.set_name() == own);
    let contacts = members.filter(|person| person.row.contacts > 0);
    if let Some(last_contact) = contacts.map(|person| person.row.last_contact).max() {
        let days = now.days_since(last_contact);
        let within = [(1.0, "1day"), (7.0, "7days"), (30.0, "30days"), (90.0, "90days")];
        let word = within.iter().find(|(most, _)| days <= *most).map(|(_, word)| *word);
        sources.extend(word.map(|word| format!("recency:{word}")));
    }
    sources
}

/// A candidate's masked label, under their own key.
fn sealed_label(desk: &Desk<'_, '_>, person: &Remembered) -> Result<Vec<u8>, Error> {
    let text = label(desk, person)?;
    let (tenant, entropy) = (desk.tenant_id(), &desk.service.entropy);
    Ok(Slot::CandidateLabel.seal_bytes(tenant, &person.key, text.as_bytes(), entropy))
}

/// The masked label of a candidate, from the profile's `name` and the linked identifiers. Of a name that
/// only a proof opens it says nothing: it is shown to ask by.
fn label(desk: &Desk<'_, '_>, person: &Remembered) -> Result<String, Error> {
    let mut identifiers = Vec::new();
    for link in &person.links {
        let slot = Slot::Link { customer: person.row.customer, token: link.token };
        let opened: HintRecord = slot.open(desk.tenant_id(), &person.key, &link.identifier)?;
        identifiers.push(Identifier {
            scheme: opened.scheme,
            namespace: opened.namespace,
            value: opened.value,
        });
    }
    identifiers.sort_by(|a, b| (&a.scheme, &a.value).cmp(&(&b.scheme, &b.value)));
    let name = person.context.as_ref().and_then(|context| {
        let profile = current_profile(&context.profile);
        let name = profile.get("name").filter(|it| it.sensitivity == Sensitivity::Normal);
        name.and_then(|write| write.value.clone())
    });
    Ok(masked_label(name.as_deref(), &identifiers))
}

/// A hint as it is stored.
pub(super) fn hint_record(hint: &Hint) -> HintRecord {
    HintRecord {
        scheme: hint.identifier.scheme.clone(),
        namespace: hint.identifier.namespace.clone(),
        value: hint.identifier.value.clone(),
        kind: hint.kind.code(),
        assurance: hint.assurance.code(),
        derived: hint.derived,
        field: hint.field.clone(),
    }
}

/// A stored hint as the rules know it; `None` for a kind of a newer version.
pub(super) fn hint(record: &HintRecord) -> Option<Hint> {
    Some(Hint {
        identifier: Identifier {
            scheme: record.scheme.clone(),
            namespace: record.namespace.clone(),
            value: record.value.clone(),
        },
        kind: HintKind::from_code(record.kind)?,
        assurance: Assurance::from_code(record.assurance)?,
        derived: record.derived,
        field: record.field.clone(),
    })
}

//! The service in memory: the same rules, without transport and store.
//!
//! It settles, links and counts as `continuity` does, so that a world of two years is seen in
//! seconds, and each candidate with its figures. `threadline replay` on the same world is the
//! proof that it does (docs/identity.md has both).

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::customers::{Customers, Interaction};
use super::rows::Row;
use crate::cli::replay::answers::Answer;
use crate::cli::replay::chosen::chosen;
use crate::cli::replay::events::{Hints, Start, Step, Text, World};
use crate::cli::replay::oracle::{Links, Refs};
use crate::cli::replay::requests::Feedback;
use crate::clock::Time;
use crate::grpc::proto::{ConfidenceLevel, Recommendation as Recommended};
use crate::identity::{
    Assurance, Attestation, Basis, Circumstances, Decision, Direction, Hint, Level, LineType,
    Normalised, Person, Policy, Proof, Question, RawHints, Recommendation, ShownToken, SignedIn,
    Weights, decide, features, normalise,
};
use crate::ids::CustomerId;

/// How a world is seen.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// At what share of the ends the client says who it was.
    pub(super) feedback: f64,
    /// Which ends those are.
    pub(super) seed: u64,
    /// Whether a signed-in subject comes as a VERIFIED web token; else as `user_id`.
    pub(super) signed: bool,
}

/// What was answered, and what each candidate looked like.
pub(super) struct Seen {
    /// The answer to each start.
    pub(super) answers: Vec<Answer>,
    /// Whose each ref is.
    pub(super) refs: Refs,
    /// One row a candidate.
    pub(super) rows: Vec<Row>,
    /// How long the decisions took, all together: the model and the policy, not the look-ups.
    pub(super) deciding: Duration,
}

/// Plays a world to these weights.
pub(super) fn imagine(world: &World, plan: Plan, weights: &Weights) -> Seen {
    let (answers, rows, deciding) = (Vec::new(), Vec::new(), Duration::ZERO);
    let seen = Seen { answers, refs: Refs::default(), rows, deciding };
    let mut service = Imagined {
        world,
        plan,
        weights,
        policy: Policy::default(),
        customers: Customers::default(),
        under_way: HashMap::new(),
        links: Links::default(),
        seen,
    };
    for step in &world.steps {
        match step {
            Step::Start(place) => service.start(*place),
            Step::End(place, end) => service.end(*place, moment(end.ts)),
        }
    }
    service.seen
}

struct Imagined<'a> {
    world: &'a World,
    plan: Plan,
    weights: &'a Weights,
    policy: Policy,
    customers: Customers,
    under_way: HashMap<usize, Interaction>,
    links: Links,
    seen: Seen,
}

impl Imagined<'_> {
    fn start(&mut self, place: usize) {
        let start = &self.world.starts[place];
        let hints = hints(start, self.plan.signed, &self.policy);
        let now = moment(start.ts);
        let mut interaction = Interaction::new(place, now, hints);
        let shown = self.customers.look(&mut interaction);
        let people: FxHashMap<CustomerId, Person> = self.customers.people(&shown);
        let attestation = attestation(&start.hints);
        let question = Question { now, shown: &shown, people: &people, named: None, attestation };
        let begun = Instant::now();
        let decision = decide(&question, &self.policy, self.weights);
        self.seen.deciding += begun.elapsed();
        let best = decision.candidates.first().map(|candidate| candidate.customer);
        match (decision.recommendation, best) {
            (Recommendation::Reuse, Some(best)) => {
                let assurance = decision.assurance.unwrap_or(Assurance::Asserted);
                interaction.vouched = assurance == Assurance::Verified;
                let proof = Proof::of(&shown);
                let basis = Basis::Decided(assurance);
                self.customers.settle(&mut interaction, best, basis, proof);
            }
            (Recommendation::Confirm, Some(best)) => interaction.customer = Some(best),
            _ => {
                let new = self.customers.make(now);
                interaction.made = true;
                let proof = Proof::of(&shown);
                self.customers.settle(&mut interaction, new, Basis::NewCustomer, proof);
            }
        }
        self.note(start, &interaction, &decision);
        if Proof::of(&shown) == Proof::NotSignedIn {
            self.add_rows(place, &question);
        }
        self.under_way.insert(place, interaction);
    }

    /// Keeps the answer, as the replay would have it.
    fn note(&mut self, start: &Start, interaction: &Interaction, decision: &Decision) {
        let named = |id: CustomerId| id.to_ref();
        let answer = Answer {
            customer_ref: interaction.customer.map_or_else(String::new, named),
            new_customer: interaction.made,
            recommendation: match decision.recommendation {
                Recommendation::Reuse => Recommended::Reuse,
                Recommendation::Confirm => Recommended::Confirm,
                Recommendation::Ignore => Recommended::Ignore,
            },
            level: match decision.level {
                Level::Low => ConfidenceLevel::Low,
                Level::Medium => ConfidenceLevel::Medium,
                Level::High => ConfidenceLevel::High,
                Level::VeryHigh => ConfidenceLevel::VeryHigh,
            },
            probability: decision.probability,
            best: decision.candidates.first().map(|candidate| named(candidate.customer)),
            resolvable: self.links.resolvable(start),
        };
        self.seen.refs.answered(&answer, &start.truth.customer);
        self.seen.answers.push(answer);
    }

    /// One row a candidate. A token decides alone: what the model says of it teaches nothing.
    fn add_rows(&mut self, place: usize, question: &Question<'_>) {
        let truth = &self.world.starts[place].truth.customer;
        for (customer, features) in features(question) {
            let right = self.seen.refs.is(&customer.to_ref(), truth);
            self.seen.rows.push(Row { start: place, right, features });
        }
    }

    fn end(&mut self, place: usize, ended: Time) {
        let start = &self.world.starts[place];
        let Some(mut interaction) = self.under_way.remove(&place) else { return };
        let truth = &start.truth.customer;
        let said = chosen(self.plan.feedback, self.plan.seed, &start.id)
            .then(|| self.seen.refs.feedback(Some(&self.seen.answers[place]), truth));
        self.customers.refresh(&mut interaction);
        if let Some(said) = &said {
            interaction.vouched = true;
            self.follow(&mut interaction, said);
        }
        interaction.ended = Some(ended);
        let went = interaction.customer.map_or_else(String::new, CustomerId::to_ref);
        self.customers.file(interaction);
        self.seen.refs.ended(&went, truth, said.is_some());
        self.links.ended(start);
    }

    fn follow(&mut self, interaction: &mut Interaction, said: &Feedback) {
        let (Feedback::Confirmed(named) | Feedback::Rejected(Some(named))) = said else {
            if !(interaction.made && interaction.settled) {
                let new = self.customers.make(interaction.started);
                self.customers.become_of(interaction, new, Basis::NewCustomer);
                interaction.made = true;
            }
            return;
        };
        let target = CustomerId::parse_ref(named).map(|id| self.customers.stands_for(id));
        if let Some(target) = target {
            let basis = Basis::Confirmed(Assurance::Authenticated);
            self.customers.become_of(interaction, target, basis);
        }
    }
}

/// The hints that a replay would send, normalised.
fn hints(start: &Start, signed: bool, policy: &Policy) -> Vec<Hint> {
    let hints = &start.hints;
    let text = |value: &Option<Text>| value.as_ref().map_or_else(String::new, |it| it.0.clone());
    let external = hints.external_ids.iter().flatten();
    let mut external_ids: BTreeMap<String, String> =
        external.map(|(namespace, value)| (namespace.clone(), value.0.clone())).collect();
    let mut web_token = ShownToken::None;
    if let Some(subject) = &hints.jwt_sub {
        let (issuer, subject) = ("threadline-replay".to_owned(), subject.0.clone());
        match signed {
            true => web_token = ShownToken::SignedIn(SignedIn { issuer, subject, late: false }),
            false => drop(external_ids.insert("user_id".to_owned(), subject)),
        }
    }
    let raw = RawHints {
        caller_number: text(&hints.ani),
        email: text(&hints.email),
        external_ids,
        whatsapp_id: text(&hints.whatsapp_id),
        telegram_user_id: text(&hints.telegram_id),
        discord_user_id: text(&hints.discord_id),
        web_token,
        ..RawHints::default()
    };
    let line_type = match text(&hints.line_type).to_ascii_lowercase().as_str() {
        "mobile" => LineType::Mobile,
        "landline" => LineType::Landline,
        "voip" => LineType::Voip,
        _ => LineType::Unknown,
    };
    let at = Circumstances {
        channel: &start.channel,
        direction: Direction::Inbound,
        line_type,
        attestation: attestation(hints),
        max_assurance: None,
        continuation: false,
    };
    let Normalised { hints, .. } = normalise(&raw, &at, policy);
    hints
}

fn attestation(hints: &Hints) -> Attestation {
    let said = hints.attestation.as_ref().map_or_else(String::new, |it| it.0.to_ascii_lowercase());
    match said.as_str() {
        "a" => Attestation::A,
        "b" => Attestation::B,
        "c" => Attestation::C,
        "failed" => Attestation::Failed,
        _ => Attestation::Unknown,
    }
}

fn moment(seconds: f64) -> Time {
    Time((seconds * 1_000.0).round() as i64)
}

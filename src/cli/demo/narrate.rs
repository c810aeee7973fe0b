//! An answer in words: what the agent sees, and why.

use crate::grpc::proto::{
    Assurance, Candidate, ConfidenceLevel, Evidence, Identity, OpenIntent, Recommendation,
    StartInteractionResponse,
};

use super::page::Tone;

/// How many reasons are told.
const REASONS: usize = 4;

/// The decision in one line, with its tone.
pub(super) fn decision(answer: &StartInteractionResponse) -> (Tone, String) {
    if answer.degraded {
        return (Tone::Bad, "no decision in time: go on without context".to_owned());
    }
    if answer.new_customer {
        return (Tone::Plain, "IGNORE: nobody we know, a new customer".to_owned());
    }
    let Some(identity) = &answer.identity else {
        return (Tone::Bad, "an answer without an identity".to_owned());
    };
    let (tone, name) = match identity.recommendation() {
        Recommendation::Reuse => (Tone::Good, "REUSE"),
        Recommendation::Confirm => (Tone::Careful, "CONFIRM"),
        Recommendation::Ignore => (Tone::Plain, "IGNORE"),
        Recommendation::Unspecified => (Tone::Bad, "UNSPECIFIED"),
    };
    let level = level(identity.level());
    let (confidence, probability) = (identity.confidence, identity.match_probability);
    let assurance = assurance(identity.assurance());
    (tone, format!("{name}: {level} {confidence:.2}, p {probability:.3}, {assurance}"))
}

/// The strongest reasons in words, the strongest first; empty when there are none.
pub(super) fn reasons(identity: &Identity) -> String {
    let mut evidence: Vec<&Evidence> =
        identity.evidence.iter().filter(|one| one.signal != "base").collect();
    evidence.sort_by(|one, other| other.log_odds.abs().total_cmp(&one.log_odds.abs()));
    let told = evidence.iter().filter(|one| one.log_odds.abs() >= 0.05).take(REASONS);
    let told: Vec<_> =
        told.map(|one| format!("{} {:+.1}", signal(&one.signal), one.log_odds)).collect();
    told.join(", ")
}

/// Whom to ask for, by masked labels; empty when nobody is named.
pub(super) fn candidates(candidates: &[Candidate]) -> String {
    let named = candidates.iter().map(|one| {
        let label = if one.label.is_empty() { "somebody we cannot name" } else { &one.label };
        format!("{label} (p {:.2})", one.match_probability)
    });
    named.collect::<Vec<_>>().join(", or ")
}

/// What is open, a line each.
pub(super) fn open_intents(intents: &[OpenIntent]) -> String {
    let lines = intents.iter().map(|one| {
        let reference = match one.reference.as_str() {
            "" => String::new(),
            reference => format!(" ({reference})"),
        };
        let times = match one.attempt_count {
            1 => "1 attempt".to_owned(),
            count => format!("{count} attempts"),
        };
        format!("{}{reference}, {times}, last by {}", one.intent, channel(&one.last_channel))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Variables and lasting attributes, a line each, sorted by name.
pub(super) fn remembered(answer: &StartInteractionResponse) -> String {
    let variables = answer.variables.iter().map(|(name, variable)| {
        let from = variable.source.as_ref().map(|source| channel(&source.channel));
        let from = from.map(|from| format!(" (from {from})")).unwrap_or_default();
        format!("{name} = {}{from}", variable.value)
    });
    let profile = answer.profile.iter().map(|(name, one)| format!("{name} = {}", one.value));
    let mut lines: Vec<_> = variables.chain(profile).collect();
    lines.sort();
    lines.join("\n")
}

/// A channel as people call it.
pub(super) fn channel(name: &str) -> String {
    match name {
        "voice" => "phone".to_owned(),
        "web_chat" => "web chat".to_owned(),
        "email" => "e-mail".to_owned(),
        "whatsapp" => "WhatsApp".to_owned(),
        "telegram" => "Telegram".to_owned(),
        "discord" => "Discord".to_owned(),
        other => other.replace('_', " "),
    }
}

fn level(level: ConfidenceLevel) -> &'static str {
    match level {
        ConfidenceLevel::Unspecified => "unspecified",
        ConfidenceLevel::Low => "low",
        ConfidenceLevel::Medium => "medium",
        ConfidenceLevel::High => "high",
        ConfidenceLevel::VeryHigh => "very_high",
    }
}

fn assurance(assurance: Assurance) -> &'static str {
    match assurance {
        Assurance::Unspecified => "nothing vouches for it",
        Assurance::Asserted => "only asserted",
        Assurance::Carried => "carried",
        Assurance::Authenticated => "authenticated",
        Assurance::Verified => "verified",
    }
}

/// A signal of the model in words; one that is not known here is shown by its name.
fn signal(name: &str) -> String {
    let (name, kind) = name.split_once(':').unwrap_or((name, ""));
    let kind = kind.replace('_', " ");
    match name {
        "match" => format!("{kind} known"),
        "conflict" => format!("{kind} points to somebody else"),
        "share" => format!("others use the {kind} too"),
        "owners" => format!("several people share the {kind}"),
        "uses" => "seen before".to_owned(),
        "recency" => "time passed".to_owned(),
        "novel" => "something new shown".to_owned(),
        "two_kinds" => "two kinds agree".to_owned(),
        "candidates" => "several candidates".to_owned(),
        other => format!("{} {kind}", other.replace('_', " ")).trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(signal: &str, log_odds: f64) -> Evidence {
        Evidence { signal: signal.to_owned(), log_odds }
    }

    #[test]
    fn the_strongest_reasons_come_first_and_the_base_is_none() {
        let identity = Identity {
            evidence: vec![
                evidence("base", 2.73),
                evidence("match:mobile", 0.08),
                evidence("two_kinds", 2.78),
                evidence("conflict:email", -1.72),
                evidence("share:others", -0.01),
                evidence("odd_one", 0.5),
            ],
            ..Identity::default()
        };
        assert_eq!(
            reasons(&identity),
            "two kinds agree +2.8, email points to somebody else -1.7, odd one +0.5, mobile known +0.1"
        );
        assert_eq!(reasons(&Identity::default()), "");
    }

    #[test]
    fn an_answer_in_a_line() {
        let mut identity =
            Identity { confidence: 0.97, match_probability: 0.9994, ..Identity::default() };
        identity.set_recommendation(Recommendation::Reuse);
        identity.set_level(ConfidenceLevel::VeryHigh);
        identity.set_assurance(Assurance::Carried);
        let known = StartInteractionResponse { identity: Some(identity), ..Default::default() };
        let (tone, text) = decision(&known);
        assert_eq!((tone, text.as_str()), (Tone::Good, "REUSE: very_high 0.97, p 0.999, carried"));
        let new = StartInteractionResponse { new_customer: true, ..Default::default() };
        assert!(decision(&new).1.contains("a new customer"));
        let late = StartInteractionResponse { degraded: true, ..Default::default() };
        assert_eq!(decision(&late).0, Tone::Bad);
    }

    #[test]
    fn intents_and_candidates_in_words() {
        let mut intent = OpenIntent {
            intent: "billing_dispute".to_owned(),
            reference: "1042".to_owned(),
            attempt_count: 2,
            last_channel: "email".to_owned(),
            ..OpenIntent::default()
        };
        let text = open_intents(std::slice::from_ref(&intent));
        assert_eq!(text, "billing_dispute (1042), 2 attempts, last by e-mail");
        intent.reference.clear();
        intent.attempt_count = 1;
        assert_eq!(open_intents(&[intent]), "billing_dispute, 1 attempt, last by e-mail");
        let named = |label: &str| Candidate {
            label: label.to_owned(),
            match_probability: 0.5,
            ..Candidate::default()
        };
        assert_eq!(
            candidates(&[named("H. P. ··42"), named("")]),
            "H. P. ··42 (p 0.50), or somebody we cannot name (p 0.50)"
        );
    }
}

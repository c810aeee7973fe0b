//! Fits on small worlds and on made-up decisions.

use super::compare::measured;
use super::imagined::{Plan, imagine};
use super::tenant::{LEAST_DECISIONS, fit_decisions};
use super::*;
use crate::continuity::confirmed_decisions::{ConfirmedDecision, JudgedCandidate};
use crate::identity::{Feature, Fitted};

/// Fifty people who each call from their own mobile or write an e-mail, day by day; every tenth
/// call comes from a landline that all of them share.
fn world(contacts: usize) -> World {
    let mut lines = String::new();
    for contact in 0..contacts {
        let person = contact * 7 % 50;
        let at = 1_704_067_200 + contact * 21_600;
        let (channel, hints) = match contact % 10 {
            0 => ("voice", r#"{"ani":"+12125550100","line_type":"landline"}"#.to_owned()),
            1..=6 => {
                let number = format!("+1415555{:04}", 100 + person);
                ("voice", format!(r#"{{"ani":"{number}","line_type":"mobile"}}"#))
            }
            _ => ("email", format!(r#"{{"email":"person{person}@example.com"}}"#)),
        };
        let end = at + 300;
        lines.push_str(&format!(
            r#"{{"t":"start","ts":{at},"id":"s{contact}","channel":"{channel}","hints":{hints},"truth":{{"customer":"C{person}","caller":"C{person}"}}}}
{{"t":"end","ts":{end},"id":"s{contact}"}}
"#
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.jsonl");
    std::fs::write(&path, lines).unwrap();
    World::read(&path).unwrap()
}

#[test]
fn the_rules_in_memory_recognise_who_comes_back() {
    let world = world(800);
    for one in measured(&world, &Weights::DEFAULT, 1) {
        let scores = &one.scores;
        assert_eq!(scores.false_accepts.hits, 0, "feedback {}", one.feedback);
        assert!(scores.false_accepts.of > 50, "{:?}", scores.false_accepts);
    }
    let plan = Plan { feedback: 1.0, seed: 1, signed: true };
    let (one, other) =
        (imagine(&world, plan, &Weights::DEFAULT), imagine(&world, plan, &Weights::DEFAULT));
    assert_eq!(one.rows.len(), other.rows.len());
    let refs = |seen: &imagined::Seen| {
        seen.answers.iter().map(|answer| answer.customer_ref.clone()).collect::<Vec<_>>()
    };
    assert_eq!(refs(&one), refs(&other), "the same world is seen the same");
}

#[test]
fn a_fit_on_a_world_keeps_the_plain_cases() {
    let fitted = regimes::fit_world(&world(800), &Weights::DEFAULT, "small", 1);
    assert_eq!(fitted.validate(), Vec::<String>::new());
    for example in worked::examples() {
        let stated = crate::identity::probability(fitted.log_odds(&example.features));
        assert!((stated - example.target).abs() < 0.25, "{stated} and {}", example.target);
    }
}

/// Decisions on one matching mobile, of which so many were wrong.
fn decisions(count: usize, wrong: usize, version: &str) -> Vec<ConfirmedDecision> {
    let evidence = [Feature::Base, Feature::MatchMobile, Feature::Uses]
        .map(|feature| (feature.name().to_owned(), Weights::DEFAULT.get(feature) * 1.0));
    let decision = |at| ConfirmedDecision {
        model_version: version.to_owned(),
        candidates: vec![JudgedCandidate { evidence: evidence.to_vec(), right: at >= wrong }],
    };
    (0..count).map(decision).collect()
}

#[test]
fn a_tenant_with_too_little_is_refused_in_so_many_words() {
    let few = decisions(LEAST_DECISIONS - 1, 3, &Weights::DEFAULT.version);
    let error = fit_decisions(&few, &[Weights::DEFAULT], "own", &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("199 confirmed or rejected identities"), "{error}");
    let unreadable = decisions(500, 3, "older");
    let error =
        fit_decisions(&unreadable, &[Weights::DEFAULT], "own", &mut Vec::new()).unwrap_err();
    assert!(
        error.to_string().contains("500 more were decided by a web token, or with weights"),
        "{error}"
    );
}

#[test]
fn a_tenant_whose_numbers_are_wrong_more_often_gets_lower_weights() {
    let mut said = Vec::new();
    let all = decisions(1_000, 400, &Weights::DEFAULT.version);
    let fitted = fit_decisions(&all, &[Weights::DEFAULT], "own", &mut said).unwrap();
    assert_eq!(fitted.fitted, Fitted::OnTenant(1_000));
    let sum = |weights: &Weights| {
        let features = [Feature::Base, Feature::MatchMobile, Feature::Uses];
        features.iter().map(|feature| weights.get(*feature)).sum::<f64>()
    };
    let (before, after) = (sum(&Weights::DEFAULT), sum(&fitted));
    assert!((after - 1.5f64.ln()).abs() < 0.2 && after < before, "{before} to {after}");
    assert_eq!(fitted.get(Feature::MatchEmail), Weights::DEFAULT.get(Feature::MatchEmail));
    let said = String::from_utf8(said).unwrap();
    assert!(
        said.contains("1000 confirmed or rejected identities") && said.contains("ECE"),
        "{said}"
    );
}

//! A decision explained afterwards: as it was made, whatever somebody said since; and what people
//! said of decisions, as a fit reads it.

use threadline::grpc::proto::{CalibrationBasis, Recommendation, StartInteractionRequest};

use super::settling::{NUMBER, somebody, staff};
use crate::support::requests::{call, confirm, end, get, landline_call, number_hint, reject};
use crate::support::{Engine, World, each_engine};

each_engine!(a_decision_is_explained_as_it_was, what_people_said_is_read_for_a_fit,);

/// A line of two people: whoever calls from it is asked.
async fn two_on_a_line(client: &crate::support::Client) -> [String; 2] {
    let one = somebody(client, "first", "voice", number_hint(NUMBER)).await;
    client.start(landline_call("second", NUMBER)).await.expect("a start");
    client.update(reject("second", "u", None)).await.expect("a rejection");
    client.end(end("second")).await.expect("an end");
    let other = client.get(get("second")).await.expect("it").customer_ref;
    assert_ne!(one, other);
    [one, other]
}

async fn a_decision_is_explained_as_it_was(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let both = two_on_a_line(&client).await;
    let began = StartInteractionRequest { ..landline_call("third", NUMBER) };
    let answer = client.start(began).await.expect("a start").identity.expect("an identity");
    assert!(answer.recommendation() == Recommendation::Confirm);
    client.update(confirm("third", "u")).await.expect("a confirmation");

    let got = client.get(get("third")).await.expect("it");
    assert!(got.identity.expect("an identity").recommendation() == Recommendation::Reuse);
    let decision = got.decision.expect("the decision");
    assert!(decision.recommendation() == Recommendation::Confirm, "as it was made");
    assert!((decision.match_probability - answer.match_probability).abs() < 1e-12);
    assert_eq!(decision.policy_version.len(), 8);
    let calibration = decision.calibration.clone().expect("whose weights");
    assert!(calibration.basis() == CalibrationBasis::Default);
    assert!(!calibration.model_version.is_empty() && calibration.sample_size == 0);
    let mut refs: Vec<&String> = decision.candidates.iter().map(|it| &it.customer_ref).collect();
    refs.sort_unstable();
    let mut expected: Vec<&String> = both.iter().collect();
    expected.sort_unstable();
    assert_eq!(refs, expected, "the one that was not chosen, too");
    for candidate in &decision.candidates {
        let sum: f64 = candidate.evidence.iter().map(|signal| signal.log_odds).sum();
        let stated = 1.0 / (1.0 + (-sum).exp());
        assert!((stated - candidate.match_probability).abs() < 1e-9, "evidence sums to the score");
        assert!(candidate.evidence.iter().any(|signal| signal.signal == "match:landline"));
        assert!(candidate.evidence.iter().any(|signal| signal.signal == "rival"));
    }
    // A phone system is told what it needs, and not who else it could have been.
    let telephony = world.role("telephony").await;
    assert!(telephony.get(get("third")).await.expect("it").decision.is_none());
    world.close().await;
}

async fn what_people_said_is_read_for_a_fit(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let [_, other] = two_on_a_line(&client).await;
    // Confirmed, rejected for the other one, and never said.
    for id in ["right", "wrong", "silent"] {
        client.start(call(id, NUMBER)).await.expect("a start");
    }
    let best = client.get(get("right")).await.expect("it").customer_ref;
    client.update(confirm("right", "u")).await.expect("a confirmation");
    let another = if best == other {
        client.get(get("first")).await.expect("it").customer_ref
    } else {
        other
    };
    client.update(reject("wrong", "u", Some(&another))).await.expect("a rejection");
    let service = &world.running.service;
    let tenant = service.tenant_named(crate::support::TENANT, false).await.expect("the tenant");
    let decisions = service.confirmed_decisions(&tenant).await.expect("decisions");
    // The first contact had no candidate, the second was rejected for somebody new.
    let labels: Vec<Vec<bool>> = decisions
        .iter()
        .map(|one| one.candidates.iter().map(|candidate| candidate.right).collect())
        .collect();
    assert_eq!(labels, [vec![false], vec![true, false], vec![false, true]]);
    assert!(decisions.iter().all(|one| !one.candidates[0].evidence.is_empty()));
    world.close().await;
}

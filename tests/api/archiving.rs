//! Customers who were not in contact for long are set aside: a start that finds them asks first.

use threadline::clock::{Clock, SECOND, Time};
use threadline::grpc::proto::{
    EndInteractionRequest, ListInteractionsRequest, StartInteractionRequest, Verification,
};
use tonic::Code;

use super::retention::Passing;
use super::settling::{MAIL, NUMBER, assert_silent, staff};
use super::web_tokens::{assert_proven, claims, token_hint, trusting};
use crate::support::client::{Said, assert_refused, said};
use crate::support::issuer::Issuer;
use crate::support::requests::{
    call, confirm, email_hint, end, end_confirms, external_hint, get, merge, start_with, update,
    variable,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    who_was_long_away_is_asked_and_comes_back,
    a_stranger_with_their_number_wakes_nobody,
    who_was_in_contact_is_not_set_aside,
    a_set_is_set_aside_only_whole,
    nothing_is_disclosed_where_confirming_discloses,
    their_own_system_may_name_them,
    an_old_contact_opens_nothing,
    a_signed_in_customer_is_known,
);

/// After a month, when two kinds that agree are enough for `reuse` still.
const MONTH: &str = "[policy]\ncustomers_archived_after = \"30d\"";

/// Two kinds that agree.
fn known(id: &str) -> StartInteractionRequest {
    let mut start = call(id, NUMBER);
    start.identity_hints.as_mut().expect("hints").external_ids =
        external_hint("crm_id", "C-1").external_ids;
    start
}

async fn first(client: &Client) -> String {
    for id in ["one", "two", "three"] {
        client.start(known(id)).await.expect("a start");
        let ended = EndInteractionRequest {
            summary: "asked about the invoice".into(),
            variables: variable("size", "XL"),
            ..end(id)
        };
        client.end(ended).await.expect("an end");
    }
    client.get(get("one")).await.expect("it").customer_ref
}

async fn archived(passing: &Passing) -> u64 {
    passing.world.running.service.sweep().await.expect("a sweep").archived
}

fn warned(answer: &threadline::grpc::proto::StartInteractionResponse) -> bool {
    answer.warnings.iter().any(|it| it.code == "customer_archived")
}

async fn who_was_long_away_is_asked_and_comes_back(engine: Engine) {
    let passing = Passing::on(engine, MONTH).await;
    let client = staff(&passing.world).await;
    let person = first(&client).await;
    passing.days(29).await;
    assert_eq!(archived(&passing).await, 0);
    assert!(client.person(&person).await.archive_time.is_none());
    passing.days(2).await;
    let before = client.start(known("before")).await.expect("a start");
    assert_eq!((said(&before), before.recent_interactions.len()), (Said::Reuse, 3));
    assert_eq!(archived(&passing).await, 1);
    assert_eq!(archived(&passing).await, 0, "once");
    assert!(client.person(&person).await.archive_time.is_some());
    let answer = client.start(known("back")).await.expect("a start");
    assert_eq!((said(&answer), answer.customer_ref.as_str()), (Said::Confirm, &*person));
    assert_silent(&answer);
    assert!(warned(&answer));
    let decision = client.get(get("back")).await.expect("it").decision.expect("a decision");
    assert!(decision.archived && decision.confidence > 0.5, "it would have been reuse");
    let answer = client.update(confirm("back", "yes")).await.expect("a confirmation");
    assert_eq!(said(&answer), Said::Reuse);
    assert_eq!(answer.recent_interactions.len(), 3);
    client.end(end("back")).await.expect("an end");
    assert!(client.person(&person).await.archive_time.is_none(), "active again");
    let next = client.start(known("next")).await.expect("a start");
    assert_eq!((said(&next), next.recent_interactions.len()), (Said::Reuse, 4));
    assert!(!warned(&next));
    passing.world.close().await;
}

async fn a_stranger_with_their_number_wakes_nobody(engine: Engine) {
    let passing = Passing::on(engine, MONTH).await;
    let client = staff(&passing.world).await;
    let person = first(&client).await;
    passing.days(31).await;
    assert_eq!(archived(&passing).await, 1);
    for id in ["stranger", "stranger again"] {
        let answer = client.start(known(id)).await.expect("a start");
        assert_eq!(said(&answer), Said::Confirm);
        assert_silent(&answer);
        let ended = EndInteractionRequest { variables: variable("size", "S"), ..end(id) };
        client.end(ended).await.expect("an end that nobody confirmed");
    }
    let known = client.person(&person).await;
    assert!(known.archive_time.is_some());
    assert_eq!(known.contact_count, 3, "unconfirmed contacts count for nothing");
    passing.world.close().await;
}

async fn who_was_in_contact_is_not_set_aside(engine: Engine) {
    let passing = Passing::on(engine, MONTH).await;
    let client = staff(&passing.world).await;
    let person = first(&client).await;
    passing.days(29).await;
    client.start(known("later")).await.expect("a start");
    client.end(end("later")).await.expect("an end");
    passing.days(29).await;
    assert_eq!(archived(&passing).await, 0);
    // The walk is once a day.
    passing.time(2 * threadline::clock::HOUR).await;
    assert_eq!(archived(&passing).await, 0);
    passing.days(2).await;
    assert_eq!(archived(&passing).await, 1);
    assert!(client.person(&person).await.archive_time.is_some());
    passing.world.close().await;
}

async fn a_set_is_set_aside_only_whole(engine: Engine) {
    let passing = Passing::on(engine, MONTH).await;
    let client = staff(&passing.world).await;
    let person = first(&client).await;
    let mail = |id: &str| start_with(id, "email", email_hint(MAIL));
    passing.days(20).await;
    let other = client.start(mail("mail")).await.expect("a start").customer_ref;
    client.end(end("mail")).await.expect("an end");
    client.merge(merge("m", &person, &other)).await.expect("a merge");
    passing.days(11).await;
    assert_eq!(archived(&passing).await, 1, "the one");
    assert!(client.person(&person).await.archive_time.is_none(), "the other is active");
    let answer = client.start(known("call")).await.expect("a start");
    assert_eq!(said(&answer), Said::Reuse);
    client.end(end("call")).await.expect("an end");
    passing.days(32).await;
    assert_eq!(archived(&passing).await, 2, "the one was woken by the call");
    assert!(client.person(&person).await.archive_time.is_some());
    let answer = client.start(known("again")).await.expect("a start");
    assert_eq!(said(&answer), Said::Confirm);
    passing.world.close().await;
}

async fn nothing_is_disclosed_where_confirming_discloses(engine: Engine) {
    let passing = Passing::on(engine, &format!("{MONTH}\nconfirm_discloses = \"context\"")).await;
    let client = staff(&passing.world).await;
    first(&client).await;
    passing.days(31).await;
    assert_eq!(archived(&passing).await, 1);
    let answer = client.start(known("back")).await.expect("a start");
    assert_eq!(said(&answer), Said::Confirm);
    assert_silent(&answer);
    passing.world.close().await;
}

async fn their_own_system_may_name_them(engine: Engine) {
    let passing = Passing::on(engine, MONTH).await;
    let client = staff(&passing.world).await;
    let person = first(&client).await;
    passing.days(31).await;
    assert_eq!(archived(&passing).await, 1);
    // The caller's own system says whose ticket it is.
    let ticket = EndInteractionRequest {
        channel: "email".into(),
        customer_ref: person.clone(),
        ..end("ticket")
    };
    assert_eq!(client.end(ticket).await.expect("an end").customer_ref, person);
    assert!(client.person(&person).await.archive_time.is_none());
    passing.world.close().await;
}

async fn an_old_contact_opens_nothing(engine: Engine) {
    let passing = Passing::on(engine, MONTH).await;
    let client = staff(&passing.world).await;
    first(&client).await;
    let agent = passing.world.role("agent").await;
    let history =
        || ListInteractionsRequest { interaction_id: "three".into(), ..Default::default() };
    assert_eq!(agent.list(history()).await.expect("a history").interactions.len(), 3);
    passing.days(31).await;
    assert_eq!(archived(&passing).await, 1);
    assert_refused(
        agent.list(history()).await,
        Code::FailedPrecondition,
        "INTERACTION_NOT_SETTLED",
    );
    let answer = agent.get(get("three")).await.expect("it");
    assert!(answer.recent_interactions.is_empty() && answer.variables.is_empty());
    // Who proves it in a contact is shown what is theirs.
    client.start(known("back")).await.expect("a start");
    let mut proved = confirm("back", "yes");
    proved.verification = Verification::Otp as i32;
    client.update(proved).await.expect("a confirmation");
    assert_eq!(
        agent.update(update("back", "look")).await.expect("it").recent_interactions.len(),
        3
    );
    passing.world.close().await;
}

async fn a_signed_in_customer_is_known(engine: Engine) {
    let now = Clock::System.now().0;
    let clock = Clock::manual(Time(now - now % SECOND));
    let issuer = Issuer::new("ES256", "key");
    let settings = trusting("acme", &[&issuer]);
    let world = Setup::on(engine).clock(&clock).settings(&settings).open().await;
    let client = world.client(&World::new_key(&["telephony", "admin"])).await;
    let token = |id: &str| {
        let token = issuer.token(&claims("user-17", clock.now()));
        start_with(id, "web_chat", token_hint(&token))
    };
    let person = client.start(token("one")).await.expect("a start").customer_ref;
    client.end(end("one")).await.expect("an end");
    let later = world.now().plus(366 * threadline::clock::DAY);
    let swept = world.running.service.sweep_as_of(later).await.expect("a sweep");
    assert_eq!(swept.archived, 1);
    let answer = client.start(token("back")).await.expect("a start");
    assert_proven(&answer, &person);
    assert_eq!(answer.recent_interactions.len(), 1);
    client
        .end(EndInteractionRequest { identity_feedback: end_confirms(), ..end("back") })
        .await
        .expect("an end");
    world.close().await;
}

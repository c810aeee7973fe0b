//! Interactions past retention: what was said in them is gone, and what they alone gave reason for;
//! nothing younger goes, and nothing comes back.

use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use threadline::cli::audit::verify;
use threadline::clock::{Clock, DAY, HOUR};
use threadline::grpc::proto::{
    EndInteractionRequest, EndInteractionResponse, GetCustomerRequest, IntentStatus,
    ProfileAttributeInput, VariableInput,
};
use tonic::Code;

use super::customers::{mail, upsert};
use super::remembering::MONDAY;
use super::settling::{MAIL, NUMBER, staff};
use super::ties::{identifier, link};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    at, call, email_hint, end, end_with, get, start_with, update, variable,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    it_goes_when_its_time_has_come_and_nothing_younger,
    a_late_retry_brings_nothing_back,
    an_amendment_counts_anew,
    an_identifier_goes_with_its_last_reason,
    who_is_left_with_nothing_is_removed,
    a_contact_under_way_keeps_its_customer,
    what_requests_were_answered_goes_too,
    for_ever_is_for_ever,
);

/// Days an interaction is kept by default.
pub(super) const KEPT: i64 = 730;

/// A world whose time passes. On SQLite the store's time is the clock's; PostgreSQL has a clock of
/// its own, so what is there is made older instead.
pub(super) struct Passing {
    pub world: World,
    clock: Clock,
}

impl Passing {
    pub async fn on(engine: Engine, settings: &str) -> Self {
        let clock = match engine {
            Engine::Sqlite => Clock::manual(MONDAY),
            Engine::Postgres => Clock::System,
        };
        let world = Setup::on(engine).clock(&clock).settings(settings).open().await;
        Self { world, clock }
    }

    /// So many days pass.
    pub async fn days(&self, days: i64) {
        self.time(days * DAY).await;
    }

    pub async fn time(&self, passed: i64) {
        if self.world.engine == Engine::Sqlite {
            self.clock.set(self.clock.now().plus(passed));
            return;
        }
        let mut connection = self.world.connect().await;
        for sql in [
            format!("UPDATE journal SET received = received - {passed}"),
            format!("UPDATE block SET expire = expire - {passed} WHERE kind = 1"),
            // What is remembered of them is stale.
            format!(
                "UPDATE customer SET received = received - {passed}, stamp = stamp + 1, \
                 last_contact = GREATEST(0, last_contact - {passed}), \
                 archived = GREATEST(0, archived - {passed})"
            ),
            format!(
                "UPDATE sweep_mark SET position = position - {passed} \
                     WHERE sweep = 'archive_walked'"
            ),
        ] {
            connection.execute(AssertSqlSafe(sql)).await.expect("an update");
        }
    }

    /// How many interactions and requests went.
    pub async fn swept(&self) -> u64 {
        self.world.running.service.sweep().await.expect("a sweep").forgotten
    }

    /// The audit is whole, where rows were not made older by hand.
    pub async fn close(self) {
        if self.world.engine == Engine::Sqlite {
            let (text, whole) = verify(&self.world.running.service, None, &[]).await.expect("it");
            assert!(whole, "{text}");
        }
        self.world.close().await;
    }
}

/// How many sealed values there are of interactions and requests.
pub(super) async fn sealed(world: &World) -> (i64, i64) {
    let mut connection = world.connect().await;
    let mut count = async |sql: &'static str| {
        connection.fetch_one(sql).await.expect("a count").get::<i64, _>(0)
    };
    let journal = count("SELECT COUNT(*) FROM journal WHERE LENGTH(state) > 0").await;
    let rows = count(
        "SELECT (SELECT COUNT(*) FROM interaction) + (SELECT COUNT(*) FROM intent_fact) + \
         (SELECT COUNT(*) FROM block WHERE kind = 1)",
    );
    (journal, rows.await)
}

/// What an end says of everything.
pub(super) fn told(id: &str, intent: &str) -> EndInteractionRequest {
    let attribute = ProfileAttributeInput { value: "Ada".into(), ..Default::default() };
    EndInteractionRequest {
        summary: format!("{id}: what was said"),
        variables: variable("size", "XL"),
        profile: [("name".to_owned(), attribute)].into(),
        ..end_with(id, intent, IntentStatus::Open)
    }
}

async fn called(client: &Client, id: &str, intent: &str) -> String {
    client.start(call(id, NUMBER)).await.expect("a start");
    client.end(told(id, intent)).await.expect("an end").customer_ref
}

pub(super) async fn is_gone(client: &Client, customer_ref: &str) -> bool {
    let whom = GetCustomerRequest { customer_ref: customer_ref.into(), ..Default::default() };
    client.customer(whom).await.is_err()
}

async fn it_goes_when_its_time_has_come_and_nothing_younger(engine: Engine) {
    let passing = Passing::on(engine, "[policy]\ncustomers_archived_after = \"never\"").await;
    let client = staff(&passing.world).await;
    let person = called(&client, "old", "billing").await;
    passing.days(2).await;
    assert_eq!(called(&client, "young", "returns").await, person);
    passing.time((KEPT - 2) * DAY - HOUR).await;
    assert_eq!(passing.swept().await, 0, "not an hour too early");
    assert_eq!(client.history(&person).await, ["young", "old"]);
    passing.time(2 * HOUR).await;
    assert_eq!(passing.swept().await, 1);
    assert_eq!(client.history(&person).await, ["young"]);
    let known = client.person(&person).await;
    let open: Vec<&str> = known.open_intents.iter().map(|it| it.intent.as_str()).collect();
    assert_eq!((open, known.contact_count), (vec!["returns"], 1));
    assert_eq!(known.profile["name"].value, "Ada", "what lasts stays");
    assert_eq!(known.identifiers[0].contact_count, 1);
    assert_refused(client.get(get("old")).await, Code::NotFound, "INTERACTION_NOT_FOUND");
    let own = client.get(get("young")).await.expect("it").interaction.expect("its facts");
    assert_eq!(own.summary, "young: what was said");
    assert_eq!(passing.swept().await, 0, "once");
    passing.days(2).await;
    assert_eq!(passing.swept().await, 1);
    assert_eq!(sealed(&passing.world).await, (0, 0), "nothing of what was said is left");
    passing.close().await;
}

fn warned(ended: &EndInteractionResponse) -> Vec<&str> {
    ended.warnings.iter().map(|it| it.code.as_str()).collect()
}

async fn a_late_retry_brings_nothing_back(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let person = called(&client, "old", "billing").await;
    let hints = Some(email_hint(MAIL));
    let alone = EndInteractionRequest {
        channel: "email".into(),
        identity_hints: hints,
        ..told("mail", "returns")
    };
    client.end(alone.clone()).await.expect("an end without a start");
    passing.days(KEPT + 1).await;
    assert_eq!(passing.swept().await, 2);
    let before = sealed(&passing.world).await;
    // The same, other content, a new version, with and without a start: acknowledged, nothing kept.
    let amended = EndInteractionRequest { revision: Some(7), ..told("old", "returns") };
    for late in [told("old", "billing"), amended, told("old", "returns"), alone] {
        let ended = client.end(late).await.expect("acknowledged");
        assert_eq!(
            (warned(&ended), ended.customer_ref.as_str()),
            (vec!["interaction_removed"], "")
        );
    }
    let again = client.start(call("old", NUMBER)).await.expect("acknowledged");
    assert_eq!((again.customer_ref.as_str(), again.new_customer), ("", false));
    assert_eq!(again.warnings[0].code, "interaction_removed");
    let late = client.update(update("old", "u")).await;
    assert_refused(late, Code::NotFound, "INTERACTION_NOT_FOUND");
    assert_eq!(sealed(&passing.world).await, before);
    assert_eq!(client.history(&person).await, [""; 0]);
    assert!(client.start(call("new", NUMBER)).await.expect("a start").new_customer);
    passing.close().await;
}

async fn an_amendment_counts_anew(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let person = called(&client, "one", "billing").await;
    passing.days(300).await;
    let amended =
        EndInteractionRequest { revision: Some(1), csat: Some(9), ..told("one", "billing") };
    client.end(amended).await.expect("an amended end");
    passing.days(KEPT - 299).await;
    assert_eq!(passing.swept().await, 0, "it was received again");
    assert_eq!(client.history(&person).await, ["one"]);
    passing.days(300).await;
    assert_eq!(passing.swept().await, 1);
    assert_eq!(sealed(&passing.world).await, (0, 0));
    passing.close().await;
}

async fn an_identifier_goes_with_its_last_reason(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let person = called(&client, "old", "billing").await;
    client.link(link("l", &person, identifier("email", "", MAIL))).await.expect("a direct link");
    passing.days(10).await;
    // Known by the address alone: the number has no other reason than the call.
    let mail = start_with("young", "email", email_hint(MAIL));
    assert_eq!(client.start(mail).await.expect("a start").customer_ref, person);
    client.end(told("young", "returns")).await.expect("an end");
    passing.days(KEPT - 5).await;
    assert_eq!(passing.swept().await, 2, "the call, and the request that linked");
    let known = client.person(&person).await.identifiers;
    let left: Vec<&str> = known.iter().map(|it| it.value.as_str()).collect();
    assert_eq!(left, [MAIL]);
    let stranger = client.start(call("number", NUMBER)).await.expect("a start");
    assert!(stranger.new_customer, "the number is nobody's any more");
    let mail = start_with("again", "email", email_hint(MAIL));
    assert_eq!(client.start(mail).await.expect("a start").customer_ref, person);
    passing.close().await;
}

async fn who_is_left_with_nothing_is_removed(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    client.start(call("one", NUMBER)).await.expect("a start");
    let person = client.end(end("one")).await.expect("an end").customer_ref;
    passing.days(KEPT + 1).await;
    assert_eq!(passing.swept().await, 1);
    assert!(client.person(&person).await.identifiers.is_empty());
    passing.days(30).await;
    assert_eq!(passing.world.running.service.sweep().await.expect("a sweep").purged, 0);
    passing.days(2).await;
    assert_eq!(passing.world.running.service.sweep().await.expect("a sweep").purged, 1);
    assert!(is_gone(&client, &person).await);
    passing.close().await;
}

async fn a_contact_under_way_keeps_its_customer(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let person = called(&client, "old", "billing").await;
    passing.time(KEPT * DAY - HOUR).await;
    client.link(link("l", &person, identifier("external", "crm_id", "C-1"))).await.expect("it");
    let mut known = call("under way", NUMBER);
    let crm = [("crm_id".to_owned(), "C-1".to_owned())];
    known.identity_hints.as_mut().expect("hints").external_ids = crm.into();
    passing.world.running.service.sweep().await.expect("a sweep");
    let answer = client.start(known.clone()).await.expect("a start");
    assert_eq!(answer.customer_ref, person);
    let asked = said(&answer) != Said::Reuse;
    passing.time(2 * HOUR).await;
    assert_eq!(passing.swept().await, 1);
    let numbers = async || {
        let known = client.person(&person).await.identifiers;
        known.iter().filter(|it| it.value == NUMBER).count()
    };
    assert_eq!(numbers().await, 0, "its only reason on file went");
    let mut ended = told("under way", "returns");
    if asked {
        ended.identity_feedback = crate::support::requests::end_confirms();
    }
    assert_eq!(client.end(ended).await.expect("an end").customer_ref, person);
    assert_eq!(numbers().await, 1, "this contact is a reason for it");
    assert_eq!(client.history(&person).await, ["under way"]);
    let next = client.start(call("next", NUMBER)).await.expect("a start");
    assert_eq!((said(&next), next.customer_ref), (Said::Reuse, person));
    passing.close().await;
}

async fn what_requests_were_answered_goes_too(engine: Engine) {
    let passing = Passing::on(engine, "").await;
    let client = staff(&passing.world).await;
    let made = client.upsert(upsert("p", vec![mail(MAIL)])).await.expect("an upsert");
    let person = made.customer.expect("them").customer_ref;
    assert_eq!(sealed(&passing.world).await.0, 1);
    passing.days(KEPT - 1).await;
    assert_eq!(passing.swept().await, 0);
    passing.days(2).await;
    assert_eq!((passing.swept().await, passing.swept().await), (1, 0));
    assert_eq!(sealed(&passing.world).await.0, 0);
    let again = client.upsert(upsert("p", vec![mail(MAIL)])).await;
    assert_refused(again, Code::NotFound, "CUSTOMER_NOT_FOUND");
    assert!(!is_gone(&client, &person).await, "what was said directly stays");
    passing.close().await;
}

async fn for_ever_is_for_ever(engine: Engine) {
    let settings =
        "[policy]\ninteractions_kept = \"unlimited\"\ncustomers_archived_after = \"never\"";
    let passing = Passing::on(engine, settings).await;
    let client = staff(&passing.world).await;
    let person = called(&client, "old", "billing").await;
    passing.days(40 * 365).await;
    let swept = passing.world.running.service.sweep().await.expect("a sweep");
    assert_eq!((swept.forgotten, swept.archived), (0, 0));
    assert_eq!(client.history(&person).await, ["old"]);
    passing.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_settled_or_hidden_does_not_come_back() {
    let passing = Passing::on(Engine::Sqlite, "[policy]\ninteractions_kept = \"30d\"").await;
    let client = staff(&passing.world).await;
    let past = passing.world.role("backfill").await;
    let value = |value: &str| {
        let ttl_seconds = Some(90 * 24 * 3_600);
        let value = VariableInput { value: value.into(), ttl_seconds, ..Default::default() };
        [("colour".to_owned(), value)].into()
    };
    client.start(call("settles", NUMBER)).await.expect("a start");
    let settles = EndInteractionRequest {
        variables: value("blue"),
        ..end_with("settles", "billing", IntentStatus::Resolved)
    };
    let person = client.end(settles).await.expect("an end").customer_ref;
    // Received later, it tells of what was before.
    passing.days(10).await;
    let before = at(MONDAY.plus(-DAY));
    let mut late = call("before", NUMBER);
    late.start_time = before;
    assert_eq!(past.start(late).await.expect("a start").customer_ref, person);
    let late = EndInteractionRequest {
        variables: value("red"),
        end_time: at(MONDAY.plus(-DAY + HOUR)),
        ..end_with("before", "billing", IntentStatus::Open)
    };
    past.end(late).await.expect("an end");
    let known = client.person(&person).await;
    assert_eq!((known.open_intents.len(), &*known.variables["colour"].value), (0, "blue"));
    passing.days(21).await;
    assert_eq!(passing.swept().await, 1);
    assert_eq!(client.history(&person).await, ["before"]);
    let known = client.person(&person).await;
    assert_eq!((known.open_intents.len(), known.variables.len()), (0, 0), "as it was");
    passing.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_test_tenant_said_goes_with_its_customers() {
    let passing = Passing::on(Engine::Sqlite, "[policy]\ninteractions_kept = \"unlimited\"").await;
    let test =
        threadline::cli::keys::NewKey { test: true, ..World::new_key(&["telephony", "admin"]) };
    let client = passing.world.client(&test).await;
    called(&client, "one", "billing").await;
    // Typed: it stays unsettled.
    client.start(start_with("mail", "email", email_hint(MAIL))).await.expect("a start");
    client.start(start_with("typed", "web_chat", email_hint(MAIL))).await.expect("a start");
    passing.days(8).await;
    passing.world.running.service.sweep().await.expect("a sweep");
    assert_eq!(sealed(&passing.world).await, (0, 0));
    passing.close().await;
}

//! Consent: what a customer said of a purpose, whose it is, and that nothing is shown without it
//! where the tenant asks for it.

use std::collections::BTreeMap;

use prost_types::FieldMask;
use threadline::clock::{DAY, Time};
use threadline::grpc::proto::{
    Consent, ConsentInput, EndInteractionRequest, GetCustomerResponse, IntentStatus,
    UpdateInteractionRequest, UpsertCustomerRequest,
};
use tonic::Code;

use super::customers::{mail, phone, upsert};
use super::settling::{MAIL, NUMBER, somebody, staff};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    at, call, confirm, email_hint, end, end_rejects, end_with, landline_call, merge, number_hint,
    reassign, start_with, unmerge, update,
};
use crate::support::{Engine, World, each_engine};

use threadline::context::ConsentState::{self, Granted, Refused, Withdrawn};

each_engine!(
    everybody_who_writes_may_tell_it,
    the_newest_counts_and_of_one_moment_the_most_restrictive,
    what_nobody_settled_waits,
    it_moves_with_its_interaction,
    of_one_person_the_most_restrictive_counts,
    the_same_request_tells_it_once,
    what_is_wrong_is_named,
    a_customer_has_so_many_purposes,
);

pub(super) fn state(of: &Consent) -> ConsentState {
    ConsentState::from_code(of.state.into()).expect("a state")
}

/// One purpose.
pub(super) fn consent(purpose: &str, state: ConsentState) -> BTreeMap<String, ConsentInput> {
    let input = ConsentInput { state: state as i32, ..Default::default() };
    BTreeMap::from([(purpose.to_owned(), input)])
}

fn said_at(purpose: &str, state: ConsentState, time: Time) -> BTreeMap<String, ConsentInput> {
    let input = ConsentInput { state: state as i32, time: at(time), ..Default::default() };
    BTreeMap::from([(purpose.to_owned(), input)])
}

/// An update that tells one.
pub(super) fn told(id: &str, update_id: &str, state: ConsentState) -> UpdateInteractionRequest {
    UpdateInteractionRequest { consents: consent("history", state), ..update(id, update_id) }
}

fn states(of: &GetCustomerResponse) -> Vec<(&str, ConsentState)> {
    of.consents.iter().map(|(purpose, one)| (purpose.as_str(), state(one))).collect()
}

pub(super) fn upsert_consents(
    id: &str,
    whom: &str,
    consents: BTreeMap<String, ConsentInput>,
) -> UpsertCustomerRequest {
    let mut request = UpsertCustomerRequest { customer_ref: whom.into(), ..upsert(id, Vec::new()) };
    request.customer.as_mut().expect("one").consents = consents;
    request
}

async fn everybody_who_writes_may_tell_it(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut request = upsert("made", vec![phone(NUMBER), mail(MAIL)]);
    request.customer.as_mut().expect("one").consents = BTreeMap::from([(
        "history".to_owned(),
        ConsentInput {
            state: Granted as i32,
            evidence: "form 7, card 4111111111111111".into(),
            ..Default::default()
        },
    )]);
    let made = client.upsert(request).await.expect("an upsert");
    assert_eq!(made.warnings[0].field, "customer.consents[history]");
    let known = made.customer.expect("them").customer_ref;
    let answer = client.start(call("call", NUMBER)).await.expect("a start");
    assert_eq!((said(&answer), answer.consents.len()), (Said::Reuse, 1));
    let mut asked = update("call", "asked");
    asked.consents = consent("recording", Refused);
    let answer = client.update(asked).await.expect("an update");
    let refused = &answer.consents["recording"];
    assert_eq!((state(refused), refused.channel.as_str()), (Refused, "voice"));
    assert_eq!((refused.source.as_str(), refused.interaction_id.as_str()), ("default", "call"));
    let ended = EndInteractionRequest { consents: consent("offers", Withdrawn), ..end("call") };
    client.end(ended).await.expect("an end");
    let person = client.person(&known).await;
    let expected = [("history", Granted), ("offers", Withdrawn), ("recording", Refused)];
    assert_eq!(states(&person), expected);
    // Evidence is for administrators, without the card; the channel is empty where there was none.
    let history = &person.consents["history"];
    assert_eq!(history.evidence, "form 7, card 411111******1111");
    assert_eq!((history.channel.as_str(), history.interaction_id.as_str()), ("", "made"));
    assert!(history.time.is_some());
    let telephony = world.role("telephony").await;
    let answer = telephony.start(call("next", NUMBER)).await.expect("a start");
    assert_eq!((said(&answer), answer.consents.len()), (Said::Reuse, 3));
    assert!(answer.consents.values().all(|one| one.evidence.is_empty()));
    // A mask sets what it names; nothing that was said is ever cleared.
    let both = BTreeMap::from([
        ("history".to_owned(), ConsentInput { state: Withdrawn as i32, ..Default::default() }),
        ("offers".to_owned(), ConsentInput { state: Granted as i32, ..Default::default() }),
    ]);
    let paths = vec!["consents.offers".to_owned(), "consents.recording".to_owned()];
    let masked = UpsertCustomerRequest {
        update_mask: Some(FieldMask { paths }),
        ..upsert_consents("masked", &known, both)
    };
    let person = client.upsert(masked).await.expect("an upsert").customer.expect("them");
    let expected = [("history", Granted), ("offers", Granted), ("recording", Refused)];
    assert_eq!(states(&person), expected);
    world.close().await;
}

async fn the_newest_counts_and_of_one_moment_the_most_restrictive(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "email", email_hint(MAIL)).await;
    let now = world.now();
    let say = async |id: &str, said, time| {
        let request = upsert_consents(id, &known, said_at("history", said, time));
        let person = client.upsert(request).await.expect("an upsert").customer.expect("them");
        state(&person.consents["history"])
    };
    assert_eq!(say("one", Withdrawn, now.plus(-2 * DAY)).await, Withdrawn);
    assert_eq!(say("two", Granted, now.plus(-3 * DAY)).await, Withdrawn, "older");
    assert_eq!(say("three", Granted, now.plus(-DAY)).await, Granted);
    assert_eq!(say("four", Refused, now.plus(-DAY)).await, Refused, "of one moment");
    assert_eq!(say("five", Granted, now.plus(-DAY)).await, Refused, "of one moment");
    // A clock that is ahead does not hide what is said after it.
    assert_eq!(say("ahead", Granted, now.plus(4 * 60_000)).await, Granted);
    let withdrawn = upsert_consents("after", &known, consent("history", Withdrawn));
    client.upsert(withdrawn).await.expect("an upsert");
    assert_eq!(states(&client.person(&known).await), [("history", Withdrawn)]);
    world.close().await;
}

async fn what_nobody_settled_waits(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let asked = client.start(landline_call("asked", NUMBER)).await.expect("a start");
    assert_eq!((said(&asked), &asked.customer_ref), (Said::Confirm, &known));
    let answer = client.update(told("asked", "u", Granted)).await.expect("an update");
    assert!(answer.consents.is_empty(), "nobody's yet");
    assert!(client.person(&known).await.consents.is_empty());
    client.update(told("asked", "v", Refused)).await.expect("an update");
    let sure = client.update(confirm("asked", "yes")).await.expect("a confirmation");
    assert_eq!(state(&sure.consents["history"]), Refused, "the newest that waited");
    assert_eq!(states(&client.person(&known).await), [("history", Refused)]);
    // What an end said waits as well; it becomes that of whoever it was.
    client.start(landline_call("other", NUMBER)).await.expect("a start");
    let ended = EndInteractionRequest { consents: consent("offers", Granted), ..end("other") };
    client.end(ended).await.expect("an end");
    let amended = EndInteractionRequest {
        revision: Some(1),
        identity_feedback: end_rejects(None),
        ..end("other")
    };
    let stranger = client.end(amended).await.expect("an amendment").customer_ref;
    assert_eq!(states(&client.person(&stranger).await), [("offers", Granted)]);
    assert_eq!(states(&client.person(&known).await), [("history", Refused)]);
    world.close().await;
}

async fn it_moves_with_its_interaction(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let first = client.start(call("first", NUMBER)).await.expect("a start").customer_ref;
    client.end(end_with("first", "billing", IntentStatus::Open)).await.expect("an end");
    let second = somebody(&client, "second", "email", email_hint(MAIL)).await;
    client.start(call("wrong", NUMBER)).await.expect("a start");
    client.update(told("wrong", "a", Granted)).await.expect("an update");
    let mut after = told("wrong", "b", Withdrawn);
    after.consents.extend(consent("offers", Granted));
    client.update(after).await.expect("an update");
    client.end(end("wrong")).await.expect("an end");
    assert_eq!(states(&client.person(&first).await).len(), 2);
    client.reassign(reassign("wrong", "r", Some(&second))).await.expect("a reassignment");
    assert!(client.person(&first).await.consents.is_empty(), "the old one keeps nothing");
    let expected = [("history", Withdrawn), ("offers", Granted)];
    assert_eq!(states(&client.person(&second).await), expected);
    world.close().await;
}

async fn of_one_person_the_most_restrictive_counts(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let caller = somebody(&client, "caller", "voice", number_hint(NUMBER)).await;
    let writer = somebody(&client, "writer", "email", email_hint(MAIL)).await;
    let old = world.now().plus(-DAY);
    let no = upsert_consents("no", &caller, said_at("history", Withdrawn, old));
    client.upsert(no).await.expect("an upsert");
    let yes = upsert_consents("yes", &writer, consent("history", Granted));
    client.upsert(yes).await.expect("an upsert");
    let joined = client.merge(merge("m", &caller, &writer)).await.expect("a merge");
    let person = client.person(&writer).await;
    assert_eq!(states(&person), [("history", Withdrawn)], "however new the other is");
    client.unmerge(unmerge("u", &joined.merge_id)).await.expect("an unmerge");
    assert_eq!(states(&client.person(&writer).await), [("history", Granted)]);
    assert_eq!(states(&client.person(&caller).await), [("history", Withdrawn)]);
    world.close().await;
}

async fn the_same_request_tells_it_once(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    client.start(call("call", NUMBER)).await.expect("a start");
    client.update(told("call", "u", Granted)).await.expect("an update");
    client.update(told("call", "u", Granted)).await.expect("the same");
    let other = client.update(told("call", "u", Refused)).await;
    assert_refused(other, Code::AlreadyExists, "UPDATE_CONFLICT");
    let ended = |state| EndInteractionRequest { consents: consent("offers", state), ..end("call") };
    client.end(ended(Granted)).await.expect("an end");
    client.end(ended(Granted)).await.expect("the same");
    assert_refused(client.end(ended(Refused)).await, Code::AlreadyExists, "END_CONFLICT");
    let expected = [("history", Granted), ("offers", Granted)];
    assert_eq!(states(&client.person(&known).await), expected);
    world.close().await;
}

async fn what_is_wrong_is_named(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.start(call("call", NUMBER)).await.expect("a start");
    let one = |input: ConsentInput| BTreeMap::from([("history".to_owned(), input)]);
    let granted = || ConsentInput { state: Granted as i32, ..Default::default() };
    let many = (0..17).map(|n| (format!("p{n}"), granted())).collect();
    let cases: [(BTreeMap<String, ConsentInput>, &str); 6] = [
        (consent("Not A Word", Granted), "consents"),
        (many, "consents"),
        (one(ConsentInput::default()), "consents[history].state"),
        (one(ConsentInput { state: 9, ..granted() }), "consents[history].state"),
        (
            one(ConsentInput { evidence: "x".repeat(1_001), ..granted() }),
            "consents[history].evidence",
        ),
        (
            one(ConsentInput { time: at(world.now().plus(DAY)), ..granted() }),
            "consents[history].time",
        ),
    ];
    for (consents, field) in cases {
        let wrong = UpdateInteractionRequest { consents: consents.clone(), ..update("call", "u") };
        let refusal =
            assert_refused(client.update(wrong).await, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(refusal.names(), [field]);
        let wrong = EndInteractionRequest { consents: consents.clone(), ..end("call") };
        let refusal =
            assert_refused(client.end(wrong).await, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(refusal.names(), [field]);
        let wrong = upsert_consents("u", "", consents);
        let refusal =
            assert_refused(client.upsert(wrong).await, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(refusal.names(), [format!("customer.{field}")]);
    }
    world.close().await;
}

async fn a_customer_has_so_many_purposes(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "email", email_hint(MAIL)).await;
    let some = |from: usize, to: usize| {
        let one =
            |n| (format!("p{n}"), ConsentInput { state: Granted as i32, ..Default::default() });
        (from..to).map(one).collect::<BTreeMap<String, ConsentInput>>()
    };
    for round in 0..4 {
        let sixteen = some(16 * round, 16 * round + 16);
        let request = upsert_consents(&format!("{round}"), &known, sixteen);
        client.upsert(request).await.expect("an upsert");
    }
    let more = client.upsert(upsert_consents("more", &known, some(64, 65))).await;
    let refusal = assert_refused(more, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(refusal.names(), ["customer.consents"]);
    client.start(start_with("mail", "email", email_hint(MAIL))).await.expect("a start");
    let more = UpdateInteractionRequest { consents: some(64, 65), ..update("mail", "u") };
    let refusal = assert_refused(client.update(more).await, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(refusal.names(), ["consents"]);
    // What they have may change.
    let request = upsert_consents("again", &known, consent("p7", Withdrawn));
    let person = client.upsert(request).await.expect("an upsert").customer.expect("them");
    assert_eq!((person.consents.len(), state(&person.consents["p7"])), (64, Withdrawn));
    world.close().await;
}

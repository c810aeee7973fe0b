//! Identifiers that cannot be poisoned: what names nobody joins nobody, one line is one key, a
//! customer has only so many of a kind, and what several people use is said to be shared.

use std::collections::BTreeSet;

use threadline::clock::DAY;
use threadline::grpc::proto::{
    CustomerIdentifier, EndInteractionRequest, GetCustomerResponse, IdentityHints, LineType,
    Sharing, StartInteractionRequest, StartInteractionResponse,
};

use super::settling::{somebody, staff};
use crate::support::client::{Said, said};
use crate::support::requests::{
    at, call, confirm, end, external_hint, landline_call, line, reject, start_with, update,
};
use crate::support::{Client, Engine, Setup, World, each_engine};

each_engine!(
    a_campaigns_id_joins_nobody,
    placeholders_join_nobody,
    one_line_is_one_customer_on_whatsapp_and_on_the_phone,
    what_was_looked_up_is_no_second_witness,
    a_customer_has_only_so_many_numbers,
    what_gave_way_comes_back_with_a_rejection,
    what_several_people_use_is_shared,
);

/// Callers who came by the same campaign.
const CALLERS: usize = 1_000;

async fn a_campaigns_id_joins_nobody(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let spelled = ["campaign_id", "CampaignID", "campaign", "utm_campaign"];
    let mut calls = tokio::task::JoinSet::new();
    for lane in 0..10 {
        let client = client.clone();
        calls.spawn(async move {
            let mut refs = Vec::new();
            for index in (lane..CALLERS).step_by(10) {
                let hints = external_hint(spelled[index % spelled.len()], "SPRING-24");
                let id = format!("call {index}");
                let answer = client.start(start_with(&id, "voice", hints)).await.expect("a start");
                assert!(answer.new_customer, "{id}");
                assert_eq!(answer.warnings[0].code, "ignored_namespace");
                client.end(end(&id)).await.expect("an end");
                refs.push(answer.customer_ref);
            }
            refs
        });
    }
    let refs: BTreeSet<String> = calls.join_all().await.into_iter().flatten().collect();
    assert_eq!(refs.len(), CALLERS);
    let one = client.person(refs.first().expect("a caller")).await;
    assert!(one.identifiers.is_empty(), "nothing points to them");
    // Beside an id of one's own it changes nothing: everybody is known by that alone.
    for turn in ["first", "second"] {
        for caller in 0..5 {
            let mut hints = external_hint("crm_id", &format!("C-{caller}"));
            hints.external_ids.insert("campaign_id".into(), "SPRING-24".into());
            let id = format!("{turn} {caller}");
            let answer = client.start(start_with(&id, "voice", hints)).await.expect("a start");
            let known = Said::Ignore != said(&answer);
            assert_eq!(known, turn == "second", "{id}");
            assert!(answer.identity.expect("an identity").candidates.len() <= 1, "{id}");
            client.end(end(&id)).await.expect("an end");
        }
    }
    world.close().await;
}

async fn placeholders_join_nobody(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let email = |it: &str| IdentityHints { email: it.into(), ..Default::default() };
    let shown = [
        external_hint("crm_id", "{{contact.id}}"),
        external_hint("crm_id", "00000000-0000-0000-0000-000000000000"),
        external_hint("account_no", "999999"),
        external_hint("user_id", "not set"),
        email("noreply@example.com"),
        email("none@none.com"),
        IdentityHints { telegram_user_id: "777000".into(), ..Default::default() },
    ];
    for (index, hints) in shown.iter().enumerate() {
        for turn in ["one", "two"] {
            let id = format!("{index} {turn}");
            let answer = client.start(start_with(&id, "email", hints.clone())).await;
            let answer = answer.expect("a start");
            assert!(answer.new_customer, "{id}");
            assert_eq!(answer.warnings[0].code, "junk_value", "{id}");
            client.end(end(&id)).await.expect("an end");
        }
    }
    world.close().await;
}

async fn one_line_is_one_customer_on_whatsapp_and_on_the_phone(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    for (name, whatsapp, caller) in [
        ("Brazil", "553187654321", "+5531987654321"),
        ("Mexico", "5215512345678", "+525512345678"),
        ("Argentina", "5491123456789", "+54 9 11 2345-6789"),
    ] {
        let hints = IdentityHints { whatsapp_id: whatsapp.into(), ..Default::default() };
        let known = somebody(&client, name, "whatsapp", hints).await;
        let id = format!("{name} calls");
        let answer = client.start(call(&id, caller)).await.expect("a start");
        assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &known), "{name}");
        let person = client.person(&known).await;
        assert_eq!(person.identifiers.len(), 1, "{name}: one key");
    }
    world.close().await;
}

async fn what_was_looked_up_is_no_second_witness(engine: Engine) {
    let settings = "[tenants.acme.namespaces.crm_id]\npolicy = \"derived\"";
    let world = Setup::on(engine).settings(settings).open().await;
    let client = staff(&world).await;
    let request = |id: &str| {
        let hints = IdentityHints {
            caller_number: "+12015550123".into(),
            ..external_hint("crm_id", "C-1")
        };
        StartInteractionRequest { telco: line(LineType::Mobile), ..start_with(id, "voice", hints) }
    };
    client.start(request("first")).await.expect("a start");
    client.end(end("first")).await.expect("an end");
    let answer = client.start(request("second")).await.expect("a start");
    let evidence = answer.identity.expect("an identity").evidence;
    assert!(evidence.iter().any(|one| one.signal == "match:crm_looked_up"), "it still identifies");
    assert!(evidence.iter().all(|one| one.signal != "two_kinds"), "and is no second kind");
    world.close().await;
}

/// A call with the customer's id, at a time, from a number, confirmed at its end; its warnings.
async fn calls_from(client: &Client, id: &str, days_ago: i64, number: &str) -> Vec<String> {
    let now = threadline::clock::Clock::System.now();
    let began = now.plus(-days_ago * DAY);
    let hints = IdentityHints { caller_number: number.into(), ..external_hint("user_id", "U-17") };
    let start = StartInteractionRequest {
        telco: line(LineType::Mobile),
        start_time: at(began),
        ..start_with(id, "voice", hints)
    };
    let answer = client.start(start).await.expect("a start");
    let sure = client.update(confirm(id, "sure")).await.expect("a confirmation");
    let ended = EndInteractionRequest { end_time: at(began.plus(60_000)), ..end(id) };
    client.end(ended).await.expect("an end");
    let codes = |answer: StartInteractionResponse| answer.warnings.into_iter().map(|it| it.code);
    codes(answer).chain(codes(sure)).collect()
}

fn numbers(person: &GetCustomerResponse) -> Vec<&str> {
    let phones = person.identifiers.iter().filter(|one| one.kind == "phone");
    phones.map(|one| one.value.as_str()).collect()
}

const LIMITED: &str = "[tenants.acme.limits]\nphone = 2";

async fn a_customer_has_only_so_many_numbers(engine: Engine) {
    let world = Setup::on(engine).settings(LIMITED).open().await;
    let client = world.client(&World::new_key(&["backfill", "admin"])).await;
    let nothing: [&str; 0] = [];
    assert_eq!(calls_from(&client, "1", 400, "+12015550101").await, nothing);
    assert_eq!(calls_from(&client, "2", 300, "+12015550102").await, nothing);
    // Both are in use: a third one is not linked, and the answer says so; the contact is theirs.
    let said = calls_from(&client, "3", 290, "+12015550103").await;
    assert!(!said.is_empty() && said.iter().all(|code| code == "limit_reached"), "{said:?}");
    let known = client.start(start_with("who", "voice", external_hint("user_id", "U-17"))).await;
    let known = known.expect("a start").customer_ref;
    let person = client.person(&known).await;
    assert_eq!(numbers(&person), ["+12015550101", "+12015550102"]);
    assert_eq!(person.contact_count, 3, "no contact is lost");
    // Half a year later the first one has been given up, and makes room.
    assert_eq!(calls_from(&client, "4", 100, "+12015550104").await, nothing);
    assert_eq!(numbers(&client.person(&known).await), ["+12015550102", "+12015550104"]);
    // It identifies, and the one that gave way names nobody.
    let again = client.start(call("again", "+12015550104")).await.expect("a start");
    assert_eq!(again.customer_ref, known);
    assert!(client.start(call("gone", "+12015550101")).await.expect("a start").new_customer);
    world.close().await;
}

async fn what_gave_way_comes_back_with_a_rejection(engine: Engine) {
    let world = Setup::on(engine).settings(LIMITED).open().await;
    let client = world.client(&World::new_key(&["backfill", "admin"])).await;
    calls_from(&client, "1", 400, "+12015550101").await;
    calls_from(&client, "2", 390, "+12015550102").await;
    let known = client.start(start_with("who", "voice", external_hint("user_id", "U-17"))).await;
    let known = known.expect("a start").customer_ref;
    let before = client.person(&known).await;
    calls_from(&client, "3", 100, "+12015550103").await;
    assert_eq!(numbers(&client.person(&known).await), ["+12015550102", "+12015550103"]);
    client.update(reject("3", "wrong", None)).await.expect("a rejection");
    let after = client.person(&known).await;
    let phones = |person: GetCustomerResponse| -> Vec<CustomerIdentifier> {
        person.identifiers.into_iter().filter(|one| one.kind == "phone").collect()
    };
    assert_eq!(numbers(&after), ["+12015550101", "+12015550102"]);
    assert!(phones(after) == phones(before), "with its uses, as if they had never called");
    world.close().await;
}

async fn what_several_people_use_is_shared(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let landline = "+442079460000";
    let mut people = Vec::new();
    for index in 0..8 {
        let id = format!("call {index}");
        client.start(landline_call(&id, landline)).await.expect("a start");
        // The agent learns that it is somebody else in the house.
        let mut news = update(&id, "own");
        news.identity_hints = Some(external_hint("crm_id", &format!("C-{index}")));
        client.update(news).await.expect("an update");
        if index > 0 {
            client.update(reject(&id, "new", None)).await.expect("a rejection");
        }
        people.push(client.end(end(&id)).await.expect("an end").customer_ref);
        let person = client.person(&people[0]).await;
        let phone = person.identifiers.iter().find(|one| one.kind == "phone").expect("a phone");
        let sharing = match index {
            0 => Sharing::None,
            1..=6 => Sharing::Household,
            _ => Sharing::Switchboard,
        };
        assert_eq!(phone.owner_count, index + 1);
        assert_eq!(phone.shared, index > 0);
        assert!(phone.sharing() == sharing, "after {} people", index + 1);
        let own = person.identifiers.iter().find(|one| one.namespace == "crm_id").expect("an id");
        assert_eq!((own.shared, own.owner_count), (false, 1));
    }
    world.close().await;
}

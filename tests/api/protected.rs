//! A customer's own rule on what is shown of them, wherever they are looked at: it caps what is
//! shown, never the settling, and follows the person.

use threadline::grpc::proto::{
    Disclosure, EndInteractionRequest, GetCustomerRequest, Identity, ListInteractionsRequest,
    UpsertCustomerRequest,
};
use tonic::Code;

use super::auditing::{all, list};
use super::customers::{mail, phone, upsert};
use super::settling::{MAIL, NUMBER, assert_silent, somebody, staff};
use super::ties::link;
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    call, confirm, email_hint, end, get, landline_call, merge, number_hint, reassign, start_with,
    unmerge, update,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    the_rule_holds_wherever_they_are_looked_at,
    nobody_hears_of_a_protected_candidate,
    who_types_the_address_of_a_protected_person_meets_nobody,
    the_rule_follows_the_person,
);

async fn rule(client: &Client, id: &str, whom: &str, rule: Disclosure) {
    let mut request = UpsertCustomerRequest { customer_ref: whom.into(), ..upsert(id, Vec::new()) };
    request.customer.as_mut().expect("one").disclosure = rule.into();
    client.upsert(request).await.expect("an upsert");
}

fn whom(id: &str) -> GetCustomerRequest {
    GetCustomerRequest { interaction_id: id.into(), ..Default::default() }
}

fn history(id: &str) -> ListInteractionsRequest {
    ListInteractionsRequest { interaction_id: id.into(), ..Default::default() }
}

async fn the_rule_holds_wherever_they_are_looked_at(engine: Engine) {
    let world = World::on(engine).await;
    let (client, agent) = (staff(&world).await, world.role("agent").await);
    let known = somebody(&client, "known", "voice", number_hint(NUMBER)).await;
    let met = client.start(call("call", NUMBER)).await.expect("a start");
    assert_eq!((said(&met), met.open_intents.len()), (Said::Reuse, 1));
    let ended = EndInteractionRequest { summary: "a matter".into(), ..end("call") };
    client.end(ended).await.expect("an end");
    for (n, own) in [Disclosure::AlwaysConfirm, Disclosure::Never].into_iter().enumerate() {
        rule(&client, &format!("rule {n}"), &known, own).await;
        let capped = if own == Disclosure::Never { Said::Ignore } else { Said::Confirm };
        let answer = client.start(call(&format!("start {n}"), NUMBER)).await.expect("a start");
        assert_eq!(said(&answer), capped);
        assert_silent(&answer);
        // What had begun before as well.
        let answer =
            client.update(update("call", &format!("update {n}"))).await.expect("an update");
        assert_eq!(said(&answer), capped);
        assert_silent(&answer);
        let got = client.get(get("call")).await.expect("the interaction");
        assert!(got.open_intents.is_empty() && got.recent_interactions.is_empty());
        assert_eq!(got.interaction.expect("it").summary, "", "nor its own matter");
        let refused = agent.list(history("call")).await;
        assert_refused(refused, Code::FailedPrecondition, "INTERACTION_NOT_SETTLED");
        let refused = agent.customer(whom("call")).await;
        assert_refused(refused, Code::FailedPrecondition, "INTERACTION_NOT_SETTLED");
        // An administrator sees them; and it is settled as ever.
        assert_eq!(client.person(&known).await.disclosure, own as i32);
        let ended = client.end(end(&format!("start {n}"))).await.expect("an end");
        assert_eq!(ended.customer_ref, known);
    }
    // Confirmed in the interaction itself, ALWAYS_CONFIRM shows; NEVER does not.
    let sure = client.update(confirm("call", "never")).await.expect("a confirmation");
    assert_silent(&sure);
    rule(&client, "confirm", &known, Disclosure::AlwaysConfirm).await;
    let got = client.get(get("call")).await.expect("the interaction");
    assert_eq!(got.interaction.expect("it").summary, "a matter");
    assert_eq!(agent.list(history("call")).await.expect("a page").interactions.len(), 4);
    assert_eq!(agent.customer(whom("call")).await.expect("them").open_intents.len(), 1);
    world.close().await;
}

async fn nobody_hears_of_a_protected_candidate(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    // Two who share a landline; whoever calls is asked which of them they are.
    for (id, address) in [("one", MAIL), ("other", "eve@example.com")] {
        let made = client.upsert(upsert(id, vec![mail(address)])).await.expect("an upsert");
        let known = made.customer.expect("them").customer_ref;
        client.link(link(&format!("link {id}"), &known, phone(NUMBER))).await.expect("a link");
    }
    let answer = client.start(landline_call("asked", NUMBER)).await.expect("a start");
    assert_eq!(said(&answer), Said::Confirm);
    let named = |identity: &Identity| {
        identity.candidates.iter().map(|it| it.customer_ref.clone()).collect::<Vec<_>>()
    };
    let identity = answer.identity.expect("an identity");
    let best = answer.customer_ref;
    let rest: Vec<String> = named(&identity).into_iter().filter(|it| *it != best).collect();
    assert_eq!(rest.len(), 1, "the other one");
    rule(&client, "rule", &rest[0], Disclosure::Never).await;
    let got = client.get(get("asked")).await.expect("the interaction");
    assert_eq!(named(&got.identity.expect("an identity")), std::slice::from_ref(&best));
    let decision = got.decision.map(|it| it.candidates.len());
    assert!(decision.is_none_or(|candidates| candidates == 1));
    let again = client.update(update("asked", "u")).await.expect("an update");
    assert_eq!(named(&again.identity.expect("an identity")), [best]);
    world.close().await;
}

async fn who_types_the_address_of_a_protected_person_meets_nobody(engine: Engine) {
    let world = World::on(engine).await;
    let (client, bot) = (staff(&world).await, world.role("bot").await);
    let known = somebody(&client, "known", "email", email_hint(MAIL)).await;
    rule(&client, "rule", &known, Disclosure::Never).await;
    let typed = |id: &str| start_with(id, "web_chat", email_hint(MAIL));
    let met = bot.start(typed("typed")).await.expect("a start");
    assert_eq!((said(&met), &*met.customer_ref), (Said::Ignore, ""));
    // Nor later, whoever asks, and when it ends.
    for who in [&bot, &client] {
        let got = who.get(get("typed")).await.expect("the interaction");
        let facts = got.interaction.expect("its facts");
        assert_eq!((&*got.customer_ref, &*facts.customer_ref), ("", ""));
        assert!(got.identity.expect("an identity").candidates.is_empty());
    }
    let updated = bot.update(update("typed", "u")).await.expect("an update");
    let again = bot.start(typed("typed")).await.expect("the same start");
    let ended = bot.end(end("typed")).await.expect("an end");
    let again_ended = bot.end(end("typed")).await.expect("the same end");
    let refs = [updated.customer_ref, again.customer_ref];
    assert_eq!(refs.concat() + &ended.customer_ref + &again_ended.customer_ref, "");
    // The audit knows whom it was about.
    client.start(start_with("later", "email", email_hint("eve@example.com"))).await.expect("one");
    let looked = list(&world, &all()).await;
    let looked = looked.iter().filter(|entry| entry.action == "get_interaction");
    assert_eq!(looked.map(|entry| entry.customer()).collect::<Vec<_>>(), [&*known, &*known]);
    // Once it is settled, it is theirs.
    rule(&client, "asked", &known, Disclosure::AlwaysConfirm).await;
    let asked = bot.start(typed("asked")).await.expect("a start");
    assert_eq!((said(&asked), &asked.customer_ref), (Said::Confirm, &known));
    client.update(confirm("asked", "yes")).await.expect("a confirmation");
    rule(&client, "again", &known, Disclosure::Never).await;
    assert_eq!(bot.get(get("asked")).await.expect("it").customer_ref, known);
    world.close().await;
}

async fn the_rule_follows_the_person(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let caller = somebody(&client, "caller", "voice", number_hint(NUMBER)).await;
    let writer = somebody(&client, "writer", "email", email_hint(MAIL)).await;
    rule(&client, "rule", &writer, Disclosure::Never).await;
    let joined = client.merge(merge("m", &caller, &writer)).await.expect("a merge").merge_id;
    let hidden = client.start(call("merged", NUMBER)).await.expect("a start");
    assert_eq!(said(&hidden), Said::Ignore);
    // The rule of one of them is no rule of the other, whatever is said of the whole.
    rule(&client, "lifted", &caller, Disclosure::Normal).await;
    assert_eq!(client.person(&caller).await.disclosure, Disclosure::Never as i32);
    client.unmerge(unmerge("u", &joined)).await.expect("an unmerge");
    assert_eq!(client.person(&caller).await.disclosure, Disclosure::Normal as i32);
    let open = client.start(call("parted", NUMBER)).await.expect("a start");
    assert_eq!((said(&open), open.customer_ref.as_str()), (Said::Reuse, caller.as_str()));
    // All that a protected person had moves to somebody else; their ref stays theirs.
    client.reassign(reassign("writer", "r", Some(&caller))).await.expect("a reassignment");
    let left = client.person(&writer).await;
    assert_eq!((&left.customer_ref, left.disclosure), (&writer, Disclosure::Never as i32));
    assert_eq!(client.person(&caller).await.disclosure, Disclosure::Normal as i32);
    world.close().await;
}

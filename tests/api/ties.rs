//! LinkIdentifier and UnlinkIdentifier: ties beside any contact, and that what was unlinked stays so.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use threadline::grpc::proto::{
    Assurance, EndInteractionRequest, GetCustomerResponse, Identifier, IdentityHints, IntentStatus,
    LinkIdentifierRequest, UnlinkIdentifierRequest,
};
use tonic::Code;

use super::settling::{MAIL, NUMBER, somebody, staff};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{
    call, confirm, email_hint, end, end_with, external_hint, reject, start_with, update,
};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    a_linked_identifier_is_known_and_an_unlinked_one_is_not,
    the_same_request_has_one_effect,
    what_identifies_nobody_is_refused,
    an_asserted_link_is_no_owner,
    what_was_unlinked_stays_so,
    a_direct_link_outlives_its_contacts,
    a_direct_link_gives_way_to_nothing,
    links_at_once_are_all_made,
    only_an_admin_ties,
    whatever_was_said_ties_are_what_the_fold_says,
);

/// An identifier of a kind.
pub(super) fn identifier(kind: &str, namespace: &str, value: &str) -> Identifier {
    Identifier {
        kind: kind.into(),
        namespace: namespace.into(),
        value: value.into(),
        ..Default::default()
    }
}

pub(super) fn link(id: &str, customer_ref: &str, it: Identifier) -> LinkIdentifierRequest {
    LinkIdentifierRequest {
        request_id: id.into(),
        customer_ref: customer_ref.into(),
        identifier: Some(it),
        ..Default::default()
    }
}

pub(super) fn unlink(id: &str, customer_ref: &str, it: Identifier) -> UnlinkIdentifierRequest {
    UnlinkIdentifierRequest {
        request_id: id.into(),
        customer_ref: customer_ref.into(),
        identifier: Some(it),
        ..Default::default()
    }
}

fn crm(value: &str) -> Identifier {
    identifier("external", "crm_id", value)
}

fn values(person: &GetCustomerResponse) -> Vec<&str> {
    person.identifiers.iter().map(|one| one.value.as_str()).collect()
}

async fn a_linked_identifier_is_known_and_an_unlinked_one_is_not(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "first", "email", email_hint(MAIL)).await;
    let linked = client.link(link("l", &known, crm("C-9"))).await.expect("a link");
    assert_eq!((&linked.customer_ref, linked.owner_count), (&known, 1));
    assert!(linked.is_owner && !linked.already_linked);
    assert_eq!(linked.identifier.expect("it").assurance, Assurance::Carried as i32);
    let next = start_with("next", "voice", external_hint("crm_id", "C-9"));
    let answer = client.start(next).await.expect("a start");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &known));
    client.end(end("next")).await.expect("an end");
    let gone = client.unlink(unlink("u", &known, crm("C-9"))).await.expect("an unlink");
    assert_eq!((gone.was_linked, gone.owner_count), (true, 0));
    let answer = client.start(start_with("then", "voice", external_hint("crm_id", "C-9"))).await;
    let answer = answer.expect("a start");
    assert!(answer.new_customer && answer.customer_ref != known, "nobody has it any more");
    assert_eq!(values(&client.person(&known).await), [MAIL]);
    world.close().await;
}

async fn the_same_request_has_one_effect(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "first", "email", email_hint(MAIL)).await;
    let request = link("l", &known, crm("C-9"));
    let first = client.link(request.clone()).await.expect("a link");
    let again = client.link(request.clone()).await.expect("the same");
    assert!(first == again, "the first answer");
    assert!(client.link(link("l2", &known, crm("C-9"))).await.expect("more").already_linked);
    let other = client.link(link("l", &known, crm("C-8"))).await;
    assert_refused(other, Code::AlreadyExists, "REQUEST_CONFLICT");
    let gone = client.unlink(unlink("l", &known, crm("C-9"))).await.expect("an id of its own");
    assert!(client.unlink(unlink("l", &known, crm("C-9"))).await.expect("the same") == gone);
    assert!(client.link(request).await.expect("the same") == first, "it links nothing again");
    assert_eq!(values(&client.person(&known).await), [MAIL]);
    let nothing = client.unlink(unlink("l3", &known, crm("C-9"))).await.expect("nothing to do");
    assert!(!nothing.was_linked);
    world.close().await;
}

async fn what_identifies_nobody_is_refused(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "first", "email", email_hint(MAIL)).await;
    for it in [
        identifier("phone", "", "anonymous"),
        identifier("phone", "", "112"),
        identifier("external", "campaign_id", "spring"),
        identifier("external", "crm_id", "null"),
        identifier("email", "", "no address"),
        identifier("telegram", "", "@name"),
        identifier("", "", "x"),
        identifier("phone", "", ""),
    ] {
        let refused = client.link(link("l", &known, it)).await.err().expect("a refusal");
        assert_eq!(
            (refused.code, refused.reason.as_str()),
            (Code::InvalidArgument, "INVALID_FIELD")
        );
        assert!(refused.fields.iter().all(|(field, _)| field.starts_with("identifier")));
    }
    let nobody = client.link(link("l", "cus_00000000000000000000000000", crm("C-9"))).await;
    assert_refused(nobody, Code::NotFound, "CUSTOMER_NOT_FOUND");
    let missing = LinkIdentifierRequest { identifier: None, ..link("", "", crm("")) };
    let refused = client.link(missing).await.err().expect("a refusal");
    let fields: Vec<&str> = refused.fields.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["request_id", "customer_ref", "identifier"]);
    world.close().await;
}

async fn an_asserted_link_is_no_owner(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let owner = somebody(&client, "first", "email", email_hint(MAIL)).await;
    let other = somebody(&client, "second", "email", email_hint("second@example.com")).await;
    let asserted =
        Identifier { assurance: Assurance::Asserted as i32, ..identifier("email", "", MAIL) };
    let linked = client.link(link("l", &other, asserted)).await.expect("a link");
    assert_eq!((linked.is_owner, linked.owner_count), (false, 1));
    let answer = client.start(start_with("next", "email", email_hint(MAIL))).await.expect("it");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &owner));
    let stronger = client.link(link("l2", &other, identifier("email", "", MAIL))).await;
    let stronger = stronger.expect("a link");
    assert_eq!((stronger.is_owner, stronger.owner_count, stronger.already_linked), (true, 2, true));
    world.close().await;
}

/// Two settled calls of one customer, of which the second showed a CRM id as well.
async fn two_calls(client: &Client) -> String {
    let known = client.start(call("one", NUMBER)).await.expect("a start").customer_ref;
    client.end(end_with("one", "billing", IntentStatus::Open)).await.expect("an end");
    let mut second = call("two", NUMBER);
    second.identity_hints = Some(IdentityHints {
        caller_number: NUMBER.into(),
        external_ids: external_hint("crm_id", "C-2").external_ids,
        ..Default::default()
    });
    let answer = client.start(second).await.expect("a start");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &known));
    client.end(end("two")).await.expect("an end");
    known
}

async fn what_was_unlinked_stays_so(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = two_calls(&client).await;
    let phone = || identifier("phone", "", NUMBER);
    assert!(client.unlink(unlink("u", &known, phone())).await.expect("an unlink").was_linked);
    // Contacts of before are amended and say more: that is no new reason.
    let amended = EndInteractionRequest { revision: Some(2), ..end("one") };
    client.end(amended).await.expect("an amendment");
    let mut more = update("one", "more");
    more.identity_hints = Some(email_hint(MAIL));
    client.update(more).await.expect("an update");
    assert_eq!(values(&client.person(&known).await), [MAIL, "C-2"]);
    // Links are folded anew when a contact goes, and comes back.
    let other = somebody(&client, "other", "email", email_hint("other@example.com")).await;
    client.update(reject("two", "no", Some(&other))).await.expect("a rejection");
    assert_eq!(values(&client.person(&known).await), [MAIL]);
    client.update(reject("two", "yes", Some(&known))).await.expect("a rejection");
    assert_eq!(values(&client.person(&known).await), [MAIL, "C-2"]);
    let silent = client.start(call("three", NUMBER)).await.expect("a start");
    assert_ne!(silent.customer_ref, known);
    // Somebody's word at a later contact links it again.
    let mut later = call("four", NUMBER);
    later.identity_hints = Some(IdentityHints {
        caller_number: NUMBER.into(),
        external_ids: external_hint("crm_id", "C-2").external_ids,
        ..Default::default()
    });
    client.start(later).await.expect("a start");
    client.update(reject("four", "it is", Some(&known))).await.expect("a word");
    assert!(values(&client.person(&known).await).contains(&NUMBER));
    world.close().await;
}

async fn a_direct_link_outlives_its_contacts(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = two_calls(&client).await;
    client.link(link("l", &known, crm("C-2"))).await.expect("a link");
    let other = somebody(&client, "other", "email", email_hint("other@example.com")).await;
    client.update(reject("two", "no", Some(&other))).await.expect("a rejection");
    let person = client.person(&known).await;
    assert_eq!(values(&person), ["C-2", NUMBER]);
    assert_eq!(person.identifiers[0].contact_count, 0, "no use of it is left");
    // Nor is a customer removed whom something points to.
    client.update(reject("one", "no", Some(&other))).await.expect("a rejection");
    assert_eq!(values(&client.person(&known).await), ["C-2"]);
    assert_eq!(client.person(&known).await.customer_ref, known);
    client.update(confirm("one", "again")).await.expect("a confirmation");
    world.close().await;
}

async fn a_direct_link_gives_way_to_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "known", "email", email_hint(MAIL)).await;
    // More than contacts may give.
    for number in 0..7 {
        let phone = identifier("phone", "", &format!("+1415555012{number}"));
        client.link(link(&format!("l{number}"), &known, phone)).await.expect("a link");
    }
    let more = IdentityHints { email: MAIL.into(), ..whatsapp("+14155550199") };
    let start = start_with("more", "whatsapp", more);
    client.start(start).await.expect("a start");
    client.update(confirm("more", "u")).await.expect("a confirmation");
    client.end(end("more")).await.expect("an end");
    let person = client.person(&known).await;
    let linked = values(&person);
    for number in 0..7 {
        let phone = format!("+1415555012{number}");
        assert!(linked.contains(&phone.as_str()), "{phone} was acknowledged");
    }
    world.close().await;
}

fn whatsapp(number: &str) -> IdentityHints {
    IdentityHints { whatsapp_id: number.into(), ..Default::default() }
}

async fn links_at_once_are_all_made(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let one = somebody(&client, "first", "email", email_hint(MAIL)).await;
    let other = somebody(&client, "second", "email", email_hint("second@example.com")).await;
    let mut tasks = Vec::new();
    for round in 0..8 {
        for customer in [&one, &other] {
            let (client, customer) = (client.clone(), customer.clone());
            tasks.push(tokio::spawn(async move {
                let own = crm(&format!("{customer}-{round}"));
                let made = client.link(link(&format!("{customer} {round}"), &customer, own)).await;
                made.expect("a link");
                let shared = link(&format!("{customer} shared {round}"), &customer, crm("both"));
                client.link(shared).await.expect("a link").owner_count
            }));
        }
    }
    let mut most = 0;
    for task in tasks {
        most = most.max(task.await.expect("no panic"));
    }
    assert_eq!(most, 2, "who came second saw both");
    for customer in [&one, &other] {
        assert_eq!(client.person(customer).await.identifiers.len(), 1 + 8 + 1);
    }
    world.close().await;
}

async fn only_an_admin_ties(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let known = somebody(&client, "first", "email", email_hint(MAIL)).await;
    for role in ["telephony", "bot", "helpdesk", "agent", "backfill", "insight"] {
        let client = world.role(role).await;
        let refused = client.link(link("l", &known, crm("C-9"))).await;
        assert_refused(refused, Code::PermissionDenied, "ROLE_REQUIRED");
        let refused = client.unlink(unlink("l", &known, crm("C-9"))).await;
        assert_refused(refused, Code::PermissionDenied, "ROLE_REQUIRED");
    }
    let capped = threadline::cli::keys::NewKey {
        max_assurance: Some("asserted".into()),
        ..World::new_key(&["admin"])
    };
    let capped = world.client(&capped).await;
    let linked = capped.link(link("l", &known, crm("C-9"))).await.expect("a link");
    assert_eq!(linked.identifier.expect("it").assurance, Assurance::Asserted as i32);
    world.close().await;
}

/// What the fold knows: who was told to have which contact, and what was said of ties beside them.
#[derive(Default)]
struct Fold {
    /// Of each contact: whose it is, when it began, which ids it showed.
    contacts: Vec<(usize, usize, Vec<usize>)>,
    /// Of each customer and id: whether it is linked directly.
    direct: [[bool; IDS]; 2],
    /// Of each customer and id: the step in which it was unlinked last.
    untied: [[usize; IDS]; 2],
}

const IDS: usize = 3;

impl Fold {
    /// The ids that point to a customer, with the contacts that used them.
    fn ties(&self, customer: usize) -> Vec<(String, i32)> {
        let mut ties = Vec::new();
        for id in 0..IDS {
            let counts = |(whose, began, shown): &&(usize, usize, Vec<usize>)| {
                *whose == customer && shown.contains(&id) && *began > self.untied[customer][id]
            };
            let uses = self.contacts.iter().filter(counts).count() as i32;
            if uses > 0 || self.direct[customer][id] {
                ties.push((format!("C-{id}"), uses));
            }
        }
        ties
    }
}

/// Waits until the store's clock has moved on: what comes next is later.
async fn later(world: &World) {
    let now = world.now();
    while world.now() <= now {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

async fn whatever_was_said_ties_are_what_the_fold_says(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut customers = Vec::new();
        for who in ["a", "b"] {
            let address = format!("{who}{seed}@example.com");
            let id = format!("{who} {seed}");
            customers.push(somebody(&client, &id, "email", email_hint(&address)).await);
        }
        let of = |id: usize| format!("C-{seed}-{id}");
        let mut fold = Fold::default();
        for step in 1..=24 {
            let (customer, id) = (random.random_range(0..2), random.random_range(0..IDS));
            let (name, whose) = (format!("{seed} {step}"), &customers[customer]);
            match random.random_range(0..8) {
                0 => {
                    client.link(link(&name, whose, crm(&of(id)))).await.expect("a link");
                    fold.direct[customer][id] = true;
                }
                1 | 2 => {
                    later(&world).await;
                    client.unlink(unlink(&name, whose, crm(&of(id)))).await.expect("an unlink");
                    fold.direct[customer][id] = false;
                    fold.untied[customer][id] = step;
                    later(&world).await;
                }
                3 | 4 if !fold.contacts.is_empty() => {
                    let moved = random.random_range(0..fold.contacts.len());
                    let contact = format!("{seed} contact {}", fold.contacts[moved].1);
                    let word = reject(&contact, &name, Some(whose));
                    client.update(word).await.expect("a word");
                    fold.contacts[moved].0 = customer;
                }
                _ => {
                    let shown = if random.random() { vec![id] } else { vec![id, (id + 1) % IDS] };
                    let identifiers = shown.iter().map(|id| crm(&of(*id))).collect();
                    let hints = IdentityHints { identifiers, ..Default::default() };
                    let contact = format!("{seed} contact {step}");
                    client.start(start_with(&contact, "voice", hints)).await.expect("a start");
                    let word = reject(&contact, "first", Some(whose));
                    client.update(word).await.expect("a word");
                    client.end(end(&contact)).await.expect("an end");
                    fold.contacts.push((customer, step, shown));
                }
            }
            for (customer, whose) in customers.iter().enumerate() {
                let person = client.person(whose).await;
                let ties: Vec<(String, i32)> = person
                    .identifiers
                    .iter()
                    .filter(|one| one.kind == "external")
                    .map(|one| (one.value.replace(&format!("{seed}-"), ""), one.contact_count))
                    .collect();
                assert_eq!(ties, fold.ties(customer), "seed {seed}, step {step}, {customer}");
            }
        }
    }
    world.close().await;
}

//! UpsertCustomer: whom it finds, what it sets, and that it is done once.

use std::collections::BTreeMap;

use prost_types::FieldMask;
use threadline::clock::{DAY, HOUR};
use threadline::grpc::proto::{
    Assurance, CustomerInput, Disclosure, GetCustomerResponse, Identifier, IdentityHints,
    ProfileAttributeInput, Sensitivity, UpsertCustomerRequest, VariableInput,
};
use tonic::Code;

use super::settling::{MAIL, NUMBER, somebody, staff};
use super::ties::{identifier, unlink};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{at, call, email_hint, end, external_hint, start_with, variable};
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(
    a_customer_is_made_and_then_changed,
    the_same_upsert_has_one_effect,
    identifiers_that_disagree_are_refused,
    the_primary_identifier_decides,
    what_was_only_typed_finds_nobody,
    the_mask_says_what_is_set,
    late_upserts_fit_in,
    weaker_values_replace_nothing,
    many_at_once_make_one_customer,
    what_is_wrong_is_named,
);

/// A change under this id, by these identifiers.
pub(super) fn upsert(id: &str, identifiers: Vec<Identifier>) -> UpsertCustomerRequest {
    let customer = CustomerInput { identifiers, ..Default::default() };
    UpsertCustomerRequest { request_id: id.into(), customer: Some(customer), ..Default::default() }
}

/// The same with lasting values.
pub(super) fn upsert_with(
    id: &str,
    identifiers: Vec<Identifier>,
    profile: &[(&str, &str)],
) -> UpsertCustomerRequest {
    let mut request = upsert(id, identifiers);
    request.customer.as_mut().expect("one").profile = attributes(profile);
    request
}

pub(super) fn attributes(of: &[(&str, &str)]) -> BTreeMap<String, ProfileAttributeInput> {
    let one = |(name, value): &(&str, &str)| {
        let input = ProfileAttributeInput { value: (*value).into(), ..Default::default() };
        ((*name).to_owned(), input)
    };
    of.iter().map(one).collect()
}

pub(super) fn mail(address: &str) -> Identifier {
    identifier("email", "", address)
}

pub(super) fn phone(number: &str) -> Identifier {
    identifier("phone", "", number)
}

fn crm(value: &str) -> Identifier {
    identifier("external", "crm_id", value)
}

pub(super) fn value<'p>(person: &'p GetCustomerResponse, name: &str) -> Option<&'p str> {
    person.profile.get(name).map(|one| one.value.as_str())
}

fn masked(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

async fn a_customer_is_made_and_then_changed(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut request = upsert_with(
        "one",
        vec![mail(MAIL), phone(NUMBER), crm("C-1")],
        &[("name", "Ada Lovelace")],
    );
    let given = request.customer.as_mut().expect("one");
    given.variables = variable("order", "17");
    given.disclosure = Disclosure::AlwaysConfirm as i32;
    let made = client.upsert(request).await.expect("an upsert");
    assert!(made.created && made.warnings.is_empty());
    let person = made.customer.expect("the customer");
    assert!(person == client.person(&person.customer_ref).await, "as GetCustomer shows it");
    assert_eq!((person.identifiers.len(), value(&person, "name")), (3, Some("Ada Lovelace")));
    assert_eq!(person.variables["order"].value, "17");
    assert_eq!(person.disclosure, Disclosure::AlwaysConfirm as i32);
    let mut request = upsert_with("two", vec![crm("C-1"), phone("anonymous")], &[("tier", "gold")]);
    request.customer.as_mut().expect("one").disclosure = Disclosure::Normal as i32;
    let changed = client.upsert(request).await.expect("an upsert");
    assert!(!changed.created);
    assert_eq!(changed.warnings[0].code, "withheld_number");
    assert_eq!(changed.warnings[0].field, "customer.identifiers[1]");
    let person = changed.customer.expect("the customer");
    assert_eq!((person.identifiers.len(), person.profile.len()), (3, 2));
    // The next contact goes on with it.
    let hints = IdentityHints { email: MAIL.into(), ..external_hint("crm_id", "C-1") };
    let answer = client.start(start_with("call", "email", hints)).await.expect("a start");
    assert_eq!((said(&answer), &answer.customer_ref), (Said::Reuse, &person.customer_ref));
    assert_eq!(answer.variables["order"].value, "17");
    assert_eq!(answer.profile["tier"].value, "gold");
    world.close().await;
}

async fn the_same_upsert_has_one_effect(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let request = upsert_with("one", vec![mail(MAIL)], &[("name", "Ada")]);
    let first = client.upsert(request.clone()).await.expect("an upsert");
    let again = client.upsert(request.clone()).await.expect("the same");
    assert!(first == again && again.created, "the first answer");
    let other = upsert_with("one", vec![mail(MAIL)], &[("name", "Eve")]);
    assert_refused(client.upsert(other).await, Code::AlreadyExists, "REQUEST_CONFLICT");
    let newer = upsert_with("two", vec![mail(MAIL)], &[("name", "Ida")]);
    client.upsert(newer).await.expect("an upsert");
    let again = client.upsert(request).await.expect("the same").customer.expect("them");
    assert_eq!(value(&again, "name"), Some("Ida"), "what stands now");
    world.close().await;
}

async fn identifiers_that_disagree_are_refused(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let one = client.upsert(upsert("one", vec![mail(MAIL)])).await.expect("one").customer;
    client.upsert(upsert("two", vec![phone(NUMBER)])).await.expect("two");
    let refused = client.upsert(upsert("both", vec![mail(MAIL), phone(NUMBER)])).await;
    let refused = assert_refused(refused, Code::FailedPrecondition, "CUSTOMER_AMBIGUOUS");
    let fields: Vec<&str> = refused.fields.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields.len(), 2);
    assert!(fields.contains(&"customer.identifiers[0]"));
    // A ref says whose they are; then both have the number.
    let one = one.expect("one").customer_ref;
    let named =
        UpsertCustomerRequest { customer_ref: one.clone(), ..upsert("named", vec![phone(NUMBER)]) };
    client.upsert(named).await.expect("an upsert");
    let shared = client.upsert(upsert("shared", vec![phone(NUMBER)])).await;
    assert_refused(shared, Code::FailedPrecondition, "CUSTOMER_AMBIGUOUS");
    let both = client.upsert(upsert("agreed", vec![phone(NUMBER), mail(MAIL)])).await;
    let both = both.expect("only one of them has both").customer.expect("them");
    assert_eq!(both.customer_ref, one);
    world.close().await;
}

async fn the_primary_identifier_decides(engine: Engine) {
    let settings = "[tenants.acme]\nprimary_identifier = \"email\"\n";
    let world = Setup::on(engine).settings(settings).open().await;
    let client = staff(&world).await;
    let one = client.upsert(upsert("one", vec![mail(MAIL)])).await.expect("one").customer;
    client.upsert(upsert("two", vec![phone(NUMBER)])).await.expect("two");
    let both = client.upsert(upsert("both", vec![mail(MAIL), phone(NUMBER)])).await;
    let both = both.expect("an upsert");
    assert_eq!(both.warnings[0].code, "identifier_of_somebody_else");
    let person = both.customer.expect("them");
    assert_eq!(person.customer_ref, one.expect("one").customer_ref);
    assert_eq!(person.identifiers.len(), 1, "the other's number stays the other's");
    world.close().await;
}

async fn what_was_only_typed_finds_nobody(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    // Somebody types an address into a form that nobody has shown before.
    let hints = IdentityHints { whatsapp_id: "+14155550166".into(), ..email_hint(MAIL) };
    let attacker = client.start(start_with("form", "whatsapp", hints.clone())).await.expect("it");
    client.end(end("form")).await.expect("an end");
    let made = client.upsert(upsert_with("crm", vec![mail(MAIL)], &[("name", "Ada")])).await;
    let made = made.expect("an upsert");
    let victim = made.customer.expect("them").customer_ref;
    assert!(made.created && victim != attacker.customer_ref, "not theirs");
    let again = client.start(start_with("again", "whatsapp", hints)).await.expect("a start");
    assert!(again.profile.is_empty(), "nothing of the victim");
    let asserted = Identifier { assurance: Assurance::Asserted as i32, ..mail("x@example.com") };
    let refused = client.upsert(upsert("typed", vec![asserted])).await;
    assert_refused(refused, Code::InvalidArgument, "INVALID_FIELD");
    world.close().await;
}

async fn the_mask_says_what_is_set(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let before = [("name", "Ada"), ("tier", "gold"), ("city", "Bath")];
    let mut request = upsert_with("one", vec![mail(MAIL)], &before);
    request.customer.as_mut().expect("one").variables =
        [variable("order", "17"), variable("cart", "full")].concat_maps();
    client.upsert(request).await.expect("an upsert");
    let mut request = upsert_with("two", vec![mail(MAIL), crm("C-1")], &[("name", "Ida")]);
    request.customer.as_mut().expect("one").variables = variable("order", "18");
    request.update_mask = masked(&["profile.name", "profile.tier", "variables.cart"]);
    let person = client.upsert(request).await.expect("an upsert").customer.expect("them");
    assert_eq!(value(&person, "name"), Some("Ida"));
    assert_eq!((value(&person, "tier"), value(&person, "city")), (None, Some("Bath")));
    assert_eq!(person.variables.keys().collect::<Vec<_>>(), ["order"]);
    assert_eq!(person.variables["order"].value, "17", "not in the mask");
    assert_eq!(person.identifiers.len(), 1, "nor are identifiers");
    let mut request = upsert_with("three", vec![mail(MAIL)], &[("tier", "silver")]);
    request.update_mask = masked(&["profile", "variables", "identifiers", "disclosure"]);
    let person = client.upsert(request).await.expect("an upsert").customer.expect("them");
    assert_eq!(person.profile.keys().collect::<Vec<_>>(), ["tier"]);
    assert!(person.variables.is_empty());
    assert_eq!(person.disclosure, Disclosure::Normal as i32);
    world.close().await;
}

/// Joins maps.
trait ConcatMaps {
    fn concat_maps(self) -> BTreeMap<String, VariableInput>;
}

impl<const N: usize> ConcatMaps for [BTreeMap<String, VariableInput>; N] {
    fn concat_maps(self) -> BTreeMap<String, VariableInput> {
        self.into_iter().flatten().collect()
    }
}

async fn late_upserts_fit_in(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let now = world.now();
    let at_time = |id: &str, hours: i64, name: &str, order: &str| {
        let mut request = upsert_with(id, vec![mail(MAIL)], &[("name", name)]);
        request.update_time = at(now.plus(-hours * HOUR));
        let ttl_seconds = Some(3 * 3_600);
        let input = VariableInput {
            value: order.into(),
            ttl_seconds,
            sensitivity: Sensitivity::Sensitive as i32,
        };
        let given = request.customer.as_mut().expect("one");
        given.variables = BTreeMap::from([("order".to_owned(), input)]);
        request
    };
    client.upsert(at_time("newer", 1, "Ida", "18")).await.expect("an upsert");
    let late = client.upsert(at_time("late", 2, "Ada", "17")).await.expect("an upsert");
    let person = late.customer.expect("them");
    assert_eq!(value(&person, "name"), Some("Ida"));
    assert_eq!(person.variables["order"].value, "18");
    assert_eq!(person.variables["order"].ttl_seconds, 10_800);
    assert_eq!(person.variables["order"].sensitivity, Sensitivity::Sensitive as i32);
    let dead = client.upsert(at_time("dead", 4, "Eve", "16")).await.expect("an upsert");
    assert_eq!(dead.customer.expect("them").variables["order"].value, "18");
    // What was unlinked since then is not linked by an event of before.
    let known = person.customer_ref;
    client.upsert(upsert("more", vec![mail(MAIL), crm("C-1")])).await.expect("an upsert");
    client.unlink(unlink("u", &known, crm("C-1"))).await.expect("an unlink");
    let mut late = upsert("later", vec![mail(MAIL), crm("C-1")]);
    late.update_time = at(now.plus(-HOUR));
    let person = client.upsert(late).await.expect("an upsert").customer.expect("them");
    assert_eq!(person.identifiers.len(), 1);
    let mut old = upsert("old", vec![mail(MAIL)]);
    old.update_time = at(now.plus(-8 * DAY));
    let refused = client.upsert(old.clone()).await;
    assert_refused(refused, Code::PermissionDenied, "BACKFILL_ROLE_REQUIRED");
    let backfill = world.client(&World::new_key(&["admin", "backfill"])).await;
    backfill.upsert(old).await.expect("an upsert");
    world.close().await;
}

async fn weaker_values_replace_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let sure = threadline::cli::keys::NewKey {
        max_assurance: Some("verified".into()),
        ..World::new_key(&["admin"])
    };
    let sure = world.client(&sure).await;
    let mut strong = upsert_with("one", vec![mail(MAIL)], &[("name", "Ada")]);
    strong.assurance = Assurance::Verified as i32;
    sure.upsert(strong.clone()).await.expect("an upsert");
    let client = staff(&world).await;
    let mut weak = upsert_with("two", vec![mail(MAIL)], &[("name", "Eve")]);
    weak.assurance = Assurance::Verified as i32;
    let person = client.upsert(weak).await.expect("an upsert").customer.expect("them");
    assert_eq!(value(&person, "name"), Some("Ada"), "the key is worth no more than CARRIED");
    assert_eq!(person.profile["name"].assurance, Assurance::Verified as i32);
    world.close().await;
}

async fn many_at_once_make_one_customer(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut tasks = Vec::new();
    for round in 0..16 {
        let client = client.clone();
        tasks.push(tokio::spawn(async move {
            let name = format!("a{round}");
            let own = upsert_with(&name, vec![mail(MAIL), phone(NUMBER)], &[(&name, "x")]);
            client.upsert(own).await.expect("an upsert")
        }));
    }
    let (mut created, mut refs) = (0, Vec::new());
    for task in tasks {
        let answer = task.await.expect("no panic");
        created += usize::from(answer.created);
        refs.push(answer.customer.expect("them").customer_ref);
    }
    refs.sort_unstable();
    refs.dedup();
    assert_eq!((created, refs.len()), (1, 1));
    let person = client.person(&refs[0]).await;
    assert_eq!((person.profile.len(), person.identifiers.len()), (16, 2));
    let answer = client.start(call("next", NUMBER)).await.expect("a start");
    assert_eq!(answer.customer_ref, refs[0]);
    world.close().await;
}

async fn what_is_wrong_is_named(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let mut wrong = upsert_with("", vec![mail(MAIL)], &[("disclosure", "NEVER"), ("a", "\u{1}")]);
    wrong.assurance = 99;
    wrong.update_mask = masked(&["profile.", "other", "customer.profile"]);
    let refused = client.upsert(wrong).await;
    let refused = assert_refused(refused, Code::InvalidArgument, "INVALID_FIELD");
    let fields: Vec<&str> = refused.fields.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "request_id",
            "assurance",
            "customer.profile[a].value",
            "customer.profile[disclosure]",
            "update_mask.paths[0]",
            "update_mask.paths[1]",
            "update_mask.paths[2]",
        ]
    );
    let nobody = client.upsert(upsert("one", vec![phone("anonymous")])).await;
    let refused = assert_refused(nobody, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(refused.fields[0].0, "customer.identifiers");
    assert!(refused.fields[1].1.contains("withheld"));
    let known = somebody(&client, "first", "email", email_hint(MAIL)).await;
    for role in ["telephony", "helpdesk", "agent", "backfill"] {
        let request = UpsertCustomerRequest { customer_ref: known.clone(), ..upsert("r", vec![]) };
        let refused = world.role(role).await.upsert(request).await;
        assert_refused(refused, Code::PermissionDenied, "ROLE_REQUIRED");
    }
    let gone = UpsertCustomerRequest {
        customer_ref: "cus_00000000000000000000000000".into(),
        ..upsert("r", vec![])
    };
    assert_refused(client.upsert(gone).await, Code::NotFound, "CUSTOMER_NOT_FOUND");
    world.close().await;
}

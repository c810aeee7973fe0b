//! Plants a person: a canary in every string field of every request that writes, found by the
//! protocol's descriptors, so that a new field is planted without a line here.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_reflect::DynamicMessage;
use threadline::cli::client::{Connection, connect};
use threadline::cli::keys::NewKey;
use threadline::grpc::proto::{
    Identifier, ImportCustomersRequest, ImportCustomersResponse, StartInteractionRequest,
    StartInteractionResponse,
};

use crate::calls::send;
use crate::plant::{Manner, Planted, Planter};
use crate::support::{Engine, Setup, TENANT, World};

/// Requests that write nothing.
const READS: &[&str] = &[
    "GetInteraction",
    "ListInteractions",
    "GetCustomer",
    "PreviewMerge",
    "ListConflicts",
    "ExportCustomer",
    "WatchInteractions",
    "WatchCustomer",
];
/// Writes that are not part of a life: of what is unlinked only a keyed hash is left, and the others
/// name things and say nothing.
const OTHER_WRITES: &[&str] = &["UnlinkIdentifier", "ReassignInteraction", "ResolveConflict"];

/// What is planted and never stored, and so is in no export.
const NEVER_STORED: &[&str] = &[
    // Only their keyed hash is kept: they tell a retry.
    "threadline.v1.UpdateInteractionRequest.update_id",
    "threadline.v1.LinkIdentifierRequest.request_id",
    "threadline.v1.MergeCustomersRequest.request_id",
    "threadline.v1.UnmergeCustomersRequest.request_id",
    // Refs that nobody has are a warning, and not kept.
    "threadline.v1.IdentityHints.customer_ref",
    "threadline.v1.EndInteractionRequest.customer_ref",
    // A start said what it continues; an end without one would say it.
    "threadline.v1.EndInteractionRequest.continues_interaction_id",
    // An inbound contact's own number: ours.
    "threadline.v1.IdentityHints.dialed_number",
];

/// A person with a canary in everything that is said of them.
pub(super) struct Person {
    /// Their ref.
    pub customer_ref: String,
    /// What is stored of them.
    pub stored: Vec<Planted>,
}

/// A world whose keys' web tokens are good, and a key that may write everything.
pub(super) async fn world(engine: Engine, planter: &Planter) -> (World, String) {
    let world = Setup::on(engine).settings(&planter.settings(TENANT)).open().await;
    let roles = ["telephony", "admin", "backfill"];
    let key = world.key(&NewKey { source: "pbx".into(), ..World::new_key(&roles) }).await;
    (world, key)
}

/// A connection that sends bytes.
pub(super) async fn connection(world: &World, key: &str) -> Connection {
    let url = format!("http://{}", world.running.address);
    connect(&url, Some(key)).await.expect("it answers")
}

/// Plants a person: one contact that ended, one that goes on and was first taken for somebody new, a
/// change, a tie, a merge that was taken back and one that stands, a row of an import.
pub(super) async fn plant(connection: &Connection, planter: &mut Planter) -> Person {
    covers_every_write(planter);
    let before = planter.planted.len();
    planter.variant = 0;
    planter.interaction = planter.word("interaction_id");
    planter.customer = started(&say(connection, planter, "StartInteraction").await);
    say(connection, planter, "UpdateInteraction").await;
    say(connection, planter, "EndInteraction").await;
    let customer_ref = planter.customer.clone();
    planter.interaction = planter.word("interaction_id");
    let second = planter.planted.len();
    say(connection, planter, "StartInteraction").await;
    replaced(planter, second);
    let taken = started(&say(connection, planter, "UpdateInteraction").await);
    assert_eq!(taken, customer_ref, "somebody said whose it is");
    say(connection, planter, "UpsertCustomer").await;
    say(connection, planter, "LinkIdentifier").await;
    planter.other = somebody_else(connection, planter).await;
    say(connection, planter, "MergeCustomers").await;
    say(connection, planter, "UnmergeCustomers").await;
    planter.other = somebody_else(connection, planter).await;
    say(connection, planter, "MergeCustomers").await;
    imported(connection, planter, before).await;
    let stored = planter.planted[before..].iter().filter(|it| is_stored(it)).cloned().collect();
    Person { customer_ref, stored }
}

/// The second contact was somebody new's first, who kept nothing of it: what an update has replaced
/// since is nowhere any more.
fn replaced(planter: &mut Planter, since: usize) {
    let gone = ["StartInteractionRequest.agent_ref", "StartInteractionRequest.queue"];
    for planted in &mut planter.planted[since..] {
        if gone.iter().any(|field| planted.field.ends_with(field)) {
            planted.field = GONE.to_owned();
        }
    }
}

const GONE: &str = "replaced, and taken away";

fn is_stored(planted: &Planted) -> bool {
    // A token is verified and forgotten; whom it names is kept.
    let token = planted.field.ends_with(".web_token") && planted.canary.starts_with("eyJ");
    !token && planted.field != GONE && !NEVER_STORED.contains(&planted.field.as_str())
}

/// Every RPC writes here, or is listed as one that does not.
fn covers_every_write(planter: &Planter) {
    let told = [
        "StartInteraction",
        "UpdateInteraction",
        "EndInteraction",
        "UpsertCustomer",
        "LinkIdentifier",
        "MergeCustomers",
        "UnmergeCustomers",
        "ImportCustomers",
    ];
    let known: BTreeSet<&str> = told.iter().chain(READS).chain(OTHER_WRITES).copied().collect();
    for (path, _) in planter.methods() {
        let name = path.rsplit('/').next().expect("a name").to_owned();
        // What ends a life is no part of it.
        let ends = ["EraseCustomer", "RedactInteraction"].contains(&name.as_str());
        assert!(
            ends || known.contains(name.as_str()),
            "{name}: plant it, or say that it writes nothing"
        );
    }
}

fn request(planter: &mut Planter, name: &str) -> (String, DynamicMessage) {
    let methods = planter.methods().into_iter();
    let method = methods.into_iter().find(|(path, _)| path.ends_with(&format!("/{name}")));
    let (path, of) = method.expect(name);
    let message = planter.message(&of, Manner::Valid);
    (path, message)
}

async fn say(connection: &Connection, planter: &mut Planter, name: &str) -> Vec<u8> {
    let (path, message) = request(planter, name);
    let answer = send(connection, &path, message.encode_to_vec()).await;
    answer.unwrap_or_else(|status| panic!("{name}: {status}"))
}

fn started(answer: &[u8]) -> String {
    StartInteractionResponse::decode(answer).expect("an answer").customer_ref
}

/// A customer of whom nothing is known, who will be one person with the planted one.
async fn somebody_else(connection: &Connection, planter: &mut Planter) -> String {
    let path = "/threadline.v1.InteractionService/StartInteraction";
    let begun = StartInteractionRequest {
        interaction_id: format!("somebody else {}", planter.planted.len()),
        channel: "voice".into(),
        ..Default::default()
    };
    let answer = send(connection, path, begun.encode_to_vec()).await.expect("a start");
    started(&answer)
}

/// Rows about them: each names an identifier that they have.
async fn imported(connection: &Connection, planter: &mut Planter, before: usize) {
    let (path, message) = request(planter, "ImportCustomers");
    let bytes = message.encode_to_vec();
    let mut request = ImportCustomersRequest::decode(&*bytes).expect("a request");
    let linked = linked(planter, before);
    request.rows.iter_mut().for_each(|row| row.identifiers.insert(0, linked.clone()));
    let answer = send(connection, &path, request.encode_to_vec()).await.expect("an import");
    let done = ImportCustomersResponse::decode(&*answer).expect("an answer");
    assert_eq!((done.created_count, done.rejected_count), (0, 0), "rows about somebody known");
}

/// The number that they called from first: what was only typed would find nobody.
fn linked(planter: &Planter, before: usize) -> Identifier {
    let mut planted = planter.planted[before..].iter();
    let number = planted.find(|it| it.field.ends_with(".caller_number")).expect("a number");
    let value = format!("+1{}", number.canary);
    Identifier { kind: "phone".into(), value, ..Default::default() }
}

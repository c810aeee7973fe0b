//! Merges of merges, at once and again, refused and previewed.

use threadline::grpc::proto::{
    EndInteractionRequest, IntentStatus, MergeState, ProfileAttribute, UnmergeCustomersRequest,
    UnmergeCustomersResponse,
};
use tonic::Code;

use super::merging::{attribute, bare, join, mail, members, two};
use super::settling::{NUMBER, staff};
use crate::support::client::{Said, assert_refused, said};
use crate::support::requests::{call, end, end_with, external_hint, merge, start_with, unmerge};
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    a_merge_of_merges_comes_apart_edge_by_edge,
    merges_at_once_are_all_there,
    a_retry_is_answered_and_has_one_effect,
    what_cannot_be_merged_is_refused,
    a_set_has_its_limit,
    a_preview_says_what_would_be_joined,
);

/// A customer for each of these account numbers.
async fn accounts(client: &Client, numbers: &[&str]) -> Vec<String> {
    let mut refs = Vec::new();
    for number in numbers {
        let hints = external_hint("account_no", number);
        let begun = client.start(start_with(number, "voice", hints)).await.expect("a start");
        client.end(end(number)).await.expect("an end");
        refs.push(begun.customer_ref);
    }
    refs
}

fn sizes(answer: &UnmergeCustomersResponse) -> Vec<usize> {
    answer.sets.iter().map(|set| set.member_refs.len()).collect()
}

async fn a_merge_of_merges_comes_apart_edge_by_edge(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let people = accounts(&client, &["A-1", "A-2", "A-3", "A-4"]).await;
    let mut before = Vec::new();
    for person in &people {
        before.push(bare(&client, person).await);
    }
    let [a, b, c, d] = &people[..] else { panic!("four people") };
    let ab = join(&client, "ab", a, b).await;
    let cd = join(&client, "cd", d, c).await;
    // Named by a member that is neither's name.
    let bd = client.merge(merge("bd", b, d)).await.expect("a merge of merges");
    assert_eq!(members(bd.set.as_ref()), people);
    let ac = join(&client, "ac", a, c).await;
    assert_eq!(bare(&client, d).await.customer_ref, *a);
    // A cycle: one edge less changes nothing.
    let undone = client.unmerge(unmerge("u1", &bd.merge_id)).await.expect("an unmerge");
    assert_eq!(sizes(&undone), [4, 4]);
    let undone = client.unmerge(unmerge("u2", &ac)).await.expect("an unmerge");
    assert_eq!(sizes(&undone), [2, 2]);
    assert_eq!(bare(&client, d).await.customer_ref, *c);
    client.unmerge(unmerge("u3", &ab)).await.expect("an unmerge");
    client.unmerge(unmerge("u4", &cd)).await.expect("an unmerge");
    for (person, before) in people.iter().zip(before) {
        assert!(bare(&client, person).await == before, "as if it had not been");
    }
    world.close().await;
}

async fn merges_at_once_are_all_there(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let numbers: Vec<String> = (0..12).map(|number| format!("B-{number}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let people = accounts(&client, &numbers).await;
    // A ring, all edges at once.
    let merging = people.iter().enumerate().map(|(index, person)| {
        let next = &people[(index + 1) % people.len()];
        let request = merge(&format!("m{index}"), person, next);
        let client = client.clone();
        async move { client.merge(request).await.expect("a merge").merge_id }
    });
    let edges = futures_util::future::join_all(merging).await;
    assert_eq!(client.person(&people[7]).await.member_refs.len(), 12);
    // Two edges less, while somebody calls: two halves, and each start sees one of the moments.
    let starting = (0..20).map(|index| {
        let hints = external_hint("account_no", "B-3");
        let request = start_with(&format!("during {index}"), "voice", hints);
        let client = client.clone();
        async move { client.start(request).await.expect("a start").customer_ref }
    });
    let unmerging = [2, 8].map(|edge| {
        let (client, request) = (client.clone(), unmerge(&format!("u{edge}"), &edges[edge]));
        async move { client.unmerge(request).await.expect("an unmerge") }
    });
    let (seen, _) = tokio::join!(
        futures_util::future::join_all(starting),
        futures_util::future::join_all(unmerging)
    );
    for seen in &seen {
        assert!([&people[0], &people[3]].contains(&seen), "a name that the set had");
    }
    let (upper, lower) = (client.person(&people[3]).await, client.person(&people[0]).await);
    assert_eq!(upper.member_refs, people[3..=8]);
    assert_eq!(lower.member_refs.len(), 6);
    world.close().await;
}

async fn a_retry_is_answered_and_has_one_effect(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let request = merge("m", &caller, &writer);
    let first = client.merge(request.clone()).await.expect("a merge");
    let again = client.merge(request.clone()).await.expect("a retry");
    assert!(first == again);
    assert_eq!(client.person(&caller).await.merges.len(), 1);
    let other = merge("m", &caller, "cus_00000000000000000000000000");
    assert_refused(client.merge(other).await, Code::AlreadyExists, "REQUEST_CONFLICT");
    let take_back = unmerge("u", &first.merge_id);
    let undone = client.unmerge(take_back.clone()).await.expect("an unmerge");
    assert!(undone == client.unmerge(take_back.clone()).await.expect("a retry"));
    let changed = UnmergeCustomersRequest { reason: "other".into(), ..take_back };
    assert_refused(client.unmerge(changed).await, Code::AlreadyExists, "REQUEST_CONFLICT");
    // The retry of a merge that was taken back does not bring it back.
    let late = client.merge(request).await.expect("a retry");
    assert!(late.state() == MergeState::Undone);
    assert_eq!(client.person(&caller).await.member_refs.len(), 0);
    let once_more = unmerge("u2", &first.merge_id);
    assert_refused(client.unmerge(once_more).await, Code::NotFound, "MERGE_NOT_FOUND");
    // Merged anew, by another request; taken back by naming the two.
    join(&client, "m2", &writer, &caller).await;
    let between = UnmergeCustomersRequest {
        request_id: "u3".into(),
        customer_ref: writer.clone(),
        other_customer_ref: caller.clone(),
        ..Default::default()
    };
    let undone = client.unmerge(between).await.expect("an unmerge");
    assert_eq!((undone.merge_ids.len(), sizes(&undone)), (1, vec![1, 1]));
    assert_eq!(client.person(&caller).await.merges.len(), 2, "each merge has its history");
    world.close().await;
}

async fn what_cannot_be_merged_is_refused(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    let nobody = "cus_00000000000000000000000000";
    let unknown = client.merge(merge("a", &caller, nobody)).await;
    assert_refused(unknown, Code::NotFound, "CUSTOMER_NOT_FOUND");
    let same = client.merge(merge("b", &caller, &caller)).await;
    assert_refused(same, Code::InvalidArgument, "SAME_CUSTOMER");
    let mut empty = merge("", "", &writer);
    empty.reason = " ".into();
    let refusal = assert_refused(client.merge(empty).await, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(refusal.names(), ["customer_ref", "reason", "request_id"]);
    let odd = client.unmerge(unmerge("c", "not a merge's id")).await;
    assert_refused(odd, Code::InvalidArgument, "INVALID_FIELD");
    let never = client.unmerge(unmerge("d", "AAAAAAAAAAAAAAAAAAAAAA")).await;
    assert_refused(never, Code::NotFound, "MERGE_NOT_FOUND");
    let agent = world.role("agent").await;
    let refusal = agent.merge(merge("e", &caller, &writer)).await;
    assert_refused(refusal, Code::PermissionDenied, "ROLE_REQUIRED");
    let refusal = agent.preview(&caller, &writer).await;
    assert_refused(refusal, Code::PermissionDenied, "ROLE_REQUIRED");
    assert_refused(client.preview(&caller, nobody).await, Code::NotFound, "CUSTOMER_NOT_FOUND");
    world.close().await;
}

async fn a_set_has_its_limit(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let numbers: Vec<String> = (0..65).map(|number| format!("C-{number}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let people = accounts(&client, &numbers).await;
    for (index, person) in people[1..64].iter().enumerate() {
        join(&client, &format!("m{index}"), &people[0], person).await;
    }
    assert_eq!(client.person(&people[63]).await.member_refs.len(), 64);
    let preview = client.preview(&people[5], &people[64]).await.expect("a preview");
    assert!(preview.too_large && !preview.already_merged);
    let refusal = client.merge(merge("last", &people[5], &people[64])).await;
    assert_refused(refusal, Code::FailedPrecondition, "SET_TOO_LARGE");
    // One more edge within the set is as good as any.
    join(&client, "within", &people[5], &people[6]).await;
    let known = client
        .start(start_with("known", "voice", external_hint("account_no", "C-40")))
        .await
        .expect("a start");
    assert_eq!(known.customer_ref, people[0]);
    world.close().await;
}

async fn a_preview_says_what_would_be_joined(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let (caller, writer) = two(&client).await;
    for (id, request, name, crm) in [
        ("call", call("call", NUMBER), "Jo Miller", "C-1"),
        ("mail", mail("mail"), "Joanna Miller", "C-2"),
    ] {
        let mut request = request;
        request.identity_hints.as_mut().expect("hints").external_ids =
            external_hint("crm_id", crm).external_ids;
        assert_eq!(said(&client.start(request).await.expect("a start")), Said::Reuse);
        let ended = EndInteractionRequest {
            profile: attribute("name", name),
            ..end_with(id, "returns", IntentStatus::Open)
        };
        client.end(ended).await.expect("an end");
    }
    let before = bare(&client, &caller).await;
    let preview = client.preview(&writer, &caller).await.expect("a preview");
    assert_eq!(preview.customer_ref, caller);
    let counts: Vec<(i32, i32, usize)> = preview
        .sides
        .iter()
        .map(|side| (side.contact_count, side.open_intent_count, side.identifiers.len()))
        .collect();
    assert_eq!(counts, [(2, 1, 2), (2, 2, 2)]);
    assert!(!preview.already_merged && preview.shared_identifiers.is_empty());
    let against: Vec<&str> =
        preview.contradicting_identifiers.iter().map(|it| it.value.as_str()).collect();
    assert_eq!(against, ["C-2", "C-1"]);
    let conflict = &preview.attribute_conflicts[0];
    assert_eq!(conflict.name, "name");
    let value = |one: &Option<ProfileAttribute>| {
        one.as_ref().map(|it| it.value.clone()).unwrap_or_default()
    };
    assert_eq!(
        (value(&conflict.kept).as_str(), value(&conflict.other).as_str()),
        ("Joanna Miller", "Jo Miller")
    );
    assert!(bare(&client, &caller).await == before, "nothing was written");
    join(&client, "m", &caller, &writer).await;
    assert!(client.preview(&writer, &caller).await.expect("a preview").already_merged);
    let whole = client.person(&writer).await;
    assert_eq!(whole.profile["name"].value, "Joanna Miller");
    world.close().await;
}

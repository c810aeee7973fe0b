//! Whoever was erased after a backup stays so when it is put back, with the newest keys or with what
//! they say of who was erased; and only then.

use std::path::Path;

use threadline::cli::client::reason;
use threadline::continuity::backup::{Reader, Record};
use threadline::grpc::proto::erase_customer_response::Outcome;
use threadline::grpc::proto::{
    EraseCustomerRequest, GetCustomerRequest, IdentityHints, ReassignInteractionRequest,
    UnmergeCustomersRequest,
};
use threadline::ids::CustomerId;
use threadline::store::backup::Value;
use tonic::Status;

use crate::coming_back::told;
use crate::database::Database;
use crate::ground::{
    Pair, back_up, command, contact_of, customers, elsewhere, everything, restore, restored, said,
};
use crate::keys::new_key;
use crate::serving::{Served, end, hints, start};

/// Whom the test erases.
const WHO: u64 = 5;

/// A store before and after somebody was erased.
struct Story {
    key: String,
    contacts: Vec<String>,
    erased: String,
    before: Pair,
    after: Pair,
}

/// Stories, a backup, more of one person, who is then erased, and another backup.
async fn with_somebody_erased(database: &Database) -> Story {
    let key = new_key(database).await;
    let contacts = told(database, &key).await;
    let before = back_up(database, &database.folder().join("before")).await;
    let served = Served::on(database, &key).await;
    let mut interactions = served.interactions.clone();
    let late = interactions.start_interaction(start("late", hints(WHO))).await;
    let erased = late.expect("a start").into_inner().customer_ref;
    interactions.end_interaction(end("late")).await.expect("an end");
    erase(&served, &erased).await;
    served.running.stop().await.expect("an orderly stop");
    let after = back_up(database, &database.folder().join("after")).await;
    Story { key, contacts, erased, before, after }
}

async fn erase(served: &Served, customer: &str) {
    let mut request = EraseCustomerRequest {
        request_id: format!("erase-{customer}"),
        customer_ref: customer.to_owned(),
        ..EraseCustomerRequest::default()
    };
    let shown = served.customers.clone().erase_customer(request.clone()).await;
    let Some(Outcome::Preview(preview)) = shown.expect("a preview").into_inner().outcome else {
        panic!("a preview comes first");
    };
    request.preview_token = preview.preview_token;
    served.customers.clone().erase_customer(request).await.expect("an erasure");
}

fn is_erased(answer: Result<impl Sized, Status>) -> bool {
    answer.is_err_and(|status| reason(&status) == "ERASED")
}

/// Fails unless the person is gone from everywhere, and told so to whoever comes late.
async fn stays_erased(story: &Story, into: &Database) {
    let served = Served::on(into, &story.key).await;
    let request =
        GetCustomerRequest { customer_ref: story.erased.clone(), ..GetCustomerRequest::default() };
    assert!(is_erased(served.customers.clone().get_customer(request).await));
    let mut interactions = served.interactions.clone();
    for round in ["0", "1"] {
        let id = format!("contact-{WHO}-{round}");
        assert!(is_erased(interactions.get_interaction(contact_of(&id)).await), "{id}");
        assert!(is_erased(interactions.start_interaction(start(&id, hints(WHO))).await), "{id}");
        assert!(is_erased(interactions.end_interaction(end(&id)).await), "{id}");
    }
    // It began after the rows were copied: what was kept of it says so all the same.
    assert!(is_erased(interactions.end_interaction(end("late")).await));
    let begun = interactions.start_interaction(start("anew", hints(WHO))).await;
    let begun = begun.expect("a start").into_inner();
    assert!(begun.new_customer, "whoever has the number now is somebody else");
    assert_ne!(begun.customer_ref, story.erased);
    served.running.stop().await.expect("an orderly stop");

    let again = back_up(into, &into.folder().join("again")).await;
    let id = CustomerId::parse_ref(&story.erased).expect("a ref").0.to_vec();
    for path in [&again.rows, &again.keys] {
        assert!(!holds(path, &Value::Bytes(id.clone())), "{}", path.display());
    }
    assert!(holds(&story.before.rows, &Value::Bytes(id)), "that is where they were");
    let (well, text) = said(command(into, &["audit", "verify"])).await;
    assert!(well, "{text}");
    let mut connection = into.connect().await;
    crate::invariants::verify(&mut connection, 1).await;
}

/// Whether any column of any row holds a value.
fn holds(path: &Path, value: &Value) -> bool {
    let mut reader = Reader::open(path).expect("a backup");
    while let Some(record) = reader.next_record().expect("a whole file") {
        if matches!(record, Record::Row(row) if row.contains(value)) {
            return true;
        }
    }
    false
}

pub(crate) async fn older_rows_with_the_newest_keys(database: &Database) {
    let story = with_somebody_erased(database).await;
    let pair = Pair { rows: story.before.rows.clone(), keys: story.after.keys.clone() };
    let into = elsewhere(database).await;
    let (well, text) = restore(&into, &pair, &[]).await;
    assert!(well && text.contains("erased again 1 customers"), "{text}");
    stays_erased(&story, &into).await;
    let (_, listed) = said(command(&into, &["audit", "list", "--tenant", "acme"])).await;
    let by_restore = |verb: &str| {
        let mut lines = listed.lines();
        lines.any(|line| line.contains(verb) && line.contains("restore"))
    };
    assert!(by_restore("restore") && by_restore("erase"), "{listed}");
    // The others are who they were.
    let expected = everything(database, &story.key, &others(&story)).await;
    let mut after = everything(&into, &story.key, &others(&story)).await;
    after.people.retain(|name, _| expected.people.contains_key(name));
    expected.are(&after);
    into.remove().await;
}

fn others(story: &Story) -> Vec<String> {
    let own = format!("contact-{WHO}-");
    story.contacts.iter().filter(|contact| !contact.starts_with(&own)).cloned().collect()
}

pub(crate) async fn older_keys_with_the_newest_erasures(database: &Database) {
    let story = with_somebody_erased(database).await;
    let into = restored(database, &story.before, &[&story.after.keys]).await;
    stays_erased(&story, &into).await;
    into.remove().await;
    // What this protects from: whoever has old rows and old keys has everybody.
    let into = restored(database, &story.before, &[]).await;
    assert!(customers(&into).await.contains(&story.erased), "that is why keys age");
    into.remove().await;
    // The newest rows and keys hold nothing of them, and know it.
    let into = restored(database, &story.after, &[]).await;
    stays_erased(&story, &into).await;
    into.remove().await;
}

/// Who was in a set, and whose a contact was, was otherwise when the rows were copied.
pub(crate) async fn what_belonged_to_others_before(database: &Database) {
    let key = new_key(database).await;
    let contacts = told(database, &key).await;
    let before = back_up(database, &database.folder().join("before")).await;
    let served = Served::on(database, &key).await;
    let (mut interactions, mut files) = (served.interactions.clone(), served.customers.clone());
    let moved = "contact-7-0";
    let whose = |found: threadline::grpc::proto::GetInteractionResponse| found.customer_ref;
    let found = interactions.get_interaction(contact_of(moved)).await.expect("a contact");
    let seven = whose(found.into_inner());
    let request = ReassignInteractionRequest {
        request_id: "moved".into(),
        interaction_id: moved.into(),
        ..ReassignInteractionRequest::default()
    };
    let moved_to = interactions.reassign_interaction(request).await.expect("a move").into_inner();
    let somebody = moved_to.customer_ref.clone();
    assert_ne!(somebody, seven);
    let found = interactions.get_interaction(contact_of("contact-1-0")).await.expect("a contact");
    let whole = whose(found.into_inner());
    let request = GetCustomerRequest { customer_ref: whole, ..GetCustomerRequest::default() };
    let whole = files.get_customer(request).await.expect("a customer").into_inner();
    assert_eq!(whole.member_refs.len(), 2, "two were joined");
    let request = UnmergeCustomersRequest {
        request_id: "parted".into(),
        merge_id: whole.merges[0].merge_id.clone(),
        ..UnmergeCustomersRequest::default()
    };
    files.unmerge_customers(request).await.expect("they are two again");
    let (kept, gone) = (whole.member_refs[0].clone(), whole.member_refs[1].clone());
    erase(&served, &gone).await;
    erase(&served, &somebody).await;
    served.running.stop().await.expect("an orderly stop");
    let after = back_up(database, &database.folder().join("after")).await;

    let pair = Pair { rows: before.rows, keys: after.keys };
    let into = restored(database, &pair, &[]).await;
    let mut connection = into.connect().await;
    crate::invariants::verify(&mut connection, 1).await;
    drop(connection);
    let served = Served::on(&into, &key).await;
    let (mut interactions, mut files) = (served.interactions.clone(), served.customers.clone());
    assert!(is_erased(interactions.get_interaction(contact_of(moved)).await));
    for customer in [&gone, &somebody] {
        let request =
            GetCustomerRequest { customer_ref: customer.clone(), ..GetCustomerRequest::default() };
        assert!(is_erased(files.get_customer(request).await), "{customer}");
    }
    for (customer, left) in [(&seven, 1), (&kept, 2)] {
        let request =
            GetCustomerRequest { customer_ref: customer.clone(), ..GetCustomerRequest::default() };
        let file = files.get_customer(request).await.expect("they are there").into_inner();
        assert!(file.member_refs.len() < 2, "{customer} is alone");
        let own = contacts.iter().filter(|id| {
            id.starts_with(match customer == &kept {
                true => "contact-0-",
                false => "contact-7-",
            })
        });
        let mut there = 0;
        for id in own {
            let found = interactions.get_interaction(contact_of(id)).await;
            there += usize::from(found.is_ok_and(|it| it.into_inner().customer_ref == *customer));
        }
        assert_eq!(there, left, "{customer}");
    }
    served.running.stop().await.expect("an orderly stop");
    into.remove().await;
}

/// Rows that are newer than the keys: who came in between cannot be opened, and comes anew.
pub(crate) async fn who_has_no_key_is_removed(database: &Database) {
    let key = new_key(database).await;
    told(database, &key).await;
    let before = back_up(database, &database.folder().join("before")).await;
    let served = Served::on(database, &key).await;
    let mut interactions = served.interactions.clone();
    interactions.start_interaction(start("newcomer", hints(77))).await.expect("a start");
    interactions.end_interaction(end("newcomer")).await.expect("an end");
    served.running.stop().await.expect("an orderly stop");
    let after = back_up(database, &database.folder().join("after")).await;
    let pair = Pair { rows: after.rows, keys: before.keys };
    let into = elsewhere(database).await;
    let (well, text) = restore(&into, &pair, &[]).await;
    assert!(well && text.contains("removed 1 customers"), "{text}");
    let (well, text) = said(command(&into, &["audit", "verify"])).await;
    assert!(well, "{text}");
    let served = Served::on(&into, &key).await;
    let mut interactions = served.interactions.clone();
    assert!(interactions.get_interaction(contact_of("newcomer")).await.is_err());
    let again = interactions.start_interaction(start("newcomer", hints(77))).await;
    assert!(again.expect("nobody erased them").into_inner().new_customer);
    let nobody = interactions.start_interaction(start("another", IdentityHints::default())).await;
    nobody.expect("a start");
    served.running.stop().await.expect("an orderly stop");
    into.remove().await;
}

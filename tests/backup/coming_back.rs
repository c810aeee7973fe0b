//! A whole store goes into a backup and comes back, on the other engine.

use std::path::{Path, PathBuf};

use threadline::grpc::proto::{
    Assurance, CustomerInput, Identifier, IdentityHints, MergeCustomersRequest,
    ProfileAttributeInput, UpsertCustomerRequest,
};

use crate::database::Database;
use crate::ground::{
    Pair, back_up, command, customers, elsewhere, everything, restore, restored, said,
};
use crate::keys::new_key;
use crate::serving::{Served, end, hints, phone, start};

const PEOPLE: u64 = 12;

/// Tells a few stories: contacts that ended, some that did not, one that is not settled, people who
/// were joined and a visitor of whom nothing is known. The contacts' ids.
pub(crate) async fn told(database: &Database, key: &str) -> Vec<String> {
    let served = Served::on(database, key).await;
    let mut interactions = served.interactions.clone();
    let (mut contacts, mut refs) = (Vec::new(), Vec::new());
    for person in 0..PEOPLE {
        for round in 0..2 {
            let id = format!("contact-{person}-{round}");
            let begun = interactions.start_interaction(start(&id, hints(person))).await;
            let begun = begun.expect("a start").into_inner();
            assert!(!begun.degraded);
            if round == 0 {
                refs.push(begun.customer_ref);
            }
            if round == 0 || person % 3 > 0 {
                interactions.end_interaction(end(&id)).await.expect("an end");
            }
            contacts.push(id);
        }
    }
    let typed = Identifier {
        kind: "phone".into(),
        value: phone(1),
        assurance: Assurance::Asserted.into(),
        ..Identifier::default()
    };
    let unsure = IdentityHints { identifiers: vec![typed], ..IdentityHints::default() };
    for (id, hints) in [("unsettled", unsure), ("nobody", IdentityHints::default())] {
        interactions.start_interaction(start(id, hints)).await.expect("a start");
        contacts.push(id.to_owned());
    }
    let mut files = served.customers.clone();
    for (number, customer) in refs.iter().enumerate().take(4) {
        let language = ProfileAttributeInput { value: "pt".into(), ..Default::default() };
        let customer_input = CustomerInput {
            profile: [("language".to_owned(), language)].into(),
            ..CustomerInput::default()
        };
        let request = UpsertCustomerRequest {
            request_id: format!("profile-{number}"),
            customer_ref: customer.clone(),
            customer: Some(customer_input),
            ..UpsertCustomerRequest::default()
        };
        files.upsert_customer(request).await.expect("a change");
    }
    let request = MergeCustomersRequest {
        request_id: "merge".into(),
        customer_ref: refs[0].clone(),
        other_customer_ref: refs[1].clone(),
        reason: "the same person".into(),
        ..MergeCustomersRequest::default()
    };
    files.merge_customers(request).await.expect("a merge");
    served.running.stop().await.expect("an orderly stop");
    contacts
}

pub(crate) async fn everybody_is_who_they_were(database: &Database) {
    let key = new_key(database).await;
    let contacts = told(database, &key).await;
    let before = everything(database, &key, &contacts).await;
    assert!(before.people.len() > PEOPLE as usize);
    let folder = database.folder().join("kept");
    let pair = back_up(database, &folder).await;
    let into = restored(database, &pair, &[]).await;
    assert_eq!(customers(database).await, customers(&into).await);
    before.are(&everything(&into, &key, &contacts).await);
    into.remove().await;
}

/// The restored store is written to: retries are replays, and nothing is handed out twice.
pub(crate) async fn it_goes_on_as_a_store_of_its_own(database: &Database) {
    let key = new_key(database).await;
    told(database, &key).await;
    let pair = back_up(database, &database.folder().join("kept")).await;
    // What comes after the backup is lost, and its positions with it.
    let served = Served::on(database, &key).await;
    let mut interactions = served.interactions.clone();
    interactions.start_interaction(start("late", hints(3))).await.expect("a start");
    interactions.end_interaction(end("late")).await.expect("an end");
    served.running.stop().await.expect("an orderly stop");
    let checkpoint = database.folder().join("checkpoint");
    let out = checkpoint.display().to_string();
    let (well, text) = said(command(database, &["audit", "checkpoint", "--out", &out])).await;
    assert!(well, "{text}");
    let last = newest_position(database).await;

    let into = restored(database, &pair, &[]).await;
    let before = newest_position(&into).await;
    assert!(before > last, "{before} was handed out before: {last}");
    let served = Served::on(&into, &key).await;
    let mut interactions = served.interactions.clone();
    let again = interactions.start_interaction(start("contact-3-0", hints(3))).await;
    let again = again.expect("a replay").into_inner();
    interactions.end_interaction(end("contact-3-0")).await.expect("a replay");
    let late = interactions.start_interaction(start("late", hints(3))).await;
    let late = late.expect("a start").into_inner();
    assert_eq!(again.customer_ref, late.customer_ref);
    assert!(!late.new_customer, "it is told again, and they are known");
    served.running.stop().await.expect("an orderly stop");
    let (well, text) = said(command(&into, &["audit", "verify"])).await;
    assert!(well, "{text}");
    let (well, text) = said(command(&into, &["audit", "verify", "--checkpoint", &out])).await;
    assert!(!well && text.contains("NOT WHOLE"), "the cut is told: {text}");
    let mut connection = into.connect().await;
    crate::invariants::verify(&mut connection, 1).await;
    into.remove().await;
}

async fn newest_position(database: &Database) -> i64 {
    let mut connection = database.connect().await;
    let sql = "SELECT position FROM tenant_head WHERE tenant = 1";
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a head")
}

/// Files of keys that are too old go with the next backup; a revoked API key stays revoked.
pub(crate) async fn old_keys_go(database: &Database) {
    let key = new_key(database).await;
    told(database, &key).await;
    let (rows, keys) = (database.folder().join("rows"), database.folder().join("keys"));
    let first = back_up(database, &rows).await;
    let (rows, keys) = (rows.display().to_string(), keys.display().to_string());
    let to = ["backup", rows.as_str(), "--keys-to", keys.as_str()];
    let (well, text) = said(command(database, &to)).await;
    assert!(well && !text.contains("deleted"), "{text}");
    let second = newest(Path::new(&keys), "keys");
    let named = key.rsplit_once('_').expect("a key").0.replace("tl_live_", "");
    let (well, text) = said(command(database, &["keys", "revoke", &named])).await;
    assert!(well, "{text}");
    let with = [&to[..], &["--keep-keys", "0s", "--keep-rows", "0s"]].concat();
    let (well, text) = said(command(database, &with)).await;
    assert!(well, "{text}");
    for gone in [&second, &first.rows] {
        assert!(!gone.exists(), "{}: {text}", gone.display());
        assert!(text.contains(&format!("deleted {}", gone.display())), "{text}");
    }
    assert!(first.keys.exists(), "that is another folder");
    let third = newest(Path::new(&keys), "keys");
    let pair = Pair { rows: newest(Path::new(&rows), "rows"), keys: first.keys };
    let into = elsewhere(database).await;
    let (well, text) = restore(&into, &pair, &[&third]).await;
    assert!(well, "{text}");
    let (_, listed) = said(command(&into, &["keys", "list"])).await;
    assert!(listed.contains("revoked"), "{listed}");
    into.remove().await;
}

/// The newest file of rows, or of keys, in a folder.
fn newest(folder: &Path, kind: &str) -> PathBuf {
    let files = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|own| own == kind)).max().expect("a file")
}

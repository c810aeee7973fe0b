//! What was taken from an endpoint for web-hooks after a backup does not come back with it: nothing is sent
//! before somebody says so.

use crate::database::Database;
use crate::ground::{Pair, back_up, command, restored, said};
use crate::keys::{new_key, settings};

async fn webhooks(database: &Database, arguments: &[&str]) -> String {
    let arguments = [&["webhooks"], arguments].concat();
    let (well, text) = said(command(database, &arguments)).await;
    assert!(well, "{arguments:?}: {text}");
    text
}

/// What `webhooks list` calls an endpoint's state.
async fn state(database: &Database, endpoint: &str) -> String {
    let listed = webhooks(database, &["list"]).await;
    let line = listed.lines().find(|line| line.starts_with(endpoint)).expect("it is listed");
    line.split_whitespace().nth(2).expect("a state").to_owned()
}

/// Whom anything is sent to.
async fn sent_to(database: &Database) -> usize {
    let service = settings(database).open().await.expect("a service");
    let wanted = service.store().wanted_webhooks().await.expect("endpoints");
    service.store().close().await;
    wanted.len()
}

pub(crate) async fn no_endpoint_comes_back_switched_on(database: &Database) {
    new_key(database).await;
    let mut names = Vec::new();
    for path in ["removed", "leaked", "off", "as-it-was"] {
        let url = format!("https://crm.example.com/{path}");
        let made = webhooks(database, &["create", "--tenant", "acme", "--url", &url]).await;
        let line = made.lines().find(|line| line.contains(" verifies with ")).expect("its name");
        names.push(line.split(' ').next().expect("a name").to_owned());
    }
    assert_eq!(sent_to(database).await, 4);
    let before = back_up(database, &database.folder().join("before")).await;
    webhooks(database, &["remove", &names[0]]).await;
    webhooks(database, &["rotate", &names[1], "--overlap", "0s"]).await;
    webhooks(database, &["update", &names[2], "--off"]).await;
    let after = back_up(database, &database.folder().join("after")).await;

    let pair = Pair { rows: before.rows, keys: after.keys };
    let into = restored(database, &pair, &[]).await;
    assert_eq!(sent_to(&into).await, 0, "nothing is sent");
    for name in &names {
        assert_eq!(state(&into, name).await, "restored", "and why is shown");
    }
    // A new secret alone sends nothing either; whoever switches on is told of the old one.
    webhooks(&into, &["rotate", &names[1], "--overlap", "0s"]).await;
    assert_eq!(sent_to(&into).await, 0);
    let told = webhooks(&into, &["update", &names[1], "--on"]).await;
    assert!(told.contains("came back from a backup") && told.contains("rotate"), "{told}");
    assert_eq!(state(&into, &names[1]).await, "on");
    assert_eq!(sent_to(&into).await, 1);
    let told = webhooks(&into, &["update", &names[1], "--on"]).await;
    assert!(!told.contains("backup"), "it is said once: {told}");
    into.remove().await;
}

//! A root key that the command cannot write: from the environment, and from a command that prints it.

use std::time::Duration;

use threadline::crypto::RootKeys;
use threadline::ids::Entropy;

use crate::binary::{BUDGET, From, Server, fail, succeed};
use crate::database::Database;
use crate::load::{acquaint, remembers};
use crate::vault::below;

const CREATE: [&str; 6] = ["keys", "create", "--tenant", "acme", "--role", "telephony"];

/// The environment cannot be changed from outside: it is said what to do, and who serves without the
/// new version holds it up.
pub(crate) async fn explained(database: &Database) {
    let one = RootKeys::generate(&Entropy::System);
    let both = one.with_new(2, &Entropy::System).expect("two versions");
    let two = both.without(|version| version == 1).expect("the other one");
    let [one, both, two] = [one, both, two].map(|keys| From::Text(keys.to_text().to_string()));
    let key = succeed(database, &one, &CREATE).trim().to_owned();
    let server = Server::start(database, &one, "one.log").await;
    let people = acquaint(&server, &key, 3).await;
    let said = fail(database, &one, &["rotate-keys"]);
    assert!(said.contains("nothing was changed") && said.contains("v2:NEW,v1:OLD"), "{said}");

    // Somebody serves who does not read the new version yet.
    let said = fail(database, &both, &["rotate-keys", "--wait", "2s"]);
    assert!(said.contains("1 of 1 instances that serve do not read version 2"), "{said}");
    remembers(&server, &key, &people).await;
    acquaint(&server, &key, 4).await;
    assert!(below(database, 2).await > 0, "nothing is wrapped by a version that somebody lacks");
    // From then on nobody starts without it.
    let said = fail(database, &one, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("needs version 2"), "{said}");
    drop(server);

    let server = Server::start(database, &both, "both.log").await;
    let said = succeed(database, &both, &["rotate-keys", "--wait", "40s"]);
    assert!(said.contains("wraps from now on") && said.contains("--retire 1"), "{said}");
    assert_eq!(below(database, 2).await, 0);
    let said = fail(database, &two, &["rotate-keys", "--retire", "1"]);
    assert!(said.contains("needs version 1"), "not before it is retired: {said}");
    let said = fail(database, &both, &["rotate-keys", "--retire", "2"]);
    assert!(said.contains("a newer one has to wrap first"), "{said}");
    let said = succeed(database, &both, &["rotate-keys", "--retire", "1"]);
    assert!(said.contains("take it out of THREADLINE_ROOT_KEY"), "{said}");
    remembers(&server, &key, &people).await;
    drop(server);
    let server = Server::start(database, &two, "two.log").await;
    remembers(&server, &key, &people).await;
    // Whoever puts the retired one back gains nothing by it, and is told.
    let late = Server::start(database, &both, "late.log").await;
    assert!(late.log().contains("retired versions of the root key are still listed"));
}

/// Whoever serves runs the command again when a new version is announced.
pub(crate) async fn printed(database: &Database) {
    let vault = database.folder().join("vault");
    let one = RootKeys::generate(&Entropy::System);
    let put = |keys: &RootKeys| std::fs::write(&vault, keys.to_text().as_bytes()).expect("a vault");
    put(&one);
    let settings = database.folder().join("command.toml");
    let text = format!("{BUDGET}root_key_command = [\"cat\", {:?}]\n", vault.display().to_string());
    std::fs::write(&settings, text).expect("a settings file");
    let from = From::Settings(settings);
    let key = succeed(database, &from, &CREATE).trim().to_owned();
    let server = Server::start(database, &from, "server.log").await;
    let people = acquaint(&server, &key, 3).await;
    let said = fail(database, &from, &["rotate-keys"]);
    assert!(said.contains("root_key_command prints"), "{said}");
    let both = one.with_new(2, &Entropy::System).expect("two versions");
    put(&both);
    let said = succeed(database, &from, &["rotate-keys"]);
    assert!(said.contains("wrapped by version 2"), "{said}");
    assert!(server.log().contains("a new version of the root key was read"));
    succeed(database, &from, &["rotate-keys", "--retire", "1"]);
    put(&both.without(|version| version == 1).expect("the new one"));
    acquaint(&server, &key, 6).await;
    remembers(&server, &key, &people).await;
    assert_eq!(below(database, 2).await, 0);
    // A vault that cannot be reached is said, and shows nothing; who serves goes on.
    std::fs::remove_file(&vault).expect("it was there");
    let said = fail(database, &from, &["rotate-keys", "--status"]);
    assert!(said.contains("(cat)") && said.contains("it failed"), "{said}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    remembers(&server, &key, &people).await;
}

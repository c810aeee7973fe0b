//! What operators do at a console is in the audit of every tenant that it concerns: a backup, a rotation
//! of the root key, a look at decisions to learn weights from.

use std::process::Command;

use threadline::cli::audit::{Filters, verify};
use threadline::cli::keys::NewKey;

use super::auditing::{all, list};
use super::root_keys::{both, instance, use_second};
use crate::support::requests::call;
use crate::support::{Engine, ROOT_KEY, TENANT, World, each_engine};

each_engine!(a_backup_and_a_look_at_decisions_leave_entries, a_rotation_leaves_entries,);

/// A world with two tenants.
async fn world(engine: Engine) -> World {
    let world = World::on(engine).await;
    world.role("telephony").await.start(call("one", "+14155550123")).await.expect("a start");
    world.key(&NewKey { tenant: "globex".into(), ..World::new_key(&["admin"]) }).await;
    world
}

/// What was done at a console, as caller, action and outcome, in that tenant's audit.
async fn done(world: &World, tenant: &str) -> Vec<(String, String, String)> {
    let filters = Filters { tenant: Some(tenant.into()), ..all() };
    let entries = list(world, &filters).await.into_iter();
    let entries = entries.filter(|it| ["backup", "fit", "rotate-keys"].contains(&&*it.caller));
    entries.map(|it| (it.caller.clone(), it.action.clone(), it.outcome().to_owned())).collect()
}

fn said(all: &[(&str, &str)]) -> Vec<(String, String, String)> {
    all.iter().map(|(by, action)| ((*by).into(), (*action).into(), "done".into())).collect()
}

async fn run(world: &World, arguments: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.args(arguments).args(["--database", &world.database]);
    command.env("THREADLINE_ROOT_KEY", ROOT_KEY).current_dir(folder.path());
    let output = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
    let output = output.await.expect("it ran");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

async fn a_backup_and_a_look_at_decisions_leave_entries(engine: Engine) {
    let world = world(engine).await;
    let (well, text) = run(&world, &["backup", "kept"]).await;
    assert!(well && !text.contains("no entry"), "{text}");
    for tenant in [TENANT, "globex"] {
        assert_eq!(done(&world, tenant).await, said(&[("backup", "backup")]), "{tenant}");
    }
    // There is too little to learn from; it was looked at all the same.
    let (well, text) = run(&world, &["fit", "--tenant", TENANT]).await;
    assert!(!well && text.contains("too few"), "{text}");
    let both = said(&[("backup", "backup"), ("fit", "fit")]);
    assert_eq!(done(&world, TENANT).await, both);
    assert_eq!(done(&world, "globex").await, both[..1]);
    let (text, whole) = verify(&world.running.service, None, &[]).await.expect("a verdict");
    assert!(whole, "{text}");
    world.close().await;
}

async fn a_rotation_leaves_entries(engine: Engine) {
    let world = world(engine).await;
    let service = instance(&world, &both()).await.expect("an instance");
    use_second(&service).await;
    // Announced again after a kill, it is the same rotation.
    service.announce_root_key(2).await.expect("announced");
    let begun = said(&[("rotate-keys", "rotate_root_key")]);
    assert!(service.retire_root_key(1).await.expect("a look").is_err(), "it is needed");
    for tenant in [TENANT, "globex"] {
        assert_eq!(done(&world, tenant).await, begun, "{tenant}");
    }
    service.rewrap_keys().await.expect("wrapped anew");
    for _ in 0..2 {
        assert!(service.retire_root_key(1).await.expect("a look").is_ok());
    }
    let through = said(&[("rotate-keys", "rotate_root_key"), ("rotate-keys", "retire_root_key")]);
    for tenant in [TENANT, "globex"] {
        assert_eq!(done(&world, tenant).await, through, "{tenant}");
    }
    let (text, whole) = verify(&service, None, &[]).await.expect("a verdict");
    assert!(whole, "{text}");
    service.store().close().await;
    world.close().await;
}

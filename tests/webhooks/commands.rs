//! `threadline webhooks`, as an operator types it.

use std::process::{Command, Output};

use super::ground::{Hooked, QUICK, whole_call};
use super::receiver::Manner;
use crate::support::{Engine, ROOT_KEY, World, each_engine};

each_engine!(endpoints_are_looked_after_by_commands);

async fn threadline(world: &World, arguments: &[&str]) -> Output {
    let settings = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(settings.path(), QUICK).expect("settings");
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.arg("webhooks").args(arguments).args(["--database", &world.database]);
    command.env("THREADLINE_ROOT_KEY", ROOT_KEY).env("THREADLINE_CONFIG", settings.path());
    let running = tokio::task::spawn_blocking(move || command.output());
    running.await.expect("it ends").expect("the binary runs")
}

async fn said(world: &World, arguments: &[&str]) -> String {
    let output = threadline(world, arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

async fn endpoints_are_looked_after_by_commands(engine: Engine) {
    let once = QUICK.replace("retry_seconds = [1, 1,", "retry_seconds = [1]#");
    let hooked = Hooked::with(engine, &once).await;
    let (world, name, url) = (&hooked.world, hooked.name.as_str(), hooked.receiver.url());
    let made = threadline(
        world,
        &["create", "--tenant", "acme", "--url", &url, "--type", "customer.merged"],
    )
    .await;
    assert!(made.status.success());
    let secret = String::from_utf8(made.stdout).expect("text");
    assert!(secret.starts_with("whsec_") && secret.lines().count() == 1);
    let told = String::from_utf8(made.stderr).expect("text");
    let other = told.split(' ').next().expect("a name").to_owned();
    let listed = said(world, &["list", "--tenant", "acme"]).await;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.contains(name) && listed.contains("1, ") && listed.contains("customer.merged"));
    assert!(!listed.contains("whsec_"));
    assert_eq!(said(world, &["test", &other]).await, "accepted: status 200\n");
    let tried = hooked.receiver.all();
    assert_eq!(tried.last().expect("one").kind(), "webhook.test");
    assert!(tried.last().expect("one").is_signed_with(secret.trim()));
    assert_eq!(said(world, &["remove", &other]).await, "removed\n");
    hooked.receiver.answers(|one| match one.kind().as_str() {
        "interaction.started" => Manner::Status(400),
        _ => Manner::Status(200),
    });
    whole_call(&hooked.client, "0-0", 0).await;
    hooked.until_rows("one is given up", |rows| rows == (0, 1)).await;
    let letters = said(world, &["dead-letters", name]).await;
    assert!(letters.starts_with("msg_") && letters.contains("2 attempts, status 400"), "{letters}");
    hooked.receiver.answers(|_| Manner::Status(200));
    assert_eq!(said(world, &["replay", name]).await, "1 will be sent again\n");
    hooked.until_rows("it was sent", |rows| rows == (0, 0)).await;
    let rotated = said(world, &["rotate", name, "--overlap", "7d"]).await;
    assert!(rotated.starts_with("whsec_"));
    assert_eq!(said(world, &["update", name, "--off"]).await, "changed\n");
    assert!(said(world, &["list"]).await.contains(" off "));
    for wrong in [
        &["update", name][..],
        &["test", "1_0000000000000001"],
        &["rotate", name, "--overlap", "31d"],
        &["create", "--tenant", "nobody", "--url", &url],
        &["create", "--tenant", "acme", "--url", "https://10.0.0.1/"],
        &["replay", name, "--id", "msg_1"],
    ] {
        assert!(!threadline(world, wrong).await.status.success(), "{wrong:?}");
    }
    let audit = threadline::cli::audit::verify(&world.running.service, None, &[]).await;
    assert!(audit.expect("a verdict").1, "the chain is whole");
    hooked.world.close().await;
}

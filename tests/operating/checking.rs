//! `threadline config check`, and what `serve` refuses: the same, all at once, without a secret.

use std::path::Path;
use std::process::Output;

use crate::keys::ROOT_KEY;
use crate::served::{printed, threadline};

/// What nobody must read, and stands wherever somebody may put it.
const SECRET: &str = "hunter2hunter2";

fn folder(settings: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("threadline.toml"), settings).expect("a file");
    folder
}

fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = threadline(folder, arguments);
    command.envs(environment.iter().copied()).output().expect("the binary starts")
}

const CHECK: [&str; 2] = ["config", "check"];

#[test]
fn what_is_valid_is_said_to_be_so() {
    let empty = tempfile::tempdir().expect("a folder");
    let output = run(empty.path(), &CHECK, &[]);
    let (said, wrong) = printed(&output);
    assert!(output.status.success(), "{wrong}");
    assert!(said.contains("valid") && said.contains("no file of settings"), "{said}");
    assert_eq!(std::fs::read_dir(empty.path()).expect("a folder").count(), 0, "nothing is made");
    let own = folder("[tenants.acme]\nlocale = \"de\"\n");
    let output = run(own.path(), &CHECK, &[("THREADLINE_ROOT_KEY", ROOT_KEY)]);
    assert!(output.status.success() && printed(&output).0.contains("threadline.toml"));
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/threadline.example.toml");
    let output = run(empty.path(), &["config", "check", "--config", example], &[]);
    assert!(output.status.success(), "{}", printed(&output).1);
}

#[test]
fn every_mistake_is_named_at_once_wherever_it_is() {
    let settings = format!(
        r#"[server]
databse = "sqlite:a.db"
database = "mysql://me:{SECRET}@db.example/threadline"
start_budget_ms = "{SECRET}"
log_format = "{SECRET}"
[server.tls]
certificate = "gone.pem"
key = "gone.key"
[policy]
time_zone = "{SECRET}"
own_numbers = ["{SECRET}"]
[tenants.acme]
confirm_confidence = 7
redact_patterns = [{{ name = "a", pattern = "({SECRET}" }}]
[tenants.acme.web_token]
issuer = "https://login.example"
audience = "threadline"
keys = [{{ pem = "-----BEGIN PRIVATE KEY-----{SECRET}" }}]
"#
    );
    let folder = folder(&settings);
    let environment = [
        ("THREADLINE_LISTEN", "nowhere"),
        ("THREADLINE_LOG", "threadline=loud"),
        ("THREADLINE_LOG_FORMAT", "yaml"),
        ("THREADLINE_ROOT_KEY", SECRET),
        ("THREADLINE_ROOT_KEY_FILE", "gone.root"),
    ];
    let checked = run(folder.path(), &CHECK, &environment);
    let (said, wrong) = printed(&checked);
    assert_eq!(checked.status.code(), Some(1), "{said}{wrong}");
    for part in [
        "(threadline.toml)",
        "server.databse: there is no such setting; did you mean database? (line 2)",
        "server.database: the database must be sqlite:PATH or postgres://… (line 3)",
        "server.start_budget_ms: must be a whole number from 10 to 60000 (line 4)",
        "server.log_format: must be \"json\" or \"text\" (line 5)",
        "server.tls: ",
        "gone.pem: is not there",
        "gone.key: is not there",
        "the root key comes from one place",
        "policy.time_zone: is not an IANA time zone (line 10)",
        "policy.own_numbers: each of it must be in E.164 form",
        "tenants.acme.confirm_confidence: must be from 0 to 1 (line 13)",
        "tenants.acme.redact_patterns[0].pattern: is no regular expression",
        "tenants.acme.web_token.keys[0]: is a private key",
        "--listen, or THREADLINE_LISTEN: must be host:port",
        "THREADLINE_LOG: must be a level",
        "THREADLINE_LOG_FORMAT: must be json or text",
    ] {
        assert!(wrong.contains(part), "{part} is not in\n{wrong}");
    }
    assert!(!wrong.contains(SECRET) && !said.contains(SECRET), "{wrong}");
    // Whoever serves is told the same, to the letter.
    let served = run(folder.path(), &["serve"], &environment);
    assert_eq!((served.status.code(), printed(&served).1), (Some(1), wrong));
}

#[test]
fn what_only_the_environment_and_files_show_is_found() {
    let folder = folder("");
    let check = |more: &[&str], environment: &[(&str, &str)]| {
        let output = run(folder.path(), &[&CHECK[..], more].concat(), environment);
        (output.status.code(), printed(&output).1)
    };
    let postgres = "postgres://me@127.0.0.1:1/none";
    for (more, environment, part) in [
        (&["--database", postgres][..], &[][..], "PostgreSQL needs a root key"),
        (&["--root-key-file", "gone"], &[], "server.root_key_file: the root key file gone: "),
        (&[], &[("THREADLINE_ROOT_KEY", SECRET)], "THREADLINE_ROOT_KEY: "),
        (
            &["--root-key-file", "gone"],
            &[("THREADLINE_ROOT_KEY", ROOT_KEY)],
            "the root key comes from one place",
        ),
        (&["--database", "sqlite:none/a.db"], &[], "the folder none does not exist"),
        (&["--listen", "0.0.0.0:0"], &[], "can be read and changed on the way"),
        (&["--config", "gone.toml"], &[], "gone.toml: No such file"),
    ] {
        let (code, wrong) = check(more, environment);
        assert_eq!(code, Some(1), "{more:?} {environment:?}");
        assert!(wrong.contains(part) && !wrong.contains(SECRET), "{part} is not in {wrong}");
    }
    // What is wrong with the option does not make a second mistake of the root key.
    let (code, wrong) = check(&["--database", "zzz"], &[]);
    assert_eq!((code, wrong.contains("root key")), (Some(1), false), "{wrong}");
    // A database that does not answer is not asked.
    let (code, wrong) = check(&["--database", postgres], &[("THREADLINE_ROOT_KEY", ROOT_KEY)]);
    assert_eq!(code, Some(0), "{wrong}");
}

#[test]
fn what_serve_would_only_find_when_it_opens_is_found() {
    let settings = r#"[server]
log_format = "loud"
plaintext = "loopback"
checkpoint_file = "gone/checkpoints"
[server.operations]
listen = "127.0.0.1:50051"
[tenants.acme.hooks.desk]
kind = "zendesk"
secret_env = "DESK_SECRET"
[tenants.acme.hooks.other]
kind = "zendesk"
secret_file = "gone.secret"
[tenants.acme.hooks.third]
kind = "zendesk"
secret_command = ["touch", "ran"]
"#;
    let own = folder(settings);
    let output = run(own.path(), &[&CHECK[..], &["--listen", "0.0.0.0:50051"]].concat(), &[]);
    let wrong = printed(&output).1;
    for part in [
        "server.log_format: ",
        "can be read and changed on the way",
        "server.operations.listen: is server.listen",
        "server.checkpoint_file: the folder gone does not exist",
        "tenants.acme.hooks.desk: secret_env: DESK_SECRET: is not set",
        "tenants.acme.hooks.other: secret_file: gone.secret: ",
    ] {
        assert!(wrong.contains(part), "{part} is not in\n{wrong}");
    }
    assert!(!own.path().join("ran").exists());
}

#[test]
fn the_command_that_prints_the_root_key_is_not_run() {
    let folder = folder("[server]\nroot_key_command = [\"touch\", \"ran\"]\n");
    let output = run(folder.path(), &CHECK, &[]);
    assert!(output.status.success(), "{}", printed(&output).1);
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn checkpoints_need_a_file() {
    let own = folder("");
    std::fs::create_dir(own.path().join("kept")).expect("a folder");
    for (file, expected) in [
        ("", Some("server.checkpoint_file: must be a file")),
        ("kept", Some("server.checkpoint_file: must be a file")),
        ("none/a.chk", Some("server.checkpoint_file: the folder none does not exist")),
        ("kept/a.chk", None),
        ("a.chk", None),
    ] {
        let settings = format!("[server]\ncheckpoint_file = {file:?}\n");
        std::fs::write(own.path().join("threadline.toml"), settings).expect("a settings file");
        for command in [&CHECK[..], &["serve"]] {
            // Whoever serves with good settings goes on doing so.
            if expected.is_none() && command == ["serve"] {
                continue;
            }
            let output = run(own.path(), command, &[]);
            let wrong = printed(&output).1;
            assert_eq!(output.status.success(), expected.is_none(), "{file}: {wrong}");
            assert!(expected.is_none_or(|part| wrong.contains(part)), "{file}: {wrong}");
        }
        assert!(!own.path().join(file).is_file(), "nothing is made");
    }
}

#[test]
fn an_empty_root_key_is_no_root_key_of_a_new_database() {
    let own = folder("");
    for command in [&CHECK[..], &["serve"], &["migrate"]] {
        let output = run(own.path(), command, &[("THREADLINE_ROOT_KEY", "")]);
        let wrong = printed(&output).1;
        assert_eq!(output.status.code(), Some(1), "{wrong}");
        assert!(wrong.contains("THREADLINE_ROOT_KEY: is set and empty"), "{wrong}");
        assert!(!own.path().join("threadline.db.root-key").exists());
    }
}

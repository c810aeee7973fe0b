//! A serving process's memory, where keys and opened values are, goes nowhere.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::support::ROOT_KEY;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_servers_memory_goes_into_no_core_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite:{}", folder.path().join("a.db").display());
    let mut server = Command::new(env!("CARGO_BIN_EXE_threadline"))
        .args(["serve", "--listen", "127.0.0.1:0", "--database", &database])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let log = BufReader::new(server.stderr.take().expect("its log"));
    let serving = log.lines().map_while(Result::ok).any(|line| line.contains("\"serving\""));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id()));
    server.kill().expect("it runs");
    server.wait().expect("it ends");
    assert!(serving);
    if let Ok(limits) = limits {
        let core = limits.lines().find(|line| line.starts_with("Max core file size"));
        let figures: Vec<&str> = core.expect("a limit").split_whitespace().collect();
        assert_eq!(figures[4..6], ["0", "0"], "{figures:?}");
    }
}

/// Nor that of any command that opens a root key: it is private by the time the key is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_commands_memory_goes_into_a_core_file() {
    for arguments in [
        &["keys", "create", "--tenant", "acme", "--role", "admin"][..],
        &["keys", "list"],
        &["audit", "verify"],
        &["audit", "list"],
        &["rotate-keys", "--status"],
        &["webhooks", "list"],
        &["fit", "--tenant", "acme"],
        &["sweep"],
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        // Where no database is, nothing is opened.
        let made = Command::new(env!("CARGO_BIN_EXE_threadline"))
            .args(["keys", "create", "--tenant", "acme", "--role", "admin"])
            .args(["--database", "sqlite:a.db"])
            .env("THREADLINE_ROOT_KEY", ROOT_KEY)
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        assert!(made.status.success());
        // Who asks for the key is asked how large its core files may be.
        let command =
            "root_key_command = [\"sh\", \"-c\", \"cat /proc/$PPID/limits > limits; echo KEY\"]";
        let settings = format!("[server]\n{}\n", command.replace("KEY", ROOT_KEY));
        std::fs::write(folder.path().join("threadline.toml"), settings).expect("settings");
        let ran = Command::new(env!("CARGO_BIN_EXE_threadline"))
            .args(arguments)
            .args(["--database", "sqlite:a.db"])
            .env_remove("THREADLINE_ROOT_KEY")
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let limits = std::fs::read_to_string(folder.path().join("limits"));
        let limits = limits.unwrap_or_else(|_| panic!("{arguments:?} reads no key: {said}"));
        let Some(core) = limits.lines().find(|line| line.starts_with("Max core file size")) else {
            eprintln!("not shown: this machine does not tell of limits");
            return;
        };
        let figures: Vec<&str> = core.split_whitespace().collect();
        assert_eq!(figures[4..6], ["0", "0"], "{arguments:?}: {figures:?}");
    }
}

/// What is made is its owner's alone, whatever the umask would allow: also times, channels and refs,
/// which are not sealed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_are_their_owners_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = |more: &str| {
        let binary = env!("CARGO_BIN_EXE_threadline");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask 022; exec {binary} {more} --database sqlite:a.db")]);
        command.env("THREADLINE_ROOT_KEY", ROOT_KEY).current_dir(folder.path());
        command
    };
    let mut server = ran("serve --listen 127.0.0.1:0");
    let mut server = server.stderr(Stdio::piped()).spawn().expect("it starts");
    let log = BufReader::new(server.stderr.take().expect("its log"));
    let serving = log.lines().map_while(Result::ok).any(|line| line.contains("\"serving\""));
    let made = ran("keys create --tenant acme --role admin").output().expect("it runs");
    let kept = ran("backup kept").output().expect("it runs");
    let mut modes = Vec::new();
    for place in [folder.path().to_path_buf(), folder.path().join("kept")] {
        for file in std::fs::read_dir(place).expect("a folder").flatten() {
            let mode = file.metadata().expect("a file").mode() & 0o777;
            modes.push((file.file_name().to_string_lossy().into_owned(), mode));
        }
    }
    server.kill().expect("it runs");
    server.wait().expect("it ends");
    assert!(serving && made.status.success() && kept.status.success(), "{kept:?}");
    for wanted in ["a.db", "a.db-wal", "a.db-shm", ".rows", ".keys"] {
        let found = modes.iter().filter(|(name, _)| name.ends_with(wanted)).collect::<Vec<_>>();
        assert!(found.len() == 1 && found[0].1 == 0o600, "{wanted}: {modes:?}");
    }
    assert!(modes.iter().all(|(_, mode)| mode & 0o077 == 0), "{modes:?}");
}

/// Nobody of the same user reads a serving process's memory, or asks what it was started with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_program_of_the_same_user_looks_into_a_server() {
    // The superuser looks into everything: then both are somebody else's.
    const NOBODY: u32 = 65_534;
    let root = std::fs::metadata("/proc/self").map(|own| own.uid() == 0).unwrap_or_default();
    let mine = |command: &mut Command| {
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
    };
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("our folder");
    let database = format!("sqlite:{}", folder.path().join("a.db").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--database", &database]);
    command.current_dir(folder.path()).stderr(Stdio::piped());
    mine(&mut command);
    let Ok(mut server) = command.spawn() else {
        eprintln!("not shown: another user cannot start the binary here");
        return;
    };
    let log = BufReader::new(server.stderr.take().expect("its log"));
    let serving = log.lines().map_while(Result::ok).any(|line| line.contains("\"serving\""));
    let opens = |pid: u32, what: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!(": < /proc/{pid}/{what}")]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        mine(&mut command);
        command.status().expect("a shell").success()
    };
    let mut sleeper = Command::new("sleep");
    sleeper.arg("60");
    mine(&mut sleeper);
    let mut sleeper = sleeper.spawn().expect("sleep");
    let looks = ["mem", "environ", "maps"]
        .map(|what| (what, opens(sleeper.id(), what), opens(server.id(), what)));
    for child in [&mut server, &mut sleeper] {
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
    assert!(serving);
    if looks.iter().all(|(_, others, _)| !others) {
        eprintln!("not shown: this machine lets nobody look into any other program");
        return;
    }
    // Whoever may not open its memory may not trace it either: the same rule decides (ptrace(2)).
    assert!(looks.iter().all(|(_, _, servers)| !servers), "what, others', the server's: {looks:?}");
}

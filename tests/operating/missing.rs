//! Commands where no database is, and where one has lost its root key: they say so, and make nothing.

use std::path::Path;

use crate::keys::ROOT_KEY;
use crate::served::{printed, threadline};

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = threadline(folder, arguments).output().expect("the binary starts");
    let (said, wrong) = printed(&output);
    (output.status.code(), said + &wrong)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn where_no_database_is_none_is_made() {
    let place = tempfile::tempdir().expect("a folder");
    for (arguments, code) in [
        (&["audit", "verify"][..], 2),
        (&["audit", "list"], 1),
        (&["keys", "list"], 1),
        (&["keys", "revoke", "1_aaaaaaaaaaaaaaaa"], 1),
        (&["webhooks", "list"], 1),
        (&["rotate-keys", "--status"], 1),
        (&["sweep"], 1),
        (&["backup", "kept"], 1),
    ] {
        let all = [arguments, &["--database", "sqlite:typo.db"]].concat();
        let (ended, text) = run(place.path(), &all);
        assert_eq!(ended, Some(code), "{arguments:?}: {text}");
        assert!(text.contains("there is no database typo.db"), "{arguments:?}: {text}");
    }
    let left: Vec<_> = names(place.path()).into_iter().filter(|name| name != "kept").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_has_no_tenant_is_neither_verified_nor_backed_up() {
    let place = tempfile::tempdir().expect("a folder");
    let (ended, text) = run(place.path(), &["migrate"]);
    assert_eq!(ended, Some(0), "{text}");
    assert_eq!(run(place.path(), &["audit", "verify"]).0, Some(2));
    let (ended, text) = run(place.path(), &["backup", "kept"]);
    assert_eq!((ended, names(&place.path().join("kept")).len()), (Some(1), 0), "{text}");
    let key = run(place.path(), &["keys", "create", "--tenant", "acme", "--role", "agent"]);
    assert_eq!(key.0, Some(0), "{}", key.1);
    assert_eq!(run(place.path(), &["audit", "verify"]).0, Some(0));
    std::fs::write(place.path().join("empty"), "").expect("a file");
    let (ended, text) = run(place.path(), &["audit", "verify", "--checkpoint", "empty"]);
    assert_eq!(ended, Some(2), "{text}");
    assert!(text.contains("empty: holds no checkpoint"), "{text}");
}

#[test]
fn what_lists_one_tenants_says_that_there_is_none_of_that_name() {
    let place = tempfile::tempdir().expect("a folder");
    let key = run(place.path(), &["keys", "create", "--tenant", "acme", "--role", "agent"]);
    assert_eq!(key.0, Some(0), "{}", key.1);
    for command in [["keys", "list"], ["webhooks", "list"], ["audit", "list"], ["audit", "key"]] {
        let listed = |tenant: &str| {
            let of = [&command[..], &["--tenant", tenant]].concat();
            let output = threadline(place.path(), &of).output().expect("the binary starts");
            (output.status.code(), printed(&output))
        };
        let (ended, (said, wrong)) = listed("acne");
        assert_eq!((ended, said.as_str()), (Some(1), ""), "{command:?}: {wrong}");
        assert!(wrong.contains("no such tenant"), "{command:?}: {wrong}");
        let (ended, (_, wrong)) = listed("acme");
        assert_eq!(ended, Some(0), "{command:?}: {wrong}");
    }
}

#[test]
fn a_lost_root_key_is_not_replaced_by_another() {
    let place = tempfile::tempdir().expect("a folder");
    let create = ["keys", "create", "--tenant", "acme", "--role", "agent"];
    assert_eq!(run(place.path(), &create).0, Some(0));
    let file = place.path().join("threadline.db.root-key");
    let key = std::fs::read(&file).expect("it was made");
    std::fs::remove_file(&file).expect("it was there");
    let gone = "threadline.db.root-key is gone";
    for arguments in [&create[..], &["serve"], &["config", "check"], &["audit", "list"]] {
        let (ended, text) = run(place.path(), arguments);
        assert_eq!(ended, Some(1), "{arguments:?}: {text}");
        assert!(text.contains(gone) && !file.exists(), "{arguments:?}: {text}");
    }
    std::fs::write(&file, key).expect("put back");
    assert_eq!(run(place.path(), &["keys", "list"]).0, Some(0));
}

#[test]
fn what_keeps_a_store_from_being_opened_is_told_apart() {
    let place = tempfile::tempdir().expect("a folder");
    let named = |name: &str| place.path().join(name);
    std::fs::write(named("only.db"), "").expect("a file");
    std::fs::write(named("text.db"), "no database at all\n".repeat(400)).expect("a file");
    std::fs::create_dir(named("folder.db")).expect("a folder");
    let cases = [
        ("sqlite:only.db?mode=ro", "can only be read"),
        ("sqlite:none.db?mode=ro", "the file of the database cannot be opened"),
        ("sqlite:folder.db", "the file of the database cannot be opened"),
        ("sqlite:text.db", "that file is no database of SQLite's"),
        ("postgres://me:hunter2@127.0.0.1:1/none", "nobody listens at that host and port"),
    ];
    // Each is tried for some seconds.
    std::thread::scope(|scope| {
        for (database, said) in cases {
            let mut command = threadline(place.path(), &["migrate", "--database", database]);
            command.env("THREADLINE_ROOT_KEY", ROOT_KEY);
            scope.spawn(move || {
                let output = command.output().expect("the binary starts");
                let (told, wrong) = printed(&output);
                assert_eq!(output.status.code(), Some(1), "{database}: {told}{wrong}");
                assert!(wrong.contains(said), "{database}: {said} is not in {wrong}");
                assert!(!wrong.contains("hunter2"), "{wrong}");
            });
        }
    });
}

#[test]
fn a_list_of_keys_says_what_each_may_do_at_most() {
    let place = tempfile::tempdir().expect("a folder");
    let create = ["keys", "create", "--tenant", "acme", "--role", "agent"];
    for more in [
        &["--max-assurance", "carried", "--rate", "50", "--burst", "70"][..],
        &["--rate", "30"],
        &[],
    ] {
        let (ended, text) = run(place.path(), &[&create[..], more].concat());
        assert_eq!(ended, Some(0), "{text}");
    }
    let (ended, text) = run(place.path(), &["keys", "list"]);
    assert_eq!(ended, Some(0), "{text}");
    for cells in ["carried       50, 70 at once", "-             30   ", "-             -   "] {
        assert_eq!(text.lines().filter(|line| line.contains(cells)).count(), 1, "{cells}: {text}");
    }
}

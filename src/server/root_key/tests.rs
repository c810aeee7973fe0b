//! Sources of the root key: one at a time, and no error shows any of it.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use super::*;
use crate::crypto::RootKeys;

const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

fn shell(script: &str) -> PrintedBy {
    PrintedBy::new(["sh", "-c", script].map(str::to_owned).to_vec()).unwrap()
}

fn refused(source: &dyn RootKeySource) -> String {
    let said = source.read().expect_err("it is refused").to_string();
    assert!(!said.contains("BwcH"), "{said}");
    said
}

fn given() -> Given {
    Given::default()
}

fn chosen(given: Given, database: &str) -> anyhow::Result<Source> {
    Source::choose(given, database, &Entropy::System)
}

#[test]
fn there_is_one_source() {
    let text = || Some(Zeroizing::new(KEY.to_owned()));
    let command = || Some(vec!["true".to_owned()]);
    let file = || Some(PathBuf::from("some.key"));
    let several = [
        Given { text: text(), file: file(), ..given() },
        Given { text: text(), command: command(), ..given() },
        Given { file: file(), command: command(), ..given() },
        Given { text: text(), file: file(), command: command() },
    ];
    for given in several {
        let error = chosen(given, "sqlite:a.db").err().expect("several are refused").to_string();
        assert!(error.contains("one place") && !error.contains("BwcH"), "{error}");
    }
    assert!(chosen(Given { text: text(), ..given() }, "postgres://a/b").is_ok());
    // Empty is not set, as with every variable of an environment.
    let empty = Given { text: Some(Zeroizing::new(" \n".to_owned())), file: file(), ..given() };
    assert!(matches!(chosen(empty, "postgres://a/b").unwrap(), Source::File(_)));
    let none = chosen(given(), "postgres://a/b").err().expect("PostgreSQL needs one").to_string();
    assert!(none.contains("root_key_command") && none.contains("THREADLINE_ROOT_KEY"), "{none}");
    // A new database gets no key of its own where one was to come from the variable.
    let place = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", place.path().join("a.db").display());
    let empty = || Given { text: Some(Zeroizing::new(String::new())), ..given() };
    let error = chosen(empty(), &database).err().expect("it is refused").to_string();
    assert!(error.contains("is set and empty"), "{error}");
    let error = Source::examine(empty(), Some(&database)).expect_err("it is refused");
    assert!(error.starts_with("THREADLINE_ROOT_KEY: is set and empty"), "{error}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "none was made");
    chosen(given(), &database).unwrap();
    assert!(chosen(empty(), &database).is_ok(), "it has one by now");
    // A file that was named and is not there is a mistake, and not made.
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.key");
    let source = chosen(Given { file: Some(missing.clone()), ..given() }, "sqlite:a.db").unwrap();
    assert!(refused(&*source.reader()).contains("none.key") && !missing.exists());
}

#[test]
fn the_embedded_store_makes_a_file_of_its_own_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", folder.path().join("a.db").display());
    let made = chosen(given(), &database).unwrap().reader().read().unwrap();
    let path = folder.path().join("a.db.root-key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = chosen(given(), &database).unwrap().reader().read().unwrap();
    assert_eq!(again.to_text(), made.to_text());
    assert!(KeyFile::at(path).create(&Entropy::System).is_err(), "it is never written over");
}

#[test]
fn a_file_is_exchanged_as_a_whole_and_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::at(folder.path().join("a.key"));
    file.create(&Entropy::seeded(1)).unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let keys = file.read().unwrap();
    let more = keys.with_new(2, &Entropy::seeded(2)).unwrap();
    let held = file.hold().unwrap();
    // What a killed one left lying there is no hindrance.
    std::fs::write(folder.path().join("a.key.new"), "half a li").unwrap();
    held.exchange(&more).unwrap();
    assert_eq!(file.read().unwrap().to_text(), more.to_text());
    assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    drop(held);
    let held = file.hold().expect("held by nobody");
    let other = KeyFile::at(file.path().to_owned());
    assert!(other.hold().is_err(), "two at once would make two versions");
    held.exchange(&keys).unwrap();
    drop(held);
    assert!(other.hold().is_ok());
    for wrong in ["", "no key", "\u{fffd}"] {
        std::fs::write(file.path(), wrong).unwrap();
        assert!(refused(&file).contains("a.key"), "{wrong}");
    }
    std::fs::write(file.path(), KEY.repeat(200)).unwrap();
    assert!(refused(&file).contains("too long"));
    std::fs::write(file.path(), [0xff, 0xfe]).unwrap();
    assert!(refused(&file).contains("no text"));
}

#[test]
fn the_file_that_a_link_leads_to_is_exchanged() {
    let folder = tempfile::tempdir().unwrap();
    let (secrets, own) = (folder.path().join("secrets"), folder.path().join("own"));
    std::fs::create_dir(&secrets).unwrap();
    std::fs::create_dir(&own).unwrap();
    let real = KeyFile::at(secrets.join("a.key"));
    real.create(&Entropy::seeded(1)).unwrap();
    // A link to a link, and the last one relative to its own folder.
    std::os::unix::fs::symlink("a.key", secrets.join("current")).unwrap();
    let linked = KeyFile::at(own.join("a.key"));
    std::os::unix::fs::symlink("../secrets/current", linked.path()).unwrap();
    let more = linked.read().unwrap().with_new(2, &Entropy::seeded(2)).unwrap();
    let held = linked.hold().unwrap();
    assert!(real.hold().is_err(), "by either name it is one file");
    held.exchange(&more).unwrap();
    let left = more.without(|version| version == 1).unwrap();
    held.exchange(&left).unwrap();
    for file in [&linked, &real] {
        assert_eq!(file.read().unwrap().to_text(), left.to_text(), "the retired one is nowhere");
    }
    for link in [linked.path().to_owned(), secrets.join("current")] {
        assert!(std::fs::symlink_metadata(link).unwrap().is_symlink());
    }
    let count = |folder| std::fs::read_dir(folder).unwrap().count();
    assert_eq!((count(own), count(secrets)), (1, 2), "nothing is left beside them");
}

#[test]
fn a_command_prints_it() {
    let printed = shell(&format!("echo v2:{KEY},v1:{KEY}; echo {KEY} >&2")).read().unwrap();
    assert_eq!(printed.versions(), [2, 1]);
    let exactly = shell("printf %s \"$0\"");
    assert!(refused(&exactly).contains("malformed"), "there is no shell but the one it names");
    assert!(PrintedBy::new(Vec::new()).is_err() && PrintedBy::new(vec![String::new()]).is_err());
}

#[test]
fn a_command_that_fails_says_nothing_of_what_it_printed() {
    let cases = [
        (format!("echo {KEY}; exit 3"), "3"),
        (format!("echo {KEY}; echo {KEY} >&2; kill -9 $$"), "signal"),
        (format!("echo not-a-key-{KEY}"), "malformed"),
        ("true".to_owned(), "empty"),
        (format!("for i in $(seq 200); do echo {KEY}; done"), "4096 bytes"),
        ("printf '\\377\\376'".to_owned(), "no text"),
    ];
    for (script, expected) in cases {
        let said = refused(&shell(&script));
        assert!(said.contains(expected) && said.contains("(sh)"), "{script}: {said}");
    }
    let secret = ["no-such-program-of-anybody", "--token=BwcH"].map(str::to_owned).to_vec();
    let said = refused(&PrintedBy::new(secret).unwrap());
    assert!(said.contains("cannot be started") && said.contains("no-such-program"), "{said}");
}

#[test]
fn a_command_that_does_not_end_is_ended_with_all_it_started() {
    let begun = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let alive = folder.path().join("alive");
    for script in [
        // It never prints; it prints and does not end; what it started holds on to the pipe.
        "sleep 60".to_owned(),
        format!("echo {KEY}; exec >/dev/null; sleep 60"),
        format!("(sleep 1; touch {}) & wait", alive.display()),
    ] {
        let said = refused(&shell(&script).within(Duration::from_millis(200)));
        assert!(said.contains("longer than"), "{script}: {said}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(!alive.exists(), "what it started is gone as well");
}

#[test]
fn nothing_shows_a_key() {
    let keys = RootKeys::from_base64(KEY).unwrap();
    let error = RootKeys::from_base64(&format!("v1:{KEY},v1:{KEY}")).unwrap_err();
    for shown in [format!("{keys:?}"), format!("{error:?}"), format!("{error}")] {
        assert!(!shown.contains("BwcH") && !shown.contains("7, 7"), "{shown}");
    }
}

//! What is not put back: damaged files, files that do not belong together, a database that is not
//! empty; and nobody is served what was put back by half.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::coming_back::told;
use crate::database::Database;
use crate::ground::{
    Pair, back_up, command, customers, elsewhere, everything, restore, restoring, said,
};
use crate::keys::new_key;

/// Places of each file that are damaged, from its beginning to its end.
const PLACES: u64 = 24;
/// How often something is put back in order to kill it half-way, which comes off three times.
const TRIES: usize = 30;
/// Between two looks at whether it has begun.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Each kill that came off is followed by one so much later.
const LATER: Duration = Duration::from_millis(5);

pub(crate) async fn a_damaged_file(database: &Database) {
    let key = new_key(database).await;
    told(database, &key).await;
    let pair = back_up(database, &database.folder().join("kept")).await;
    let into = elsewhere(database).await;
    for which in [".rows", ".keys"] {
        let (mut damaged, whole) = match which {
            ".rows" => (pair.clone(), pair.rows.clone()),
            _ => (pair.clone(), pair.keys.clone()),
        };
        let odd = database.folder().join(format!("odd{which}"));
        match which {
            ".rows" => damaged.rows.clone_from(&odd),
            _ => damaged.keys.clone_from(&odd),
        }
        let bytes = std::fs::read(&whole).expect("a file");
        let last = bytes.len() as u64 - 1;
        for place in 0..=PLACES {
            let place = (last * place / PLACES) as usize;
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            for odd_bytes in [&flipped[..], &bytes[..place]] {
                std::fs::write(&odd, odd_bytes).expect("a file");
                refused(&into, &damaged, "").await;
            }
        }
        std::fs::write(&odd, [&bytes[..], b"more"].concat()).expect("a file");
        refused(&into, &damaged, "damaged").await;
    }
    let (well, text) = restore(&into, &pair, &[]).await;
    assert!(well, "nothing was written before: {text}");
    into.remove().await;
}

async fn refused(into: &Database, pair: &Pair, why: &str) {
    let (well, text) = restore(into, pair, &[]).await;
    assert!(!well && text.contains(why), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

pub(crate) async fn what_does_not_belong_together(database: &Database) {
    let key = new_key(database).await;
    told(database, &key).await;
    let pair = back_up(database, &database.folder().join("kept")).await;
    let into = elsewhere(database).await;
    let swapped = Pair { rows: pair.keys.clone(), keys: pair.rows.clone() };
    refused(&into, &swapped, "does not hold rows").await;
    let mixed = Pair { rows: pair.rows.clone(), keys: pair.rows.clone() };
    refused(&into, &mixed, "does not hold keys").await;
    let other = elsewhere(database).await;
    new_key(&other).await;
    let others = back_up(&other, &other.folder().join("kept")).await;
    let mixed = Pair { rows: pair.rows.clone(), keys: others.keys.clone() };
    refused(&into, &mixed, "of another installation").await;
    refused(&other, &pair, "not empty").await;
    let (well, text) = restore(&into, &pair, &[&others.keys]).await;
    assert!(!well && text.contains("of another installation"), "{text}");

    let arguments = restoring(&pair, &[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut wrong = command(&into, &arguments);
    wrong.env("THREADLINE_ROOT_KEY", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    let (well, text) = said(wrong).await;
    assert!(!well && text.contains("the root key is not the one"), "{text}");
    let mut without = command(&into, &arguments);
    without.env_remove("THREADLINE_ROOT_KEY");
    let (well, text) = said(without).await;
    assert!(!well && text.to_lowercase().contains("root"), "{text}");
    let (well, text) = restore(&into, &pair, &[]).await;
    assert!(well, "nothing was written before: {text}");
    into.remove().await;
    other.remove().await;
}

/// Killed at several moments: nobody is served until it was run again.
pub(crate) async fn one_that_was_killed_half_way(database: &Database) {
    let key = new_key(database).await;
    let contacts = told(database, &key).await;
    let before = everything(database, &key, &contacts).await;
    let folder = database.folder().join("kept");
    let pair = back_up(database, &folder).await;
    let other = back_up(database, &database.folder().join("other")).await;
    let (mut half_way, mut later) = (0, Duration::ZERO);
    for _ in 0..TRIES {
        let into = elsewhere(database).await;
        let mut killed = spawn(&into, &pair);
        while killed.try_wait().expect("a child of ours").is_none() && !is_marked(&into).await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tokio::time::sleep(later).await;
        killed.kill().expect("a child of ours");
        let ended = killed.wait().expect("a child of ours").success();
        let came_off = !ended && is_marked(&into).await;
        later = if came_off { later + LATER } else { later / 2 };
        if came_off {
            half_way += 1;
            let (well, text) = said(command(&into, &["keys", "list"])).await;
            assert!(!well && text.contains("was not completed"), "{text}");
            let (well, text) = said(command(&into, &["serve", "--listen", "127.0.0.1:0"])).await;
            assert!(!well && text.contains("was not completed"), "{text}");
            refused(&into, &other, "not completed").await;
            let (well, text) = restore(&into, &pair, &[]).await;
            assert!(well, "{text}");
            assert_eq!(customers(&into).await, customers(database).await);
            before.are(&everything(&into, &key, &contacts).await);
            let (well, text) = said(command(&into, &["audit", "verify"])).await;
            assert!(well, "{text}");
        }
        into.remove().await;
        if half_way == 3 {
            break;
        }
    }
    assert!(half_way > 0, "no kill came half-way");
}

fn spawn(into: &Database, pair: &Pair) -> Child {
    let arguments = restoring(pair, &[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut command = command(into, &arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
}

/// Whether something is being put back there.
async fn is_marked(database: &Database) -> bool {
    let file = database.url.strip_prefix("sqlite:").map(Path::new);
    if file.is_some_and(|file| !file.exists()) {
        return false;
    }
    let mut connection = database.connect().await;
    let sql = "SELECT restoring FROM installation WHERE tenant = 0";
    let marked: Result<Vec<u8>, _> = sqlx::query_scalar(sql).fetch_one(&mut connection).await;
    marked.is_ok_and(|marked| !marked.is_empty())
}

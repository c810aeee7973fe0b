//! `threadline export`, as somebody at a terminal uses it: both forms hold all of a person.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::exporting::{foreign, split};
use super::person::{connection, plant, world};
use crate::plant::Planter;
use crate::support::{Engine, World};

/// Runs the command; whether it went well, and what it said.
async fn said(world: &World, key: &str, folder: &Path, arguments: &[&str]) -> (bool, Vec<u8>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    let server = format!("http://{}", world.running.address);
    command.arg("export").args(arguments).args(["--server", &server, "--api-key", key]);
    command.current_dir(folder);
    let ran = tokio::task::spawn_blocking(move || command.output().expect("the command runs"));
    let output = ran.await.expect("it ran");
    (output.status.success(), [output.stdout, output.stderr].concat())
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_forms_hold_all_of_a_person() {
    let mut planter = Planter::new();
    let (world, key) = world(Engine::Sqlite, &planter).await;
    let wire = connection(&world, &key).await;
    let person = plant(&wire, &mut planter).await;
    let housemate = plant(&wire, &mut planter).await;
    let folder = tempfile::tempdir().expect("a folder");
    let whom = person.customer_ref.as_str();

    let (well, lines) = said(&world, &key, folder.path(), &[whom]).await;
    assert!(well);
    let (well, text) = said(&world, &key, folder.path(), &[whom, "--output", "it.jsonl"]).await;
    assert!(well, "{}", String::from_utf8_lossy(&text));
    let file = folder.path().join("it.jsonl");
    assert_eq!(mode(&file), 0o600);
    let (well, text) = said(&world, &key, folder.path(), &[whom, "--format", "csv"]).await;
    assert!(well, "{}", String::from_utf8_lossy(&text));
    let tables = folder.path().join(format!("export-{whom}"));
    assert_eq!(mode(&tables), 0o700);
    let mut cells = Vec::new();
    for table in std::fs::read_dir(&tables).expect("a folder") {
        let table = table.expect("a table").path();
        assert_eq!(mode(&table), 0o600);
        let mut rows = csv::Reader::from_path(&table).expect("a table");
        for row in rows.records() {
            let row = row.expect("a row");
            for cell in &row {
                assert!(!cell.starts_with(['=', '+', '@']), "{}: a formula", table.display());
                cells.extend_from_slice(cell.as_bytes());
                cells.push(b'\n');
            }
        }
    }
    let lines_of_file = std::fs::read(&file).expect("a file");
    assert!(lines_of_file.len() > lines.len() / 2);
    for (form, bytes) in [("JSON", &lines), ("a file", &lines_of_file), ("CSV", &cells)] {
        let (_, missing) = split(&person.stored, bytes);
        assert!(missing.is_empty(), "{form} lacks {missing:?}");
        let found = foreign(&housemate.stored, bytes);
        assert!(found.is_empty(), "{form} has of somebody else: {found:?}");
    }
    for line in String::from_utf8(lines).expect("text").lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    }

    // What is there is not written over; of what was refused nothing stays.
    let (well, text) = said(&world, &key, folder.path(), &[whom, "--output", "it.jsonl"]).await;
    assert!(!well && String::from_utf8_lossy(&text).contains("is there already"));
    let nobody = ["c_000000000000000000000000000", "--output", "nobody.jsonl"];
    let (well, text) = said(&world, &key, folder.path(), &nobody).await;
    assert!(!well && String::from_utf8_lossy(&text).contains("NOT_FOUND"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
    world.close().await;
}

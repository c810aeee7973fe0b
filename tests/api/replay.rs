//! `threadline replay` end to end, on a small world that this test makes: no call fails, and both
//! engines decide alike. Where the shared world is at hand, its first starts are replayed, too.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{Engine, Setup, World};

/// A day in seconds.
const DAY: i64 = 86_400;
/// When the small world begins: 2024-01-01.
const EPOCH: i64 = 1_704_067_200;

/// Forty customers over a year: some share a landline in pairs, some write e-mails, some have a CRM
/// id, some withhold their number.
fn small_world() -> String {
    let mut lines = String::new();
    for contact in 0..400i64 {
        let person = (contact * 7 + contact / 40) % 40;
        let at = EPOCH + contact * DAY * 9 / 10;
        let (channel, hints) = match (person + contact) % 5 {
            0 => (
                "voice",
                format!(r#"{{"ani":"+1415555{:04}","line_type":"mobile"}}"#, 100 + person),
            ),
            1 => (
                "voice",
                format!(r#"{{"ani":"+1212555{:04}","line_type":"landline"}}"#, person / 2),
            ),
            2 => ("email", format!(r#"{{"email":"person{person}@example.com"}}"#)),
            3 => (
                "webchat",
                format!(
                    r#"{{"external_ids":{{"crm_id":"crm-{person}"}},"email":"person{person}@example.com"}}"#
                ),
            ),
            _ => ("voice", r#"{"ani":"anonymous"}"#.to_owned()),
        };
        let end = at + 300;
        writeln!(
            lines,
            r#"{{"t":"start","ts":{at},"id":"s{contact}","channel":"{channel}","hints":{hints},"truth":{{"customer":"C{person}","caller":"C{person}","kind":"plain"}}}}
{{"t":"end","ts":{end},"id":"s{contact}","customer":"C{person}","intent":"billing","status":"open","summary":"about billing","vars":{{"last_topic":"billing"}}}}"#
        )
        .expect("a String takes it");
    }
    lines
}

async fn replay(world: &World, events: &Path, feedback: &str, decisions: &Path) -> Output {
    let key = world.key(&World::new_key(&["backfill"])).await;
    let address = format!("http://{}", world.running.address);
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.arg("replay").arg(events).args(["--feedback", feedback, "--limit", "600"]);
    command.args(["--server", &address, "--api-key", &key, "--decisions"]).arg(decisions);
    tokio::task::spawn_blocking(move || command.output().expect("the binary runs"))
        .await
        .expect("a task")
}

async fn both_engines_decide_alike(events: PathBuf, feedback: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = Vec::new();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if engine == Engine::Postgres && crate::support::postgres().is_none() {
            continue;
        }
        let world = Setup::on(engine).open().await;
        let file = folder.path().join(format!("{engine:?}"));
        let output = replay(&world, &events, feedback, &file).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{engine:?}: {said}");
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(report.contains("FAR"), "{report}");
        all.push(std::fs::read_to_string(&file).expect("decisions"));
        world.close().await;
    }
    assert!(all[0].lines().count() >= 100);
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "the engines decided differently");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_world_replays_alike_on_both_engines_at_any_feedback() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = folder.path().join("world.jsonl");
    std::fs::write(&events, small_world()).expect("written");
    for feedback in ["0", "0.3", "1"] {
        both_engines_decide_alike(events.clone(), feedback).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shared_world_begins_alike_on_both_engines() {
    let events =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/identity/dev-world.jsonl.gz");
    if !events.exists() {
        eprintln!("not run: the shared world is not beside this checkout");
        return;
    }
    both_engines_decide_alike(events, "1").await;
}

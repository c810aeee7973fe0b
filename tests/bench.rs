//! `threadline bench`, as an operator runs it: a short measurement of everything.
//!
//! The figures themselves are no test's business, but that they are there is: a benchmark that
//! measures errors, replays or nothing at all looks fast.

#[path = "store/database.rs"]
#[expect(dead_code, reason = "shared with the store's tests, which need more of it")]
mod database;

use std::process::{Command, Output};

use serde_json::Value;
use threadline::store::Engine;

use crate::database::Database;

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.arg("bench").args(arguments).env_remove("THREADLINE_ROOT_KEY");
    command.output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Everything, as briefly as it can be; gives the JSON and the table.
fn measured(database: &str) -> (Value, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("figures.json");
    let json = file.to_str().expect("a path in UTF-8");
    let small = "--customers 50 --seconds 1 --rounds 1 --connections 2 --streams 2";
    let mut arguments: Vec<&str> = small.split(' ').collect();
    arguments.extend(["--database", database, "--json", json]);
    let run = bench(&arguments);
    let (table, errors) = (text(&run.stdout), text(&run.stderr));
    assert!(run.status.success(), "{table}{errors}");
    let figures = std::fs::read_to_string(&file).expect("the figures");
    (serde_json::from_str(&figures).expect("JSON"), table)
}

#[track_caller]
fn positive(value: &Value, name: &str) -> f64 {
    let number = value[name].as_f64().unwrap_or_else(|| panic!("no {name} in {value}"));
    assert!(number > 0.0, "{name} is {number}");
    number
}

fn assert_whole(figures: &Value, table: &str, engine: &str) {
    let outcomes = figures["outcomes"].as_array().expect("outcomes");
    let names: Vec<&str> = outcomes.iter().filter_map(|one| one["workload"].as_str()).collect();
    let wanted =
        ["start-hit", "start-hit-hot", "start-cold", "start-new", "end", "mixed", "mixed-open"];
    assert_eq!(names, wanted);
    for outcome in outcomes {
        let name = outcome["workload"].as_str().expect("a name");
        assert!(table.contains(&format!("\n{name} on {engine}")), "{table}");
        assert_eq!(outcome["engine"], engine);
        let round = &outcome["rounds"][0];
        positive(round, "throughput_ratio");
        for target in ["echo", "service"] {
            let run = &round[target];
            assert_eq!((&run["errors"], &run["degraded"]), (&0.into(), &0.into()), "{name}");
            positive(run, "per_second");
            let order = ["p50_ms", "p99_ms", "p999_ms", "max_ms"].map(|it| positive(run, it));
            assert!(order.is_sorted(), "{order:?}");
            if cfg!(target_os = "linux") {
                positive(run, "cpu_us");
                positive(run, "generator_cpu_us");
            }
        }
    }
    // Starts of known customers are told what is known, those of new ones are not.
    let answer = |at: usize| positive(&outcomes[at]["sizes"][0], "answer_bytes");
    assert!(answer(0) > 500.0 && answer(3) < 300.0, "{} and {}", answer(0), answer(3));
    let offered = positive(&outcomes[6], "offered_per_second");
    let peak = positive(&outcomes[5]["rounds"][0]["service"], "per_second");
    assert!((offered - peak / 2.0).abs() < 0.01 * peak, "{offered} of {peak}");
}

#[test]
fn every_workload_is_measured_without_an_error() {
    let (figures, table) = measured("sqlite");
    assert_whole(&figures, &table, "sqlite");
}

#[tokio::test]
async fn every_workload_is_measured_on_postgres() {
    let Some(database) = Database::fresh(Engine::Postgres).await else { return };
    let (figures, table) = measured(&database.url);
    database.remove().await;
    assert_whole(&figures, &table, "postgres");
}

#[test]
fn a_mistake_is_named_before_anything_starts() {
    for (arguments, named) in [
        (["--customers", "0"], "--customers"),
        (["--workload", "lunch"], "start-hit"),
        (["--database", "mysql://user:secret@host/d"], "sqlite:PATH"),
    ] {
        let run = bench(&arguments);
        let said = text(&run.stderr);
        assert!(!run.status.success() && run.stdout.is_empty());
        assert!(said.contains(named), "{said}");
    }
}

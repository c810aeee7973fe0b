//! The log: objects for machines, lines for people, as the settings or the environment say.

use rustix::process::Signal;
use serde_json::Value;
use threadline::cli::client::Interactions;
use threadline::grpc::proto::StartInteractionRequest;
use threadline::store::Engine;

use crate::database::Database;
use crate::keys::new_key;
use crate::served::Served;

/// What is logged of one call, from a start to an end.
async fn log(settings: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let database = Database::fresh(Engine::Sqlite).await.expect("SQLite is always there");
    let key = new_key(&database).await;
    let settings = format!("[server]\nunready_seconds = 0\nstart_budget_ms = 30000\n{settings}");
    let environment = [&[("THREADLINE_LOG", "debug")], environment].concat();
    let mut served = Served::with_environment(&database, &settings, &environment).await;
    let mut interactions = Interactions::new(served.connect(&key).await.expect("it listens"));
    let request = StartInteractionRequest {
        interaction_id: "hunter2".into(),
        channel: "voice".into(),
        ..Default::default()
    };
    interactions.start_interaction(request).await.expect("a start");
    served.signal(Signal::TERM);
    let (status, _) = served.ended().await;
    assert!(status.success());
    let log = served.log();
    assert!(!log.contains("hunter2"), "{log}");
    database.remove().await;
    log.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_for_machines_is_an_object_with_its_fields() {
    for settings in ["", "log_format = \"json\""] {
        let lines = log(settings, &[]).await;
        let objects: Vec<Value> =
            lines.iter().map(|line| serde_json::from_str(line).expect("an object")).collect();
        for object in &objects {
            for field in ["timestamp", "level", "target"] {
                assert!(object[field].is_string(), "{field} is not in {object}");
            }
        }
        let told = |message: &str| {
            let found = objects.iter().find(|object| object["fields"]["message"] == message);
            found.unwrap_or_else(|| panic!("no {message} in {lines:?}"))["fields"].clone()
        };
        assert!(told("serving")["address"].is_string());
        let answered = told("answered");
        assert_eq!(answered["call"], "/threadline.v1.InteractionService/StartInteraction");
        assert!(answered["milliseconds"].is_number(), "{answered}");
        told("stopped");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_for_people_is_one_line_with_its_fields() {
    let by_settings = log("log_format = \"text\"", &[]).await;
    let by_environment = log("log_format = \"json\"", &[("THREADLINE_LOG_FORMAT", "text")]).await;
    for lines in [by_settings, by_environment] {
        for line in &lines {
            let mut words = line.split_whitespace();
            let time = words.next().expect("a time");
            assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
            assert!(["ERROR", "WARN", "INFO", "DEBUG"].contains(&words.next().expect("a level")));
            assert!(!line.contains('\u{1b}'), "no colours in a file: {line}");
        }
        let told = |message: &str| lines.iter().find(|line| line.contains(message));
        assert!(told(": serving address=127.0.0.1:").is_some(), "{lines:?}");
        let answered = told(": answered ").expect("a call");
        assert!(answered.contains("call=\"/threadline.v1.InteractionService/StartInteraction\""));
        assert!(told(": stopped").is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_a_tenant_that_is_not_there_are_told_of() {
    let database = Database::fresh(Engine::Sqlite).await.expect("SQLite is always there");
    new_key(&database).await;
    let settings = "[tenants.acme]\nlocale = \"de\"\n[tenants.acmee]\nlocale = \"de\"\n";
    let served = Served::with(&database, settings).await;
    let log = served.log();
    let told = |setting: &str| {
        let line = log.lines().find(|line| line.contains(&format!("\"{setting}\"")));
        line.is_some_and(|line| line.contains("WARN") && line.contains("no tenant of that name"))
    };
    assert!(told("tenants.acmee") && !told("tenants.acme"), "{log}");
    drop(served);
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_takes_nothing_is_told_of_once() {
    // It hangs up on everybody. A port that nobody listens on may be another test's by then.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let gone = listener.local_addr().expect("an address");
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let settings =
        format!("[server.operations]\ntraces_endpoint = \"http://{gone}\"\ntraces_ratio = 1.0\n");
    let lines = log(&settings, &[]).await;
    let told = lines.iter().filter(|line| line.contains("traces cannot be sent")).count();
    assert_eq!(told, 1, "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains(&gone.to_string())));
}

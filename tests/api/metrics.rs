//! What is counted is what happened, whichever door it came by; who may read it; and that pages and
//! dashboard name what there is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::Executor as _;
use threadline::cli::keys::{Terms, create_with};
use threadline::grpc::proto::{ConfidenceLevel, ExportCustomerRequest, StartInteractionResponse};
use threadline::server::Running;

use super::readiness::until_ready;
use super::scrape::Scrape;
use crate::support::client::{Said, refused, said};
use crate::support::requests::{call, end, get, start};
use crate::support::web::{Told, Web};
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(
    calls_are_counted_as_they_were_answered,
    starts_are_counted_as_their_callers_were_told,
    what_is_written_and_remembered_is_counted,
    tenants_are_told_apart_where_it_was_asked_for,
);

/// An address of the operators' own, wherever the system likes.
pub(super) const OPERATIONS: &str = "[server.operations]\nlisten = \"127.0.0.1:0\"\n";
const START: &str = "StartInteraction";

/// A world whose operators have an address of their own.
pub(super) async fn world(engine: Engine) -> World {
    Setup::on(engine).settings(OPERATIONS).open().await
}

/// What operators are told at their own address.
pub(super) async fn asked(running: &Running, path: &str) -> Told {
    Web::new(running.operations.expect("an address"), None).get(path).await
}

/// What was counted so far.
pub(super) async fn scraped(world: &World) -> Scrape {
    let told = asked(&world.running, "/metrics").await;
    assert_eq!(told.code, 200, "{}", told.text);
    assert_eq!(told.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    Scrape::of(&told.text)
}

fn counts(of: &[(&str, f64)]) -> BTreeMap<String, f64> {
    of.iter().map(|(line, count)| ((*line).to_owned(), *count)).collect()
}

async fn calls_are_counted_as_they_were_answered(engine: Engine) {
    let world = world(engine).await;
    let (telephony, admin) = (world.role("telephony").await, world.role("admin").await);
    let before = scraped(&world).await;
    let mut customer = String::new();
    for id in ["a", "b", "c"] {
        let answer = telephony.start(call(id, "+14155550123")).await.expect("a start");
        customer = answer.customer_ref;
    }
    telephony.end(end("a")).await.expect("an end");
    for _ in 0..2 {
        refused(telephony.get(get("nowhere")).await);
    }
    refused(telephony.start(start("", "voice")).await);
    refused(world.with_header(None).await.start(start("x", "voice")).await);
    admin.get(get("a")).await.expect("an admin reads");
    // REST and the dialect are calls like any other.
    let web = Web::new(world.running.address, Some(&world.key(&World::new_key(&["bot"])).await));
    web.post("/api/v1/interactions", &json!({"interaction_id": "d", "channel": "chat"}))
        .await
        .good();
    let sticky = json!({"call_id": "e", "identity_hints": {"ani": "+14155550124"}});
    assert_eq!(web.post("/v1/calls/start", &sticky).await.code, 200);
    assert_eq!(web.get("/api/v1/nothing").await.code, 404);
    // A stream ends when its last message was taken.
    let request = ExportCustomerRequest { customer_ref: customer };
    let mut export = admin.customers.clone().export_customer(request).await.expect("an export");
    while export.get_mut().message().await.expect("no error").is_some() {}
    drop(export);
    let unknown = ExportCustomerRequest { customer_ref: "nobody".into() };
    admin.customers.clone().export_customer(unknown).await.expect_err("nobody");
    let after = scraped(&world).await;
    let calls = after.grown(&before, "threadline_rpc_duration_seconds_count");
    let expected =
        [("EndInteraction", 1.0), ("ExportCustomer", 2.0), ("GetInteraction", 3.0), (START, 7.0)];
    assert_eq!(calls, counts(&expected));
    let errors = after.grown(&before, "threadline_rpc_errors_total");
    let expected = [
        ("ExportCustomer CUSTOMER_NOT_FOUND", 1.0),
        ("GetInteraction INTERACTION_NOT_FOUND", 2.0),
        ("StartInteraction INVALID_FIELD", 1.0),
        ("StartInteraction MISSING_API_KEY", 1.0),
    ];
    assert_eq!(errors, counts(&expected));
    let answers = after.grown(&before, "threadline_http_answers_total");
    assert_eq!(answers, counts(&[("200", 2.0), ("404", 1.0)]));
    world.close().await;
}

/// A caller that goes away was not answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_given_up_was_cancelled() {
    let world = world(Engine::Sqlite).await;
    let telephony = world.role("telephony").await;
    telephony.start(call("before", "+14155550123")).await.expect("a start");
    // Nothing can be written meanwhile: starts wait.
    let mut lock = world.connect().await;
    lock.execute("BEGIN IMMEDIATE").await.expect("a lock");
    let begun = Instant::now();
    let of = [("method", START), ("reason", "CANCELLED")];
    for number in 0.. {
        let (client, id) = (telephony.clone(), format!("given up {number}"));
        let starting =
            tokio::spawn(async move { client.start(call(&id, "+14155550123")).await.map(drop) });
        tokio::time::sleep(Duration::from_millis(20)).await;
        starting.abort();
        assert!(starting.await.is_err(), "it waited");
        if scraped(&world).await.sum("threadline_rpc_errors_total", &of) >= 1.0 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(4), "it is not noticed");
    }
    lock.execute("ROLLBACK").await.expect("a lock that ends");
    world.close().await;
}

/// As a client sees an answer.
fn told(answer: &StartInteractionResponse) -> String {
    let recommendation = match said(answer) {
        Said::Ignore => "ignore",
        Said::Confirm => "confirm",
        Said::Reuse => "reuse",
    };
    let level = match answer.identity.as_ref().expect("an identity").level() {
        ConfidenceLevel::Low => "low",
        ConfidenceLevel::Medium => "medium",
        ConfidenceLevel::High => "high",
        ConfidenceLevel::VeryHigh => "very_high",
        ConfidenceLevel::Unspecified => panic!("no level"),
    };
    format!("{level} {recommendation}")
}

async fn starts_are_counted_as_their_callers_were_told(engine: Engine) {
    let world = world(engine).await;
    let telephony = world.role("telephony").await;
    let before = scraped(&world).await;
    let mut answers: BTreeMap<String, f64> = BTreeMap::new();
    for number in 0..20 {
        // Five people; whoever was in contact is known, and a landline is asked.
        let line = format!("+1415555{:04}", 100 + number % 5);
        let id = format!("call {number}");
        let answer = telephony.start(call(&id, &line)).await.expect("a start");
        *answers.entry(told(&answer)).or_default() += 1.0;
        telephony.end(end(&id)).await.expect("an end");
    }
    let landline = crate::support::requests::landline_call;
    for id in ["desk 1", "desk 2"] {
        let answer = telephony.start(landline(id, "+442079460000")).await.expect("a start");
        *answers.entry(told(&answer)).or_default() += 1.0;
        telephony.end(end(id)).await.expect("an end");
    }
    assert!(answers.len() >= 3, "every recommendation is among them: {answers:?}");
    let after = scraped(&world).await;
    assert_eq!(after.grown(&before, "threadline_start_answers_total"), answers);
    assert!(after.grown(&before, "threadline_starts_degraded_total").is_empty());
    let terms = Terms { rate: Some(1), burst: Some(1), ..Terms::default() };
    let key = create_with(&world.running.service, &World::new_key(&["agent"]), &terms).await;
    let limited = world.with_header(Some(&format!("Bearer {}", key.expect("a key")))).await;
    let mut limits = 0.0;
    for _ in 0..5 {
        let refusal = refused(limited.get(get("nowhere")).await);
        limits += f64::from(u8::from(refusal.reason == "RATE_LIMITED"));
    }
    assert!(limits > 0.0);
    let after = scraped(&world).await;
    assert_eq!(after.sum("threadline_rate_limited_total", &[]), limits);
    let of = [("reason", "RATE_LIMITED")];
    assert_eq!(after.sum("threadline_rpc_errors_total", &of), limits);
    world.close().await;
    let hurried = Setup::on(engine).settings(OPERATIONS).budget(Duration::ZERO).open().await;
    let telephony = hurried.role("telephony").await;
    // With no time at all nobody finds out whose key it is.
    refused(telephony.get(get("nowhere")).await);
    for id in ["a", "b"] {
        let answer = telephony.start(call(id, "+14155550123")).await.expect("a start");
        assert_eq!(answer.degraded_reason, "BUDGET_EXHAUSTED");
    }
    let scrape = scraped(&hurried).await;
    let of = [("reason", "BUDGET_EXHAUSTED")];
    assert_eq!(scrape.sum("threadline_starts_degraded_total", &of), 2.0);
    assert_eq!(scrape.sum("threadline_start_answers_total", &[]), 0.0);
    hurried.close().await;
}

async fn what_is_written_and_remembered_is_counted(engine: Engine) {
    let world = world(engine).await;
    let telephony = world.role("telephony").await;
    telephony.start(call("first", "+14155550123")).await.expect("a start");
    telephony.end(end("first")).await.expect("an end");
    let before = scraped(&world).await;
    for number in 0..10 {
        let id = format!("call {number}");
        telephony.start(call(&id, "+14155550123")).await.expect("a start");
    }
    // The same again is a replay, and a read.
    telephony.start(call("call 0", "+14155550123")).await.expect("a start");
    let after = scraped(&world).await;
    let operations = after.grown(&before, "threadline_writer_operations_total");
    let ended = |outcome: &str| operations.get(outcome).copied().unwrap_or_default();
    assert_eq!((ended("committed"), ended("replayed"), ended("failed")), (10.0, 1.0, 0.0));
    let grown = |name: &str| after.grown(&before, name).into_values().sum::<f64>();
    let all = operations.values().sum::<f64>();
    assert_eq!(grown("threadline_writer_batch_operations_sum"), all);
    let commits = grown("threadline_writer_commit_seconds_count");
    assert!(commits >= grown("threadline_writer_batch_operations_count") && commits >= 1.0);
    assert!(grown("threadline_writer_commit_seconds_sum") > 0.0);
    let lookups = after.grown(&before, "threadline_cache_lookups_total");
    assert!(lookups["owners hit"] >= 10.0 && lookups["customers hit"] >= 10.0, "{lookups:?}");
    assert!(after.sum("threadline_cache_bytes", &[("kind", "customers")]) > 100.0);
    let disk = grown("threadline_disk_sync_seconds_count");
    assert_eq!(disk > 0.0, engine == Engine::Sqlite, "only SQLite's disk is asked here");
    assert!(after.sum("threadline_database_connections", &[]) >= 1.0);
    assert_eq!(after.sum("threadline_writer_stalled", &[]), 0.0);
    assert!(after.sum("threadline_database_snapshots_total", &[]) >= 1.0);
    assert!(after.sum("process_resident_memory_bytes", &[]) > 1_000_000.0);
    let build = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(after.sum("threadline_build_info", &build), 1.0);
    world.close().await;
}

async fn tenants_are_told_apart_where_it_was_asked_for(engine: Engine) {
    for apart in [false, true] {
        let settings = format!("{OPERATIONS}metrics_by_tenant = {apart}\n");
        let world = Setup::on(engine).settings(&settings).open().await;
        let mut globex = World::new_key(&["telephony"]);
        globex.tenant = "globex".into();
        let (acme, globex) = (world.role("telephony").await, world.client(&globex).await);
        for id in ["a", "b"] {
            acme.start(call(id, "+14155550123")).await.expect("a start");
        }
        globex.start(call("a", "+14155550123")).await.expect("a start");
        refused(globex.get(get("nowhere")).await);
        refused(world.with_header(None).await.start(start("x", "voice")).await);
        let scrape = scraped(&world).await;
        assert_eq!(scrape.findings(), Vec::<String>::new());
        let of = |tenant, name: &str| scrape.sum(name, &[("tenant", tenant)]);
        let count = "threadline_rpc_duration_seconds_count";
        let expected = if apart { [2.0, 2.0, 1.0, 1.0] } else { [0.0; 4] };
        let found = [
            of("acme", count),
            of("globex", count),
            of("globex", "threadline_rpc_errors_total"),
            of("globex", "threadline_start_answers_total"),
        ];
        assert_eq!(found, expected);
        assert_eq!(
            scrape.sum(count, &[("method", START)]),
            4.0,
            "a call without a key is nobody's"
        );
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_shown_to_operators_and_elsewhere_only_if_they_say_so() {
    let closed = world(Engine::Sqlite).await;
    let everybody = Web::new(closed.running.address, None);
    let hidden = everybody.get("/metrics").await;
    assert_eq!((hidden.code, hidden.reason().as_str()), (404, "ROUTE_NOT_FOUND"));
    assert!(!hidden.text.contains("threadline_"));
    until_ready(&Web::new(closed.running.operations.expect("an address"), None)).await;
    for (path, text) in [("/healthz", "alive\n"), ("/readyz", "ready\n")] {
        for told in [everybody.get(path).await, asked(&closed.running, path).await] {
            assert_eq!((told.code, told.text.as_str()), (200, text));
            assert_eq!(told.headers["cache-control"], "no-store");
        }
        let posted = everybody.post(path, &json!({})).await;
        assert_eq!((posted.code, posted.headers["allow"].as_bytes()), (405, &b"GET, HEAD"[..]));
    }
    // Operators' own address answers nothing else.
    assert_eq!(asked(&closed.running, "/api/v1/interactions/a").await.code, 404);
    let open = closed.again_with("[server.operations]\nmetrics = \"anywhere\"\n").await;
    assert!(open.running.operations.is_none());
    let told = Web::new(open.running.address, None).get("/metrics").await;
    assert_eq!(told.code, 200);
    assert_eq!(Scrape::of(&told.text).findings(), Vec::<String>::new());
    open.close().await;
}

/// The page for operators, and the dashboard, name exactly what is shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_and_dashboard_name_what_is_shown() {
    let world = world(Engine::Sqlite).await;
    let telephony = world.role("telephony").await;
    // What nobody met is not shown.
    refused(telephony.get(get("nowhere")).await);
    Web::new(world.running.address, None).get("/nowhere").await;
    let scrape = scraped(&world).await;
    assert_eq!(scrape.findings(), Vec::<String>::new());
    let shown: Vec<&str> = scrape.0.keys().map(String::as_str).collect();
    let page = include_str!("../../docs/operating.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut named: Vec<&str> =
        rows.filter(|it| it.starts_with("threadline_") || it.starts_with("process_")).collect();
    named.sort_unstable();
    assert_eq!(named, shown, "docs/operating.md");
    let dashboard = include_str!("../../deploy/grafana/threadline.json");
    let read: serde_json::Value = serde_json::from_str(dashboard).expect("JSON");
    let panels = read["panels"].as_array().expect("panels");
    let metric = regex::Regex::new(r"\b(?:threadline|process)_[a-z_]+").expect("a pattern");
    let mut drawn = 0;
    for expression in panels.iter().flat_map(|panel| panel["targets"].as_array()).flatten() {
        let text = expression["expr"].as_str().expect("an expression");
        for name in metric.find_iter(text).map(|found| found.as_str()) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it));
            let known = |name: &str| scrape.0.contains_key(name);
            assert!(known(name) || base.is_some_and(known), "nothing is called {name}");
            drawn += 1;
        }
    }
    assert!(drawn >= 10, "the dashboard has lost its metrics");
    world.close().await;
}

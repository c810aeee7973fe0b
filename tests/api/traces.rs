//! Spans go where the settings say and belong to the trace that the caller brought; of what callers
//! said nothing is in them.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use serde_json::json;
use tonic::Request;
use tonic::metadata::MetadataValue;

use crate::collector::Collector;
use crate::support::client::refused;
use crate::support::requests::{call, get, start};
use crate::support::web::Web;
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(spans_belong_to_the_callers_trace, a_batch_is_in_the_trace_of_each_of_its_calls);

const START: &str = "threadline.v1.InteractionService/StartInteraction";
const GET: &str = "threadline.v1.InteractionService/GetInteraction";

fn with<T>(message: T, headers: &[(&'static str, String)]) -> Request<T> {
    let mut request = Request::new(message);
    for (name, value) in headers {
        let value: MetadataValue<_> = value.parse().expect("printable");
        request.metadata_mut().insert(*name, value);
    }
    request
}

/// A caller's trace: of that number, in that span, sampled or not.
fn parent(number: u8, sampled: bool) -> (&'static str, String) {
    let flags = if sampled { "01" } else { "00" };
    ("traceparent", format!("00-{:032x}-{:016x}-{flags}", u128::from(number), u64::from(number)))
}

fn is_in(span: &Span, number: u8) -> bool {
    span.trace_id == u128::from(number).to_be_bytes()
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let named = span.attributes.iter().find(|attribute| attribute.key == name)?;
    Some(match named.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        _ => return None,
    })
}

/// What was sent by the time the server has ended, which sends all that is left.
async fn ended(world: World, collector: &Collector) -> Vec<Span> {
    world.close().await;
    collector.spans()
}

async fn spans_belong_to_the_callers_trace(engine: Engine) {
    let collector = Collector::begin();
    let world = Setup::on(engine).settings(&collector.settings()).open().await;
    let telephony = world.role("telephony").await;
    let secret = "+14155550123";
    let state = ("tracestate", format!("acme={secret}"));
    let baggage = ("baggage", format!("caller={secret}"));
    let headers = [parent(1, true), state, baggage];
    telephony.start(with(call("a", secret), &headers)).await.expect("a start");
    telephony.start(with(call("b", secret), &[parent(2, false)])).await.expect("a start");
    refused(telephony.get(with(get("nowhere"), &[parent(3, true)])).await);
    telephony.start(call("c", secret)).await.expect("a start");
    for (number, nonsense) in ["", "00-1-2-01", "no trace", secret].into_iter().enumerate() {
        let headers = [("traceparent", nonsense.to_owned())];
        let request = with(start(&format!("d{number}"), "voice"), &headers);
        telephony.start(request).await.expect("a start");
    }
    let web = Web::new(world.running.address, Some(&world.key(&World::new_key(&["bot"])).await));
    let body = json!({"interaction_id": "e", "channel": "chat"}).to_string().into_bytes();
    let (name, value) = parent(4, true);
    let headers = [(name, value.as_str()), ("content-type", "application/json")];
    web.send(reqwest::Method::POST, "/api/v1/interactions", &headers, body).await.good();
    let spans = ended(world, &collector).await;
    let of = |number| spans.iter().filter(|span| is_in(span, number)).collect::<Vec<_>>();
    let one = |number, name: &str| {
        let all: Vec<&Span> = of(number).into_iter().filter(|span| span.name == name).collect();
        assert_eq!(all.len(), 1, "{name} in trace {number}: {all:?}");
        all[0]
    };
    for (number, status) in [(1, "0"), (4, "0")] {
        let call = one(number, START);
        // A new connection's first decision may be stale; it is written at last.
        let commits = of(number).into_iter().filter(|span| span.name == "commit");
        let commit = commits.max_by_key(|span| span.start_time_unix_nano).expect("a commit");
        assert_eq!(call.parent_span_id, u64::from(number).to_be_bytes());
        assert_eq!(attribute(call, "rpc.grpc.status_code").as_deref(), Some(status));
        assert_eq!(commit.parent_span_id, call.span_id);
        assert!(call.start_time_unix_nano <= commit.start_time_unix_nano);
        assert!(commit.end_time_unix_nano <= call.end_time_unix_nano);
        assert_eq!(attribute(commit, "threadline.batch.operations").as_deref(), Some("1"));
    }
    assert!(of(2).is_empty(), "its caller does not sample it");
    let missing = one(3, GET);
    assert_eq!(attribute(missing, "error.type").as_deref(), Some("INTERACTION_NOT_FOUND"));
    let theirs = missing.status.as_ref().map(|status| status.code()) == Some(StatusCode::Unset);
    assert!(theirs, "it is the caller's mistake: {:?}", missing.status);
    let roots = spans.iter().filter(|span| span.parent_span_id.is_empty());
    assert_eq!(roots.count(), 5, "without a trace of their own, or with nonsense");
    assert!(spans.iter().all(|span| span.trace_state.is_empty()));
    let bytes: Vec<u8> = collector.kept().iter().flat_map(|it| it.encode_to_vec()).collect();
    for text in [secret, "14155550123", "4155550123", "acme", "baggage"] {
        let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!found, "{text} was sent");
    }
    assert!(bytes.windows(10).any(|window| window == b"threadline"), "the service has a name");
}

async fn a_batch_is_in_the_trace_of_each_of_its_calls(engine: Engine) {
    const CALLS: u8 = 40;
    let collector = Collector::begin();
    let world = Setup::on(engine).settings(&collector.settings()).open().await;
    let telephony = world.role("telephony").await;
    let starts = (1..=CALLS).map(|number| {
        let client = telephony.clone();
        let request = call(&format!("call {number}"), &format!("+1415555{:04}", 100 + number));
        tokio::spawn(async move { client.start(with(request, &[parent(number, true)])).await })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.expect("it ends").expect("a start");
    }
    let spans = ended(world, &collector).await;
    for number in 1..=CALLS {
        let own: Vec<&Span> = spans.iter().filter(|span| is_in(span, number)).collect();
        let call = own.iter().find(|span| span.name == START).expect("a span of the call");
        let commits: Vec<_> = own.iter().filter(|span| span.name == "commit").collect();
        // A decision that was stale is written by a second batch.
        assert!((1..=3).contains(&commits.len()), "{commits:?}");
        assert!(commits.iter().all(|commit| commit.parent_span_id == call.span_id));
    }
}

/// A collector that is not there keeps nobody waiting, neither callers nor whoever stops the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_keeps_nobody_waiting() {
    let collector = Collector::begin();
    let settings = collector.settings();
    drop(collector);
    let world = Setup::on(Engine::Sqlite).settings(&settings).open().await;
    let telephony = world.role("telephony").await;
    for number in 0..200 {
        let request = call(&format!("call {number}"), "+14155550123");
        let starting = telephony.start(request);
        let started = tokio::time::timeout(std::time::Duration::from_secs(10), starting).await;
        started.expect("at once").expect("a start");
    }
    let stopping = tokio::time::timeout(std::time::Duration::from_secs(20), world.close());
    stopping.await.expect("it stops");
}

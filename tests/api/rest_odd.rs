//! What odd clients send over HTTP, and what they are told. None of it touches the store: one engine
//! is enough.

use prost_types::FieldMask;
use reqwest::Method;
use serde_json::{Value, json};
use threadline::cli::keys::{Terms, create_with};
use threadline::crypto::ApiKey;
use threadline::grpc::proto::{GetCustomerResponse, UpsertCustomerRequest};
use threadline::ids::Entropy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::codegen::http::Request;
use tonic::transport::{Channel, Endpoint};

use crate::support::web::{Told, Web, over_http2};
use crate::support::{Engine, World};

const PLACE: &str = "/api/v1/interactions";
const JSON: (&str, &str) = ("content-type", "application/json");

/// A server, a key, and a client with it that has started interaction `a`.
async fn opened() -> (World, String, Web) {
    let world = World::on(Engine::Sqlite).await;
    let key = world.key(&World::new_key(&["telephony", "admin"])).await;
    let web = Web::new(world.running.address, Some(&key));
    web.post(PLACE, &start("a")).await.good();
    (world, key, web)
}

fn start(id: &str) -> Value {
    json!({"interaction_id": id, "channel": "voice"})
}

async fn http2(world: &World) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", world.running.address));
    endpoint.expect("an address").connect().await.expect("the server listens")
}

/// A request over HTTP/2.
fn asking(world: &World, key: &str, method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", world.running.address))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(body)
        .expect("a request")
}

#[track_caller]
fn refused(told: &Told, code: u16, reason: &str) {
    assert_eq!((told.code, &*told.reason()), (code, reason), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_is_get_without_its_body() {
    let (world, key, web) = opened().await;
    let channel = http2(&world).await;
    for (path, code) in [
        ("/api/v1/interactions/a", 200),
        ("/openapi.json", 200),
        ("/api/v1/interactions/nobody's", 404),
        ("/api/v1/interactions/a/end", 405),
        ("/nowhere", 404),
        ("/v1/calls/start", 405),
    ] {
        let get = web.get(path).await;
        let head = web.send(Method::HEAD, path, &[], Vec::new()).await;
        let newer = over_http2(&channel, asking(&world, &key, "HEAD", path, Body::empty())).await;
        assert_eq!((get.code, head.code, newer.code), (code, code, code), "{path}");
        for told in [&head, &newer] {
            assert_eq!(told.text, "", "{path}");
            assert_eq!(told.headers["content-length"], get.headers["content-length"], "{path}");
            assert_eq!(told.headers["content-type"], "application/json");
        }
    }
    let verb = web.send(Method::PATCH, "/openapi.json", &[], Vec::new()).await;
    refused(&verb, 405, "METHOD_NOT_ALLOWED");
    assert_eq!(verb.headers["allow"], "GET, HEAD");
    let post = web.get("/api/v1/customers/import").await;
    assert_eq!(post.headers["allow"], "POST");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_comes_as_it_is() {
    let (world, _, web) = opened().await;
    let body = || start("encoded").to_string().into_bytes();
    for encoding in ["gzip", "br", "identity, gzip"] {
        let headers = [JSON, ("content-encoding", encoding)];
        let told = web.send(Method::POST, PLACE, &headers, body()).await;
        refused(&told, 415, "UNSUPPORTED_MEDIA_TYPE");
        assert!(told.text.contains("without content-encoding"), "{}", told.text);
        let told = web.send(Method::POST, "/v1/calls/start", &headers, body()).await;
        assert_eq!((told.code, &told.json()["error"]), (415, &json!("Unsupported Media Type")));
    }
    let headers = [JSON, ("content-encoding", "identity")];
    web.send(Method::POST, PLACE, &headers, body()).await.good();
    // What the path does not say is still asked for.
    let told = web.send(Method::POST, PLACE, &[JSON], Vec::new()).await;
    refused(&told, 400, "INVALID_FIELD");
    assert!(told.text.contains("interaction_id") && !told.text.contains("JSON"), "{}", told.text);
    // An empty one says what the path says; with a content type or without.
    for headers in [&[JSON][..], &[]] {
        let end = format!("{PLACE}/encoded/end");
        let ended = web.send(Method::POST, &end, headers, Vec::new()).await.good();
        assert_eq!(ended["interaction_id"], "encoded");
    }
    let latin = b"{\"interaction_id\": \"caf\xe9\", \"channel\": \"voice\"}".to_vec();
    let told = web.send(Method::POST, PLACE, &[JSON], latin).await;
    refused(&told, 400, "INVALID_FIELD");
    assert_eq!(told.json()["message"], "bad request: is not JSON: see line 1, column 24");
    // What is spoken where gRPC is, is said by whoever speaks something else.
    let rpc = "/threadline.v1.InteractionService/GetInteraction";
    for kind in ["application/json", "application/connect+proto", "Application/GRPC-Web"] {
        let told = web.send(Method::POST, rpc, &[("content-type", kind)], body()).await;
        refused(&told, 415, "UNSUPPORTED_MEDIA_TYPE");
        assert!(told.text.contains("/api/v1/"), "{}", told.text);
    }
    let json = [("content-type", "application/grpc-web+json")];
    let told = web.send(Method::POST, rpc, &json, body()).await;
    refused(&told, 415, "UNSUPPORTED_MEDIA_TYPE");
    let web_proto = [("content-type", "application/grpc-web+proto")];
    let told = web.send(Method::GET, rpc, &web_proto, Vec::new()).await;
    refused(&told, 405, "METHOD_NOT_ALLOWED");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_twice_or_half_is_refused() {
    let (world, _, web) = opened().await;
    let twice = r#"{"interaction_id":"b","channel":"voice","interactionId":"canary"}"#;
    let told = web.send(Method::POST, PLACE, &[JSON], twice.into()).await;
    refused(&told, 400, "INVALID_FIELD");
    assert_eq!(told.fields(), ["interactionId"]);
    let twice = r#"{"call_id":"b","ani":"+14155550101","call_id":"c"}"#;
    let told = web.send(Method::POST, "/v1/calls/start", &[JSON], twice.into()).await;
    assert_eq!(told.code, 400);
    assert_eq!(told.json()["details"]["issues"][0]["path"], json!(["call_id"]), "{}", told.text);
    for odd in ["%ZZ", "a%2", "%", "%C3"] {
        let told = web.get(&format!("{PLACE}/{odd}")).await;
        refused(&told, 404, "ROUTE_NOT_FOUND");
        let told = web.get(&format!("{PLACE}/a?source={odd}")).await;
        refused(&told, 400, "INVALID_FIELD");
    }
    for nowhere in ["/api/v1/interactions/a/", "//api/v1/interactions/a", "/API/v1/interactions/a"]
    {
        refused(&web.get(nowhere).await, 404, "ROUTE_NOT_FOUND");
    }
    for odd in ["250ms", "1", "abc", "-1S", "123456789S"] {
        let headers = [JSON, ("grpc-timeout", odd)];
        let body = start("hurry").to_string().into_bytes();
        let told = web.send(Method::POST, PLACE, &headers, body.clone()).await;
        refused(&told, 400, "INVALID_FIELD");
        assert_eq!(told.fields(), ["grpc-timeout"], "{odd}");
        let told = web.send(Method::POST, "/v1/calls/start", &headers, body).await;
        assert_eq!(told.json()["details"]["issues"][0]["path"], json!(["grpc-timeout"]), "{odd}");
    }
    let headers = [JSON, ("grpc-timeout", "1n")];
    let body = start("hurry").to_string().into_bytes();
    let told = web.send(Method::POST, PLACE, &headers, body).await.good();
    assert_eq!((&told["degraded"], &told["customer_ref"]), (&json!(true), &Value::Null));
    world.close().await;
}

/// An answer is about somebody: no browser and nothing on the way keeps it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_kept_by_nobody() {
    let (world, _, web) = opened().await;
    let customer = web.get(&format!("{PLACE}/a")).await.good()["customer_ref"].clone();
    let customer = customer.as_str().expect("a ref");
    for path in [
        "/api/v1/interactions/a".to_owned(),
        "/api/v1/interactions/nobody's".to_owned(),
        "/nowhere".to_owned(),
        "/v1/calls/start".to_owned(),
        format!("/api/v1/customers/{customer}/export"),
    ] {
        let told = web.get(&path).await;
        assert_eq!(told.headers["cache-control"], "no-store", "{path}: {}", told.code);
    }
    assert!(!web.get("/openapi.json").await.headers.contains_key("cache-control"));
    world.close().await;
}

/// Says these words, and hears all that is answered.
async fn said(world: &World, words: &[u8]) -> String {
    let mut peer = TcpStream::connect(world.running.address).await.expect("it listens");
    peer.write_all(words).await.expect("it listens");
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).await.expect("it is closed");
    String::from_utf8(heard).expect("text")
}

fn head(key: Option<&str>, more: &str) -> String {
    let key = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    format!(
        "POST {PLACE} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{key}content-type: \
         application/json\r\n{more}\r\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_asked_for_only_where_it_will_be_read() {
    let (world, key, _) = opened().await;
    let body = start("waits").to_string();
    let expects = |length: usize| format!("content-length: {length}\r\nexpect: 100-continue\r\n");
    let mut peer = TcpStream::connect(world.running.address).await.expect("it listens");
    let words = head(Some(&key), &expects(body.len()));
    peer.write_all(words.as_bytes()).await.expect("it listens");
    let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut heard = vec![0; go_on.len()];
    peer.read_exact(&mut heard).await.expect("it is asked for");
    assert_eq!(heard, go_on);
    peer.write_all(body.as_bytes()).await.expect("it listens");
    peer.read_to_end(&mut heard).await.expect("an answer");
    assert!(heard[go_on.len()..].starts_with(b"HTTP/1.1 200"));
    for (key, length, code) in [(None, 10, 401), (Some(&*key), 9 << 20, 413)] {
        let heard = said(&world, head(key, &expects(length)).as_bytes()).await;
        assert!(heard.starts_with(&format!("HTTP/1.1 {code}")), "{heard}");
    }
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let words = head(Some(&key), "transfer-encoding: chunked\r\n") + &chunks;
    assert!(said(&world, words.as_bytes()).await.starts_with("HTTP/1.1 200"));
    world.close().await;
}

/// Whoever sends too much is told so, and not merely cut off, if it is not too much by far.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_is_told_so() {
    let (world, key, web) = opened().await;
    let channel = http2(&world).await;
    let large = || vec![b' '; 3 << 20];
    let told = web.send(Method::POST, PLACE, &[JSON], large()).await;
    refused(&told, 413, "REQUEST_TOO_LARGE");
    let told = web.send(Method::POST, "/v1/calls/start", &[JSON], large()).await;
    assert_eq!(told.code, 413);
    let body = Body::new(http_body_util::Full::new(large().into()));
    let told = over_http2(&channel, asking(&world, &key, "POST", PLACE, body)).await;
    refused(&told, 413, "REQUEST_TOO_LARGE");
    let rpc = "/threadline.v1.InteractionService/GetInteraction";
    let told = web.call(rpc, &large(), false).await.expect_err("too large");
    assert_eq!(told.code(), tonic::Code::OutOfRange, "{told:?}");
    // Nor is one cut off that nobody wanted to read.
    let unknown = Web::new(world.running.address, None);
    for _ in 0..20 {
        let told = web.send(Method::POST, "/nowhere", &[JSON], large()).await;
        refused(&told, 404, "ROUTE_NOT_FOUND");
        let told = unknown.send(Method::POST, PLACE, &[JSON], large()).await;
        refused(&told, 401, "MISSING_API_KEY");
    }
    // All of it is read before it is answered: nothing was cut.
    let words = [head(Some(&key), "content-length: 3145728\r\n").as_bytes(), &large()].concat();
    assert!(said(&world, &words).await.starts_with("HTTP/1.1 413"));
    web.get(&format!("{PLACE}/a")).await.good();
    world.close().await;
}

/// Whoever has no key that stands is told so, whatever they send: nobody reads it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_vouches_for_is_not_read() {
    let (world, key, _) = opened().await;
    let tenant = ApiKey::parse(&key).expect("our own form").tenant;
    let stranger = ApiKey::generate(tenant, false, &Entropy::System).text();
    for (key, reason) in [("rubbish", "MISSING_API_KEY"), (&*stranger, "INVALID_API_KEY")] {
        let web = Web::new(world.running.address, Some(key));
        for path in [PLACE, "/api/v1/interactions/a/end", "/api/v1/customers/import"] {
            for body in ["{", "{\"a\":1,\"a\":2}", "[]"].map(|it| it.as_bytes().to_vec()) {
                refused(&web.send(Method::POST, path, &[JSON], body).await, 401, reason);
            }
            let large = web.send(Method::POST, path, &[JSON], vec![b' '; 3 << 20]).await;
            refused(&large, 401, reason);
        }
        // It is not even asked for.
        let expects = "content-length: 10\r\nexpect: 100-continue\r\n";
        let heard = said(&world, head(Some(key), expects).as_bytes()).await;
        assert!(heard.starts_with("HTTP/1.1 401") && heard.contains(reason), "{heard}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_counts_once() {
    let world = World::on(Engine::Sqlite).await;
    let terms = Terms { rate: Some(1), burst: Some(4), ..Terms::default() };
    let key = World::new_key(&["telephony"]);
    let key = create_with(&world.running.service, &key, &terms).await.expect("a key");
    let web = Web::new(world.running.address, Some(&key));
    for id in ["a", "b"] {
        web.post(PLACE, &start(id)).await.good();
        web.post(&format!("{PLACE}/{id}/end"), &json!({})).await.good();
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_is_read_as_a_small_one_is() {
    let (world, _, web) = opened().await;
    let value = json!({"value": "x".repeat(4_000)});
    let values = |one: &Value| {
        let named = (0..60).map(|number| (format!("name{number}"), one.clone()));
        named.collect::<serde_json::Map<_, _>>()
    };
    let end = json!({"channel": "voice", "variables": values(&value), "summary": 7});
    assert!(end.to_string().len() > 200_000);
    let told = web.post(&format!("{PLACE}/large/end"), &end).await;
    refused(&told, 400, "INVALID_FIELD");
    assert_eq!(told.fields(), ["summary"]);
    let end = json!({"channel": "voice", "variables": values(&value), "summary": "7"});
    let told = web.post(&format!("{PLACE}/large/end"), &end).await.good();
    assert_eq!(told["interaction_id"], "large");
    world.close().await;
}

/// Of what is in a list that is too long only as much is looked at as may be there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_too_long_is_told_so() {
    let (world, _, web) = opened().await;
    let named = (0..500).map(|number| (format!("n{number:03}"), json!({"ttl_seconds": 0})));
    let variables = named.collect::<serde_json::Map<_, _>>();
    let told = web.post(&format!("{PLACE}/a/end"), &json!({"variables": variables})).await;
    refused(&told, 400, "INVALID_FIELD");
    let fields = told.fields();
    assert_eq!(fields[..2], ["variables", "variables[n000].ttl_seconds"]);
    assert!(fields.len() <= 65, "{}", fields.len());
    let message = told.json()["message"].as_str().expect("a message").to_owned();
    assert!(message.ends_with(" and 53 more"), "1 + 64 fields, of which 12 are named: {message}");
    world.close().await;
}

/// Names of values that are still there.
fn kept(customer: &GetCustomerResponse) -> Vec<&str> {
    let mut names: Vec<&str> = customer.variables.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// A name behind a path's dot is the caller's own, in JSON as over gRPC.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mask_names_what_it_says() {
    let (world, _, web) = opened().await;
    let grpc = world.client(&World::new_key(&["admin"])).await;
    let names = ["order_status", "orderStatus", "order_1", "Home_City", "a.bC"];
    let given = names.map(|name| (name.to_owned(), json!({"value": "1"})));
    let given: Value = given.into_iter().collect::<serde_json::Map<_, _>>().into();
    let masked = ["variables.orderStatus", "variables.order_1", "variables.Home_City"];
    for (mask, left) in [
        (vec![masked[0]], vec!["Home_City", "a.bC", "order_1", "order_status"]),
        (masked.to_vec(), vec!["a.bC", "order_status"]),
        (
            vec!["variables.order_status", "variables.a.bC"],
            vec!["Home_City", "orderStatus", "order_1"],
        ),
        (vec!["variables"], vec![]),
    ] {
        for field in ["update_mask", "updateMask", "gRPC"] {
            let request = format!("{field}-{}", mask.join("-"));
            let shown = json!([{"kind": "external", "namespace": "crm_id", "value": request}]);
            let given = json!({"identifiers": shown, "variables": given});
            let made = json!({"request_id": request, "customer": given});
            let made = web.post("/api/v1/customers", &made).await.good();
            let customer_ref = made["customer"]["customer_ref"].as_str().expect("a ref").to_owned();
            let request_id = format!("{request}-again");
            if field == "gRPC" {
                let paths = mask.iter().map(|path| (*path).to_owned()).collect();
                let update_mask = Some(FieldMask { paths });
                let clear = UpsertCustomerRequest {
                    request_id,
                    customer_ref: customer_ref.clone(),
                    update_mask,
                    ..Default::default()
                };
                grpc.upsert(clear).await.expect("a change");
            } else {
                let clear = json!({"request_id": request_id, field: mask.join(",")});
                web.post(&format!("/api/v1/customers/{customer_ref}"), &clear).await.good();
            }
            assert_eq!(kept(&grpc.person(&customer_ref).await), left, "{request}");
        }
    }
    world.close().await;
}

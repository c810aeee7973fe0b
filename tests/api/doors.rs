//! Every RPC gives the same answer through every door: gRPC, gRPC-Web and REST. The RPCs come from
//! the protocol: a new one is asked too.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MethodDescriptor};
use reqwest::Method;
use serde_json::{Map, Value, json};
use threadline::cli::client::{Connection, connect};
use threadline::grpc::proto::DESCRIPTORS;
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use crate::calls::AsItIs;
use crate::support::web::Web;
use crate::support::{Engine, Setup, World, each_engine};

each_engine!(every_door_gives_the_same_answer);

/// Whether an RPC answers until its client leaves: what it begins with is compared.
fn goes_on(rpc: &MethodDescriptor) -> bool {
    rpc.name().starts_with("Watch")
}

/// Sends a request to an RPC that may answer many; all answers' bytes, the first of what goes on.
async fn send_for_many(
    connection: &Connection,
    rpc: &MethodDescriptor,
    request: Vec<u8>,
) -> Result<Vec<Vec<u8>>, Status> {
    let mut client = tonic::client::Grpc::new(connection.clone());
    client.ready().await.expect("a connection");
    let path = path(rpc).parse().expect("a path");
    let answers = client.server_streaming(Request::new(request), path, AsItIs).await?;
    let (mut answers, mut all) = (answers.into_inner(), Vec::new());
    while let Some(answer) = answers.message().await? {
        all.push(answer);
        if goes_on(rpc) {
            break;
        }
    }
    Ok(all)
}

/// What came back: the answers as JSON, or code, message, reason and bad fields.
type Said = Result<Vec<Value>, (i32, String, String, Vec<String>)>;

struct Asking {
    grpc: Connection,
    web: Web,
    document: Value,
}

fn rpcs() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("our own descriptors");
    let ours = pool.services().filter(|service| service.package_name() == "threadline.v1");
    let mut rpcs: Vec<_> = ours.flat_map(|it| it.methods().collect::<Vec<_>>()).collect();
    // Each finds what it needs; what joins and parts customers comes last.
    let order = ["StartInteraction", "UpdateInteraction", "EndInteraction"];
    rpcs.sort_by_key(|rpc| {
        let first = order.iter().position(|name| *name == rpc.name());
        (first.unwrap_or(order.len()), rpc.name().contains("Merge") || rpc.name().contains("merge"))
    });
    rpcs
}

/// A request of whatever fields of these names the RPC has.
fn request(rpc: &MethodDescriptor, customer: &str, other: &str) -> Value {
    let known = json!({
        "interaction_id": "a-1", "channel": "voice", "update_id": "1",
        "request_id": format!("r-{}", rpc.name()), "customer_ref": customer,
        "other_customer_ref": other, "reason": "one person",
        "identifier": {"kind": "phone", "value": "+442079460123"},
        "customer": {"profile": {"name": {"value": "Ada"}}},
        "conflict_id": "nobody's", "merge_id": "nobody's", "choice": "CONFLICT_CHOICE_KEPT",
        "identity_hints": {"external_ids": {"crm_id": "CRM-7"}},
        "summary": "asked", "intents": [{"intent": "refund"}],
        "last_inbound": {"channel": "whatsapp", "thread_ref": "thread-1"},
    });
    let asked = rpc.input();
    let fields = asked.fields().map(|field| field.name().to_owned());
    let said = fields.filter_map(|name| Some((name.clone(), known.get(&name)?.clone())));
    let starts = rpc.name() == "StartInteraction";
    let said = said.filter(|(name, _)| !starts || name != "customer_ref");
    said.collect::<Map<_, _>>().into()
}

fn refused(status: &Status) -> (i32, String, String, Vec<String>) {
    let reason = status.get_details_error_info().map(|it| it.reason).unwrap_or_default();
    let fields = status.get_details_bad_request().map(|it| it.field_violations);
    let fields = fields.unwrap_or_default().into_iter().map(|it| it.field).collect();
    (status.code().into(), status.message().to_owned(), reason, fields)
}

fn read(rpc: &MethodDescriptor, answer: &[u8]) -> Value {
    let message = DynamicMessage::decode(rpc.output(), answer).expect("an answer");
    let text = threadline::http::write(&message, false, false).expect("JSON");
    comparable(serde_json::from_str(&text).expect("JSON"))
}

/// An answer without what is another at each call: a token and its end, a place in the journal, and
/// the audit, which has each call.
fn comparable(mut answer: Value) -> Value {
    if let Some(preview) = answer.get_mut("preview").and_then(Value::as_object_mut) {
        assert!(
            preview.remove("preview_token").is_some() && preview.remove("expire_time").is_some()
        );
        preview["counts"].as_object_mut().expect("counts").remove("journal_entry_count");
    }
    if let Some(place) = answer.get_mut("resume_token") {
        *place = "…".into();
    }
    if let Some(records) = answer.get_mut("records").and_then(Value::as_array_mut) {
        records.retain(|record| record.get("entry").is_none());
        let end = records.last_mut().and_then(|last| last.get_mut("end"));
        end.expect("an export that fits into one answer").take();
    }
    answer
}

fn path(rpc: &MethodDescriptor) -> String {
    format!("/{}/{}", rpc.parent_service().full_name(), rpc.name())
}

impl Asking {
    async fn by_grpc(&self, rpc: &MethodDescriptor, message: &[u8]) -> Said {
        let answers = send_for_many(&self.grpc, rpc, message.to_vec()).await;
        let read = |all: Vec<Vec<u8>>| all.iter().map(|answer| read(rpc, answer)).collect();
        answers.map(read).map_err(|status| refused(&status))
    }

    async fn by_grpc_web(&self, rpc: &MethodDescriptor, message: &[u8], text: bool) -> Said {
        let answers = match goes_on(rpc) {
            true => self.web.call_for_first(&path(rpc), message, text).await,
            false => self.web.call(&path(rpc), message, text).await,
        };
        let read = |all: Vec<Vec<u8>>| all.iter().map(|answer| read(rpc, answer)).collect();
        answers.map(read).map_err(|status| refused(&status))
    }

    /// What each route says that has a place for all that its path names, of one at least.
    async fn by_rest(&self, rpc: &MethodDescriptor, request: &Value) -> Vec<(String, Said)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let all = paths.iter().flat_map(|(path, place)| {
            let verbs = place.as_object().into_iter().flatten();
            verbs.map(move |(verb, operation)| (path, verb, operation))
        });
        // Routes after an RPC's first say what their path names.
        let more = format!("{}_by_", rpc.name());
        let is_of = |id: &str| id == rpc.name() || id.starts_with(&more);
        let of = all.filter(|(_, _, it)| it["operationId"].as_str().is_some_and(is_of));
        let mut said = Vec::new();
        for (path, verb, operation) in of {
            let (mut place, mut left) =
                (path.clone(), request.as_object().expect("an object").clone());
            for (name, value) in request.as_object().expect("an object") {
                let field = format!("{{{name}}}");
                let value = value.as_str().unwrap_or_default();
                if place.contains(&field) && !value.is_empty() {
                    place = place.replace(&field, value);
                    left.remove(name);
                }
            }
            if !place.contains('{') {
                let told = self.by_route(rpc, &place, verb, operation, left).await;
                said.push((format!("{verb} {path}"), told));
            }
        }
        assert!(!said.is_empty(), "{}: name a path's fields in `request`", rpc.name());
        said
    }

    async fn by_route(
        &self,
        rpc: &MethodDescriptor,
        path: &str,
        verb: &str,
        operation: &Value,
        left: Map<String, Value>,
    ) -> Said {
        let told = if operation.get("requestBody").is_some() {
            self.web.post(path, &Value::Object(left)).await
        } else {
            let one = |(name, value): (&String, &Value)| {
                format!(
                    "{name}={}",
                    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                )
            };
            let query: Vec<String> = left.iter().map(one).collect();
            let verb = Method::from_bytes(verb.to_ascii_uppercase().as_bytes()).expect("a method");
            let path = format!("{path}?{}", query.join("&"));
            if goes_on(rpc) {
                let mut open = self.web.open(&path, &[]).await;
                if open.head().0 == 200 {
                    let line = serde_json::from_str(&open.line().await).expect("a line of JSON");
                    return Ok(vec![comparable(line)]);
                }
                open.told().await
            } else {
                self.web.send(verb, &path, &[], Vec::new()).await
            }
        };
        if told.code == 200 && rpc.is_server_streaming() {
            let line = |line| comparable(serde_json::from_str(line).expect("a line of JSON"));
            return Ok(told.text.lines().map(line).collect());
        }
        if told.code == 200 {
            return Ok(vec![comparable(told.good())]);
        }
        let said = told.json();
        let code = i32::try_from(said["code"].as_i64().expect("a code")).expect("a code");
        let message = said["message"].as_str().expect("a message").to_owned();
        Err((code, message, told.reason(), told.fields()))
    }
}

async fn every_door_gives_the_same_answer(engine: Engine) {
    let world = World::on(engine).await;
    let key = world.key(&World::new_key(&["telephony", "admin", "backfill"])).await;
    let base = format!("http://{}", world.running.address);
    let web = Web::new(world.running.address, Some(&key));
    let asking = Asking {
        grpc: connect(&base, Some(&key)).await.expect("it answers"),
        document: web.get("/openapi.json").await.good(),
        web,
    };
    let somebody = json!({"interaction_id": "other", "channel": "voice"});
    let other = asking.web.post("/api/v1/interactions", &somebody).await.good();
    let other = other["customer_ref"].as_str().expect("a ref").to_owned();
    let (mut customer, mut good, mut all) = (String::new(), 0, 0);
    let mut routes = BTreeSet::new();
    for rpc in rpcs() {
        for request in [request(&rpc, &customer, &other), with_path_only(&rpc, &customer)] {
            let options = DeserializeOptions::new();
            let message = DynamicMessage::deserialize_with_options(rpc.input(), &request, &options);
            let message = message.expect("a request").encode_to_vec();
            let by_grpc = asking.by_grpc(&rpc, &message).await;
            let by_web = asking.by_grpc_web(&rpc, &message, false).await;
            let by_text = asking.by_grpc_web(&rpc, &message, true).await;
            let by_rest = asking.by_rest(&rpc, &request).await;
            assert_eq!(by_grpc, by_web, "{} over gRPC-Web", rpc.name());
            assert_eq!(by_grpc, by_text, "{} over gRPC-Web in text", rpc.name());
            for (route, by_rest) in by_rest {
                assert_eq!(by_grpc, by_rest, "{} over REST, {route}", rpc.name());
                routes.insert(route);
            }
            good += usize::from(by_grpc.is_ok());
            all += 1;
            if let (Ok(answers), "StartInteraction") = (&by_grpc, rpc.name())
                && let Some(named) = answers[0]["customer_ref"].as_str()
            {
                customer = named.to_owned();
            }
        }
    }
    assert!(all >= 32 && good >= 14, "of {all} calls only {good} were answered");
    let described = asking.document["paths"].as_object().expect("paths").values();
    let described: usize = described.filter_map(Value::as_object).map(Map::len).sum();
    assert_eq!(routes.len(), described, "each route was taken: {routes:?}");
    world.close().await;
}

/// A request that says nothing but what its path must.
fn with_path_only(rpc: &MethodDescriptor, customer: &str) -> Value {
    let whole = request(rpc, customer, "");
    let kept = ["interaction_id", "customer_ref", "conflict_id", "merge_id"];
    let starts = rpc.name() == "StartInteraction";
    let all = whole.as_object().expect("an object").iter();
    let all = all.filter(|(name, _)| kept.contains(&name.as_str()) && !starts);
    all.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_chosen_origins_may_call_and_no_others() {
    let settings = "[server]\nallowed_origins = [\"https://desk.example.com\"]";
    let world = Setup::on(Engine::Sqlite).settings(settings).open().await;
    let key = world.key(&World::new_key(&["telephony"])).await;
    let web = Web::new(world.running.address, Some(&key));
    let place = "/threadline.v1.InteractionService/GetInteraction";
    for (origin, allowed) in
        [("https://desk.example.com", true), ("https://desk.example.com.evil.example", false)]
    {
        let asking = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type,x-grpc-web"),
        ];
        let told = web.send(Method::OPTIONS, place, &asking, Vec::new()).await;
        let header =
            |name: &str| told.headers.get(name).map(|it| it.to_str().expect("text").to_owned());
        let expected = allowed.then(|| origin.to_owned());
        assert_eq!(header("access-control-allow-origin"), expected, "{origin}");
        assert!(header("access-control-allow-headers").is_some_and(|it| it.contains("x-grpc-web")));
        let calling = [("origin", origin), ("content-type", "application/grpc-web+proto")];
        let told = web.send(Method::POST, place, &calling, vec![0; 5]).await;
        assert_eq!(told.headers.contains_key("access-control-allow-origin"), allowed);
        let seen = &told.headers["access-control-expose-headers"];
        assert!(seen.to_str().expect("text").contains("grpc-status-details-bin"));
    }
    let plain = World::on(Engine::Sqlite).await;
    let headers = [("origin", "https://desk.example.com")];
    let told = Web::new(plain.running.address, None);
    let told = told.send(Method::OPTIONS, "/api/v1/interactions", &headers, Vec::new()).await;
    let allowed = told.headers.contains_key("access-control-allow-origin");
    assert!(!allowed, "without allowed_origins nobody's page is let in");
    tokio::time::timeout(Duration::from_secs(20), plain.close()).await.expect("closed");
    world.close().await;
}

//! Who has no key and shows a certificate, at the doors other than gRPC's.

use prost::Message as _;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Code;
use tonic::body::Body;
use tonic::transport::Channel;

use super::client_certificates::{PBX, URI, settings, shown, signed};
use super::encryption::Files;
use crate::support::client::Refusal;
use crate::support::requests::{get, start};
use crate::support::web::{self, Web};
use crate::support::{Engine, Setup, World};

/// A door other than gRPC's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Door {
    Rest,
    GrpcWeb,
    StickyCalls,
}

pub(super) const DOORS: [Door; 3] = [Door::Rest, Door::GrpcWeb, Door::StickyCalls];

/// What a channel without a key is told at a door: the code of HTTP, and the reason.
pub(super) async fn told_at(channel: &Channel, door: Door, id: &str) -> (u16, String) {
    let asked = |path: &str, kind: &str, body: Vec<u8>| {
        let request = tonic::codegen::http::Request::post(format!("https://localhost{path}"));
        let body = Body::new(http_body_util::Full::new(body.into()));
        request.header("content-type", kind).body(body).expect("a request")
    };
    let json = |body: Value| body.to_string().into_bytes();
    let request = match door {
        Door::Rest => {
            let body = json(json!({"interaction_id": id, "channel": "voice"}));
            asked("/api/v1/interactions", "application/json", body)
        }
        Door::StickyCalls => {
            let body = json(json!({"call_id": id, "identity_hints": {"ani": "+14155550123"}}));
            asked("/v1/calls/start", "application/json", body)
        }
        Door::GrpcWeb => {
            let rpc = "/threadline.v1.InteractionService/StartInteraction";
            let message = web::framed(&start(id, "voice").encode_to_vec());
            asked(rpc, "application/grpc-web+proto", message)
        }
    };
    let told = web::over_http2(channel, request).await;
    match door {
        Door::Rest if told.code != 200 => (told.code, told.reason()),
        Door::StickyCalls if told.code != 200 => {
            (told.code, told.json()["details"]["reason"].as_str().unwrap_or_default().to_owned())
        }
        Door::GrpcWeb => match web::answered(&told.headers, &told.bytes) {
            Ok(_) => (told.code, String::new()),
            Err(status) if status.code() == Code::Unauthenticated => {
                (401, Refusal::of(&status).reason)
            }
            Err(status) => panic!("{status:?}"),
        },
        _ => (told.code, String::new()),
    }
}

/// The place at which a server is called.
fn base(world: &World) -> String {
    format!("https://localhost:{}", world.running.address.port())
}

/// What holds the certificate that stands for somebody, and no key.
fn browser(world: &World, files: &Files) -> Web {
    let (certificate, key) = signed(&files.authority, &[URI]);
    let own = reqwest::Identity::from_pem((certificate + &key).as_bytes()).expect("a pair");
    let root =
        reqwest::Certificate::from_pem(files.authority.pem.as_bytes()).expect("an authority");
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]).identity(own);
    Web::new(world.running.address, None).through(client.build().expect("a client"), &base(world))
}

/// Over REST, gRPC-Web and the dialect of Sticky Calls as over gRPC, in either version of HTTP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_stands_for_a_caller_at_every_door() {
    let files = Files::new();
    let world = Setup::on(Engine::Sqlite).settings(&settings(&files, PBX)).open().await;
    let pbx = shown(&world, &files, &[URI]).await;
    for door in DOORS {
        assert_eq!(told_at(&pbx, door, &format!("new-{door:?}")).await.0, 200, "{door:?}");
    }
    let web = browser(&world, &files);
    let started = json!({"interaction_id": "older", "channel": "voice"});
    web.post("/api/v1/interactions", &started).await.good();
    let asked = get("older").encode_to_vec();
    let rpc = "/threadline.v1.InteractionService/GetInteraction";
    assert_eq!(web.call(rpc, &asked, true).await.expect("it is there").len(), 1);
    // A reference of the caller's own is kept for the certificate's source.
    let own = json!({"call_id": "own", "identity_hints": {"customer_ref": "cust-1"}});
    assert_eq!(web.post("/v1/calls/start", &own).await.good()["customer_ref"], "cust-1");
    // Its roles and no more; and a key says who calls, whatever is shown.
    let refused = web.get("/api/v1/conflicts").await;
    assert_eq!((refused.code, &*refused.reason()), (403, "ROLE_REQUIRED"));
    let key = world.key(&World::new_key(&["admin"])).await;
    let bearer = format!("Bearer {key}");
    let keyed = [("authorization", &*bearer)];
    let told = web.send(Method::GET, "/api/v1/conflicts", &keyed, Vec::new()).await;
    assert_eq!(told.code, 200, "{}", told.text);
    let rubbish = [("authorization", "rubbish")];
    let told = web.send(Method::GET, "/api/v1/conflicts", &rubbish, Vec::new()).await;
    assert_eq!((told.code, &*told.reason()), (401, "MISSING_API_KEY"));
    world.close().await;
}

/// What a browser sends for a page, without asking first whether the page may: no content type.
async fn simply(web: &Web, door: Door, id: &str, page: &[(&str, &str)]) -> (u16, String) {
    let (path, body) = match door {
        Door::Rest => ("/api/v1/interactions", json!({"interaction_id": id, "channel": "voice"})),
        Door::StickyCalls => {
            let hints = json!({"ani": "+14155550123"});
            ("/v1/calls/start", json!({"call_id": id, "identity_hints": hints}))
        }
        Door::GrpcWeb => {
            let rpc = "/threadline.v1.InteractionService/StartInteraction";
            let kind = ("content-type", "application/grpc-web+proto");
            let body = web::framed(&start(id, "voice").encode_to_vec());
            let told = web.send(Method::POST, rpc, &[page, &[kind]].concat(), body).await;
            return match web::answered(&told.headers, &told.bytes) {
                Ok(_) => (told.code, String::new()),
                Err(status) => (401, Refusal::of(&status).reason),
            };
        }
    };
    let told = web.send(Method::POST, path, page, body.to_string().into_bytes()).await;
    let reason = match (told.code, door) {
        (200, _) => String::new(),
        (_, Door::StickyCalls) => {
            told.json()["details"]["reason"].as_str().unwrap_or_default().to_owned()
        }
        _ => told.reason(),
    };
    (told.code, reason)
}

/// A browser shows its certificate for whichever page asks: it speaks for those that were chosen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_origin_is_not_let_in_by_a_certificate() {
    let files = Files::new();
    let allowed = "[server]\nallowed_origins = [\"https://desk.example\"]\n";
    let settings = format!("{allowed}{}", settings(&files, PBX));
    let world = Setup::on(Engine::Sqlite).settings(&settings).open().await;
    let web = browser(&world, &files);
    let own = base(&world);
    let (good, refused) = ((200, String::new()), (401, "MISSING_API_KEY".to_owned()));
    let pages: [(&[(&str, &str)], bool); 6] = [
        (&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")], false),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "null")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("origin", "https://desk.example"), ("sec-fetch-site", "cross-site")], true),
        (&[("origin", &*own), ("sec-fetch-site", "same-origin")], true),
    ];
    for door in DOORS {
        for (number, (page, let_in)) in pages.iter().enumerate() {
            let id = format!("{door:?}-{number}");
            let told = simply(&web, door, &id, page).await;
            assert_eq!(told, if *let_in { good.clone() } else { refused.clone() }, "{id} {page:?}");
            let found = web.get(&format!("/api/v1/interactions/{id}")).await.code;
            assert_eq!(found, if *let_in { 200 } else { 404 }, "{id} {page:?}");
        }
    }
    // Reading is a call as well, and a key is nothing that a browser adds by itself.
    let crossing = [("sec-fetch-site", "cross-site")];
    let told = web.send(Method::GET, "/api/v1/interactions/Rest-5", &crossing, Vec::new()).await;
    assert_eq!((told.code, &*told.reason()), (401, "MISSING_API_KEY"));
    let bearer = format!("Bearer {}", world.key(&World::new_key(&["telephony"])).await);
    let keyed = [("origin", "https://evil.example"), ("authorization", &*bearer)];
    assert_eq!(simply(&web, Door::Rest, "keyed", &keyed).await, good);
    world.close().await;
}

//! The doors that no annotation tells of: the dialect of Sticky Calls and the hooks, with every string
//! of theirs that names something. A new path belongs here.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use threadline::clock::Time;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http::Request;

use super::lane::Lane;
use super::request::Probe;
use super::table::Kind;
use super::ways::{Exchanged, exchange};
use super::wire::Answer;

/// One path, a request that it takes, and where probes are put.
pub struct Door {
    pub path: &'static str,
    base: Value,
    pub places: Vec<(Where, Kind)>,
}

/// Where a probe is put.
#[derive(Clone, Copy, Debug)]
pub enum Where {
    /// As the text at this place of the body.
    Text(&'static str),
    /// In this object of the body, under the probe's namespace.
    Under(&'static str),
    /// As a name in this object.
    Name(&'static str),
    /// As the hook's name.
    Hook,
    /// As what the body is signed with.
    Secret,
    /// As the API key.
    ApiKey,
}

use Where::{ApiKey, Hook, Name, Secret, Text, Under};

/// All of them.
pub fn all() -> Vec<Door> {
    let hints = [
        (Text("/customer_ref"), Kind::Customer),
        (Text("/identity_hints/customer_ref"), Kind::Customer),
        (Text("/ani"), Kind::Phone),
        (Text("/identity_hints/ani"), Kind::Phone),
        (Text("/identity_hints/dnis"), Kind::Phone),
        (Under("/external_ids"), Kind::External),
        (Under("/identity_hints/external_ids"), Kind::External),
        (Text("/call_id"), Kind::Interaction),
    ];
    let ended = [
        (Text("/intent"), Kind::Label),
        (Name("/variables"), Kind::Label),
        (Text("/variables/email"), Kind::Email),
        (Text("/variables/phone"), Kind::Phone),
    ];
    let ended: Vec<(Where, Kind)> = hints.into_iter().chain(ended).collect();
    let calls = |path, base, places: &[(Where, Kind)]| Door { path, base, places: places.to_vec() };
    let (unknown, own) = (
        json!({"call_id": "probe-{n}"}),
        json!({"call_id": "probe-{n}", "customer_ref": "{own}", "identity_confirmed": true}),
    );
    vec![
        calls("/v1/calls/start", unknown.clone(), &hints),
        calls("/v1/calls/start", own.clone(), &hints),
        calls("/v1/calls/end", unknown, &ended),
        calls("/v1/calls/end", own, &ended),
        hook("/hooks/zendesk", &[Hook, Secret]),
        hook("/hooks/generic", &[Hook, ApiKey]),
    ]
}

fn hook(path: &'static str, shown: &[Where]) -> Door {
    let mut places = vec![
        (Text("/id"), Kind::Interaction),
        (Text("/customer"), Kind::Customer),
        (Text("/thread"), Kind::Label),
        (Text("/agent"), Kind::Label),
        (Text("/queue"), Kind::Label),
        (Text("/outcome"), Kind::Label),
        (Text("/topic"), Kind::Label),
        (Text("/reference"), Kind::Label),
        (Text("/email"), Kind::Email),
        (Text("/phone"), Kind::Phone),
        (Text("/caller"), Kind::Phone),
        (Text("/whatsapp"), Kind::Whatsapp),
        (Text("/telegram"), Kind::Telegram),
        (Text("/discord"), Kind::Discord),
        (Text("/visitor"), Kind::Visitor),
        (Under("/external"), Kind::External),
    ];
    places.extend(shown.iter().map(|place| match place {
        Secret => (Secret, Kind::Secret),
        ApiKey => (ApiKey, Kind::Key),
        place => (*place, Kind::Hook),
    }));
    let base = json!({"id": "probe-{n}", "changed": "{n}", "topic": "billing"});
    Door { path, base, places }
}

/// What a tenant's hooks are called: one that is signed, and one that takes an API key.
pub fn hooks_of(tenant: &str) -> [String; 2] {
    [format!("{tenant}-signed"), format!("{tenant}-keyed")]
}

/// What a tenant's deliveries are signed with.
pub fn secret_of(tenant: &str) -> String {
    format!("a-secret-of-{tenant}-and-of-nobody-else")
}

const TAKES: &str = r#"
    source = "default"
    closes = []
    [tenants.TENANT.hooks.HOOK.takes]
    interaction_id = "$.id"
    revision = "$.changed"
    channel = { value = "email" }
    customer_ref = "$.customer"
    thread_ref = "$.thread"
    agent_ref = "$.agent"
    queue = "$.queue"
    disposition = "$.outcome"
    intents = [{ intent = "$.topic", reference = "$.reference" }]
    hints = { email = "$.email", phone = "$.phone", caller_number = "$.caller", whatsapp_id = "$.whatsapp", telegram_user_id = "$.telegram", discord_user_id = "$.discord", visitor_id = "$.visitor", external_ids = { crm_id = "$.external.crm_id", account_number = "$.external.account_number" } }
"#;

/// The settings of these tenants' hooks, whose secrets are put into the folder.
pub fn settings(folder: &std::path::Path, tenants: &[&str]) -> String {
    let mut text = String::new();
    for tenant in tenants {
        let file = folder.join(tenant);
        std::fs::write(&file, secret_of(tenant)).expect("written");
        let [signed, keyed] = hooks_of(tenant);
        for (hook, proof) in [
            (signed, format!("kind = \"zendesk\"\nsecret_file = {:?}", file.display().to_string())),
            (keyed, "kind = \"generic\"\nverify = \"api_key\"".to_owned()),
        ] {
            let takes = TAKES.replace("TENANT", tenant).replace("HOOK", &hook);
            text.push_str(&format!("[tenants.{tenant}.hooks.{hook}]\n{proof}{takes}"));
        }
    }
    text
}

impl Where {
    /// What it is called in a report.
    pub fn text(self) -> String {
        format!("{self:?}")
    }

    fn put(self, into: &mut Value, probe: &Probe) {
        match self {
            Text(place) => *at(into, place) = probe.value.clone().into(),
            Under(place) => at(into, place)[probe.namespace] = probe.value.clone().into(),
            Name(place) => at(into, place)[&probe.value] = "a value".into(),
            Hook | Secret | ApiKey => {}
        }
    }
}

/// The place in a body that this pointer names, made where it is missing.
fn at<'v>(body: &'v mut Value, place: &str) -> &'v mut Value {
    place.split('/').skip(1).fold(body, |value, name| &mut value[name])
}

impl Door {
    /// Sends a request with the probe put there, as whoever has this role in that tenant; what was asked,
    /// and the answer.
    pub async fn send(
        &self,
        lane: &Lane,
        role: &str,
        (n, now): (usize, Time),
        (place, probe): (Where, &Probe),
    ) -> (Vec<u8>, Answer) {
        let mut body = lane.own_in(&self.base, n);
        place.put(&mut body, probe);
        let body = body.to_string();
        let wire = lane.role(role);
        let own = hooks_of(&lane.tenant);
        let is_signed = self.path == "/hooks/zendesk";
        let hook = match place {
            Hook => &probe.value,
            _ => &own[usize::from(!is_signed)],
        };
        let path = match self.path.starts_with("/hooks/") {
            true => format!("{}?hook={hook}", self.path),
            false => self.path.to_owned(),
        };
        let authorization = match place {
            ApiKey => format!("Bearer {}", probe.value),
            _ => wire.authorization().to_owned(),
        };
        let mut request = Request::post(format!("http://localhost{path}"))
            .header("content-type", "application/json")
            .header("authorization", authorization);
        if is_signed {
            let own = secret_of(&lane.tenant);
            let secret = if matches!(place, Secret) { &probe.value } else { &own };
            let time = jiff::Timestamp::from_millisecond(now.0).expect("a time").to_string();
            request = request
                .header("x-zendesk-webhook-signature", signature(secret, &time, &body))
                .header("x-zendesk-webhook-signature-timestamp", time);
        }
        let asked = format!("{path} {body}").into_bytes();
        let request = request.body(Body::new(body)).expect("a request");
        (asked, answer(exchange(wire, request, false).await))
    }
}

fn signature(secret: &str, time: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(format!("{time}{body}").as_bytes());
    BASE64.encode(&mac.finalize().into_bytes())
}

/// These doors refuse each in their own words: all of them count.
fn answer(came: Exchanged) -> Answer {
    let Exchanged { status, metadata, bytes, took } = came;
    let code = match status.as_u16() {
        200 => Code::Ok,
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::AlreadyExists,
        code => panic!("{code}: {}", String::from_utf8_lossy(&bytes)),
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (message, shown) = match code {
        Code::Ok => (String::new(), vec![serde_json::from_str(&text).expect("JSON")]),
        _ => (text, Vec::new()),
    };
    let (details, bodies) = (Vec::new(), vec![bytes]);
    Answer { code, message, details, metadata, bodies, shown: Some(shown), took }
}

/// A path that nobody has said how to probe.
#[test]
fn every_path_beside_the_protocols_is_probed() {
    let probed: Vec<&str> = all().iter().map(|door| door.path).collect();
    let mut missing = threadline::http::paths_beside();
    assert!(missing.len() >= 4, "{missing:?}");
    missing.retain(|path| !probed.contains(&path.as_str()));
    assert!(missing.is_empty(), "say in tests/tenancy/doors.rs how to probe {missing:?}");
}

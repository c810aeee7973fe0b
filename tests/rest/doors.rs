//! What is sent to the doors that no descriptor tells of, Sticky Calls and the hooks: whole requests that
//! are accepted and remembered, and odd ones that are refused. Every text is a canary: of bodies, paths
//! and queries, secrets, signatures and keys.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Client;
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use threadline::clock::Clock;

use crate::plant::{Planted, Planter};

const TAKES: &str = r#"
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
    summary = "$.notes"
    variables = { order = "$.order" }
    intents = [{ intent = "$.topic", reference = "$.reference" }]
    hints = { email = "$.email", phone = "$.phone", caller_number = "$.caller", visitor_id = "$.visitor", whatsapp_id = "$.whatsapp", telegram_user_id = "$.telegram", discord_user_id = "$.discord", external_ids = { crm_id = "$.crm" } }
"#;

/// A tenant's hooks, one that is signed and one that takes an API key. The secret is a canary.
pub(crate) struct Hooks {
    tenant: &'static str,
    folder: TempDir,
    secret: String,
}

impl Hooks {
    pub(crate) fn new(tenant: &'static str, planter: &mut Planter) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let secret = format!("{}, a secret", planter.word("a hook's secret")).replace(' ', "");
        std::fs::write(folder.path().join("secret"), &secret).expect("written");
        Self { tenant, folder, secret }
    }

    pub(crate) fn settings(&self) -> String {
        let file = self.folder.path().join("secret").display().to_string();
        let (tenant, mut text) = (self.tenant, String::new());
        for (hook, proof) in [
            ("zendesk", format!("secret_file = {file:?}")),
            ("generic", "verify = \"api_key\"".into()),
        ] {
            let takes = TAKES.replace("TENANT", tenant).replace("HOOK", hook);
            let proof = format!("kind = \"{hook}\"\n{proof}");
            text.push_str(&format!("[tenants.{tenant}.hooks.{hook}]\n{proof}{takes}"));
        }
        text
    }
}

fn remember(planter: &mut Planter, field: &str, canary: &str) {
    planter.planted.push(Planted { field: field.to_owned(), canary: canary.to_owned() });
}

/// A phone number, of which the national part must not be found again.
fn number(planter: &mut Planter, field: &str) -> String {
    let national = format!("415200{:04}", planter.planted.len());
    remember(planter, field, &national);
    format!("+1{national}")
}

/// An address.
fn mail(planter: &mut Planter, field: &str) -> String {
    let address = format!("zykanary.{:04}@example.com", planter.planted.len());
    remember(planter, field, &address);
    address
}

/// Who sends.
pub(crate) struct Sender<'a> {
    url: &'a str,
    key: &'a str,
    client: Client,
    hooks: &'a Hooks,
    /// The paths at which something was accepted.
    accepted: BTreeSet<String>,
}

/// Sends everything once to every path; all that the refused were told goes into `errors`.
pub(crate) async fn tell(
    (url, key): (&str, &str),
    hooks: &Hooks,
    planter: &mut Planter,
    errors: &mut Vec<u8>,
) {
    let client = Client::builder().no_proxy().build().expect("a client");
    let mut sender = Sender { url, key, client, hooks, accepted: BTreeSet::new() };
    sender.calls(planter, errors).await;
    sender.deliveries(planter, errors).await;
    sender.strangers(planter, errors).await;
    let paths = threadline::http::paths_beside();
    let missing: Vec<&String> =
        paths.iter().filter(|path| !sender.accepted.contains(*path)).collect();
    assert!(missing.is_empty(), "say in tests/rest/doors.rs what is planted at {missing:?}");
}

impl Sender<'_> {
    /// Sends one request: whether it was accepted, and what the answer was. A refusal is noted.
    async fn send(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
        errors: &mut Vec<u8>,
    ) -> Option<String> {
        let mut request = self.client.post(format!("{}{path}", self.url)).body(body);
        if headers.iter().all(|(name, _)| *name != "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        let is_good = answer.status().is_success();
        let head = format!("{:?}\n", answer.headers());
        let text = answer.text().await.expect("text");
        if is_good {
            let bare = path.split('?').next().unwrap_or_default();
            self.accepted.insert(bare.to_owned());
            return Some(text);
        }
        errors.extend(format!("{head}{text}\n").into_bytes());
        None
    }

    async fn calls(&mut self, planter: &mut Planter, errors: &mut Vec<u8>) {
        let bearer = format!("Bearer {}", self.key);
        let own = [("authorization", bearer.as_str())];
        let call = planter.word("Sticky Calls call_id");
        let summary = planter.word("Sticky Calls summary");
        let hints = |planter: &mut Planter| {
            json!({
                "ani": number(planter, "Sticky Calls ani"),
                "dnis": number(planter, "Sticky Calls dnis"),
                "customer_ref": planter.word("Sticky Calls customer_ref"),
                "external_ids": {"crm_id": planter.word("Sticky Calls external_ids")},
            })
        };
        let name = planter.word("Sticky Calls variable's name");
        let end = json!({
            "call_id": call, "identity_hints": hints(planter),
            "intent": planter.word("Sticky Calls intent"), "intent_status": "open",
            "variables": {
                name: planter.word("Sticky Calls variable"), "summary": summary,
                "email": mail(planter, "Sticky Calls email"),
                "phone": number(planter, "Sticky Calls phone"),
            },
        });
        let start = json!({"call_id": call, "identity_hints": hints(planter)});
        for (path, body) in [("/v1/calls/start", &start), ("/v1/calls/end", &end)] {
            let told = self.send(path, &own, body.to_string(), errors).await;
            let told =
                told.unwrap_or_else(|| panic!("{path}: {}", String::from_utf8_lossy(errors)));
            assert!(told.contains(&call), "what was planted is answered");
        }
        // The reference is their own again, and the call has other content.
        for (path, names) in [
            ("/v1/calls/start", &["call_id", "ani", "customer_ref", "external_ids"][..]),
            ("/v1/calls/end", &["call_id", "intent", "intent_status", "variables", "telco"]),
        ] {
            for name in names {
                let mut odd = if path.ends_with("start") { start.clone() } else { end.clone() };
                odd[*name] = json!({mail(planter, name): [planter.word(name)]});
                // What the hints say already, or nobody reads, may pass.
                self.send(path, &own, odd.to_string(), errors).await;
            }
            self.odd_bodies(path, &own, planter, errors).await;
        }
        let again = json!({"call_id": call, "ani": number(planter, "Sticky Calls again")});
        assert_eq!(self.send("/v1/calls/start", &own, again.to_string(), errors).await, None);
    }

    /// A delivery with a canary in every text.
    fn delivery(planter: &mut Planter) -> Value {
        let mut body = json!({"changed": "17"});
        for name in
            ["id", "thread", "agent", "queue", "outcome", "notes", "order", "topic", "reference"]
        {
            body[name] = planter.word(&format!("a hook's {name}")).into();
        }
        for name in ["customer", "visitor", "crm", "of no setting"] {
            body[name] = planter.word(&format!("a hook's {name}")).into();
        }
        for name in ["phone", "caller"] {
            body[name] = number(planter, &format!("a hook's {name}")).into();
        }
        for (name, digits) in [("whatsapp", ""), ("telegram", ""), ("discord", "0000000")] {
            let number = number(planter, &format!("a hook's {name}"));
            body[name] = format!("{}{digits}", number.trim_start_matches('+')).into();
        }
        body["email"] = mail(planter, "a hook's email").into();
        body
    }

    async fn deliveries(&mut self, planter: &mut Planter, errors: &mut Vec<u8>) {
        let bearer = format!("Bearer {}", self.key);
        let basic = format!("Basic {}", BASE64.encode(format!("{}:x", self.key).as_bytes()));
        for authorization in [&bearer, &basic] {
            let own = [("authorization", authorization.as_str())];
            let body = Self::delivery(planter).to_string();
            let told = self.send("/hooks/generic", &own, body, errors).await;
            assert!(told.is_some_and(|told| told.contains("\"accepted\":true")));
            let mut odd = Self::delivery(planter);
            odd["revision"] = planter.word("a hook's revision").into();
            odd["changed"] = planter.word("a hook's time").into();
            odd["id"] = json!([planter.word("a hook's id"), planter.word("a hook's id")]);
            assert_eq!(self.send("/hooks/generic", &own, odd.to_string(), errors).await, None);
            self.odd_bodies("/hooks/generic", &own, planter, errors).await;
        }
        let own = self.hooks.secret.clone();
        let foreign = planter.word("another secret of a hook");
        for (secret, is_good) in [(&own, true), (&foreign, false)] {
            let body = Self::delivery(planter).to_string();
            let told = self.signed("/hooks/zendesk", secret, body, errors).await;
            assert_eq!(told.is_some(), is_good, "{}", String::from_utf8_lossy(errors));
        }
        let mut odd = Self::delivery(planter);
        odd["topic"] = json!({mail(planter, "a hook's topic"): planter.word("a hook's topic")});
        assert_eq!(self.signed("/hooks/zendesk", &own, odd.to_string(), errors).await, None);
    }

    async fn signed(
        &mut self,
        path: &str,
        secret: &str,
        body: String,
        errors: &mut Vec<u8>,
    ) -> Option<String> {
        let time = jiff::Timestamp::from_millisecond(Clock::System.now().0).expect("now");
        let time = time.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
        mac.update(format!("{time}{body}").as_bytes());
        let signature = BASE64.encode(&mac.finalize().into_bytes());
        let headers = [
            ("x-zendesk-webhook-signature", signature.as_str()),
            ("x-zendesk-webhook-signature-timestamp", time.as_str()),
        ];
        self.send(path, &headers, body, errors).await
    }

    /// What is no request of that path at all, from who may call.
    async fn odd_bodies(
        &mut self,
        path: &str,
        own: &[(&str, &str)],
        planter: &mut Planter,
        errors: &mut Vec<u8>,
    ) {
        // Names of fields are told to who sent them, where they look like names: this does not.
        let word = mail(planter, "no body");
        let deep = format!("{}\"{word}\"{}", "[".repeat(200), "]".repeat(200));
        for body in [
            word.clone(),
            format!("{{\"{word}\": "),
            format!("[\"{word}\"]"),
            format!("{{\"{word}\": {deep}}}"),
            format!("{{\"{word}\": 1, \"{word}\": 2}}"),
            format!("\"{word}\""),
        ] {
            assert_eq!(self.send(path, own, body, errors).await, None, "{path}");
        }
        let other = format!("text/{}", planter.word("no media type"));
        let headers = [own, &[("content-type", other.as_str())]].concat();
        assert_eq!(self.send(path, &headers, "{}".into(), errors).await, None);
    }

    /// From who may not call, and to where nothing is.
    async fn strangers(&mut self, planter: &mut Planter, errors: &mut Vec<u8>) {
        let mut paths = threadline::http::paths_beside();
        paths.push(format!("/v1/calls/{}", planter.word("no call")));
        paths.push(format!("/hooks/{}", planter.word("no kind of hook")));
        for kind in ["zendesk", "generic"] {
            paths.push(format!("/hooks/{kind}?hook={}", planter.word("no hook")));
            let word = planter.word("no query");
            paths.push(format!("/hooks/{kind}?{word}={word}"));
        }
        for path in paths {
            let body = Self::delivery(planter).to_string();
            let basic = planter.word("no user");
            let basic = BASE64.encode(format!("tl_{basic}:{basic}").as_bytes());
            for authorization in [
                format!("Bearer {}", planter.word("no key")),
                format!("Bearer tl_live_1_{}", planter.word("no key")),
                format!("Basic {basic}"),
                format!("Basic {}", planter.word("no base64")),
                planter.word("no scheme"),
            ] {
                let headers = [("authorization", authorization.as_str())];
                assert_eq!(self.send(&path, &headers, body.clone(), errors).await, None, "{path}");
            }
            let word = planter.word("no signature");
            let headers = [
                ("x-zendesk-webhook-signature", word.as_str()),
                ("x-zendesk-webhook-signature-timestamp", word.as_str()),
            ];
            assert_eq!(self.send(&path, &headers, body, errors).await, None, "{path}");
        }
    }
}

//! A server that a helpdesk delivers to, and a helpdesk that signs.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use threadline::cli::keys::NewKey;

use crate::support::web::{Told, Web};
use crate::support::{Engine, Setup, World};

pub(super) const PAGE: &str = include_str!("../../docs/webhooks-in.md");
/// Acme's secret.
pub(super) const SECRET: &str = "a-secret-of-acme-and-nobody-else";
/// Globex's.
pub(super) const OTHERS: &str = "another-secret-of-globex-alone-here";

/// A world with hooks, and the folder that their secrets are in.
pub(super) struct Desk {
    pub(super) world: World,
    pub(super) web: Web,
    folder: TempDir,
}

/// Every secret of these settings is in a file with this text.
pub(super) async fn desk(engine: Engine, settings: &str, secret: &str) -> Desk {
    let folder = tempfile::tempdir().expect("a folder");
    let text = with_files(&folder, settings, secret);
    let world = Setup::on(engine).settings(&text).open().await;
    let web = Web::new(world.running.address, None);
    Desk { world, web, folder }
}

/// These settings, every secret of which is in a file.
fn with_files(folder: &TempDir, settings: &str, secret: &str) -> String {
    let (own, others) = (folder.path().join("own"), folder.path().join("others"));
    std::fs::write(&own, secret).expect("written");
    std::fs::write(&others, OTHERS).expect("written");
    let mut text = String::new();
    for line in settings.lines() {
        if line.starts_with("secret_env") {
            let file = if line.contains("GLOBEX") { &others } else { &own };
            text.push_str(&format!("secret_file = {:?}\n", file.display().to_string()));
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// The fenced block of the page that has this mark.
pub(super) fn block(mark: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("<!-- {mark} -->\n```")).expect(mark);
    let (_, rest) = rest.split_once('\n').expect(mark);
    rest.split_once("\n```").expect(mark).0
}

pub(super) fn sha256(secret: &str, message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

impl Desk {
    pub(super) async fn deliver(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Told {
        let json = [("content-type", "application/json")];
        let headers = [&json, headers].concat();
        self.web.send(Method::POST, path, &headers, body.as_bytes().to_vec()).await
    }

    /// As Zendesk does, at this time.
    pub(super) async fn zendesk_at(&self, hook: &str, secret: &str, at: &str, body: &str) -> Told {
        let signature = data_encoding::BASE64.encode(&sha256(secret, &format!("{at}{body}")));
        let headers = [
            ("x-zendesk-webhook-signature", signature.as_str()),
            ("x-zendesk-webhook-signature-timestamp", at),
        ];
        self.deliver(&format!("/hooks/zendesk{hook}"), &headers, body).await
    }

    pub(super) async fn zendesk(&self, hook: &str, secret: &str, body: &str) -> Told {
        self.zendesk_at(hook, secret, &at(self.world.now().0), body).await
    }

    /// As the hook `mine` of [`MINE`] asks for.
    pub(super) async fn mine(&self, secret: &str, body: &Value) -> Told {
        let body = body.to_string();
        let signature = format!("sha256={}", hex(&sha256(secret, &body)));
        self.deliver("/hooks/generic?hook=mine", &[("x-signature", &signature)], &body).await
    }

    /// Tells the server these settings instead, with this text for every secret of Acme's.
    pub(super) async fn reload(&self, settings: &str, secret: &str) -> Result<(), Vec<String>> {
        let text = with_files(&self.folder, settings, secret);
        self.world.reload(&text).await.map(drop).map_err(|wrong| wrong.0)
    }

    /// What is known of an interaction, to a reader of everything.
    pub(super) async fn reader(&self, source: &str) -> Web {
        let key = NewKey { source: source.into(), ..World::new_key(&["telephony", "admin"]) };
        let key = self.world.key(&key).await;
        Web::new(self.world.running.address, Some(&key))
    }

    pub(super) async fn close(self) {
        self.world.close().await;
    }
}

pub(super) fn at(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).expect("a time").to_string()
}

#[track_caller]
pub(super) fn accepted(told: &Told, id: &str) {
    assert_eq!(told.good(), json!({"accepted": true, "interaction_id": id}));
}

/// One hook, `mine`, that signs with HMAC-SHA-256.
pub(super) const MINE: &str = r#"
    [tenants.acme.hooks.mine]
    kind = "generic"
    verify = "hmac"
secret_env = "ACME"
    header = "x-signature"
    prefix = "sha256="
    closes = [{ path = "$.state", is = ["closed", "open"] }]
    [tenants.acme.hooks.mine.takes]
    interaction_id = "$.id"
    revision = "$.changed"
    channel = { path = "$.via", otherwise = "email" }
    summary = "$.notes"
    disposition = "$.outcome"
    csat = "$.score"
    intents = [{ intent = "$.topic", reference = "$.id", status = { path = "$.state", words = { closed = "resolved", open = "open" } } }]
    variables = { order = "$.order" }
    hints = { email = { path = "$.mail", assurance = "carried" }, phone = "$.phone" }
"#;

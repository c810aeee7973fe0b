//! The tenant that others ask about: people, contacts, merges and conflicts, full of canaries, and
//! what of it a prober might know the name of.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use threadline::cli::keys::NewKey;
use threadline::clock::Time;
use threadline::crypto::ApiKey;
use threadline::ids::{CustomerId, Entropy};

use super::doors;
use super::lane::{SHARED_SOURCE, SHARED_TWIN, said};
use super::request::Probe;
use super::table::Kind;
use super::wire::Wire;
use crate::support::World;
use crate::support::issuer::Issuer;

/// Stands in every text of the victim's that no prober can know, and nowhere else.
pub const CANARY: &str = "zqxcanary";
/// The victim.
pub const TENANT: &str = "acme";
/// People that probers ask for; there is one more, whose identifiers are canaries.
pub const PEOPLE: usize = 5;

/// What the victim has, beside what nobody has.
pub struct Foreign {
    pub kind: Kind,
    /// The victim's.
    pub known: Probe,
    /// Of the same form and length, and nowhere.
    pub missing: Probe,
}

/// The victim.
pub struct Victim {
    pub foreign: Vec<Foreign>,
    /// Refs and the like, which only the victim may be shown.
    pub refs: Vec<String>,
    staff: Wire,
    reads: Vec<(&'static str, Value)>,
}

fn plain(kind: Kind, known: &str) -> Foreign {
    typed(kind, "", "", known)
}

fn typed(kind: Kind, identifier: &'static str, namespace: &'static str, known: &str) -> Foreign {
    let probe = |value: String| Probe { kind: identifier, namespace, value };
    let missing = twin(kind, known);
    assert!(missing != known && missing.len() == known.len(), "{known} and {missing}");
    Foreign { kind, known: probe(known.to_owned()), missing: probe(missing) }
}

/// Something of the same form that exists nowhere. What is shown or compared of it stays the same:
/// where a number ends, when a ref was made.
fn twin(kind: Kind, known: &str) -> String {
    let random = |bytes: &mut [u8]| Entropy::System.fill(bytes);
    match kind {
        Kind::Customer | Kind::PageToken if known.starts_with("cus_") => {
            let mut id = CustomerId::parse_ref(known).expect("a ref").0;
            random(&mut id[6..]);
            CustomerId(id).to_ref()
        }
        Kind::Merge | Kind::Conflict | Kind::PageToken => {
            let mut bytes = BASE64URL_NOPAD.decode(known.as_bytes()).expect("an opaque id");
            let time = match kind {
                Kind::Merge => 0,
                Kind::Conflict => 6,
                _ => 8,
            };
            random(&mut bytes[time..]);
            BASE64URL_NOPAD.encode(&bytes)
        }
        Kind::Source if known == SHARED_SOURCE => SHARED_TWIN.to_owned(),
        _ => known.replace("acme", "none").replace("415556", "415557").replace("900556", "900557"),
    }
}

impl Victim {
    /// Fills the tenant. `issuer` signs its customers' tokens, `stranger` nobody's.
    pub async fn fill(world: &World, issuer: &Issuer, stranger: &Issuer, now: Time) -> Self {
        let wire = Wire::connect(world.running.address).await;
        let roles = ["telephony", "agent", "admin", "backfill"];
        let own = NewKey { may_address: vec![SHARED_SOURCE.into()], ..World::new_key(&roles) };
        let staff = wire.with_key(&world.key(&own).await);
        let secret = NewKey { source: "acme-secret".into(), ..World::new_key(&roles) };
        let other = wire.with_key(&world.key(&secret).await);
        let mut victim = Self { foreign: Vec::new(), refs: Vec::new(), staff, reads: Vec::new() };
        let mut people = Vec::new();
        for number in 0..=PEOPLE {
            people.push(victim.person(number).await);
        }
        let start = json!({"interaction_id": "acme-secret-call", "channel": "voice"});
        said(&other, "StartInteraction", start).await;
        victim.has(Kind::Source, "acme-secret");
        victim.has(Kind::Source, SHARED_SOURCE);
        victim.has(Kind::Interaction, "acme-secret-call");
        victim.signed_in(issuer, stranger, now).await;
        victim.between(&people).await;
        victim.pages(&people[0]).await;
        victim.hooks(world).await;
        victim
    }

    fn has(&mut self, kind: Kind, known: &str) {
        if [Kind::Customer, Kind::Merge, Kind::Conflict].contains(&kind) {
            self.refs.push(known.to_owned());
        }
        self.foreign.push(plain(kind, known));
    }

    fn identified(&mut self, kind: Kind, named: &'static str, space: &'static str, value: &str) {
        self.foreign.push(typed(kind, named, space, value));
        self.foreign.push(typed(Kind::Identifier, named, space, value));
    }

    async fn call(&self, rpc: &str, request: Value) -> Value {
        said(&self.staff, rpc, request).await
    }

    /// Somebody with contacts on several channels, values, and a summary; the last one is unknown to
    /// all probers. Their refs.
    async fn person(&mut self, i: usize) -> String {
        let quiet = i == PEOPLE;
        let own = if quiet { CANARY.to_owned() } else { format!("acme{i}") };
        let phone = format!("+141555601{i:02}");
        let hints = json!({
            "caller_number": phone, "email": format!("{own}@example.com"),
            "external_ids": {"crm_id": format!("crm-{own}"), "account_number": format!("no-{own}")},
        });
        let call = format!("{own}-call");
        let started = self
            .call(
                "StartInteraction",
                json!({"interaction_id": call,
            "channel": "voice", "identity_hints": hints, "thread_ref": format!("thread-{own}"),
            "agent_ref": format!("agent-{own}"), "queue": format!("queue-{own}"),
            "brand": format!("brand-{own}"), "telco": {"line_type": "LINE_TYPE_MOBILE"}}),
            )
            .await;
        self.call("EndInteraction", json!({"interaction_id": call, "revision": "1",
            "intents": [{"intent": format!("intent-{own}"), "status": "INTENT_STATUS_OPEN",
                "reference": format!("reference-{own}")}],
            "variables": {format!("variable-{own}"): {"value": format!("{CANARY} value {i}")}},
            "profile": {format!("profile-{own}"): {"value": format!("{CANARY} attribute {i}")}},
            "summary": format!("{CANARY} summary {i}"), "disposition": format!("outcome-{own}"),
            "conversion": {"name": format!("conversion-{own}"), "amount": 7.0, "currency": "EUR"},
        })).await;
        for (channel, field, value) in [
            ("whatsapp", "whatsapp_id", format!("1415556{i:04}")),
            ("telegram", "telegram_user_id", format!("9005560{i}")),
            ("discord", "discord_user_id", format!("90055600000000{i:04}")),
            ("web_chat", "visitor_id", format!("visitor-{own}")),
        ] {
            let id = format!("{own}-{channel}");
            self.call(
                "StartInteraction",
                json!({"interaction_id": id, "channel": channel,
                "identity_hints": {field: value}}),
            )
            .await;
            self.reads.push(("GetInteraction", json!({"interaction_id": id})));
            if !quiet {
                self.has(Kind::Interaction, &id);
                let (kind, named) = match field {
                    "whatsapp_id" => (Kind::Whatsapp, "whatsapp"),
                    "telegram_user_id" => (Kind::Telegram, "telegram"),
                    "discord_user_id" => (Kind::Discord, "discord"),
                    _ => (Kind::Visitor, "visitor"),
                };
                self.identified(kind, named, "", &value);
            }
        }
        let customer = started["customer_ref"].as_str().expect("a ref").to_owned();
        self.reads.push(("GetCustomer", json!({"customer_ref": customer})));
        self.reads.push(("ListInteractions", json!({"customer_ref": customer})));
        self.reads.push((
            "GetInteraction",
            json!({"interaction_id": call,
            "view": "INTERACTION_VIEW_FULL"}),
        ));
        if quiet {
            self.refs.push(customer.clone());
            return customer;
        }
        self.has(Kind::Customer, &customer);
        self.has(Kind::Interaction, &call);
        self.identified(Kind::Phone, "phone", "", &phone);
        self.identified(Kind::Email, "email", "", &format!("{own}@example.com"));
        self.identified(Kind::External, "external", "crm_id", &format!("crm-{own}"));
        self.identified(Kind::External, "external", "account_number", &format!("no-{own}"));
        for label in [
            "thread",
            "agent",
            "queue",
            "brand",
            "intent",
            "reference",
            "variable",
            "profile",
            "outcome",
            "conversion",
        ] {
            self.has(Kind::Label, &format!("{label}-{own}"));
        }
        customer
    }

    /// A token of the victim's issuer, and one that nobody's key has signed.
    async fn signed_in(&mut self, issuer: &Issuer, stranger: &Issuer, now: Time) {
        let claims = super::probing::claims("acme-subject", now);
        let (token, strange) = (issuer.token(&claims), stranger.token(&claims));
        self.call(
            "StartInteraction",
            json!({"interaction_id": "acme-signed-in",
            "channel": "web_chat", "identity_hints": {"web_token": token}}),
        )
        .await;
        let probe = |value: String| Probe { kind: "", namespace: "", value };
        let (known, missing) = (probe(token), probe(strange));
        self.foreign.push(Foreign { kind: Kind::WebToken, known, missing });
    }

    /// Hooks, what they are signed with, and a key of which somebody knows the public part.
    async fn hooks(&mut self, world: &World) {
        for hook in doors::hooks_of(TENANT) {
            self.has(Kind::Hook, &hook);
        }
        self.has(Kind::Secret, &doors::secret_of(TENANT));
        let own = world.key(&World::new_key(&["helpdesk"])).await;
        let own = ApiKey::parse(&own).expect("a key");
        let mut forged = ApiKey::generate(own.tenant, own.test, &Entropy::System);
        let stranger = ApiKey::generate(own.tenant, own.test, &Entropy::System).text();
        forged.id = own.id.clone();
        let probe = |value: &str| Probe { kind: "", namespace: "", value: value.to_owned() };
        let (known, missing) = (probe(&forged.text()), probe(&stranger));
        self.foreign.push(Foreign { kind: Kind::Key, known, missing });
    }

    /// Merges, conflicts, and requests that have been made.
    async fn between(&mut self, people: &[String]) {
        let merged = self
            .call(
                "MergeCustomers",
                json!({"request_id": "acme-merge",
            "customer_ref": people[1], "other_customer_ref": people[2],
            "reason": format!("{CANARY} reason"), "evidence": format!("{CANARY} evidence")}),
            )
            .await;
        self.has(Kind::Merge, merged["merge_id"].as_str().expect("a merge"));
        self.has(Kind::Request, "acme-merge");
        for (n, name) in ["one", "other"].into_iter().enumerate() {
            let id = format!("acme-upsert-{n}");
            self.call(
                "UpsertCustomer",
                json!({"request_id": id, "customer_ref": people[3],
                "customer": {"profile": {"name": {"value": format!("{CANARY} {name}")}}}}),
            )
            .await;
            self.has(Kind::Request, &id);
        }
        let update = json!({"interaction_id": "acme0-whatsapp", "update_id": "acme-update",
            "last_inbound": {"channel": "whatsapp", "thread_ref": format!("{CANARY} inbound")}});
        self.call("UpdateInteraction", update).await;
        self.has(Kind::Request, "acme-update");
        let conflicts = self.call("ListConflicts", json!({"customer_ref": people[3]})).await;
        let conflict = conflicts["conflicts"][0]["conflict_id"].as_str().expect("a conflict");
        self.has(Kind::Conflict, conflict);
        self.reads.push(("ListConflicts", json!({})));
        self.reads.push((
            "PreviewMerge",
            json!({"customer_ref": people[0],
            "other_customer_ref": people[4]}),
        ));
    }

    async fn pages(&mut self, person: &str) {
        let list = json!({"customer_ref": person, "page_size": 1});
        self.call(
            "EndInteraction",
            json!({"interaction_id": "acme0-again", "channel": "email",
            "customer_ref": person}),
        )
        .await;
        let page = self.call("ListInteractions", list).await;
        self.has(Kind::PageToken, page["next_page_token"].as_str().expect("a second page"));
        let watch = self.call("WatchInteractions", json!({})).await;
        self.has(Kind::PageToken, watch["resume_token"].as_str().expect("a place"));
        // Pages of conflicts end with a customer.
        self.foreign.push(plain(Kind::PageToken, person));
    }

    /// All that its own staff sees.
    pub async fn seen(&self) -> Vec<Value> {
        let mut seen = Vec::new();
        for (rpc, request) in &self.reads {
            seen.push(self.call(rpc, request.clone()).await);
        }
        // What was read is in the journal before what comes after it.
        let mark = json!({"interaction_id": format!("acme-mark-{}", Entropy::System.stamp().0),
            "channel": "web_chat"});
        self.call("StartInteraction", mark).await;
        seen
    }
}

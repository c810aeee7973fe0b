//! A tenant that asks for what is not its own: its keys, one of every role, and what it has itself.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Value, json};
use threadline::cli::keys::NewKey;
use threadline::clock::{Clock, Time};
use tonic::Code;

use super::request::{message, method};
use super::wire::{Answer, Wire};
use crate::support::World;

/// The roles that probe.
pub const ROLES: [&str; 7] =
    ["telephony", "bot", "helpdesk", "agent", "admin", "backfill", "insight"];
/// A source of the victim's that probers may name, too: ids are looked for under it.
pub const SHARED_SOURCE: &str = "acme-pbx";
/// Its twin.
pub const SHARED_TWIN: &str = "none-pbx";

/// A prober.
pub struct Lane {
    pub tenant: String,
    by_role: BTreeMap<&'static str, Wire>,
    staff: Wire,
    /// What stands for `{own}` and the like.
    own: BTreeMap<&'static str, String>,
}

fn key(tenant: &str, roles: &[&str]) -> NewKey {
    NewKey {
        tenant: tenant.into(),
        may_address: vec![SHARED_SOURCE.into(), SHARED_TWIN.into()],
        ..World::new_key(roles)
    }
}

impl Lane {
    pub async fn of(world: &World, tenant: &str) -> Self {
        let wire = Wire::connect(world.running.address).await;
        let mut by_role = BTreeMap::new();
        for role in ROLES {
            by_role.insert(role, wire.with_key(&world.key(&key(tenant, &[role])).await));
        }
        let all = ["telephony", "agent", "admin", "backfill"];
        let staff = wire.with_key(&world.key(&key(tenant, &all)).await);
        Self { tenant: tenant.to_owned(), by_role, staff, own: BTreeMap::new() }
    }

    /// The connection of a role.
    pub fn role(&self, role: &str) -> &Wire {
        &self.by_role[role]
    }

    /// Calls as somebody who may do nearly everything; the answer as JSON.
    pub async fn said(&self, rpc: &str, request: Value) -> Value {
        said(&self.staff, rpc, request).await
    }

    /// Two customers, two interactions, a merge and a conflict that no probe has touched yet. Their
    /// refs are in order of time, which nothing else moves: each gets a moment of its own.
    pub async fn refresh(&mut self, n: usize, clock: &Clock, begun: Time) {
        let mut moments = 0..;
        let mut next = || clock.set(begun.plus(moments.next().unwrap_or(0)));
        next();
        let number = format!("+1415558{:04}", n % 10_000);
        let hints =
            json!({"caller_number": number, "external_ids": {"crm_id": format!("own-{n}")}});
        let open = format!("own-open-{n}");
        let ended = format!("own-ended-{n}");
        let started = self
            .said(
                "StartInteraction",
                json!({"interaction_id": ended,
            "channel": "voice", "identity_hints": hints,
            "telco": {"line_type": "LINE_TYPE_MOBILE"}}),
            )
            .await;
        self.said(
            "EndInteraction",
            json!({"interaction_id": ended, "revision": "1",
            "intents": [{"intent": "billing", "status": "INTENT_STATUS_OPEN"}]}),
        )
        .await;
        next();
        self.said("StartInteraction", json!({"interaction_id": open, "channel": "web_chat"})).await;
        let mut refs = Vec::new();
        for side in ["b", "c", "d"] {
            next();
            let mail = json!([{"kind": "email", "value": format!("own{side}{n}@example.com")}]);
            let made = self
                .said(
                    "UpsertCustomer",
                    json!({"request_id": format!("own-{side}-{n}"),
                "customer": {"identifiers": mail, "profile": {"name": {"value": side}}}}),
                )
                .await;
            refs.push(made["customer"]["customer_ref"].as_str().expect("a ref").to_owned());
        }
        self.said(
            "UpsertCustomer",
            json!({"request_id": format!("own-again-{n}"),
            "customer_ref": refs[1], "customer": {"profile": {"name": {"value": "no"}}}}),
        )
        .await;
        let conflicts = self.said("ListConflicts", json!({"customer_ref": refs[1]})).await;
        let conflict = conflicts["conflicts"][0]["conflict_id"].as_str().expect("a conflict");
        let merged = self
            .said(
                "MergeCustomers",
                json!({"request_id": format!("own-merge-{n}"),
            "customer_ref": refs[1], "other_customer_ref": refs[2], "reason": "one"}),
            )
            .await;
        let own = started["customer_ref"].as_str().expect("a ref").to_owned();
        self.own = BTreeMap::from([
            ("{own}", own),
            ("{other}", refs[0].clone()),
            ("{open}", open),
            ("{ended}", ended),
            ("{conflict}", conflict.to_owned()),
            ("{merge}", merged["merge_id"].as_str().expect("a merge").to_owned()),
        ]);
    }

    /// A base with what is this lane's own in it.
    pub fn filled(&self, rpc: &str, base: &Value, n: usize) -> Vec<DynamicMessage> {
        let of = method(rpc).input();
        let messages = self.own_in(base, n);
        let messages = messages.as_array().into_iter().flatten();
        messages.map(|one| message(&of, one)).collect()
    }

    /// The same as JSON.
    pub fn own_in(&self, base: &Value, n: usize) -> Value {
        let mut text = base.to_string().replace("{n}", &n.to_string());
        for (name, value) in &self.own {
            text = text.replace(name, value);
        }
        serde_json::from_str(&text).expect("a base")
    }
}

/// Calls, and the answer as JSON.
pub async fn said(wire: &Wire, rpc: &str, request: Value) -> Value {
    use prost::Message as _;
    let method = method(rpc);
    let answer = wire.call(&method, vec![message(&method.input(), &request).encode_to_vec()]).await;
    assert_eq!(answer.code, Code::Ok, "{rpc} {request}: {}", answer.message);
    shown(&method, &answer).remove(0)
}

/// The messages of an answer as JSON.
pub fn shown(method: &prost_reflect::MethodDescriptor, answer: &Answer) -> Vec<Value> {
    if let Some(shown) = &answer.shown {
        return shown.clone();
    }
    let options = SerializeOptions::new().use_proto_field_name(true);
    let one = |body: &Vec<u8>| {
        let message = DynamicMessage::decode(method.output(), &**body).expect("an answer");
        message.serialize_with_options(serde_json::value::Serializer, &options).expect("JSON")
    };
    answer.bodies.iter().map(one).collect()
}

//! How each RPC is probed, and what each string of a request names. A new RPC or string belongs here.

use serde_json::{Value, json};

use super::request::Path;

/// What a string names: whoever asks for another tenant's must not learn that there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Customer,
    Interaction,
    Source,
    Request,
    Merge,
    Conflict,
    PageToken,
    Phone,
    Email,
    Whatsapp,
    Telegram,
    Discord,
    Visitor,
    External,
    WebToken,
    /// An API key's public part, beside a secret that is not its own.
    Key,
    /// The tenant's number in an API key.
    Tenant,
    /// A hook's name.
    Hook,
    /// What a hook's deliveries are signed with.
    Secret,
    /// Any identifier, with its kind beside it.
    Identifier,
    /// Threads, agents, queues, brands, intents, references, dispositions, names of values.
    Label,
    /// Text and vocabulary: it names nothing of anybody's.
    Text,
}

/// What the string at the end of a path names; none for one that nobody has thought about.
pub fn kind_of(path: &Path) -> Option<Kind> {
    Some(match path.last() {
        "customer_ref" | "other_customer_ref" => Kind::Customer,
        "interaction_id" | "continues_interaction_id" => Kind::Interaction,
        "source" | "continues_source" => Kind::Source,
        "request_id" | "update_id" => Kind::Request,
        "merge_id" => Kind::Merge,
        "conflict_id" => Kind::Conflict,
        "page_token" | "preview_token" | "resume_token" => Kind::PageToken,
        "caller_number" | "dialed_number" => Kind::Phone,
        "email" => Kind::Email,
        "whatsapp_id" => Kind::Whatsapp,
        "telegram_user_id" => Kind::Telegram,
        "discord_user_id" => Kind::Discord,
        "visitor_id" => Kind::Visitor,
        "external_ids" => Kind::External,
        "web_token" => Kind::WebToken,
        "value" if path.within("Identifier") => Kind::Identifier,
        "thread_ref" | "agent_ref" | "queue" | "brand" | "intent" | "reference" | "disposition"
        | "variables" | "clear_variables" | "profile" | "clear_profile" => Kind::Label,
        "name" if path.within("Conversion") => Kind::Label,
        "channel" | "locale" | "time_zone" | "kind" | "namespace" | "summary" | "reason"
        | "evidence" | "currency" | "value" | "fields" | "consents" => Kind::Text,
        _ => return None,
    })
}

/// Valid requests of an RPC, each as the messages of its stream, into which probes are put. Braces
/// name what the prober has itself: `{own}` and `{other}`, two customers; `{open}` and `{ended}`, two
/// interactions; `{merge}`, `{conflict}`; `{n}`, a number that no other probe has.
pub fn bases(rpc: &str) -> Vec<Value> {
    let one = |request: Value| json!([request]);
    match rpc {
        "StartInteraction" => vec![
            one(json!({"interaction_id": "probe-{n}", "channel": "voice",
                "telco": {"line_type": "LINE_TYPE_MOBILE"}})),
            one(json!({"interaction_id": "probe-{n}", "channel": "web_chat"})),
        ],
        "UpdateInteraction" => vec![
            one(json!({"interaction_id": "{open}", "update_id": "probe-{n}"})),
            one(json!({"interaction_id": "{ended}", "update_id": "probe-{n}",
                "identity_rejected": {}})),
        ],
        "EndInteraction" => vec![
            one(json!({"interaction_id": "probe-{n}", "channel": "email"})),
            one(json!({"interaction_id": "{ended}", "revision": "{n}"})),
        ],
        "GetInteraction" => {
            vec![one(json!({"interaction_id": "{ended}", "view": "INTERACTION_VIEW_FULL"}))]
        }
        "ListInteractions" => {
            vec![one(json!({"customer_ref": "{own}"})), one(json!({"interaction_id": "{ended}"}))]
        }
        "ReassignInteraction" => {
            vec![one(json!({"interaction_id": "{ended}", "request_id": "probe-{n}"}))]
        }
        "GetCustomer" => {
            vec![one(json!({"customer_ref": "{own}"})), one(json!({"interaction_id": "{ended}"}))]
        }
        "UpsertCustomer" => vec![
            one(json!({"request_id": "probe-{n}", "customer_ref": "{own}",
                "customer": {"profile": {"tier": {"value": "gold"}}}})),
            one(json!({"request_id": "probe-{n}",
                "customer": {"identifiers": [{"kind": "email", "value": "new{n}@example.com"}]}})),
        ],
        "LinkIdentifier" | "UnlinkIdentifier" => {
            vec![one(json!({"request_id": "probe-{n}", "customer_ref": "{own}",
                "identifier": {"kind": "email", "value": "link{n}@example.com"}}))]
        }
        "PreviewMerge" => {
            vec![one(json!({"customer_ref": "{own}", "other_customer_ref": "{other}"}))]
        }
        "MergeCustomers" => {
            vec![one(json!({"request_id": "probe-{n}", "customer_ref": "{own}",
                "other_customer_ref": "{other}", "reason": "one person"}))]
        }
        "UnmergeCustomers" => vec![
            one(json!({"request_id": "probe-{n}", "merge_id": "{merge}", "reason": "two"})),
            one(json!({"request_id": "probe-{n}", "customer_ref": "{own}",
                "other_customer_ref": "{other}", "reason": "two"})),
        ],
        "ListConflicts" => {
            vec![one(json!({"page_size": 5})), one(json!({"customer_ref": "{own}"}))]
        }
        "ResolveConflict" => {
            vec![one(json!({"request_id": "probe-{n}", "conflict_id": "{conflict}",
                "choice": "CONFLICT_CHOICE_KEPT"}))]
        }
        "RedactInteraction" => {
            vec![one(json!({"interaction_id": "{ended}", "request_id": "probe-{n}",
                "fields": ["conversion"]}))]
        }
        // Without a token it shows what would go; no token is ever good.
        "EraseCustomer" => vec![
            one(json!({"customer_ref": "{own}"})),
            one(
                json!({"customer_ref": "{own}", "request_id": "probe-{n}", "preview_token": "AAAA"}),
            ),
        ],
        "ExportCustomer" => vec![one(json!({"customer_ref": "{own}"}))],
        "WatchInteractions" => vec![one(json!({}))],
        "WatchCustomer" => {
            vec![one(json!({"customer_ref": "{own}"})), one(json!({"interaction_id": "{ended}"}))]
        }
        "ImportCustomers" => vec![json!([
            {"settings": {}},
            {"rows": [{"row_number": "1",
                "identifiers": [{"kind": "email", "value": "row{n}@example.com"}]}]},
        ])],
        _ => Vec::new(),
    }
}

//! Requests with a canary in every string field, made from the protocol's descriptors.

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};

use serde_json::json;
use threadline::clock::Clock;

use crate::issuer::Issuer;

/// Who issued the web tokens of valid requests.
const ISSUER: &str = "https://login.example.com/";

/// A value that must not be found again.
#[derive(Clone)]
pub(crate) struct Planted {
    pub(crate) field: String,
    pub(crate) canary: String,
}

/// How strings are chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Values of the form that each field asks for: the request is accepted.
    Valid,
    /// Canaries wherever a string can stand, whatever the field asks for.
    Hostile,
}

/// Makes requests and remembers what was planted.
pub(crate) struct Planter {
    pool: DescriptorPool,
    pub(crate) planted: Vec<Planted>,
    /// The interaction that valid requests are about.
    pub(crate) interaction: String,
    /// The customer that valid requests name.
    pub(crate) customer: String,
    /// Another one, to be merged with the first.
    pub(crate) other: String,
    /// Which member of a oneof, which of two formats.
    pub(crate) variant: usize,
    /// Who signs the web tokens of valid requests.
    issuer: Issuer,
}

/// What a string field gets in a valid request.
enum Choice {
    /// A word that can be anything.
    Word,
    /// A value of that form, and the part of it to look for.
    Form(String, String),
    /// This value, which is readable by design or has no room for a canary.
    Fixed(String),
    /// Left out.
    Left,
}

impl Planter {
    pub(crate) fn new() -> Self {
        let pool = DescriptorPool::decode(threadline::grpc::proto::DESCRIPTORS);
        Self {
            pool: pool.expect("our own descriptors"),
            planted: Vec::new(),
            interaction: String::new(),
            customer: String::new(),
            other: String::new(),
            variant: 0,
            issuer: Issuer::new("ES256", "k"),
        }
    }

    /// The settings under which its web tokens are good.
    pub(crate) fn settings(&self, tenant: &str) -> String {
        let pem = self.issuer.pem().replace('\n', "\\n");
        format!(
            "[tenants.{tenant}.web_token]\nissuer = \"{ISSUER}\"\naudience = \"threadline\"\n\
             [[tenants.{tenant}.web_token.keys]]\npem = \"{pem}\"\n"
        )
    }

    /// A good token: neither it nor its subject must be found again.
    fn web_token(&mut self, place: &str) -> String {
        let subject = self.word(place);
        let now = Clock::System.now().0 / 1_000;
        let claims = json!({
            "iss": ISSUER, "aud": "threadline", "sub": subject, "exp": now + 300,
        });
        let token = self.issuer.token(&claims);
        self.remember(place, &token);
        token
    }

    /// Every method of the protocol: its path and the type of its request.
    pub(crate) fn methods(&self) -> Vec<(String, MessageDescriptor)> {
        let services = self.pool.services();
        let ours = services.filter(|service| service.package_name() == "threadline.v1");
        let mut methods = Vec::new();
        for service in ours {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                methods.push((path, method.input()));
            }
        }
        methods
    }

    /// A new word, remembered under the field it is for.
    pub(crate) fn word(&mut self, field: &str) -> String {
        self.remembered(field, "Zykanary")
    }

    /// The same; every other one is not plain ASCII, so that it looks different wherever text is
    /// escaped.
    fn text_word(&mut self, field: &str) -> String {
        let odd = self.planted.len() % 2 == 1;
        self.remembered(field, if odd { "Zykan\u{e5}r\u{ff}" } else { "Zykanary" })
    }

    fn remembered(&mut self, field: &str, beginning: &str) -> String {
        let canary = format!("{beginning}{:04}qv", self.planted.len());
        self.remember(field, &canary);
        canary
    }

    fn remember(&mut self, field: &str, canary: &str) {
        self.planted.push(Planted { field: field.to_owned(), canary: canary.to_owned() });
    }

    /// A request with every string field planted.
    pub(crate) fn message(&mut self, of: &MessageDescriptor, manner: Manner) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        for field in of.fields() {
            let chosen = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
            if let Some(oneof) = chosen {
                let mut members = oneof.fields();
                let wanted = self.variant % members.len();
                if members.nth(wanted).as_ref() != Some(&field) {
                    continue;
                }
            }
            if let Some(value) = self.value(&field, manner) {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn value(&mut self, field: &FieldDescriptor, manner: Manner) -> Option<Value> {
        if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
            let key = self.single(&entry.map_entry_key_field(), field, manner)?;
            let value = self.single(&entry.map_entry_value_field(), field, manner)?;
            let Value::String(key) = key else { return None };
            return Some(Value::Map([(MapKey::String(key), value)].into()));
        }
        if field.is_list() {
            let items =
                (0..2).filter_map(|_| self.single(field, field, manner)).collect::<Vec<_>>();
            return Some(items).filter(|items| !items.is_empty()).map(Value::List);
        }
        self.single(field, field, manner)
    }

    /// One value of the field's kind; `named` is the field that says what it is for.
    fn single(
        &mut self,
        field: &FieldDescriptor,
        named: &FieldDescriptor,
        manner: Manner,
    ) -> Option<Value> {
        match field.kind() {
            Kind::String => self.text(field, named, manner).map(Value::String),
            Kind::Bytes => Some(Value::Bytes(self.word(field.full_name()).into_bytes().into())),
            Kind::Message(message) if message.package_name() == "threadline.v1" => {
                Some(Value::Message(self.message(&message, manner)))
            }
            Kind::Enum(_) if ["choice", "state"].contains(&field.name()) => {
                Some(Value::EnumNumber(1))
            }
            Kind::Enum(_) if field.name() == "direction" => {
                Some(Value::EnumNumber(1 + self.variant as i32 % 2))
            }
            _ => None,
        }
    }

    fn text(
        &mut self,
        field: &FieldDescriptor,
        named: &FieldDescriptor,
        manner: Manner,
    ) -> Option<String> {
        let place = match field.name() {
            "key" | "value" if named.is_map() => format!("{} {}", named.full_name(), field.name()),
            _ => field.full_name().to_owned(),
        };
        if manner == Manner::Hostile {
            return Some(self.text_word(&place));
        }
        if field.name() == "web_token" {
            return Some(self.web_token(&place));
        }
        match self.choice(field) {
            Choice::Word => Some(self.text_word(&place)),
            Choice::Form(value, canary) => {
                self.remember(&place, &canary);
                Some(value)
            }
            Choice::Fixed(value) => Some(value),
            Choice::Left => None,
        }
    }

    fn choice(&self, field: &FieldDescriptor) -> Choice {
        let number = self.planted.len();
        let form = |value: String| Choice::Form(value.clone(), value);
        let message = field.parent_message().name().to_owned();
        match (message.as_str(), field.name()) {
            // All requests of a story are about one interaction; its id is a canary, too.
            (_, "interaction_id") => Choice::Fixed(self.interaction.clone()),
            // Opaque refs are readable by design, and another ref would be refused.
            (
                "IdentityConfirmed"
                | "GetCustomerRequest"
                | "ListInteractionsRequest"
                | "UpsertCustomerRequest"
                | "LinkIdentifierRequest"
                | "UnlinkIdentifierRequest"
                | "ListConflictsRequest"
                | "ReassignInteractionRequest"
                | "PreviewMergeRequest"
                | "MergeCustomersRequest"
                | "UnmergeCustomersRequest"
                | "EraseCustomerRequest"
                | "ExportCustomerRequest"
                | "WatchInteractionsRequest"
                | "WatchCustomerRequest",
                "customer_ref",
            ) => Choice::Fixed(self.customer.clone()),
            (_, "other_customer_ref") => Choice::Fixed(self.other.clone()),
            // The two refs name it.
            ("UnmergeCustomersRequest", "merge_id") => Choice::Left,
            ("IdentityRejected", "customer_ref") => Choice::Left,
            // Names of channels are readable by design.
            (_, "channel") => Choice::Fixed("voice".into()),
            // Sources are named on the API key, readable by design.
            (_, "source" | "continues_source") => Choice::Fixed("pbx".into()),
            // Three letters are found in any random bytes.
            (_, "currency") => Choice::Fixed("XTS".into()),
            ("RedactInteractionRequest", "fields") => {
                let name = format!("Zykanary{number:04}qv");
                Choice::Form(format!("variables.{name}"), name)
            }
            // Only a token that an answer gave is taken.
            (_, "page_token" | "preview_token" | "resume_token") => Choice::Left,
            (_, "caller_number" | "dialed_number") => {
                let national = format!("415200{number:04}");
                Choice::Form(format!("+1{national}"), national)
            }
            (_, "whatsapp_id") if self.variant == 0 => {
                let national = format!("415300{number:04}");
                Choice::Form(format!("1{national}"), national)
            }
            (_, "whatsapp_id") => form(format!("US.8812345678901{number:04}")),
            (_, "telegram_user_id") => form(format!("771234{number:04}")),
            (_, "discord_user_id") => form(format!("81234567890123{number:04}")),
            (_, "email") => form(format!("zykanary.{number:04}@example.com")),
            ("Identifier", "kind") | ("ConsentsEntry", "key") => {
                form(format!("zykanary_{number:04}"))
            }
            (_, "locale") => {
                let subtag = format!("zyk{number:05}");
                Choice::Form(format!("en-US-x-{subtag}"), subtag)
            }
            (_, "time_zone") => form("Pacific/Chatham".into()),
            _ => Choice::Word,
        }
    }
}

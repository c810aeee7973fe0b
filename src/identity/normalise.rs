//! Turns what a caller showed into hints, before anything else looks at it.
//!
//! A value that identifies nobody (a withheld number, `null`, one of our own
//! numbers) is dropped with a notice, for networks and CRMs send such things
//! all day. Only what no system can have meant is a violation.

mod platforms;
mod signing_in;

use rlibphonenumber::Region;

use super::email::{self, MAX_EMAIL};
use super::external::{MAX_VALUE, is_kind, namespace_mistake, value_mistake};
use super::hints::{
    Circumstances, MAX_EXTERNAL_IDS, MAX_HINTS, MAX_IDENTIFIERS, Normalised, Notice, RawHints,
    RawIdentifier, Violation,
};
use super::junk::{is_junk, is_placeholder};
use super::phone::{self, Bare, Number, Reading};
use super::policy::{NamespaceUse, Policy};
use super::vocabulary::{Assurance, Attestation, Direction, Hint, HintKind, Identifier, VISITOR};

/// Kinds that have a field of their own, where they are checked.
const RESERVED_KINDS: [&str; 4] = ["customer_ref", VISITOR, "visitor_id", "web_token"];

/// Normalises the hints of a request under a tenant's policy. Normalising the values of the
/// answer again changes nothing.
pub fn normalise(raw: &RawHints, at: &Circumstances<'_>, policy: &Policy) -> Normalised {
    let region = phone::region(&policy.default_region);
    let mut reader = Reader { at, policy, region, found: Normalised::default() };
    reader.counts(raw);
    reader.numbers(raw);
    let sender = if at.channel == "email" { Assurance::Carried } else { Assurance::Asserted };
    reader.email("identity_hints.email", &raw.email, (sender, None), None);
    let alone = if is_only_address(raw) { sender } else { Assurance::Asserted };
    for (namespace, value) in raw.external_ids.iter().take(MAX_EXTERNAL_IDS) {
        reader.external_entry(namespace, value, alone);
    }
    reader.customer_ref(&raw.customer_ref);
    reader.visitor(&raw.visitor_id);
    reader.web_token(&raw.web_token);
    reader.platform("identity_hints.whatsapp_id", "whatsapp", "", &raw.whatsapp_id, None, None);
    let (telegram, discord) = (&raw.telegram_user_id, &raw.discord_user_id);
    reader.platform("identity_hints.telegram_user_id", "telegram", "", telegram, None, None);
    reader.platform("identity_hints.discord_user_id", "discord", "", discord, None, None);
    for (index, identifier) in raw.identifiers.iter().take(MAX_IDENTIFIERS).enumerate() {
        reader.identifier(index, identifier);
    }
    reader.finish()
}

/// Whether `external_ids` names the one address where the sender's is looked for. Of one that stands
/// beside another nobody knows that a mail came from it.
fn is_only_address(raw: &RawHints) -> bool {
    let entries = raw.external_ids.iter();
    let addresses = entries.filter(|(namespace, value)| {
        namespace.trim().eq_ignore_ascii_case("email") && !value.trim().is_empty()
    });
    raw.email.trim().is_empty() && addresses.count() == 1
}

struct Reader<'a> {
    at: &'a Circumstances<'a>,
    policy: &'a Policy,
    region: Option<Region>,
    found: Normalised,
}

impl Reader<'_> {
    fn counts(&mut self, raw: &RawHints) {
        let shorthand = [
            &raw.caller_number,
            &raw.dialed_number,
            &raw.email,
            &raw.customer_ref,
            &raw.whatsapp_id,
            &raw.telegram_user_id,
            &raw.discord_user_id,
            &raw.visitor_id,
        ];
        let single = shorthand.iter().filter(|value| !value.is_empty()).count()
            + usize::from(raw.web_token.named().is_some());
        let (external, more) = (raw.external_ids.len(), raw.identifiers.len());
        for (field, count, most) in [
            ("identity_hints.external_ids", external, MAX_EXTERNAL_IDS),
            ("identity_hints.identifiers", more, MAX_IDENTIFIERS),
            ("identity_hints", single + external + more, MAX_HINTS),
        ] {
            if count > most {
                self.refuse(field, format!("has {count} entries; at most {most} are allowed"));
            }
        }
    }

    /// The caller's and the dialled number: one of them is the customer's, the other ours.
    fn numbers(&mut self, raw: &RawHints) {
        let caller = ("identity_hints.caller_number", raw.caller_number.as_str());
        let dialed = ("identity_hints.dialed_number", raw.dialed_number.as_str());
        let (theirs, ours) = match self.at.direction {
            Direction::Inbound => (caller, dialed),
            Direction::Outbound => (dialed, caller),
        };
        self.acceptable(ours.0, ours.1, MAX_VALUE);
        let (field, value) = theirs;
        if value.is_empty() || !self.acceptable(field, value, MAX_VALUE) {
            return;
        }
        if self.at.continuation && self.at.direction == Direction::Inbound {
            return;
        }
        let Some(number) = self.number(field, value, Bare::National) else { return };
        let carried = matches!(self.at.channel, "voice" | "sms")
            // A signature that does not verify is the network saying that it cannot vouch.
            && self.at.attestation != Attestation::Failed
            // Nobody has such a number: a company shows it for all who call from there.
            && !number.companys;
        let default = if carried { Assurance::Carried } else { Assurance::Asserted };
        let kind = match HintKind::from(self.at.line_type) {
            HintKind::UnknownLine if number.switchboard || number.companys => HintKind::Voip,
            kind => kind,
        };
        self.keep(field, identifier("phone", "", number.e164), kind, (default, None), None);
    }

    /// Reads a number, or leaves a notice why it is none that identifies.
    fn number(&mut self, field: &str, value: &str, bare: Bare) -> Option<Number> {
        let (code, message) = match phone::read(value, self.region, bare) {
            Reading::Number(number) if self.policy.own_numbers.contains(&number.e164) => {
                ("own_number", "is one of the tenant's own numbers, which identify no customer")
            }
            Reading::Number(number) => return Some(number),
            Reading::Withheld => ("withheld_number", "the number is withheld"),
            Reading::ShortCode => ("short_code", "emergency and short codes identify nobody"),
            Reading::Unusable => ("unusable_number", "is no usable phone number"),
        };
        self.drop(code, field, message);
        None
    }

    /// An e-mail address; `trust` as in [`Reader::keep`].
    fn email(
        &mut self,
        field: &str,
        value: &str,
        trust: (Assurance, Option<Assurance>),
        derived: Option<bool>,
    ) {
        if value.is_empty() || !self.acceptable(field, value, MAX_EMAIL) {
            return;
        }
        if is_junk(value) {
            return self.junk(field);
        }
        let Some(address) = email::read(value) else {
            return self.refuse(field, "is not an e-mail address".to_owned());
        };
        if is_placeholder(&address) {
            return self.junk(field);
        }
        self.keep(field, identifier("email", "", address), HintKind::Email, trust, derived);
    }

    fn customer_ref(&mut self, value: &str) {
        let field = "identity_hints.customer_ref";
        if !value.is_empty() && self.acceptable(field, value, MAX_VALUE) {
            self.found.customer_ref = Some(value.trim().to_owned()).filter(|text| !text.is_empty());
        }
    }

    /// One entry of `external_ids`; `address` is what an e-mail address is worth there.
    fn external_entry(&mut self, namespace: &str, value: &str, address: Assurance) {
        if let Some(mistake) = namespace_mistake(namespace) {
            return self.refuse("identity_hints.external_ids", format!("a namespace {mistake}"));
        }
        let field = format!("identity_hints.external_ids[{namespace}]");
        if namespace.trim().eq_ignore_ascii_case("email") {
            return self.email(&field, value, (address, None), None);
        }
        self.external(&field, namespace, value, None, None);
    }

    fn external(
        &mut self,
        field: &str,
        namespace: &str,
        value: &str,
        stated: Option<Assurance>,
        derived: Option<bool>,
    ) {
        let namespace = namespace.trim().to_lowercase();
        match namespace.as_str() {
            "email" => return self.other_email(field, value, stated, derived),
            "phone" => return self.other_phone(field, value, stated, derived),
            _ => {}
        }
        if value.is_empty() || !self.acceptable(field, value, MAX_VALUE) {
            return;
        }
        let rule = self.policy.namespace(&namespace);
        if rule.policy == NamespaceUse::Ignored {
            return self.drop("ignored_namespace", field, "this namespace identifies no customer");
        }
        if is_junk(value) {
            return self.junk(field);
        }
        // What a request says of one value goes before what the tenant says of all.
        let looked_up = (rule.policy == NamespaceUse::Derived).then_some(true);
        let derived = derived.or(looked_up);
        // Case is kept: some systems' ids differ only by it.
        let id = identifier("external", &namespace, value.trim().to_owned());
        self.keep(field, id, rule.kind, (rule.assurance, stated), derived);
    }

    /// An address that no mail came from. It was said or typed, on every channel: what somebody writes
    /// of an address in a mail proves as little as what they say of it on the phone.
    fn other_email(
        &mut self,
        field: &str,
        value: &str,
        stated: Option<Assurance>,
        derived: Option<bool>,
    ) {
        self.email(field, value, (Assurance::Asserted, stated), derived);
    }

    /// A number that nobody called from. It was said or typed, on every channel.
    fn other_phone(
        &mut self,
        field: &str,
        value: &str,
        stated: Option<Assurance>,
        derived: Option<bool>,
    ) {
        if value.is_empty() || !self.acceptable(field, value, MAX_VALUE) {
            return;
        }
        if let Some(number) = self.number(field, value, Bare::National) {
            let trust = (Assurance::Asserted, stated);
            self.keep(
                field,
                identifier("phone", "", number.e164),
                HintKind::UnknownLine,
                trust,
                derived,
            );
        }
    }

    fn identifier(&mut self, index: usize, raw: &RawIdentifier) {
        let field = format!("identity_hints.identifiers[{index}]");
        let kind = raw.kind.trim().to_lowercase();
        let namespace = raw.namespace.trim().to_lowercase();
        if !is_kind(&kind) {
            let rule = "must be 1 to 64 letters, digits, _, - or .";
            return self.refuse(&format!("{field}.kind"), rule.to_owned());
        }
        if RESERVED_KINDS.contains(&kind.as_str()) {
            let rule = format!("{kind} has a field of its own in identity_hints");
            return self.refuse(&format!("{field}.kind"), rule);
        }
        let needed = matches!(kind.as_str(), "external" | "external_id");
        if (needed || !raw.namespace.is_empty())
            && let Some(mistake) = namespace_mistake(&raw.namespace)
        {
            return self.refuse(&format!("{field}.namespace"), mistake);
        }
        if raw.value.is_empty() {
            return self.refuse(&format!("{field}.value"), "is empty".to_owned());
        }
        let (stated, derived) = (raw.assurance, raw.derived);
        match kind.as_str() {
            "phone" => self.other_phone(&field, &raw.value, stated, derived),
            "email" => self.other_email(&field, &raw.value, stated, derived),
            "external" | "external_id" => {
                self.external(&field, &namespace, &raw.value, stated, derived);
            }
            scheme => self.platform(&field, scheme, &namespace, &raw.value, stated, derived),
        }
    }

    /// Adds a hint with the assurance it is worth here: `trust` is the default and what the
    /// caller stated.
    fn keep(
        &mut self,
        field: &str,
        identifier: Identifier,
        kind: HintKind,
        (default, stated): (Assurance, Option<Assurance>),
        derived: Option<bool>,
    ) {
        let ceiling = self.at.max_assurance.unwrap_or(Assurance::Carried);
        let assurance = match stated {
            // A caller may know that a hint is worth less than usual; saying more counts only
            // as far as the caller is trusted, and never lowers what the channel gives.
            Some(stated) if stated < default => stated,
            Some(stated) => default.max(stated.min(ceiling)),
            None => default,
        };
        let assurance = self.at.max_assurance.map_or(assurance, |most| assurance.min(most));
        let field = field.to_owned();
        self.found.hints.push(Hint { identifier, kind, assurance, derived, field });
    }

    /// Whether a value keeps to what is asked of all; otherwise it is refused.
    fn acceptable(&mut self, field: &str, value: &str, longest: usize) -> bool {
        match value_mistake(value, longest) {
            Some(mistake) => {
                self.refuse(field, mistake);
                false
            }
            None => true,
        }
    }

    fn junk(&mut self, field: &str) {
        self.drop("junk_value", field, "the value stands for nobody");
    }

    fn refuse(&mut self, field: &str, description: String) {
        self.found.violations.push(Violation { field: field.to_owned(), description });
    }

    fn drop(&mut self, code: &'static str, field: &str, message: &str) {
        let (field, message) = (field.to_owned(), message.to_owned());
        self.found.notices.push(Notice { code, field, message });
    }

    /// One hint per identifier and kind, sorted: the strongest, which counts as looked up if
    /// any of its equals was.
    fn finish(mut self) -> Normalised {
        let hints = &mut self.found.hints;
        hints.sort_by(|a, b| {
            let key = |hint: &Hint| (hint.kind, std::cmp::Reverse(hint.assurance));
            (&a.identifier, key(a), &a.field).cmp(&(&b.identifier, key(b), &b.field))
        });
        hints.dedup_by(|later, kept| {
            let same = later.identifier == kept.identifier && later.kind == kept.kind;
            if same && later.derived == Some(true) {
                kept.derived = Some(true);
            }
            same
        });
        self.found
    }
}

fn identifier(scheme: &str, namespace: &str, value: String) -> Identifier {
    Identifier { scheme: scheme.to_owned(), namespace: namespace.to_owned(), value }
}

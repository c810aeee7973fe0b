//! The fields that requests share: each is checked against its limit and read. Of a list that is too
//! long no more is looked at than may be in it: the request is refused.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use prost_types::Timestamp;

use super::limits::{self, Check};
use super::proto;
use crate::clock::{DAY, HOUR, MINUTE, Time};
use crate::context::{self, Audience, ConsentState, Disclosure, IntentStatus, Sensitivity};
use crate::continuity::record::{
    About, ConsentRecord, ConversionRecord, IntentRecord, ValueRecord,
};
use crate::continuity::{Caller, Feedback};
use crate::crypto::web_token::Refused;
use crate::identity::{
    Assurance, Attestation, Circumstances, Direction, LineType, MAX_IDENTIFIERS, RawHints,
    RawIdentifier, ShownToken, Verification, normalise,
};

/// Clocks of callers may run ahead of ours by so much.
const AHEAD: i64 = 5 * MINUTE;
/// No time lies before 1970-01-02 nor after 9999.
const EARLIEST: i64 = DAY;
const LATEST: i64 = 253_402_300_799_000;

pub(super) fn check_about(check: &mut Check, about: &About) {
    check.required("interaction_id", &about.interaction_id, limits::ID);
    check.line("thread_ref", &about.thread_ref, limits::ID);
    check.line("agent_ref", &about.agent_ref, limits::ID);
    check.line("queue", &about.queue, limits::NAME);
    check.line("brand", &about.brand, limits::NAME);
    check.line("continues_interaction_id", &about.continues_interaction_id, limits::ID);
    check.line("continues_source", &about.continues_source, limits::SHORT);
}

pub(super) fn check_voice(check: &mut Check, locale: &str, time_zone: &str) {
    if !locale.is_empty() && !context::valid_locale(locale) {
        check.bad("locale", "is not a BCP 47 language tag");
    }
    if !time_zone.is_empty() && !context::valid_time_zone(time_zone) {
        check.bad("time_zone", "is not an IANA time zone");
    }
}

pub(super) fn check_feedback(check: &mut Check, feedback: Option<&Feedback>) {
    match feedback {
        Some(Feedback::Confirmed(Some(named))) => {
            check.line("identity_confirmed.customer_ref", named, limits::ID);
        }
        Some(Feedback::Rejected(Some(named))) => {
            check.required("identity_rejected.customer_ref", named, limits::ID);
        }
        _ => {}
    }
}

/// Later hints are read by the interaction's own channel; what no channel could read is said now.
pub(super) fn check_hints(check: &mut Check, raw: &RawHints, caller: &Caller) {
    let circumstances = Circumstances {
        channel: "",
        direction: Direction::Inbound,
        line_type: LineType::Unknown,
        attestation: Attestation::Unknown,
        max_assurance: caller.max_assurance,
        continuation: false,
    };
    let normalised = normalise(raw, &circumstances, &caller.tenant.policy.identity);
    check.violations.extend(normalised.violations);
}

/// What was looked at of a request's web token before the request itself.
pub(super) type Token = Result<ShownToken, Refused>;

/// Instead of the token, whom it names: a fresh token of the same person makes no other request.
pub(super) fn without_token(hints: &mut Option<proto::IdentityHints>, token: &Token) {
    if let Some(hints) = hints {
        let named = token.as_ref().ok().and_then(ShownToken::named);
        hints.web_token =
            named.map_or_else(String::new, |who| format!("{}\n{}", who.issuer, who.subject));
    }
}

pub(super) fn hints(check: &mut Check, hints: proto::IdentityHints, token: Token) -> RawHints {
    let web_token = token.unwrap_or_else(|refused| {
        check.token = Some(refused);
        ShownToken::None
    });
    // One more than there may be: that there are too many is told where they are read.
    let some = hints.identifiers.into_iter().take(MAX_IDENTIFIERS + 1);
    let mut identifiers = Vec::with_capacity(some.len());
    for (index, one) in some.enumerate() {
        identifiers.push(identifier(check, &format!("identity_hints.identifiers[{index}]"), one));
    }
    RawHints {
        caller_number: hints.caller_number,
        dialed_number: hints.dialed_number,
        email: hints.email,
        external_ids: hints.external_ids.into_iter().collect(),
        customer_ref: hints.customer_ref,
        whatsapp_id: hints.whatsapp_id,
        telegram_user_id: hints.telegram_user_id,
        discord_user_id: hints.discord_user_id,
        visitor_id: hints.visitor_id,
        web_token,
        identifiers,
    }
}

/// One identifier as it came.
pub(super) fn identifier(check: &mut Check, field: &str, one: proto::Identifier) -> RawIdentifier {
    RawIdentifier {
        assurance: assurance(check, format!("{field}.assurance"), one.assurance),
        kind: one.kind,
        namespace: one.namespace,
        value: one.value,
        derived: one.derived,
    }
}

pub(super) fn assurance(check: &mut Check, field: String, code: i32) -> Option<Assurance> {
    let stated = check.known(field, proto::Assurance::try_from(code))?;
    Assurance::from_code(stated as i64)
}

pub(super) fn telco(check: &mut Check, telco: Option<proto::Telco>) -> (LineType, Attestation) {
    let telco = telco.unwrap_or_default();
    let line = check.known("telco.line_type", proto::LineType::try_from(telco.line_type));
    let attested =
        check.known("telco.attestation", proto::Attestation::try_from(telco.attestation));
    (
        line.and_then(|line| LineType::from_code(line as i64)).unwrap_or_default(),
        attested.and_then(|it| Attestation::from_code(it as i64)).unwrap_or_default(),
    )
}

pub(super) fn direction(check: &mut Check, code: i32) -> Option<Direction> {
    let known = check.known("direction", proto::Direction::try_from(code))?;
    Direction::from_code(known as i64)
}

pub(super) fn audience(check: &mut Check, code: i32) -> Option<Audience> {
    let known = check.known("audience", proto::Audience::try_from(code))?;
    Audience::from_code(known as i64)
}

pub(super) fn verification(check: &mut Check, code: i32) -> Option<Verification> {
    let known = check.known("verification", proto::Verification::try_from(code))?;
    Verification::from_code(known as i64)
}

pub(super) fn sensitivity(
    check: &mut Check,
    field: impl Into<String>,
    code: i32,
) -> Option<Sensitivity> {
    let known = check.known(field, proto::Sensitivity::try_from(code))?;
    Sensitivity::from_code(known as i64)
}

pub(super) fn history_limit(check: &mut Check, limit: Option<i32>) -> usize {
    if limit.is_some_and(|limit| !(0..=limits::HISTORY).contains(&limit)) {
        check.bad("history_limit", format!("must be from 0 to {}", limits::HISTORY));
    }
    limit.map_or(limits::DEFAULT_HISTORY, |limit| limit.clamp(0, limits::HISTORY) as usize)
}

pub(super) fn time(
    check: &mut Check,
    field: &str,
    at: Option<Timestamp>,
    now: Time,
) -> Option<Time> {
    let at = at?;
    let within = (0..1_000_000_000).contains(&at.nanos);
    let millis = at.seconds.checked_mul(1_000).filter(|_| within);
    let millis = millis.and_then(|it| it.checked_add(i64::from(at.nanos) / 1_000_000));
    match millis.filter(|it| (EARLIEST..=LATEST).contains(it)) {
        Some(millis) if Time(millis).since(now) > AHEAD => {
            check.bad(field, "lies in the future");
            None
        }
        Some(millis) => Some(Time(millis)),
        None => {
            check.bad(field, "is not a time between 1970-01-02 and 9999");
            None
        }
    }
}

pub(super) fn intents(
    check: &mut Check,
    intents: Vec<proto::Intent>,
    unspecified: Sensitivity,
) -> Vec<IntentRecord> {
    check.at_most("intents", intents.len(), limits::INTENTS);
    let mut records = Vec::with_capacity(intents.len().min(limits::INTENTS));
    for (index, one) in intents.into_iter().take(limits::INTENTS).enumerate() {
        check.required(&format!("intents[{index}].intent"), &one.intent, limits::NAME);
        check.line(format!("intents[{index}].reference"), &one.reference, limits::ID);
        let field = format!("intents[{index}].status");
        let status = check.known(field, proto::IntentStatus::try_from(one.status));
        let status = status.and_then(|status| IntentStatus::from_code(status as i64));
        let field = format!("intents[{index}].sensitivity");
        let own = sensitivity(check, field, one.sensitivity);
        records.push(IntentRecord {
            intent: one.intent,
            status: status.unwrap_or(IntentStatus::Open).code(),
            reference: one.reference,
            sensitivity: own.unwrap_or(unspecified).code(),
            ..IntentRecord::default()
        });
    }
    records
}

pub(super) fn variables(
    check: &mut Check,
    variables: BTreeMap<String, proto::VariableInput>,
    caller: &Caller,
) -> Vec<ValueRecord> {
    check.at_most("variables", variables.len(), limits::VALUES);
    let policy = &caller.tenant.policy;
    let mut values = Vec::with_capacity(variables.len().min(limits::VALUES));
    for (name, input) in variables.into_iter().take(limits::VALUES) {
        let field = value_field(check, "variables", &name, &input.value);
        let ttl = input.ttl_seconds.map_or(policy.default_ttl_seconds, i64::from);
        if !(1..=policy.max_ttl_seconds).contains(&ttl) {
            let most = policy.max_ttl_seconds;
            check.bad(format!("{field}.ttl_seconds"), format!("must be from 1 to {most}"));
        }
        let own = sensitivity(check, format!("{field}.sensitivity"), input.sensitivity);
        values.push(ValueRecord {
            name,
            value: Some(input.value),
            ttl_seconds: ttl,
            sensitivity: own.unwrap_or(Sensitivity::Normal).code(),
            ..ValueRecord::default()
        });
    }
    values.sort_by(|a, b| a.name.cmp(&b.name));
    values
}

/// Checks name and value. A name that cannot be printed is not repeated in the field's path.
pub(super) fn value_field(check: &mut Check, map: &str, name: &str, value: &str) -> String {
    let fine = !name.trim().is_empty()
        && name.chars().count() <= limits::NAME
        && !name.chars().any(char::is_control);
    if !fine {
        let most = limits::NAME;
        check.bad(map, format!("has a name that is empty, unprintable or longer than {most}"));
        return map.to_owned();
    }
    let field = format!("{map}[{name}]");
    check.text(format!("{field}.value"), value, limits::VALUE);
    field
}

pub(super) fn profile(
    check: &mut Check,
    profile: BTreeMap<String, proto::ProfileAttributeInput>,
) -> (Vec<ValueRecord>, Option<Disclosure>) {
    check.at_most("profile", profile.len(), limits::VALUES);
    let most = profile.len().min(limits::VALUES);
    let (mut values, mut disclosure) = (Vec::with_capacity(most), None);
    for (name, input) in profile.into_iter().take(most) {
        let field = value_field(check, "profile", &name, &input.value);
        if name == "disclosure" {
            disclosure = Disclosure::parse(&input.value);
            if disclosure.is_none() {
                check.bad(field, "must be NORMAL, ALWAYS_CONFIRM or NEVER");
            }
            continue;
        }
        let own = sensitivity(check, format!("{field}.sensitivity"), input.sensitivity);
        values.push(ValueRecord {
            name,
            value: Some(input.value),
            sensitivity: own.unwrap_or(Sensitivity::Normal).code(),
            ..ValueRecord::default()
        });
    }
    values.sort_by(|a, b| a.name.cmp(&b.name));
    (values, disclosure)
}

/// What a customer says of consent, by purpose. A time that is not given is 0.
pub(super) fn consents(
    check: &mut Check,
    consents: BTreeMap<String, proto::ConsentInput>,
    now: Time,
) -> Vec<ConsentRecord> {
    check.at_most("consents", consents.len(), limits::CONSENTS);
    let mut records = Vec::with_capacity(consents.len().min(limits::CONSENTS));
    for (purpose, input) in consents.into_iter().take(limits::CONSENTS) {
        if !context::valid_purpose(&purpose) {
            let most = context::MAX_PURPOSE_LENGTH;
            check.bad("consents", format!("has a purpose that is not 1 to {most} of a-z, 0-9, _"));
            continue;
        }
        let field = format!("consents[{purpose}]");
        let said =
            check.known(format!("{field}.state"), proto::ConsentState::try_from(input.state));
        let state = said.and_then(|said| ConsentState::from_code(said as i64));
        if said.is_some() && state.is_none() {
            check.bad(format!("{field}.state"), "is required");
        }
        check.text(format!("{field}.evidence"), &input.evidence, limits::REASON);
        let time = time(check, &format!("{field}.time"), input.time, now);
        records.push(ConsentRecord {
            purpose,
            state: state.map_or(0, ConsentState::code),
            time: time.unwrap_or_default().0,
            evidence: input.evidence,
        });
    }
    records
}

/// Names to forget become writes without a value; a name cannot be set and forgotten at once.
pub(super) fn cleared(
    check: &mut Check,
    field: &str,
    names: Vec<String>,
    values: &mut Vec<ValueRecord>,
) {
    check.at_most(field, names.len(), limits::VALUES);
    for (index, name) in names.into_iter().take(limits::VALUES).enumerate() {
        check.required(&format!("{field}[{index}]"), &name, limits::NAME);
        if name == "disclosure" && field == "clear_profile" {
            check.bad(format!("{field}[{index}]"), "is set to NORMAL, not cleared");
        }
        if values.iter().any(|value| value.name == name && value.value.is_some()) {
            check.bad(format!("{field}[{index}]"), "is set and cleared at once");
        }
        // A clear outlasts whatever it hides.
        let ttl_seconds = context::MAX_TTL_SECONDS + HOUR;
        let sensitivity = Sensitivity::Normal.code();
        values.push(ValueRecord { name, ttl_seconds, sensitivity, ..ValueRecord::default() });
    }
}

pub(super) fn conversion(
    check: &mut Check,
    conversion: Option<proto::Conversion>,
) -> Option<ConversionRecord> {
    let conversion = conversion?;
    check.required("conversion.name", &conversion.name, limits::NAME);
    if conversion.amount.is_some_and(|amount| !amount.is_finite()) {
        check.bad("conversion.amount", "is not a number");
    }
    let currency = &conversion.currency;
    let letters = currency.len() == 3 && currency.chars().all(|c| c.is_ascii_uppercase());
    if !(letters || currency.is_empty() && conversion.amount.is_none()) {
        check.bad("conversion.currency", "must be three upper-case letters");
    }
    let proto::Conversion { name, amount, currency } = conversion;
    Some(ConversionRecord { name, amount, currency })
}

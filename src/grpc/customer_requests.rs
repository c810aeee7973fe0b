//! Messages that change customers to commands: every field is checked against its limit, and all
//! that is wrong is said at once.

use super::fields::{assurance, consents, identifier, profile, time, variables};
use super::limits::{self, Check};
use super::proto;
use super::redacting::{content, redact};
use super::requests::{END_BEHIND, Parsed, Redacted, finish, needs_backfill, own_source};
use crate::clock::Time;
use crate::context::Disclosure;
use crate::continuity::Caller;
use crate::continuity::conflicts::List;
use crate::continuity::import_customers::{Import, Row};
use crate::continuity::link_identifier::Tie;
use crate::continuity::resolve_conflict::{Choice, Resolve};
use crate::continuity::upsert_customer::{Mask, Names, Upsert};
use crate::identity::{
    Assurance, Attestation, Circumstances, Direction, LineType, RawHints, RawIdentifier, Violation,
    normalise,
};
use crate::ids::CustomerId;

/// Checks and reads an upsert.
pub(super) fn upsert(
    mut request: proto::UpsertCustomerRequest,
    caller: &Caller,
    now: Time,
) -> Parsed<Redacted<Upsert>> {
    let mut check = Check::default();
    own_source(&mut request.source, caller);
    let (content, redacted) = content(&mut request, &caller.tenant.policy.redaction);
    asked(&mut check, &request.request_id, &request.source);
    check.line("customer_ref", &request.customer_ref, limits::ID);
    let given = request.customer.unwrap_or_default();
    let update_time = time(&mut check, "update_time", request.update_time, now);
    let stated = assurance(&mut check, "assurance".into(), request.assurance);
    let (profile, _) = lasting(&mut check, "customer.profile", given.profile);
    let disclosure =
        check.known("customer.disclosure", proto::Disclosure::try_from(given.disclosure));
    let disclosure = disclosure.and_then(|rule| Disclosure::from_code(rule as i64));
    let mask = mask(&mut check, request.update_mask, disclosure.is_some());
    let upsert = Upsert {
        request_id: request.request_id,
        source: request.source,
        content,
        customer_ref: request.customer_ref,
        identifiers: identifiers(&mut check, "customer.identifiers", given.identifiers),
        profile,
        variables: prefixed(&mut check, |check| variables(check, given.variables, caller)),
        consents: prefixed(&mut check, |check| consents(check, given.consents, now)),
        disclosure,
        mask,
        update_time,
        assurance: stated.unwrap_or(Assurance::Carried),
    };
    name_identifiers(&mut check, "customer.identifiers", &upsert.identifiers, caller);
    let upsert = finish(check, upsert)?;
    if update_time.is_some_and(|at| now.since(at) > END_BEHIND) {
        needs_backfill(caller)?;
    }
    Ok((upsert, redacted))
}

/// Fields of `customer` are named as such.
fn prefixed<T>(check: &mut Check, read: impl FnOnce(&mut Check) -> T) -> T {
    let mut own = Check::default();
    let read = read(&mut own);
    for mut violation in own.violations {
        violation.field = format!("customer.{}", violation.field);
        check.violations.push(violation);
    }
    read
}

/// Lasting values; the rule on disclosure has a field of its own here.
pub(super) fn lasting(
    check: &mut Check,
    field: &str,
    given: std::collections::BTreeMap<String, proto::ProfileAttributeInput>,
) -> (Vec<crate::continuity::record::ValueRecord>, Option<Disclosure>) {
    let mut own = Check::default();
    let (values, disclosure) = profile(&mut own, given);
    for mut violation in own.violations {
        violation.field = violation.field.replacen("profile", field, 1);
        check.violations.push(violation);
    }
    if disclosure.is_some() {
        check.bad(format!("{field}[disclosure]"), "is no lasting value; set `disclosure`");
    }
    (values, disclosure)
}

pub(super) fn identifiers(
    check: &mut Check,
    field: &str,
    given: Vec<proto::Identifier>,
) -> Vec<RawIdentifier> {
    check.at_most(field, given.len(), limits::IDENTIFIERS);
    let given = given.into_iter().take(limits::IDENTIFIERS).enumerate();
    given.map(|(index, one)| identifier(check, &format!("{field}[{index}]"), one)).collect()
}

/// Where anything is wrong already, names the identifiers that cannot be read beside it. Where nothing
/// is, whoever links them names them.
fn name_identifiers(check: &mut Check, field: &str, given: &[RawIdentifier], caller: &Caller) {
    if check.violations.is_empty() {
        return;
    }
    let stated = |one: &RawIdentifier| RawIdentifier {
        assurance: one.assurance.or(Some(Assurance::Carried)),
        ..one.clone()
    };
    let identifiers = given.iter().map(stated).collect();
    let raw = RawHints { identifiers, ..RawHints::default() };
    let circumstances = Circumstances {
        channel: "",
        direction: Direction::Inbound,
        line_type: LineType::Unknown,
        attestation: Attestation::Unknown,
        max_assurance: caller.max_assurance,
        continuation: false,
    };
    let read = normalise(&raw, &circumstances, &caller.tenant.policy.identity);
    check.violations.extend(read.violations.into_iter().map(|violation| Violation {
        field: violation.field.replacen("identity_hints.identifiers", field, 1),
        ..violation
    }));
}

fn asked(check: &mut Check, request_id: &str, source: &str) {
    check.required("request_id", request_id, limits::ID);
    check.line("source", source, limits::SHORT);
}

/// What of a customer to set.
fn mask(check: &mut Check, mask: Option<prost_types::FieldMask>, rule_given: bool) -> Mask {
    let Some(paths) = mask.map(|mask| mask.paths) else {
        return Mask {
            profile: Names::Given,
            variables: Names::Given,
            consents: Names::Given,
            disclosure: rule_given,
            identifiers: true,
        };
    };
    check.at_most("update_mask", paths.len(), limits::PATHS);
    let nothing = || Names::These(Default::default());
    let mut read = Mask {
        profile: nothing(),
        variables: nothing(),
        consents: nothing(),
        disclosure: false,
        identifiers: false,
    };
    for (index, path) in paths.iter().take(limits::PATHS).enumerate() {
        let field = format!("update_mask.paths[{index}]");
        match path.split_once('.') {
            None => match path.as_str() {
                "profile" => read.profile = Names::All,
                "variables" => read.variables = Names::All,
                "consents" => read.consents = Names::All,
                "disclosure" => read.disclosure = true,
                "identifiers" => read.identifiers = true,
                _ => check.bad(field, PATHS),
            },
            Some(("profile", name)) => add(check, field, &mut read.profile, name),
            Some(("variables", name)) => add(check, field, &mut read.variables, name),
            Some(("consents", name)) => add(check, field, &mut read.consents, name),
            Some(_) => check.bad(field, PATHS),
        }
    }
    read
}

const PATHS: &str = "must be identifiers, profile, profile.NAME, variables, variables.NAME, \
    consents, consents.PURPOSE or disclosure";

fn add(check: &mut Check, field: String, names: &mut Names, name: &str) {
    check.required(&field, name, limits::NAME);
    if let Names::These(these) = names {
        these.insert(name.to_owned());
    }
}

/// Checks an ExportCustomer; gives whom.
pub(super) fn export(request: proto::ExportCustomerRequest) -> Parsed<String> {
    let mut check = Check::default();
    check.required("customer_ref", &request.customer_ref, limits::ID);
    finish(check, request.customer_ref)
}

/// Checks and reads a ListConflicts.
pub(super) fn conflicts(request: proto::ListConflictsRequest) -> Parsed<List> {
    let mut check = Check::default();
    check.line("customer_ref", &request.customer_ref, limits::ID);
    if !(0..=limits::PAGE).contains(&request.page_size) {
        check.bad("page_size", format!("must be from 1 to {}", limits::PAGE));
    }
    let after = CustomerId::parse_ref(&request.page_token);
    if after.is_none() && !request.page_token.is_empty() {
        check.bad("page_token", "is not one that an answer gave");
    }
    let size = if request.page_size == 0 { limits::DEFAULT_PAGE } else { request.page_size };
    let (customer_ref, page_size) = (request.customer_ref, i64::from(size));
    finish(check, List { customer_ref, page_size, after })
}

/// Checks and reads a ResolveConflict.
pub(super) fn resolve(
    mut request: proto::ResolveConflictRequest,
    caller: &Caller,
) -> Parsed<Resolve> {
    let mut check = Check::default();
    own_source(&mut request.source, caller);
    let (content, _) = content(&mut request, &caller.tenant.policy.redaction);
    asked(&mut check, &request.request_id, &request.source);
    check.required("conflict_id", &request.conflict_id, limits::ID);
    let choice = check.known("choice", proto::ConflictChoice::try_from(request.choice));
    let choice = match choice {
        Some(proto::ConflictChoice::Other) => Choice::Other,
        Some(proto::ConflictChoice::Kept) => Choice::Kept,
        Some(proto::ConflictChoice::Unspecified) => {
            check.bad("choice", "is required");
            Choice::Kept
        }
        None => Choice::Kept,
    };
    let proto::ResolveConflictRequest { request_id, source, conflict_id, .. } = request;
    finish(check, Resolve { request_id, source, content, conflict_id, choice })
}

/// Checks and reads how the rows of an import are to be read.
pub(super) fn import(
    settings: proto::ImportSettings,
    caller: &Caller,
    now: Time,
) -> Parsed<Import> {
    let mut check = Check::default();
    let mut settings = settings;
    own_source(&mut settings.source, caller);
    check.line("settings.source", &settings.source, limits::SHORT);
    let at = time(&mut check, "settings.update_time", settings.update_time, now);
    let stated = assurance(&mut check, "settings.assurance".into(), settings.assurance);
    let import = Import {
        source: settings.source,
        dry_run: settings.dry_run,
        update_time: at.unwrap_or(now),
        assurance: stated.unwrap_or(Assurance::Carried),
    };
    finish(check, import)
}

/// Checks and reads a row of an import; all that is wrong with it.
pub(super) fn row(
    mut row: proto::ImportRow,
    caller: &Caller,
) -> Result<Redacted<Row>, Vec<Violation>> {
    let redacted = redact(&mut row, &caller.tenant.policy.redaction);
    let mut check = Check::default();
    let identifiers = identifiers(&mut check, "identifiers", row.identifiers);
    let (profile, _) = lasting(&mut check, "profile", row.profile);
    name_identifiers(&mut check, "identifiers", &identifiers, caller);
    if check.violations.is_empty() {
        Ok((Row { identifiers, profile }, redacted))
    } else {
        Err(check.violations)
    }
}

/// Checks and reads a link.
pub(super) fn link(mut request: proto::LinkIdentifierRequest, caller: &Caller) -> Parsed<Tie> {
    own_source(&mut request.source, caller);
    let (content, _) = content(&mut request, &caller.tenant.policy.redaction);
    let proto::LinkIdentifierRequest { request_id, source, customer_ref, identifier } = request;
    tie((request_id, source, customer_ref), identifier, content)
}

/// Checks and reads an unlink.
pub(super) fn unlink(mut request: proto::UnlinkIdentifierRequest, caller: &Caller) -> Parsed<Tie> {
    own_source(&mut request.source, caller);
    let (content, _) = content(&mut request, &caller.tenant.policy.redaction);
    let proto::UnlinkIdentifierRequest { request_id, source, customer_ref, identifier } = request;
    tie((request_id, source, customer_ref), identifier, content)
}

fn tie(
    (request_id, source, customer_ref): (String, String, String),
    given: Option<proto::Identifier>,
    content: Vec<u8>,
) -> Parsed<Tie> {
    let mut check = Check::default();
    asked(&mut check, &request_id, &source);
    check.required("customer_ref", &customer_ref, limits::ID);
    if given.is_none() {
        check.bad("identifier", "is required");
    }
    let identifier = identifier(&mut check, "identifier", given.unwrap_or_default());
    finish(check, Tie { request_id, source, content, customer_ref, identifier })
}

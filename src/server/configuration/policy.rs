//! `[policy]`, and `[tenants.NAME]`: what a tenant may choose.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::certificates::CertificateFile;
use super::hooks::HookFile;
use super::redaction::PatternFile;
use super::remembering::{lifetimes, voice};
use super::web_token::WebTokenFile;
use super::{calls, consent, redaction, remembering, web_token, weights};
use crate::continuity::tenant::{TenantPolicy, namespace_kind};
use crate::identity::{
    Assurance, ConfirmDiscloses, Duplicates, NamespacePolicy, NamespaceUse, Policy,
    PrimaryIdentifier,
};

/// What a tenant may choose. Whatever it leaves out is as `[policy]` says, else the default.
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PolicyFile {
    pub(super) default_region: Option<String>,
    pub(super) own_numbers: Option<Vec<String>>,
    pub(super) reuse_confidence: Option<f64>,
    pub(super) confirm_confidence: Option<f64>,
    pub(super) confirm_discloses: Option<String>,
    pub(super) duplicates: Option<String>,
    pub(super) primary_identifier: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) default_ttl_seconds: Option<i64>,
    pub(super) max_ttl_seconds: Option<i64>,
    pub(super) disclosure_requires_consent: Option<String>,
    pub(super) interactions_kept: Option<String>,
    pub(super) customers_archived_after: Option<String>,
    pub(super) redact_cards: Option<bool>,
    pub(super) redact_patterns: Option<Vec<PatternFile>>,
    pub(super) web_token: Option<WebTokenFile>,
    pub(super) certificates: Vec<CertificateFile>,
    pub(super) hooks: BTreeMap<String, HookFile>,
    pub(super) weights: Option<PathBuf>,
    pub(super) key_rate: Option<u64>,
    pub(super) key_burst: Option<u64>,
    pub(super) tenant_rate: Option<u64>,
    pub(super) tenant_burst: Option<u64>,
    pub(super) limits: BTreeMap<String, usize>,
    pub(super) namespaces: BTreeMap<String, NamespaceFile>,
}

#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NamespaceFile {
    policy: Option<String>,
    assurance: Option<String>,
    kind: Option<String>,
}

pub(super) fn policy(
    file: &PolicyFile,
    base: TenantPolicy,
    place: &str,
    folder: &Path,
    wrong: &mut Vec<String>,
) -> TenantPolicy {
    let (default_ttl_seconds, max_ttl_seconds) = lifetimes(file, &base, place, wrong);
    let mut identity: Policy = base.identity;
    if let Some(region) = &file.default_region {
        identity.default_region.clone_from(region);
    }
    if let Some(numbers) = &file.own_numbers {
        identity.own_numbers = numbers.iter().cloned().collect();
    }
    identity.reuse_confidence = file.reuse_confidence.unwrap_or(identity.reuse_confidence);
    identity.confirm_confidence = file.confirm_confidence.unwrap_or(identity.confirm_confidence);
    match file.confirm_discloses.as_deref() {
        None => {}
        Some("nothing") => identity.confirm_discloses = ConfirmDiscloses::Nothing,
        Some("context") => identity.confirm_discloses = ConfirmDiscloses::Context,
        Some(_) => wrong.push(format!("{place}.confirm_discloses: must be nothing or context")),
    }
    match file.duplicates.as_deref() {
        None => {}
        Some("propose") => identity.duplicates = Duplicates::Propose,
        Some("merge") => identity.duplicates = Duplicates::Merge,
        Some(_) => wrong.push(format!("{place}.duplicates: must be propose or merge")),
    }
    match file.primary_identifier.as_deref() {
        None => {}
        Some("email") => identity.primary_identifier = Some(PrimaryIdentifier::Email),
        Some("phone") => identity.primary_identifier = Some(PrimaryIdentifier::Phone),
        Some("user_id") => identity.primary_identifier = Some(PrimaryIdentifier::UserId),
        Some(_) => {
            wrong.push(format!("{place}.primary_identifier: must be email, phone or user_id"))
        }
    }
    identity.limits.extend(file.limits.iter().map(|(kind, most)| (kind.clone(), *most)));
    for (name, own) in &file.namespaces {
        let known = identity.namespace(name);
        let chosen = namespace(own, known, &format!("{place}.namespaces.{name}"), wrong);
        identity.namespaces.insert(name.clone(), chosen);
    }
    wrong.extend(identity.validate().into_iter().map(|mistake| format!("{place}.{mistake}")));
    let (time_zone, locale) = voice(file, (base.time_zone, base.locale), place, wrong);
    let retention = remembering::retention(file, base.retention, place, wrong);
    let web_token = web_token::chosen(file.web_token.as_ref(), place, wrong);
    let redaction = redaction::chosen(file, base.redaction, place, wrong);
    let (key_calls, tenant_calls) =
        calls::chosen(file, base.key_calls, base.tenant_calls, place, wrong);
    let disclosure_requires_consent =
        consent::required(file, base.disclosure_requires_consent, place, wrong);
    let weights = weights::chosen(file.weights.as_ref(), folder, base.weights, place, wrong);
    TenantPolicy {
        identity,
        weights,
        time_zone,
        locale,
        default_ttl_seconds,
        max_ttl_seconds,
        disclosure_requires_consent,
        retention,
        redaction,
        web_token,
        key_calls,
        tenant_calls,
    }
}

fn namespace(
    file: &NamespaceFile,
    known: NamespacePolicy,
    place: &str,
    wrong: &mut Vec<String>,
) -> NamespacePolicy {
    let mut chosen = known;
    match file.policy.as_deref() {
        // Who says anything of a namespace takes it for one that identifies.
        None | Some("identifying") => chosen.policy = NamespaceUse::Identifying,
        Some("ignored") => chosen.policy = NamespaceUse::Ignored,
        Some("derived") => chosen.policy = NamespaceUse::Derived,
        Some(_) => {
            wrong.push(format!("{place}.policy: must be identifying, ignored or derived"));
        }
    }
    match file.assurance.as_deref() {
        None => {}
        Some("asserted") => chosen.assurance = Assurance::Asserted,
        Some("carried") => chosen.assurance = Assurance::Carried,
        Some(_) => wrong.push(format!("{place}.assurance: must be asserted or carried")),
    }
    match file.kind.as_deref().map(namespace_kind) {
        None => {}
        Some(Some(kind)) => chosen.kind = kind,
        Some(None) => wrong.push(format!("{place}.kind: must be crm or account_number")),
    }
    chosen
}

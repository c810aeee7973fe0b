//! What a tenant may decide about identity: its region, its own numbers, which
//! external ids identify, and how sure is sure enough.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::external::{MAX_NAMESPACE, is_kind, namespace_mistake};
use super::namespaces;
use super::phone;
use super::vocabulary::{Assurance, HintKind, PrimaryIdentifier};

/// What may be disclosed while a decision says `confirm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfirmDiscloses {
    /// Only the candidate's reference and masked label.
    #[default]
    Nothing,
    /// The candidate's context as well.
    Context,
}

/// What becomes of two customers who turn out to share verified identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duplicates {
    /// Somebody has to say that they are one person.
    #[default]
    Propose,
    /// They are one person from then on.
    Merge,
}

/// What external ids of one namespace are good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NamespaceUse {
    /// They name a person.
    #[default]
    Identifying,
    /// They name no person: a campaign's id is dropped with a notice.
    Ignored,
    /// They name a person, and were looked up from another hint, such as a CRM's id from the
    /// caller number: they repeat that hint and are no second witness beside it.
    Derived,
}

/// How external ids of one namespace count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NamespacePolicy {
    /// What its values are good for.
    pub policy: NamespaceUse,
    /// How far its values are trusted unless the caller says otherwise.
    pub assurance: Assurance,
    /// Which weights it takes: [`HintKind::Crm`] or [`HintKind::AccountNumber`].
    pub kind: HintKind,
}

/// Identifiers of one kind that a customer has at most when the tenant says nothing of the kind.
const MOST_OF_A_KIND: usize = 5;

/// Where one person has another number of them: one account of the tenant's web pages for each
/// issuer of tokens, and a visitor's id for every browser.
const MOST_OF_KIND: [(&str, usize); 2] = [("web_token", 1), ("visitor", 20)];

/// The most that a tenant may allow. Beyond, a customer is a crowd.
pub(super) const MOST_ALLOWED: usize = 64;

/// A tenant's settings for identity. [`Default`] is the service's own choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The region (ISO 3166-1 alpha-2, such as `US`) whose rules read national phone numbers.
    pub default_region: String,
    /// The tenant's own numbers in E.164: they never identify a customer.
    pub own_numbers: BTreeSet<String>,
    /// Settings by external-id namespace, in lower case; they go before the built-in ones.
    pub namespaces: BTreeMap<String, NamespacePolicy>,
    /// How many identifiers of one kind a customer may have, by kind (`phone`, `email`, …); they
    /// go before the built-in ones. External ids and ids of a scope are counted by namespace.
    pub limits: BTreeMap<String, usize>,
    /// The least confidence, 0 to 1, of `reuse`.
    pub reuse_confidence: f64,
    /// The least confidence, 0 to 1, of `confirm`; not above `reuse_confidence`.
    pub confirm_confidence: f64,
    /// The identifier that decides when identifiers disagree; by default none does.
    pub primary_identifier: Option<PrimaryIdentifier>,
    /// What `confirm` discloses.
    pub confirm_discloses: ConfirmDiscloses,
    /// What becomes of customers who share verified identity. It changes no decision, and so is no
    /// part of the policy's version.
    pub duplicates: Duplicates,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            default_region: "US".to_owned(),
            own_numbers: BTreeSet::new(),
            namespaces: BTreeMap::new(),
            limits: BTreeMap::new(),
            reuse_confidence: 0.5,
            confirm_confidence: 0.3,
            primary_identifier: None,
            confirm_discloses: ConfirmDiscloses::Nothing,
            duplicates: Duplicates::Propose,
        }
    }
}

impl Policy {
    /// How external ids of `namespace` (lower case) count: the tenant's setting, else the
    /// built-in one, else as an account number that the customer said.
    pub fn namespace(&self, namespace: &str) -> NamespacePolicy {
        if let Some(set) = self.namespaces.get(namespace) {
            return *set;
        }
        if namespaces::is_customers(namespace) {
            return NamespacePolicy {
                policy: NamespaceUse::Identifying,
                assurance: Assurance::Carried,
                kind: HintKind::Crm,
            };
        }
        let impersonal = namespaces::is_impersonal(namespace);
        NamespacePolicy {
            policy: if impersonal { NamespaceUse::Ignored } else { NamespaceUse::Identifying },
            assurance: Assurance::Asserted,
            kind: HintKind::AccountNumber,
        }
    }

    /// How many identifiers of a kind (its scheme, such as `phone`) a customer may have, each
    /// namespace counted by itself: the tenant's setting, else the built-in one.
    pub fn limit(&self, scheme: &str) -> usize {
        let built_in = || MOST_OF_KIND.iter().find(|(kind, _)| *kind == scheme).map(|it| it.1);
        self.limits.get(scheme).copied().or_else(built_in).unwrap_or(MOST_OF_A_KIND)
    }

    /// A short name of these settings, the same wherever they are the same: the first eight hex
    /// digits of SHA-256 over their canonical text. Stored with each decision.
    pub fn version(&self) -> String {
        let mut text = format!(
            "region={:?};reuse={};confirm={};primary={:?};discloses={:?}",
            self.default_region,
            self.reuse_confidence,
            self.confirm_confidence,
            self.primary_identifier,
            self.confirm_discloses,
        );
        for number in &self.own_numbers {
            text.push_str(";own=");
            text.push_str(number);
        }
        for (name, namespace) in &self.namespaces {
            // Writing to a String cannot fail.
            let _ = write!(text, ";namespace={name:?}:{namespace:?}");
        }
        for (kind, most) in &self.limits {
            let _ = write!(text, ";limit={kind:?}:{most}");
        }
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().take(4).fold(String::with_capacity(8), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Every mistake in these settings, one sentence each; empty when they can be used.
    pub fn validate(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if phone::region(&self.default_region).is_none() {
            let must = "must be an ISO 3166-1 alpha-2 region with phone numbers, such as \"US\"";
            mistakes.push(format!("default_region: {must}"));
        }
        for (name, value) in [
            ("reuse_confidence", self.reuse_confidence),
            ("confirm_confidence", self.confirm_confidence),
        ] {
            // Written so that NaN is a mistake as well.
            if !(0.0..=1.0).contains(&value) {
                mistakes.push(format!("{name}: must be from 0 to 1"));
            }
        }
        if self.confirm_confidence > self.reuse_confidence {
            mistakes.push("confirm_confidence: must not be above reuse_confidence".into());
        }
        if !self.own_numbers.iter().all(|number| phone::is_canonical(number)) {
            let must = "each of it must be in E.164 form, such as \"+14155550100\"";
            mistakes.push(format!("own_numbers: {must}"));
        }
        for (name, namespace) in &self.namespaces {
            mistakes.extend(namespace_mistakes(name, namespace));
        }
        for (kind, most) in &self.limits {
            if !is_kind(kind) || !(1..=MOST_ALLOWED).contains(most) {
                let must = format!("must be from 1 to {MOST_ALLOWED}, of a kind in lower case");
                mistakes.push(format!("limits.{kind}: {must}"));
            }
        }
        mistakes
    }
}

fn namespace_mistakes(name: &str, namespace: &NamespacePolicy) -> Vec<String> {
    let mut mistakes = Vec::new();
    if namespace_mistake(name).is_some() || name.trim() != name || name.to_lowercase() != name {
        mistakes.push(format!(
            "namespaces.{name}: must be 1 to {MAX_NAMESPACE} printable characters in lower case"
        ));
    }
    if !matches!(namespace.kind, HintKind::Crm | HintKind::AccountNumber) {
        mistakes.push(format!("namespaces.{name}.kind: must be crm or account_number"));
    }
    let read_as = match name {
        "email" => Some("an e-mail address"),
        "phone" => Some("a phone number"),
        _ => None,
    };
    mistakes.extend(read_as.map(|what| {
        let why = format!("external_ids.{name} is read as {what} and never as an external id");
        format!("namespaces.{name}: nothing can be set for it, since {why}")
    }));
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_has_no_mistakes_and_a_stable_version() {
        let policy = Policy::default();
        assert_eq!(policy.validate(), Vec::<String>::new());
        assert_eq!(policy.version().len(), 8);
        assert_eq!(policy.version(), Policy::default().version());
    }

    #[test]
    fn every_setting_changes_the_version() {
        let mut versions = BTreeSet::from([Policy::default().version()]);
        let changes: [fn(&mut Policy); 8] = [
            |p| p.limits = BTreeMap::from([("phone".into(), 3)]),
            |p| p.default_region = "GB".into(),
            |p| p.reuse_confidence = 0.6,
            |p| p.confirm_confidence = 0.2,
            |p| p.primary_identifier = Some(PrimaryIdentifier::Email),
            |p| p.confirm_discloses = ConfirmDiscloses::Context,
            |p| p.own_numbers = BTreeSet::from(["+14155550100".into()]),
            |p| p.namespaces = BTreeMap::from([("loyalty".into(), p.namespace("crm_id"))]),
        ];
        for change in changes {
            let mut policy = Policy::default();
            change(&mut policy);
            assert_eq!(policy.validate(), Vec::<String>::new());
            assert!(versions.insert(policy.version()), "two settings share a version");
        }
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let policy = Policy {
            default_region: "Atlantis".into(),
            own_numbers: BTreeSet::from(["0800 123".into(), "+14155550100".into()]),
            namespaces: BTreeMap::from([(
                "CRM".into(),
                NamespacePolicy {
                    policy: NamespaceUse::Identifying,
                    assurance: Assurance::Carried,
                    kind: HintKind::Mobile,
                },
            )]),
            limits: BTreeMap::from([("phone".into(), 0)]),
            reuse_confidence: 0.5,
            confirm_confidence: 1.5,
            ..Policy::default()
        };
        let mistakes = policy.validate().join("\n");
        assert_eq!(policy.validate().len(), 7, "{mistakes}");
        for part in [
            "default_region: ",
            "confirm_confidence: must be from 0 to 1",
            "not be above",
            "own_numbers: ",
            "namespaces.CRM: ",
            "namespaces.CRM.kind: ",
            "limits.phone: ",
        ] {
            assert!(mistakes.contains(part), "{part} in {mistakes}");
        }
        assert!(!["Atlantis", "0800 123"].iter().any(|given| mistakes.contains(given)));
        let nan = Policy { reuse_confidence: f64::NAN, ..Policy::default() };
        assert_eq!(nan.validate().len(), 1);
    }

    #[test]
    fn nothing_can_be_set_for_what_is_no_external_id() {
        for name in ["email", "phone"] {
            let one = (name.to_owned(), Policy::default().namespace(name));
            let policy = Policy { namespaces: BTreeMap::from([one]), ..Policy::default() };
            let mistakes = policy.validate();
            assert_eq!(mistakes.len(), 1, "{mistakes:?}");
            assert!(mistakes[0].starts_with(&format!("namespaces.{name}: nothing")));
        }
    }

    #[test]
    fn a_customer_has_one_web_user_and_five_of_most_kinds() {
        let own = Policy { limits: BTreeMap::from([("email".into(), 2)]), ..Policy::default() };
        let limits = ["web_token", "phone", "email", "external"].map(|kind| own.limit(kind));
        assert_eq!(limits, [1, 5, 2, 5]);
    }

    #[test]
    fn namespaces_have_their_defaults() {
        let policy = Policy::default();
        assert_eq!(policy.namespace("crm_id").assurance, Assurance::Carried);
        assert_eq!(policy.namespace("crm_id").kind, HintKind::Crm);
        assert_eq!(policy.namespace("account_no").kind, HintKind::AccountNumber);
        assert_eq!(policy.namespace("loyalty_card").policy, NamespaceUse::Identifying);
        assert_eq!(policy.namespace("campaign_id").policy, NamespaceUse::Ignored);
    }
}

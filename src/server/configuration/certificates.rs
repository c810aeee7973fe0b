//! Whom client certificates stand for, by tenant.

use serde::Deserialize;

use super::{MOST_WORD, is_word};
use crate::continuity::{CertificateName, CertifiedNames, CertifiedTerms, Role};
use crate::identity::Assurance;

/// Certificates of one tenant at most.
pub const MOST_CERTIFICATES: usize = 1_000;
/// The longest name in a certificate that can be given, in bytes (SPIFFE allows as many).
pub const MOST_NAME: usize = 2_048;

/// `[[tenants.NAME.certificates]]`
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CertificateFile {
    name: String,
    dns: Option<String>,
    uri: Option<String>,
    roles: Vec<String>,
    source: Option<String>,
    may_address: Vec<String>,
    max_assurance: Option<String>,
}

/// What the settings say; every mistake goes to `wrong`. `asked` says whether clients are asked for
/// a certificate at all.
pub(super) fn chosen<'a>(
    tenants: impl Iterator<Item = (&'a str, &'a [CertificateFile])>,
    of_everybody: &[CertificateFile],
    asked: bool,
    wrong: &mut Vec<String>,
) -> CertifiedNames {
    let mut certified = CertifiedNames::new();
    if !of_everybody.is_empty() {
        wrong.push("policy.certificates: a certificate stands for one tenant's caller".into());
    }
    for (tenant, files) in tenants {
        let place = format!("tenants.{tenant}.certificates");
        if !files.is_empty() && !asked {
            wrong.push(format!("{place}: needs server.tls.client_ca, who signed them"));
        }
        if files.len() > MOST_CERTIFICATES {
            wrong.push(format!("{place}: at most {MOST_CERTIFICATES}"));
        }
        for (index, file) in files.iter().enumerate() {
            let place = format!("{place}[{index}]");
            let twice = files[..index].iter().any(|other| other.name == file.name);
            if twice {
                wrong.push(format!("{place}.name: another certificate has it"));
            }
            let (name, terms) = (shown(file, &place, wrong), terms(file, tenant, &place, wrong));
            if let Some(name) = name
                && certified.insert(name, terms).is_some()
            {
                wrong.push(format!("{place}: another certificate shows the same"));
            }
        }
    }
    certified
}

/// The name that a certificate must show.
fn shown(file: &CertificateFile, place: &str, wrong: &mut Vec<String>) -> Option<CertificateName> {
    let (name, text) = match (&file.dns, &file.uri) {
        (Some(dns), None) => (CertificateName::Dns(dns.to_ascii_lowercase()), dns),
        (None, Some(uri)) if uri.contains("://") => (CertificateName::Uri(uri.clone()), uri),
        (None, Some(_)) => {
            wrong.push(format!("{place}.uri: must be a URI such as spiffe://example.com/pbx"));
            return None;
        }
        _ => {
            wrong.push(format!("{place}: must have either dns or uri"));
            return None;
        }
    };
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > MOST_NAME || !printable || text.contains('*') {
        wrong.push(format!(
            "{place}: a name has 1 to {MOST_NAME} printable characters; there are no wildcards"
        ));
        return None;
    }
    Some(name)
}

fn terms(
    file: &CertificateFile,
    tenant: &str,
    place: &str,
    wrong: &mut Vec<String>,
) -> CertifiedTerms {
    let source = file.source.as_deref().unwrap_or("default");
    let words = [("name", &*file.name), ("source", source)].into_iter();
    for (what, word) in words.chain(file.may_address.iter().map(|it| ("may_address", &**it))) {
        if !is_word(word) {
            wrong.push(format!("{place}.{what}: must be 1 to {MOST_WORD} of a-z, 0-9, - and _"));
        }
    }
    let roles = file.roles.iter().map(|role| Role::parse(role));
    let roles: Option<u32> = roles.map(|role| role.map(|role| role as u32)).sum();
    if roles.is_none_or(|sum| sum == 0) || has_twice(&file.roles) {
        let known: Vec<&str> = Role::ALL.iter().map(|(_, name)| *name).collect();
        wrong.push(format!("{place}.roles: must be some of {}, each once", known.join(", ")));
    }
    let max_assurance = match file.max_assurance.as_deref() {
        None => None,
        Some("asserted") => Some(Assurance::Asserted),
        Some("carried") => Some(Assurance::Carried),
        Some("authenticated") => Some(Assurance::Authenticated),
        Some("verified") => Some(Assurance::Verified),
        Some(_) => {
            let must = "must be asserted, carried, authenticated or verified";
            wrong.push(format!("{place}.max_assurance: {must}"));
            None
        }
    };
    CertifiedTerms {
        name: file.name.clone(),
        tenant: tenant.to_owned(),
        roles: roles.unwrap_or_default(),
        source: source.to_owned(),
        may_address: file.may_address.clone(),
        max_assurance,
    }
}

fn has_twice(roles: &[String]) -> bool {
    roles.iter().enumerate().any(|(index, role)| roles[..index].contains(role))
}

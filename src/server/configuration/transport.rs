//! What the settings say of the way requests come: TLS, plaintext, and how many connections.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::server::TlsSettings;

/// Connections at once, where the settings do not say.
pub(super) const CONNECTIONS: u64 = 10_000;

/// `[server.tls]`; paths are relative to the settings' own folder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsFile {
    certificate: PathBuf,
    key: PathBuf,
    #[serde(default)]
    min_version: Option<String>,
    #[serde(default)]
    client_ca: Option<PathBuf>,
    #[serde(default)]
    client_certificate: Option<String>,
}

/// The TLS that was chosen; the files are read when serving begins.
pub(super) fn tls(file: TlsFile, folder: &Path, wrong: &mut Vec<String>) -> TlsSettings {
    let tls_1_2 = match file.min_version.as_deref() {
        None | Some("1.3") => false,
        Some("1.2") => true,
        Some(_) => {
            wrong.push("server.tls.min_version: must be \"1.2\" or \"1.3\"".into());
            false
        }
    };
    let client_certificate_optional = match file.client_certificate.as_deref() {
        None | Some("required") => false,
        Some("optional") => true,
        Some(_) => {
            wrong.push("server.tls.client_certificate: must be required or optional".into());
            false
        }
    };
    if file.client_certificate.is_some() && file.client_ca.is_none() {
        wrong.push("server.tls.client_certificate: needs client_ca, who signed it".into());
    }
    TlsSettings {
        certificate: folder.join(file.certificate),
        key: folder.join(file.key),
        client_ca: file.client_ca.map(|ca| folder.join(ca)),
        client_certificate_optional,
        tls_1_2,
    }
}

/// Whether other machines are served without TLS.
pub(super) fn plaintext_anywhere(chosen: Option<&str>, wrong: &mut Vec<String>) -> bool {
    match chosen {
        None | Some("loopback") => false,
        Some("anywhere") => true,
        Some(_) => {
            wrong.push("server.plaintext: must be loopback or anywhere".into());
            false
        }
    }
}

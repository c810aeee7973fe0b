//! What the settings say of the way requests come: TLS, plaintext, and how many connections.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tonic::codegen::http::{HeaderValue, Uri};

use crate::server::TlsSettings;

/// Origins whose pages may call.
const ORIGINS: usize = 64;

/// `[server.tls]`; paths are relative to the settings' own folder.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsFile {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    min_version: MinVersion,
    client_ca: Option<PathBuf>,
    client_certificate: Option<ClientCertificate>,
}

#[derive(Clone, Copy, Deserialize, Default, PartialEq, Eq)]
enum MinVersion {
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    #[default]
    Tls13,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum ClientCertificate {
    Required,
    Optional,
}

impl TlsFile {
    /// Whether clients are asked for a certificate.
    pub(super) fn asks_clients(&self) -> bool {
        self.client_ca.is_some()
    }
}

/// The TLS that was chosen; the files are read when serving begins.
pub(super) fn tls(file: TlsFile, folder: &Path, wrong: &mut Vec<String>) -> Option<TlsSettings> {
    if file.client_certificate.is_some() && file.client_ca.is_none() {
        wrong.push("server.tls.client_certificate: needs client_ca, who signed it".into());
    }
    for (name, missing) in
        [("certificate", file.certificate.is_none()), ("key", file.key.is_none())]
    {
        if missing {
            wrong.push(format!("server.tls: needs {name}, the name of a PEM file"));
        }
    }
    Some(TlsSettings {
        certificate: folder.join(file.certificate?),
        key: folder.join(file.key?),
        client_ca: file.client_ca.map(|ca| folder.join(ca)),
        client_certificate_optional: file.client_certificate == Some(ClientCertificate::Optional),
        tls_1_2: file.min_version == MinVersion::Tls12,
    })
}

/// The origins whose pages may call, as browsers write them.
pub(super) fn origins(named: Vec<String>, wrong: &mut Vec<String>) -> Vec<HeaderValue> {
    if named.len() > ORIGINS {
        wrong.push(format!("server.allowed_origins: has more than {ORIGINS} entries"));
    }
    let mut origins = Vec::new();
    for (index, named) in named.iter().enumerate().take(ORIGINS) {
        match origin(named) {
            Some(origin) => origins.push(origin),
            None => wrong.push(format!(
                "server.allowed_origins[{index}]: must be such as https://desk.example.com"
            )),
        }
    }
    origins
}

fn origin(named: &str) -> Option<HeaderValue> {
    let uri = named.parse::<Uri>().ok()?;
    let scheme = uri.scheme_str().filter(|it| ["http", "https"].contains(it))?;
    // A browser compares letter by letter: nothing may follow host and port.
    let whole = format!("{scheme}://{}", uri.authority()?) == named && !named.contains('@');
    HeaderValue::try_from(named).ok().filter(|_| whole)
}

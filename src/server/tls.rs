//! TLS: certificates from files, read anew when the files change, without a dropped connection.
//!
//! A handshake takes whatever is current when it begins; connections that are open go on with what
//! they began with. Files that cannot be used are said and left: the last good ones stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What is spoken above TLS.
const HTTP_2: &[u8] = b"h2";
/// The largest file of certificates or keys, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Which certificate to show, and whose to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate and those that lead from it to its root, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Who must have signed the certificate of a client; none: clients need none.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is served all the same.
    pub client_certificate_optional: bool,
    /// Whether TLS 1.2 is spoken as well as 1.3.
    pub tls_1_2: bool,
}

/// Why certificates cannot be used. Names a file, and never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that is not there, not PEM, or holds nothing of its kind.
    #[error("{}: {reason}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Certificate and key are not a pair, or of a kind that is not supported.
    #[error("the certificate and its key cannot be used together")]
    Pair,
    /// The authority for clients' certificates cannot be used.
    #[error("the authority for clients' certificates cannot be used")]
    Authority,
}

/// The certificates as they are now.
pub struct Certificates {
    settings: TlsSettings,
    current: RwLock<Arc<ServerConfig>>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub fn read(settings: TlsSettings) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(configuration(&settings)?));
        Ok(Self { settings, current })
    }

    /// What the next handshake takes.
    pub fn current(&self) -> Arc<ServerConfig> {
        // Only whole values are put behind this lock: a poisoned one is still whole.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files anew whenever they change.
    pub async fn keep_up(&self) {
        let mut seen = self.seen();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = self.seen();
            if now == seen {
                continue;
            }
            // Whoever writes them one after the other: the next look finds the pair.
            match configuration(&self.settings) {
                Ok(new) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                    tracing::info!("the certificates were read anew");
                }
                Err(error) => {
                    tracing::warn!(%error, "new certificates cannot be used; the last ones stay");
                }
            }
            seen = now;
        }
    }

    /// What tells whether a file has changed.
    fn seen(&self) -> Vec<Option<(SystemTime, u64)>> {
        let TlsSettings { certificate, key, client_ca, .. } = &self.settings;
        let files = [certificate, key].into_iter().chain(client_ca);
        let look = |file: &PathBuf| {
            let found = fs::metadata(file).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        files.map(look).collect()
    }
}

fn configuration(settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
    let versions: &[_] = if settings.tls_1_2 { &[&TLS13, &TLS12] } else { &[&TLS13] };
    let chain = certificates(&settings.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&pem(&settings.key)?)
        .map_err(|_| wrong(&settings.key, "holds no private key in PEM"))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .map_err(|_| TlsError::Pair)?;
    let builder = match &settings.client_ca {
        Some(file) => builder.with_client_cert_verifier(clients(file, settings)?),
        None => builder.with_no_client_auth(),
    };
    let mut configuration = builder.with_single_cert(chain, key).map_err(|_| TlsError::Pair)?;
    configuration.alpn_protocols = vec![HTTP_2.to_vec()];
    Ok(configuration)
}

fn clients(file: &Path, settings: &TlsSettings) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|_| TlsError::Authority)?;
    }
    let provider = Arc::new(default_provider());
    let mut clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if settings.client_certificate_optional {
        clients = clients.allow_unauthenticated();
    }
    clients.build().map_err(|_| TlsError::Authority)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem(file)?).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(wrong(file, "holds no certificate in PEM")),
    }
}

/// A file's content, wiped when it is dropped.
fn pem(file: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, TlsError> {
    match fs::metadata(file) {
        Ok(found) if found.len() > MOST_BYTES => Err(wrong(file, "is longer than one mebibyte")),
        Ok(_) => fs::read(file).map(Into::into).map_err(|_| wrong(file, "cannot be read")),
        Err(_) => Err(wrong(file, "is not there")),
    }
}

fn wrong(file: &Path, reason: &'static str) -> TlsError {
    TlsError::File { file: file.to_owned(), reason }
}

#[cfg(test)]
mod tests;

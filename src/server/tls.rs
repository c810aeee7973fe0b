//! TLS: certificates from files, read anew when the files change, without a dropped connection.
//!
//! A handshake takes whatever is current when it begins; connections that are open go on with what
//! they began with. Files that cannot be used are said and left: the last good ones stay.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use zeroize::Zeroizing;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What is spoken above TLS, the better first.
const SPOKEN: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// The largest file of certificates or keys, in bytes.
const MOST_BYTES: usize = 1 << 20;

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

/// Why certificates cannot be used. Names the file, and never what is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    /// A file that is not there, not PEM, or holds nothing of its kind.
    #[error("{}: {reason}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Certificate and key are not a pair, or of a kind that is not supported.
    #[error("{}: cannot be used with the key in {}", .certificate.display(), .key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
    },
}

/// The certificates as they are now.
pub(super) struct Certificates {
    current: RwLock<Current>,
    looked: Mutex<Looked>,
}

/// What was read last.
#[derive(Clone)]
struct Current {
    served: Arc<ServerConfig>,
    /// Who judges clients' certificates, where they are asked for one.
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// What was found at the last look.
struct Looked {
    /// Which files, and what is asked of clients.
    settings: TlsSettings,
    /// Of the files that are in use: until these change there is nothing to read.
    used: Vec<Option<Mark>>,
    /// What was said of files that cannot be used: said once.
    said: Option<String>,
}

/// What changes with a file, whether it is written, replaced, or only made readable.
#[derive(PartialEq)]
struct Mark {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub fn read(settings: TlsSettings) -> Result<Self, TlsError> {
        let (looked, current) = Looked::at(settings)?;
        Ok(Self { current: RwLock::new(current), looked: Mutex::new(looked) })
    }

    /// What is wrong with these files: each of those that cannot be read, else what is wrong with all
    /// of them together.
    pub fn examine(settings: &TlsSettings) -> Vec<TlsError> {
        let files = [Some(&settings.certificate), Some(&settings.key), settings.client_ca.as_ref()];
        let unread = files.into_iter().flatten().filter_map(|file| pem(file).err());
        let unread: Vec<_> = unread.collect();
        match unread.is_empty() {
            true => Self::read(settings.clone()).err().into_iter().collect(),
            false => unread,
        }
    }

    /// Reads these files instead, now.
    ///
    /// # Errors
    /// Files that cannot be used; then nothing has changed.
    pub fn change(&self, settings: TlsSettings) -> Result<(), TlsError> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let (new, current) = Looked::at(settings)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        *looked = new;
        Ok(())
    }

    /// What the next handshake takes.
    pub fn current(&self) -> Arc<ServerConfig> {
        // Only whole values are put behind this lock: a poisoned one is still whole.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).served)
    }

    /// Whether a client that showed these certificates would be let in at that time.
    pub fn vouch_for(&self, chain: &[CertificateDer<'_>], at: UnixTime) -> bool {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        match (current.clients, chain) {
            (Some(clients), [own, others @ ..]) => {
                clients.verify_client_cert(own, others, at).is_ok()
            }
            _ => false,
        }
    }

    /// Reads the files anew whenever they change.
    pub async fn keep_up(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let own = Arc::clone(&self);
            // The files may be on a disk that does not answer.
            if tokio::task::spawn_blocking(move || own.look()).await.is_err() {
                return;
            }
        }
    }

    /// Looks once. What cannot be used now is tried again at the next look: whoever writes
    /// certificate and key one after the other, or makes them readable last, is met half-way.
    fn look(&self) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let marks = marks(&looked.settings);
        if marks == looked.used {
            looked.said = None;
            return;
        }
        match configuration(&looked.settings) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
                (looked.used, looked.said) = (marks, None);
                tracing::info!("the certificates were read anew");
            }
            Err(error) => {
                let saying = Some(error.to_string());
                if looked.said != saying {
                    tracing::warn!(%error, "new certificates cannot be used; the last ones stay");
                    looked.said = saying;
                }
            }
        }
    }
}

impl Looked {
    fn at(settings: TlsSettings) -> Result<(Self, Current), TlsError> {
        // Marked before they are read: what changes in between is read again.
        let used = marks(&settings);
        let current = configuration(&settings)?;
        Ok((Self { settings, used, said: None }, current))
    }
}

fn marks(settings: &TlsSettings) -> Vec<Option<Mark>> {
    let TlsSettings { certificate, key, client_ca, .. } = settings;
    let mark = |file: &PathBuf| {
        let found = fs::metadata(file).ok()?;
        let changed = (found.ctime(), found.ctime_nsec());
        Some(Mark { device: found.dev(), inode: found.ino(), length: found.len(), changed })
    };
    [certificate, key].into_iter().chain(client_ca).map(mark).collect()
}

fn configuration(settings: &TlsSettings) -> Result<Current, TlsError> {
    let versions: &[_] = if settings.tls_1_2 { &[&TLS13, &TLS12] } else { &[&TLS13] };
    let chain = certificates(&settings.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&pem(&settings.key)?)
        .map_err(|_| wrong(&settings.key, "holds no private key in PEM"))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        // Both versions have cipher suites in this library: a test serves each.
        .expect("a library that knows both versions");
    let ca = settings.client_ca.as_ref();
    let clients = ca.map(|file| clients(file, settings)).transpose()?;
    let builder = match &clients {
        Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients)),
        None => builder.with_no_client_auth(),
    };
    let pair =
        |_| TlsError::Pair { certificate: settings.certificate.clone(), key: settings.key.clone() };
    let mut configuration = builder.with_single_cert(chain, key).map_err(pair)?;
    configuration.alpn_protocols = SPOKEN.map(<[u8]>::to_vec).to_vec();
    Ok(Current { served: Arc::new(configuration), clients })
}

fn clients(file: &Path, settings: &TlsSettings) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|_| wrong(file, "holds no authority"))?;
    }
    let provider = Arc::new(default_provider());
    let mut clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if settings.client_certificate_optional {
        clients = clients.allow_unauthenticated();
    }
    clients.build().map_err(|_| wrong(file, "holds no authority"))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem(file)?).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(wrong(file, "holds no certificate in PEM")),
    }
}

/// A file's content. It may be a key: these bytes are wiped when they are dropped.
fn pem(file: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let found = fs::metadata(file).map_err(|_| wrong(file, "is not there"))?;
    if !found.is_file() {
        return Err(wrong(file, "is no file"));
    }
    // Room for all of it at once: growing would leave copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 1));
    File::open(file)
        .and_then(|opened| opened.take(MOST_BYTES as u64 + 1).read_to_end(&mut content))
        .map_err(|_| wrong(file, "cannot be read"))?;
    match content.len() > MOST_BYTES {
        true => Err(wrong(file, "is longer than one mebibyte")),
        false => Ok(content),
    }
}

fn wrong(file: &Path, reason: &'static str) -> TlsError {
    TlsError::File { file: file.to_owned(), reason }
}

#[cfg(test)]
mod tests;

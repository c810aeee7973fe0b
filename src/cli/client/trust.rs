//! Whom a client trusts at the other end of `https://`, and who it is there itself.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// For servers at `https://…`.
#[derive(clap::Args, Clone, Default)]
pub struct Trust {
    /// Whose certificates to trust, PEM [default: those that the system trusts]
    #[arg(long, env = "THREADLINE_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The certificate to show, PEM, where the server asks for one
    #[arg(
        long,
        env = "THREADLINE_CLIENT_CERTIFICATE",
        value_name = "FILE",
        requires = "client_key"
    )]
    pub client_certificate: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(
        long,
        env = "THREADLINE_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_certificate"
    )]
    pub client_key: Option<PathBuf>,
}

impl Trust {
    /// As the connection needs it.
    ///
    /// # Errors
    /// Files that cannot be read. What is in them is judged when connecting.
    pub(super) fn tls(&self) -> anyhow::Result<ClientTlsConfig> {
        let mut tls = match &self.ca {
            Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(file)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let (Some(certificate), Some(key)) = (&self.client_certificate, &self.client_key) {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        Ok(tls)
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

//! The client certificate of a connection: what it names, and whether it is still good.
//!
//! A handshake judges it once, and a connection may live for months. So whoever is known by a
//! certificate is judged again, by the authorities as they are now and at today's date, at a call
//! after a second at most.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::EndEntityCert;

use super::tls::Certificates;
use crate::continuity::{CertificateName, ClientCertificate};

/// How long a judgement is remembered.
const JUDGED_FOR: Duration = Duration::from_secs(1);

/// What a peer that showed these certificates is known by; none where there is nothing to know it by.
pub(super) fn certificate(
    chain: Option<&[CertificateDer<'_>]>,
    authorities: &Arc<Certificates>,
) -> Option<ClientCertificate> {
    let chain = chain?;
    let names = names(chain.first()?)?;
    let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
    let judged = Judged { chain, authorities: Arc::clone(authorities), last: Mutex::new(None) };
    let is_good = move || judged.is_good(Instant::now());
    Some(ClientCertificate { names: names.into(), is_good: Arc::new(is_good) })
}

fn names(certificate: &CertificateDer<'_>) -> Option<Vec<CertificateName>> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let dns = certificate.valid_dns_names().map(|name| name.to_ascii_lowercase());
    let uris = certificate.valid_uri_names().map(str::to_owned);
    Some(dns.map(CertificateName::Dns).chain(uris.map(CertificateName::Uri)).collect())
}

struct Judged {
    chain: Vec<CertificateDer<'static>>,
    authorities: Arc<Certificates>,
    /// When it was judged last, and how.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Judged {
    fn is_good(&self, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, good)) = *last
            && now.saturating_duration_since(when) < JUDGED_FOR
        {
            return good;
        }
        let good = self.authorities.vouch_for(&self.chain, UnixTime::now());
        *last = Some((now, good));
        good
    }
}

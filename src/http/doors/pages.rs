//! Where a request comes from, as its browser says. A browser shows its certificate for whichever page
//! asks, and sends what a form could send without asking first whether the page may: so a certificate
//! speaks for a page only where the page is ours, or of an origin that the settings allow. A key is
//! nothing that a browser adds by itself.

use tonic::codegen::http::header::{HOST, HeaderName, HeaderValue, ORIGIN};
use tonic::codegen::http::{HeaderMap, Request, Uri};

use crate::continuity::ClientCertificate;

/// How far the page is from where its request goes: browsers set it, and pages cannot.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The port that a browser leaves out.
const USUAL_PORT: &str = ":443";

/// The origins whose pages may call.
#[derive(Clone)]
pub(super) struct Pages(Vec<HeaderValue>);

impl Pages {
    /// Pages of these origins.
    pub fn of(origins: &[HeaderValue]) -> Self {
        Self(origins.to_vec())
    }

    /// Takes the connection's certificate from a request of any other page: what is left to say who
    /// calls is a key, as where there is no certificate at all.
    pub fn part_from_certificate<B>(&self, request: &mut Request<B>) {
        if self.is_foreign(request.uri(), request.headers()) {
            request.extensions_mut().remove::<ClientCertificate>();
        }
    }

    fn is_foreign(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let origin = headers.get(ORIGIN);
        if origin.is_some_and(|origin| self.0.contains(origin)) {
            return false;
        }
        // Who gets an image or follows a link says no origin.
        let crosses = headers.get(SITE).is_some_and(|site| site == "cross-site");
        crosses || origin.is_some_and(|origin| !is_own(uri, headers, origin))
    }
}

/// Whether it is the origin at which this request arrives. Certificates are shown over TLS only.
fn is_own(uri: &Uri, headers: &HeaderMap, origin: &HeaderValue) -> bool {
    let named = uri.authority().map(|authority| authority.as_str());
    let named = named.or_else(|| headers.get(HOST)?.to_str().ok());
    let page = origin.to_str().ok().and_then(|origin| origin.strip_prefix("https://"));
    let place = |text: &str| text.trim_end_matches(USUAL_PORT).to_ascii_lowercase();
    matches!((named, page), (Some(named), Some(page)) if place(named) == place(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_foreign(uri: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let uri = uri.parse().expect("a place");
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let allowed = [HeaderValue::from_static("https://desk.example")];
        Pages::of(&allowed).is_foreign(&uri, &headers.collect())
    }

    #[test]
    fn only_our_own_pages_and_allowed_ones_are_not_foreign() {
        let host = ("host", "Threadline.example:8443");
        for (own, headers) in [
            // No browser, or somebody who typed the address.
            (true, vec![]),
            (true, vec![("sec-fetch-site", "none")]),
            (true, vec![("sec-fetch-site", "same-origin")]),
            (true, vec![("origin", "https://threadline.example:8443")]),
            (true, vec![("origin", "https://desk.example"), ("sec-fetch-site", "cross-site")]),
            (false, vec![("sec-fetch-site", "cross-site")]),
            (false, vec![("origin", "https://evil.example")]),
            (false, vec![("origin", "https://evil.example"), ("sec-fetch-site", "same-site")]),
            (false, vec![("origin", "https://desk.example.evil.example")]),
            (false, vec![("origin", "http://threadline.example:8443")]),
            (false, vec![("origin", "https://threadline.example")]),
            (false, vec![("origin", "null")]),
            (false, vec![("origin", "")]),
        ] {
            let older = [&headers[..], &[host]].concat();
            assert_eq!(!is_foreign("/v1/calls/end", &older), own, "HTTP/1.1: {headers:?}");
            let newer = is_foreign("https://threadline.example:8443/v1/calls/end", &headers);
            assert_eq!(!newer, own, "HTTP/2: {headers:?}");
        }
        let usual = ("host", "threadline.example:443");
        assert!(!is_foreign("/", &[usual, ("origin", "https://threadline.example")]));
        // Where nothing says whom it is sent to, no page is its own.
        assert!(is_foreign("/", &[("origin", "https://threadline.example")]));
    }
}

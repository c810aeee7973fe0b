//! What the settings say of those who operate: who reads the metrics, and where traces go.

use serde::Deserialize;
use tonic::codegen::http::Uri;

/// Of calls that bring no trace of their own, so many are traced where the settings do not say.
const TRACES_RATIO: f64 = 0.01;

/// `[server.operations]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OperationsFile {
    listen: Option<String>,
    metrics: Shown,
    metrics_by_tenant: bool,
    traces_endpoint: Option<String>,
    traces_ratio: Option<f64>,
}

/// Who is shown the metrics.
#[derive(Clone, Copy, Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Shown {
    /// Whoever asks at the operators' own address.
    #[default]
    Operations,
    /// Whoever calls, too.
    Anywhere,
}

/// What operators chose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operations {
    /// An address of their own, host and port.
    pub listen: Option<String>,
    /// Whether the metrics are shown to whoever calls, too.
    pub metrics_anywhere: bool,
    /// Whether tenants are told apart in them.
    pub by_tenant: bool,
    /// Where traces go; nowhere without it.
    pub traces: Option<Traces>,
}

/// Where traces go, and which.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// A collector that speaks OTLP over gRPC, `http://…` or `https://…`.
    pub endpoint: String,
    /// Of calls that bring no trace of their own, from 0 to 1.
    pub ratio: f64,
}

/// What was chosen.
pub(super) fn chosen(file: OperationsFile, wrong: &mut Vec<String>) -> Operations {
    let mut refuse = |what: &str| wrong.push(format!("server.operations.{what}"));
    let port = |listen: &str| -> Option<u16> {
        listen.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
    };
    if file.listen.as_deref().is_some_and(|listen| port(listen).is_none()) {
        refuse("listen: must be host:port");
    }
    let ratio = file.traces_ratio.unwrap_or(TRACES_RATIO);
    if !(0.0..=1.0).contains(&ratio) {
        refuse("traces_ratio: must be from 0 to 1");
    }
    let is_url = |url: &String| {
        let read = url.parse::<Uri>().ok();
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        // A password would be sent nowhere.
        rest.is_some_and(|rest| !rest.contains('@')) && read.is_some_and(|it| it.host().is_some())
    };
    if !file.traces_endpoint.iter().all(is_url) {
        refuse("traces_endpoint: must be http://HOST:PORT or https://HOST:PORT");
    }
    Operations {
        listen: file.listen,
        metrics_anywhere: file.metrics == Shown::Anywhere,
        by_tenant: file.metrics_by_tenant,
        traces: file.traces_endpoint.map(|endpoint| Traces { endpoint, ratio }),
    }
}

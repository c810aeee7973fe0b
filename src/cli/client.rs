//! How the client commands reach a server: one connection, the API key on
//! every call, and every error as a sentence a person can act on.

mod trust;

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::grpc::code_name;
use crate::grpc::proto::customer_service_client::CustomerServiceClient;
use crate::grpc::proto::interaction_service_client::InteractionServiceClient;

pub use trust::Trust;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest API key that is sent, in bytes.
const MAX_API_KEY_BYTES: usize = 1_024;

/// Which server, and as whom.
#[derive(clap::Args, Clone)]
pub struct ServerArgs {
    /// The server, such as http://127.0.0.1:50051 or `https://threadline.example:50051` (`http://` may be left out).
    #[arg(
        long,
        env = "THREADLINE_SERVER",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL"
    )]
    pub server: String,
    /// The API key, as `threadline keys create` printed it.
    #[arg(long, env = "THREADLINE_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub api_key: Option<String>,
    #[command(flatten)]
    trust: Trust,
}

impl ServerArgs {
    /// Connects to the server, with the key if there is one.
    ///
    /// # Errors
    /// As [`connect`].
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        connect_trusting(&self.server, self.api_key.as_deref(), &self.trust).await
    }
}

/// A connection that authenticates every call. Clones share it.
pub type Connection = InterceptedService<Channel, Bearer>;

/// The interactions of a server, with the API key on every call.
pub type Interactions = InteractionServiceClient<Connection>;

/// The customers of a server, with the API key on every call.
pub type Customers = CustomerServiceClient<Connection>;

/// Adds `authorization: Bearer …` to a call, when there is a key.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// Connects to `server`; without a key only what needs none can be called. On https, whom the
/// system trusts is trusted.
///
/// # Errors
/// When the address or the key is malformed, or nobody answers within five seconds.
pub async fn connect(server: &str, api_key: Option<&str>) -> anyhow::Result<Connection> {
    connect_trusting(server, api_key, &Trust::default()).await
}

async fn connect_trusting(
    server: &str,
    api_key: Option<&str>,
    trust: &Trust,
) -> anyhow::Result<Connection> {
    let bearer = bearer(api_key)?;
    let uri = server_uri(server)?;
    // Only host and port are shown: a URL may hold credentials.
    let name = uri.authority().map_or("", |whole| whole.as_str());
    let name = name.rsplit('@').next().unwrap_or_default().to_owned();
    let secure = uri.scheme_str() == Some("https");
    if !secure && trust.is_some() {
        bail!("certificates are for https://: {name} would be called without TLS");
    }
    if !secure && api_key.is_some() && !is_this_machine(&uri) {
        // Nobody reads standard error any more when this fails.
        let _ = writeln!(
            std::io::stderr(),
            "warning: the API key goes to {name} without TLS: whoever is on the way can read it"
        );
    }
    let mut endpoint = Endpoint::from(uri).connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
    if secure {
        endpoint = endpoint.tls_config(trust.tls()?).context("the certificates")?;
    }
    let channel = endpoint.connect().await.with_context(|| match secure {
        true => format!(
            "no answer from {name}: it does not speak TLS (then say http://), its certificate is \
             not trusted, or `threadline serve` is not running there"
        ),
        false => format!("no answer from {name}: is `threadline serve` running there?"),
    })?;
    Ok(InterceptedService::new(channel, bearer))
}

/// Whether what is sent there stays on this machine.
fn is_this_machine(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.to_canonical().is_loopback())
}

fn bearer(api_key: Option<&str>) -> anyhow::Result<Bearer> {
    let Some(key) = api_key.filter(|key| !key.is_empty()) else {
        return Ok(Bearer(None));
    };
    if key.len() > MAX_API_KEY_BYTES {
        bail!("the API key is longer than {MAX_API_KEY_BYTES} bytes");
    }
    let Ok(mut value) = format!("Bearer {key}").parse::<MetadataValue<Ascii>>() else {
        bail!("the API key holds characters that no key has");
    };
    value.set_sensitive(true);
    Ok(Bearer(Some(value)))
}

fn server_uri(server: &str) -> anyhow::Result<Uri> {
    let form = "the server's address must look like http://127.0.0.1:50051";
    let whole = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let Ok(uri) = whole.parse::<Uri>() else { bail!(form) };
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
        _ => bail!(form),
    }
}

/// The documented reason of an error, such as `INVALID_FIELD`; empty when it has none.
pub fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|details| details.reason).unwrap_or_default()
}

/// What a status says; one that came from no server says what may be wrong with the connection.
pub fn message(status: &Status) -> String {
    match std::error::Error::source(status) {
        None => status.message().to_owned(),
        Some(_) => {
            "the connection was lost: is it Threadline that listens there, and does it take \
                    http:// or https:// only?"
                .to_owned()
        }
    }
}

/// Whether the same call may be answered a moment later.
pub fn is_passing(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded)
}

/// How long the server asks to wait before the next try.
pub fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|details| details.retry_delay)
}

/// One readable sentence: code, reason, message, every field violation, and when to try again.
pub fn sentence(status: &Status) -> String {
    let mut text = code_name(status.code()).to_owned();
    let reason = reason(status);
    if !reason.is_empty() {
        text.push_str(&format!(" ({reason})"));
    }
    let message = message(status);
    if !message.is_empty() {
        text.push_str(&format!(": {message}"));
    }
    for violation in field_violations(status) {
        text.push_str(&format!("; {violation}"));
    }
    if let Some(delay) = retry_delay(status) {
        text.push_str(&format!("; try again in {} ms", delay.as_millis()));
    }
    text
}

/// Every field that the server refused, each as `field: what is wrong`.
pub fn field_violations(status: &Status) -> Vec<String> {
    let Some(request) = status.get_details_bad_request() else { return Vec::new() };
    let violations = request.field_violations;
    violations.into_iter().map(|one| format!("{}: {}", one.field, one.description)).collect()
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn an_error_names_code_reason_and_every_field() {
        let mut details = ErrorDetails::new();
        details
            .set_error_info("INVALID_FIELD", "threadline.v1", [])
            .add_bad_request_violation("interaction_id", "must not be empty")
            .add_bad_request_violation("channel", "must not be empty")
            .set_retry_info(Some(Duration::from_millis(50)));
        let status =
            Status::with_error_details(Code::InvalidArgument, "2 fields are invalid", details);
        assert_eq!(
            sentence(&status),
            "INVALID_ARGUMENT (INVALID_FIELD): 2 fields are invalid; \
             interaction_id: must not be empty; channel: must not be empty; try again in 50 ms"
        );
        assert_eq!(sentence(&Status::new(Code::Unavailable, "")), "UNAVAILABLE");
    }

    #[test]
    fn addresses_with_and_without_a_scheme() {
        for good in
            ["http://127.0.0.1:50051", "localhost:50051", "[::1]:50051", "example.com", "https://a"]
        {
            assert!(server_uri(good).is_ok(), "{good}");
        }
        for bad in ["", "http://", "ftp://a", "https://", "a b", "unix:///tmp/x"] {
            assert!(server_uri(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_this_machine_is_this_machine() {
        let is = |it: &str| is_this_machine(&server_uri(it).unwrap());
        assert!(["127.0.0.1:1", "localhost", "[::1]:5", "http://127.8.9.1"].into_iter().all(is));
        assert!(!["10.0.0.1:1", "localhost.example", "[2001:db8::1]:5"].into_iter().any(is));
    }

    #[tokio::test]
    async fn certificates_are_not_left_out_in_silence() {
        let trust = Trust { ca: Some("ca.pem".into()), ..Trust::default() };
        let refused = connect_trusting("threadline.example", Some("tl_k"), &trust).await;
        let refused = refused.map(drop).expect_err("refused").to_string();
        assert!(refused.contains("https") && !refused.contains("tl_k"), "{refused}");
    }

    #[test]
    fn a_key_travels_marked_as_secret_and_a_malformed_one_is_not_repeated() {
        let mut good = bearer(Some("tl_1_abc")).unwrap();
        let request = good.call(Request::new(())).unwrap();
        let value = request.metadata().get("authorization").unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer tl_1_abc");
        assert!(value.is_sensitive());
        let refused = bearer(Some("tl_\nsecret")).err().unwrap().to_string();
        assert!(!refused.contains("secret"));
        assert!(bearer(Some(&"k".repeat(2_000))).is_err());
        assert!(bearer(None).unwrap().call(Request::new(())).unwrap().metadata().is_empty());
    }
}

//! Whoever speaks HTTP: JSON, or gRPC-Web.

use std::net::SocketAddr;
use std::time::Duration;

use data_encoding::BASE64;
use http_body_util::BodyExt as _;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};
use serde_json::Value;
use tonic::body::Body;
use tonic::codegen::http::Request;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::ServiceExt as _;

/// What does not come within this does not come.
const COMES_WITHIN: Duration = Duration::from_secs(60);

/// A client of the REST door, under one API key.
#[derive(Clone)]
pub struct Web {
    client: reqwest::Client,
    base: String,
    authorization: Option<String>,
}

/// What a request gave.
pub struct Told {
    /// The HTTP code.
    pub code: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Told {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The answer of a call that went well.
    #[track_caller]
    pub fn good(&self) -> Value {
        assert_eq!(self.code, 200, "{}", self.text);
        assert_eq!(self.headers[CONTENT_TYPE], "application/json");
        self.json()
    }

    /// The documented reason of a refusal.
    #[track_caller]
    pub fn reason(&self) -> String {
        let status = self.json();
        let details = status["details"].as_array().cloned().unwrap_or_default();
        let reasons = details.iter().filter_map(|one| one["reason"].as_str());
        reasons.map(str::to_owned).next().unwrap_or_else(|| panic!("no reason: {status}"))
    }

    /// The bad fields of a refusal, in order.
    #[track_caller]
    pub fn fields(&self) -> Vec<String> {
        let status = self.json();
        let details = status["details"].as_array().cloned().unwrap_or_default();
        let fields = details.iter().filter_map(|one| one["field_violations"].as_array());
        let named = fields.flatten().filter_map(|one| one["field"].as_str());
        named.map(str::to_owned).collect()
    }
}

impl Web {
    /// A client with this key, or none.
    pub fn new(address: SocketAddr, key: Option<&str>) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let authorization = key.map(|key| format!("Bearer {key}"));
        Self { client, base: format!("http://{address}"), authorization }
    }

    /// Another way to connect, to another place.
    pub fn through(self, client: reqwest::Client, base: &str) -> Self {
        Self { client, base: base.to_owned(), ..self }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Told {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Told {
        let headers = [("content-type", "application/json")];
        self.send(Method::POST, path, &headers, body.to_string().into_bytes()).await
    }

    /// One message over gRPC-Web, as bytes or in text; the messages that were answered.
    pub async fn call(
        &self,
        rpc: &str,
        message: &[u8],
        text: bool,
    ) -> Result<Vec<Vec<u8>>, Status> {
        let answer = self.called(rpc, message, text).await;
        let headers = answer.headers().clone();
        let bytes = answer.bytes().await.expect("a body").to_vec();
        answered(&headers, &if text { BASE64.decode(&bytes).expect("base64") } else { bytes })
    }

    /// The same of a stream that goes on: its first message, which comes alone.
    pub async fn call_for_first(
        &self,
        rpc: &str,
        message: &[u8],
        text: bool,
    ) -> Result<Vec<Vec<u8>>, Status> {
        let mut answer = self.called(rpc, message, text).await;
        let headers = answer.headers().clone();
        let first = tokio::time::timeout(COMES_WITHIN, answer.chunk()).await.expect("in time");
        let bytes = first.expect("a part").unwrap_or_default().to_vec();
        answered(&headers, &if text { BASE64.decode(&bytes).expect("base64") } else { bytes })
    }

    async fn called(&self, rpc: &str, message: &[u8], text: bool) -> reqwest::Response {
        let kind = if text { "application/grpc-web-text" } else { "application/grpc-web+proto" };
        let body = framed(message);
        let body = if text { BASE64.encode(&body).into_bytes() } else { body };
        let asked = self.client.post(format!("{}{rpc}", self.base)).body(body);
        let mut asked = asked.header(CONTENT_TYPE, kind).header("accept", kind);
        if let Some(authorization) = &self.authorization {
            asked = asked.header(AUTHORIZATION, authorization);
        }
        let answer = asked.header("x-grpc-web", "1").send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "gRPC-Web says it in its trailers");
        answer
    }

    /// Anything.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Told {
        let answer = self.asked(method, path, headers, body).await;
        let (code, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.expect("a body").to_vec();
        Told { code, headers, text: String::from_utf8_lossy(&bytes).into_owned(), bytes }
    }

    /// GET of a stream that goes on.
    pub async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Open {
        let answer = self.asked(Method::GET, path, headers, Vec::new()).await;
        Open { answer, come: String::new() }
    }

    async fn asked(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> reqwest::Response {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.send().await.expect("an answer")
    }
}

/// An answer that goes on.
pub struct Open {
    answer: reqwest::Response,
    come: String,
}

impl Open {
    /// What it is, and in which form.
    pub fn head(&self) -> (u16, &str) {
        let form = self.answer.headers()[CONTENT_TYPE].to_str().expect("text");
        (self.answer.status().as_u16(), form)
    }

    /// All of an answer that does not go on: a refusal.
    pub async fn told(self) -> Told {
        let (code, headers) = (self.answer.status().as_u16(), self.answer.headers().clone());
        let bytes = self.answer.bytes().await.expect("a body").to_vec();
        Told { code, headers, text: String::from_utf8_lossy(&bytes).into_owned(), bytes }
    }

    /// The next line.
    pub async fn line(&mut self) -> String {
        loop {
            if let Some((line, rest)) = self.come.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.come = rest;
                return line;
            }
            let next = tokio::time::timeout(COMES_WITHIN, self.answer.chunk());
            let chunk = next.await.expect("in time").expect("a part").expect("it goes on");
            self.come.push_str(std::str::from_utf8(&chunk).expect("whole characters"));
        }
    }
}

/// A message as it stands in a body of gRPC-Web.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a message of a test").to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// The messages of an answer of gRPC-Web, or how it was refused.
pub fn answered(headers: &HeaderMap, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Status> {
    let refused = |headers: &HeaderMap| {
        Status::from_header_map(headers).filter(|status| status.code() != Code::Ok)
    };
    if let Some(status) = refused(headers) {
        return Err(status);
    }
    let (mut answers, mut rest) = (Vec::new(), bytes);
    while let [kind, a, b, c, d, after @ ..] = rest {
        let (part, left) = after.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        if *kind == 0 {
            answers.push(part.to_vec());
        } else if let Some(status) = refused(&trailers(part)) {
            return Err(status);
        }
        rest = left;
    }
    Ok(answers)
}

fn trailers(text: &[u8]) -> HeaderMap {
    let text = std::str::from_utf8(text).expect("text");
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let one = |(name, value): (&str, &str)| {
        let name = HeaderName::try_from(name.trim()).expect("a name");
        (name, value.trim().parse().expect("a value"))
    };
    lines.map(one).collect()
}

/// One request over HTTP/2.
pub async fn over_http2(channel: &Channel, request: Request<Body>) -> Told {
    let answer = channel.clone().oneshot(request).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Told { code: parts.status.as_u16(), headers: parts.headers, text, bytes: bytes.to_vec() }
}

//! Calls whose messages are bytes, with all that came back.

use std::time::{Duration, Instant};

use prost::bytes::{Buf as _, BufMut as _};
use prost_reflect::MethodDescriptor;
use serde_json::Value;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// Messages as they are on the wire.
#[derive(Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; from.remaining()];
        from.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

/// All that a call brought back.
pub struct Answer {
    pub code: Code,
    pub message: String,
    pub details: Vec<u8>,
    /// Headers and trailers, as `name: value`.
    pub metadata: Vec<u8>,
    pub bodies: Vec<Vec<u8>>,
    /// The messages as JSON, where that is what came.
    pub shown: Option<Vec<Value>>,
    pub took: Duration,
}

impl Answer {
    /// Every byte of it.
    pub fn bytes(&self) -> Vec<u8> {
        let own = [self.message.as_bytes(), &self.details, &self.metadata].concat();
        [own, self.bodies.concat()].concat()
    }
}

/// One connection, or a clone of it, with what is sent as `authorization`.
#[derive(Clone)]
pub struct Wire {
    channel: Channel,
    authorization: String,
}

impl Wire {
    pub async fn connect(address: std::net::SocketAddr) -> Self {
        let channel = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = channel.tcp_nodelay(true).connect().await.expect("the server listens");
        Self { channel, authorization: String::new() }
    }

    /// The same connection under another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { channel: self.channel.clone(), authorization: format!("Bearer {key}") }
    }

    /// The connection.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// What is sent as `authorization`.
    pub fn authorization(&self) -> &str {
        &self.authorization
    }

    /// Sends these messages; whether a method streams or not is the same on the wire.
    pub async fn call(&self, method: &MethodDescriptor, messages: Vec<Vec<u8>>) -> Answer {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let path = PathAndQuery::try_from(path).expect("a path");
        let mut request = Request::new(tokio_stream::iter(messages));
        let value = self.authorization.parse().expect("printable");
        request.metadata_mut().insert("authorization", value);
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.expect("the connection holds");
        let begun = Instant::now();
        let mut bodies = Vec::new();
        let mut metadata = Vec::new();
        let status = match client.streaming(request, path, Bytes).await {
            Err(status) => status,
            Ok(response) => {
                note(&mut metadata, response.metadata());
                let mut stream = response.into_inner();
                let goes_on = super::ways::goes_on(method);
                loop {
                    match stream.message().await {
                        Ok(Some(body)) => bodies.push(body),
                        Ok(None) => break,
                        Err(status) => return Self::answer(status, metadata, bodies, begun),
                    }
                    if goes_on {
                        return Self::answer(Status::new(Code::Ok, ""), metadata, bodies, begun);
                    }
                }
                if let Ok(Some(trailers)) = stream.trailers().await {
                    note(&mut metadata, &trailers);
                }
                Status::new(Code::Ok, "")
            }
        };
        Self::answer(status, metadata, bodies, begun)
    }

    fn answer(
        status: Status,
        mut metadata: Vec<u8>,
        bodies: Vec<Vec<u8>>,
        begun: Instant,
    ) -> Answer {
        let took = begun.elapsed();
        note(&mut metadata, status.metadata());
        let (code, message) = (status.code(), status.message().to_owned());
        let details = status.details().to_vec();
        Answer { code, message, details, metadata, bodies, shown: None, took }
    }
}

fn note(into: &mut Vec<u8>, metadata: &MetadataMap) {
    for entry in metadata.iter() {
        let (name, value) = match entry {
            KeyAndValueRef::Ascii(name, value) => (name.as_str(), value.as_bytes().to_vec()),
            KeyAndValueRef::Binary(name, value) => {
                (name.as_str(), value.to_bytes().unwrap_or_default().to_vec())
            }
        };
        // The machine's hour, which moves between two calls.
        if name != "date" {
            into.extend([name.as_bytes(), b": ", &value, b"\n"].concat());
        }
    }
}

//! One way to call both targets: bytes in, bytes out.
//!
//! The generator shares the machine with what it measures. So it does the same work for echo and
//! service: it neither knows the types of the answers nor decodes more of them than one field.

use std::time::Duration;

use anyhow::Context as _;
use prost::Message as _;
use prost::bytes::{Buf as _, BufMut as _, Bytes};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::echo::{self, EchoRequest};
use super::requests::{Call, VERBS, Verb};

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// What an answer is looked at for.
#[derive(Clone, PartialEq, prost::Message)]
struct Glance {
    #[prost(bool, tag = "15")]
    degraded: bool,
}

/// Whether a start's or update's answer says that nothing was decided in time.
pub(super) fn is_degraded(verb: Verb, answer: &Bytes) -> bool {
    verb != Verb::End && Glance::decode(answer.clone()).is_ok_and(|it| it.degraded)
}

/// Calls one target over one connection. Clones share it.
#[derive(Clone)]
pub(super) struct Caller {
    grpc: Grpc<Channel>,
    paths: [PathAndQuery; VERBS],
    authorization: Option<MetadataValue<Ascii>>,
    /// For the echo: how long the answer to each verb is to be.
    answer_bytes: Option<[u32; VERBS]>,
}

impl Caller {
    /// Connects to the service with an API key.
    pub(super) async fn service(address: &str, key: &str) -> anyhow::Result<Self> {
        let mut authorization: MetadataValue<Ascii> = format!("Bearer {key}").parse()?;
        authorization.set_sensitive(true);
        Ok(Self {
            grpc: connect(address).await?,
            paths: Verb::ALL.map(|verb| PathAndQuery::from_static(verb.path())),
            authorization: Some(authorization),
            answer_bytes: None,
        })
    }

    /// Connects to the echo.
    pub(super) async fn echo(address: &str) -> anyhow::Result<Self> {
        Ok(Self {
            grpc: connect(address).await?,
            paths: Verb::ALL.map(|_| PathAndQuery::from_static(echo::PATH)),
            authorization: None,
            answer_bytes: Some([0; VERBS]),
        })
    }

    /// The same, with answers of these sizes; nothing changes for the service.
    pub(super) fn answering(mut self, sizes: [u32; VERBS]) -> Self {
        self.answer_bytes = self.answer_bytes.map(|_| sizes);
        self
    }

    /// Sends it and awaits the answer.
    pub(super) async fn call(&mut self, call: &Call) -> Result<Bytes, Status> {
        let place = call.verb as usize;
        let body = match self.answer_bytes {
            None => call.body.clone(),
            Some(sizes) => {
                let payload = call.body.clone();
                EchoRequest { payload, answer_bytes: sizes[place] }.encode_to_vec().into()
            }
        };
        let mut request = Request::new(body);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        let ready = self.grpc.ready().await;
        ready.map_err(|_| Status::unavailable("the connection is closed"))?;
        let path = self.paths[place].clone();
        self.grpc.unary(request, path, Plain).await.map(tonic::Response::into_inner)
    }
}

async fn connect(address: &str) -> anyhow::Result<Grpc<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .connect_timeout(CONNECT_WITHIN)
        .tcp_nodelay(true);
    Ok(Grpc::new(endpoint.connect().await.context("no answer from what was just started")?))
}

/// Messages as the bytes they are.
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Plain;
    type Decoder = Plain;

    fn encoder(&mut self) -> Plain {
        Plain
    }

    fn decoder(&mut self) -> Plain {
        Plain
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

//! Sends bytes as they are: what is sent need not be a message of the protocol.

use prost::bytes::{Buf as _, BufMut as _};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Response, Status};

use threadline::cli::client::Connection;

/// Sends a request to a path; the answer's bytes, of a stream the first one's.
pub(crate) async fn send(
    connection: &Connection,
    path: &str,
    request: Vec<u8>,
) -> Result<Vec<u8>, Status> {
    let mut client = tonic::client::Grpc::new(connection.clone());
    client.ready().await.expect("a connection");
    let path = path.parse().expect("a path");
    // On the wire a single answer is a stream of one.
    let answers = client.server_streaming(Request::new(request), path, AsItIs).await;
    let first = answers.map(Response::into_inner)?.message().await?;
    Ok(first.expect("an answer"))
}

/// Bytes, neither read nor written.
pub(crate) struct AsItIs;

impl Codec for AsItIs {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsItIs {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for AsItIs {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

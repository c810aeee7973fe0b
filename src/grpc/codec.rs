//! How messages become bytes: prost, with room for what our messages are.

use std::marker::PhantomData;

use prost::Message;
use prost::bytes::BufMut as _;
use tonic::Status;
use tonic::codec::{BufferSettings, EncodeBuf};
use tonic_prost::ProstDecoder;

/// Room that a call begins with, in bytes, for what comes and for what goes; a longer message takes
/// more. A start of the bench has 70 bytes and is answered with 1,039; tonic's own 8 KiB for either
/// are memory that is in no cache of the processor. Long streams grow a little more often for it.
const ROOM: usize = 2_048;
/// Messages of a stream that wait to be sent together, in bytes: tonic's own.
const TOGETHER: usize = 32 * 1_024;

/// Prost's encoding of the messages `T`, and its decoding of `U`.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Encoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        Encoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(settings())
    }
}

/// Encodes messages of one kind.
#[derive(Debug)]
pub struct Encoder<T>(PhantomData<T>);

impl<T: Message> tonic::codec::Encoder for Encoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // Into a list first: prost writes tags and lengths byte by byte, which to a list is a store
        // and to tonic's buffer a call. It is copied once more for it.
        buffer.put_slice(&message.encode_to_vec());
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(ROOM, TOGETHER)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tonic::codec::{Codec as _, EncodeBody, Streaming};
    use tonic_prost::ProstCodec;

    use super::*;

    /// One that is empty, short ones, and one that is longer than all the room there is.
    fn texts() -> Vec<String> {
        let lengths = [0, 1, ROOM - 8, ROOM, ROOM + 1, 3 * ROOM, 2 * TOGETHER, 5];
        lengths.iter().chain([&100; 800]).map(|length| "ä".repeat(length / 2)).collect()
    }

    async fn encoded(
        encoder: impl tonic::codec::Encoder<Item = String, Error = Status>,
    ) -> Vec<u8> {
        let messages = tokio_stream::iter(texts().into_iter().map(Ok));
        let body = EncodeBody::new_server(encoder, messages, None, Default::default(), None);
        body.collect().await.unwrap().to_bytes().into()
    }

    #[tokio::test]
    async fn messages_are_what_prost_makes_of_them() {
        let own = encoded(Codec::<String, String>::default().encoder()).await;
        assert!(own == encoded(ProstCodec::<String, String>::default().encoder()).await);
        let body = tonic::body::Body::new(http_body_util::Full::from(own));
        let decoder = Codec::<String, String>::default().decoder();
        let mut stream = Streaming::new_request(decoder, body, None, None);
        for text in texts() {
            assert_eq!(stream.message().await.unwrap(), Some(text));
        }
        assert_eq!(stream.message().await.unwrap(), None);
    }
}

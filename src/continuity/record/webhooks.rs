//! What is sealed of an endpoint for web-hooks.

use prost::Message;

record! {
    /// Where events are sent to, and how they are signed.
    pub struct EndpointRecord {
        /// Its address.
        #[prost(string, tag = "1")]
        pub url: String,
        /// The types of events that it is told; empty for all.
        #[prost(string, repeated, tag = "2")]
        pub types: Vec<String>,
        /// Its secrets, the newest first.
        #[prost(message, repeated, tag = "3")]
        pub secrets: Vec<SecretRecord>,
    }

    /// A secret that events are signed with.
    pub struct SecretRecord {
        /// Itself.
        #[prost(bytes = "vec", tag = "1")]
        pub secret: Vec<u8>,
        /// Store time until when it is used; zero for ever.
        #[prost(int64, tag = "2")]
        pub until: i64,
    }
}

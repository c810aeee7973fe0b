//! What is sealed of a contact on a customer's file, and of what was sent in it or taken out of it.

use prost::Message;

use super::{About, ConflictRecord, EndingRecord, SupportRecord};

record! {
    /// A contact on a customer's file.
    pub struct ContactRecord {
        /// What it says of itself.
        #[prost(message, optional, tag = "1")]
        pub about: Option<About>,
        /// How it ended; missing while active.
        #[prost(message, optional, tag = "2")]
        pub ending: Option<EndingRecord>,
        /// Which links it gives reason for.
        #[prost(message, repeated, tag = "3")]
        pub supports: Vec<SupportRecord>,
        /// Code of the verification.
        #[prost(int64, tag = "4")]
        pub verification: i64,
        /// Code of the audience.
        #[prost(int64, tag = "5")]
        pub audience: i64,
        /// What it showed that points to somebody else.
        #[prost(message, repeated, tag = "6")]
        pub conflicts: Vec<ConflictRecord>,
        /// Whether somebody, or a VERIFIED token, said whose it is.
        #[prost(bool, tag = "7")]
        pub vouched: bool,
        /// When texts were last taken out of it; zero when none were.
        #[prost(int64, tag = "20")]
        pub redacted: i64,
        /// The customer's messages that updates told of.
        #[prost(message, repeated, tag = "55")]
        pub messages: Vec<MessageRecord>,
        /// Token of the first interaction of its conversation, where that is older than its chain.
        #[prost(bytes = "vec", tag = "60")]
        pub conversation: Vec<u8>,
        /// Store time at which it was first heard of; zero in what older versions filed.
        #[prost(int64, tag = "65")]
        pub heard: i64,
    }

    /// A message of the customer within an interaction.
    pub struct MessageRecord {
        /// The channel.
        #[prost(string, tag = "1")]
        pub channel: String,
        /// The channel's own thread.
        #[prost(string, tag = "2")]
        pub thread_ref: String,
        /// Event time.
        #[prost(int64, tag = "3")]
        pub time: i64,
    }

    /// A text that was taken out of an interaction, and stays out.
    pub struct RedactionRecord {
        /// Which: `summary`, `variables.NAME`, …
        #[prost(string, tag = "1")]
        pub field: String,
        /// Store time.
        #[prost(int64, tag = "2")]
        pub time: i64,
    }
}

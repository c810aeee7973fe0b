//! Values that expire and values that last, as they are sealed.

use prost::Message;

record! {
    /// One write of a variable or attribute.
    pub struct ValueRecord {
        /// Its name.
        #[prost(string, tag = "1")]
        pub name: String,
        /// The value; missing when cleared.
        #[prost(string, optional, tag = "2")]
        pub value: Option<String>,
        /// Seconds to live.
        #[prost(int64, tag = "3")]
        pub ttl_seconds: i64,
        /// When it expires.
        #[prost(int64, tag = "4")]
        pub expire: i64,
        /// Code of the sensitivity.
        #[prost(int64, tag = "5")]
        pub sensitivity: i64,
        /// When it would expire, had not something newer hidden it that ends earlier. Of another
        /// customer it counts again.
        #[prost(int64, optional, tag = "6")]
        pub own_expire: Option<i64>,
    }

    /// Values that one write set.
    pub struct BlockRecord {
        /// Event time.
        #[prost(int64, tag = "1")]
        pub set: i64,
        /// The values.
        #[prost(message, repeated, tag = "2")]
        pub values: Vec<ValueRecord>,
        /// The channel.
        #[prost(string, tag = "3")]
        pub channel: String,
        /// The caller's own id of the interaction.
        #[prost(string, tag = "4")]
        pub interaction_id: String,
        /// Its agent.
        #[prost(string, tag = "5")]
        pub agent_ref: String,
        /// Code of the assurance of the write.
        #[prost(int64, tag = "6")]
        pub assurance: i64,
        /// Whether it says which of two values stands: what was said of its names before no longer
        /// counts.
        #[prost(bool, tag = "7")]
        pub resolves: bool,
        /// Contacts that showed an identifier of somebody else, and may.
        #[prost(bytes = "vec", repeated, tag = "8")]
        pub acknowledged: Vec<Vec<u8>>,
        /// What was said of consent.
        #[prost(message, repeated, tag = "9")]
        pub consents: Vec<ConsentRecord>,
        /// The source that told it; empty in blocks that are older than this field.
        #[prost(string, tag = "10")]
        pub source: String,
    }

    /// What a customer said of one purpose.
    pub struct ConsentRecord {
        /// What for.
        #[prost(string, tag = "1")]
        pub purpose: String,
        /// Code of what they said.
        #[prost(int64, tag = "2")]
        pub state: i64,
        /// When they said it; event time.
        #[prost(int64, tag = "3")]
        pub time: i64,
        /// How it can be shown.
        #[prost(string, tag = "4")]
        pub evidence: String,
    }
}

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
        /// When it was said, while it waits in its interaction; event time. 0 in a block, which has a time
        /// of its own, and in records that are older than this field.
        #[prost(int64, tag = "7")]
        pub said: i64,
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
        /// Contacts that showed an identifier of somebody else, and may.
        #[prost(bytes = "vec", repeated, tag = "8")]
        pub acknowledged: Vec<Vec<u8>>,
        /// What was said of consent.
        #[prost(message, repeated, tag = "9")]
        pub consents: Vec<ConsentRecord>,
        /// The source that told it; empty in blocks that are older than this field.
        #[prost(string, tag = "10")]
        pub source: String,
        /// Somebody's word on which of two values stands.
        #[prost(message, repeated, tag = "11")]
        pub choices: Vec<ChoiceRecord>,
        /// Position in the journal under which it was written first, once it has moved; else 0.
        #[prost(int64, tag = "12")]
        pub first_position: i64,
        /// Its place within that operation.
        #[prost(int64, tag = "13")]
        pub first_part: i64,
    }

    /// One value that somebody chose: named, and not copied.
    pub struct ChoiceRecord {
        /// The attribute.
        #[prost(string, tag = "1")]
        pub name: String,
        /// Token of the contact or request that wrote it.
        #[prost(bytes = "vec", tag = "2")]
        pub of: Vec<u8>,
        /// The time of the event that wrote it.
        #[prost(int64, tag = "3")]
        pub set: i64,
        /// The position in the journal under which it was written first.
        #[prost(int64, tag = "5")]
        pub position: i64,
        /// Its place within that operation.
        #[prost(int64, tag = "6")]
        pub part: i64,
        /// What it was chosen over, with itself: of very many the newest, in order. Empty in records that
        /// are older than this field: all that was written of it before.
        #[prost(message, repeated, tag = "7")]
        pub over: Vec<OverruledRecord>,
        /// Whether there was more, older than those.
        #[prost(bool, tag = "8")]
        pub with_older: bool,
    }

    /// One value that another was chosen over: named, and not copied.
    pub struct OverruledRecord {
        /// Token of the contact or request that wrote it.
        #[prost(bytes = "vec", tag = "1")]
        pub of: Vec<u8>,
        /// The position in the journal under which it was written first.
        #[prost(int64, tag = "2")]
        pub position: i64,
        /// Its place within that operation.
        #[prost(int64, tag = "3")]
        pub part: i64,
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

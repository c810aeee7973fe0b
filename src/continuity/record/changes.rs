//! What is sealed of requests that change a customer beside any contact.

use prost::Message;

record! {
    /// A request that changed a customer, as it was answered: what its journal row holds.
    pub struct RequestRecord {
        /// Whom.
        #[prost(bytes = "vec", tag = "1")]
        pub customer: Vec<u8>,
        /// Whether it made them.
        #[prost(bool, tag = "2")]
        pub created: bool,
        /// Whether the identifier was linked before.
        #[prost(bool, tag = "3")]
        pub was_linked: bool,
        /// How many owned the identifier then.
        #[prost(int64, tag = "4")]
        pub owners: i64,
        /// Whether the customer was one of them.
        #[prost(bool, tag = "5")]
        pub is_owner: bool,
        /// Code of the link's assurance.
        #[prost(int64, tag = "6")]
        pub assurance: i64,
        /// Conflicts that were open still.
        #[prost(int64, tag = "7")]
        pub open_conflicts: i64,
        /// Merges that it took back.
        #[prost(bytes = "vec", repeated, tag = "8")]
        pub merges: Vec<Vec<u8>>,
        /// How much it erased.
        #[prost(message, optional, tag = "9")]
        pub erasure: Option<ErasureRecord>,
    }

    /// How much an erasure took away. Nothing of it names anybody.
    pub struct ErasureRecord {
        /// Refs.
        #[prost(int64, tag = "1")]
        pub customers: i64,
        /// Interactions.
        #[prost(int64, tag = "2")]
        pub interactions: i64,
        /// Ties to identifiers.
        #[prost(int64, tag = "3")]
        pub identifiers: i64,
        /// What interactions said of intents.
        #[prost(int64, tag = "4")]
        pub intents: i64,
        /// Values of variables.
        #[prost(int64, tag = "5")]
        pub variables: i64,
        /// Values of lasting attributes.
        #[prost(int64, tag = "6")]
        pub attributes: i64,
        /// Merges and proposals.
        #[prost(int64, tag = "7")]
        pub merges: i64,
        /// Rows of the journal.
        #[prost(int64, tag = "8")]
        pub journal_entries: i64,
        /// Consents, each as often as it was said.
        #[prost(int64, tag = "9")]
        pub consents: i64,
    }

    /// A place in the journal that is kept for what was erased: what its tombstone holds.
    pub struct PlaceRecord {
        /// The interaction's or request's own token.
        #[prost(bytes = "vec", tag = "1")]
        pub interaction: Vec<u8>,
        /// The verb's code.
        #[prost(int64, tag = "2")]
        pub verb: i64,
    }

    /// Whom receivers are still to be told was erased.
    pub struct NoticeRecord {
        /// Every ref of theirs; what their set was called comes first.
        #[prost(bytes = "vec", repeated, tag = "1")]
        pub refs: Vec<Vec<u8>>,
    }
}

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
    }
}

//! What is sealed into rows, as messages that newer versions can still read: fields are only added,
//! and tags are part of the stored format. None of these prints its content.

use prost::Message;
use prost::bytes::Bytes;

/// Declares messages whose `Debug` says nothing of what they hold.
macro_rules! record {
    ($($(#[$doc:meta])* pub struct $name:ident { $($body:tt)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Message)]
            #[prost(skip_debug)]
            pub struct $name { $($body)* }

            impl std::fmt::Debug for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(concat!(stringify!($name), "(…)"))
                }
            }
        )*
    };
}

mod changes;
mod contact;
mod outcome;
mod values;
mod webhooks;

pub use changes::{ErasureRecord, NoticeRecord, PlaceRecord, RequestRecord};
pub use contact::{ContactRecord, MessageRecord, RedactionRecord};
pub use outcome::{ConversionRecord, EndingRecord, IntentRecord};
pub use values::{BlockRecord, ChoiceRecord, ConsentRecord, OverruledRecord, ValueRecord};
pub(super) use webhooks::{EndpointRecord, SecretRecord};

record! {
    /// What an interaction says of itself.
    pub struct About {
        /// The caller's own id.
        #[prost(string, tag = "1")]
        pub interaction_id: String,
        /// The source that named it.
        #[prost(string, tag = "2")]
        pub source: String,
        /// The channel's own thread.
        #[prost(string, tag = "3")]
        pub thread_ref: String,
        /// Who handles it.
        #[prost(string, tag = "4")]
        pub agent_ref: String,
        /// Where it waits.
        #[prost(string, tag = "5")]
        pub queue: String,
        /// For which brand.
        #[prost(string, tag = "6")]
        pub brand: String,
        /// The interaction it continues.
        #[prost(string, tag = "7")]
        pub continues_interaction_id: String,
        /// That interaction's source.
        #[prost(string, tag = "8")]
        pub continues_source: String,
    }

    /// One normalised hint.
    pub struct HintRecord {
        /// phone, email, …
        #[prost(string, tag = "1")]
        pub scheme: String,
        /// The scope of the value.
        #[prost(string, tag = "2")]
        pub namespace: String,
        /// The normalised value.
        #[prost(string, tag = "3")]
        pub value: String,
        /// Code of the kind.
        #[prost(int64, tag = "4")]
        pub kind: i64,
        /// Code of the assurance.
        #[prost(int64, tag = "5")]
        pub assurance: i64,
        /// Whether it was looked up from another.
        #[prost(bool, optional, tag = "6")]
        pub derived: Option<bool>,
        /// The request field it came from.
        #[prost(string, tag = "7")]
        pub field: String,
    }

    /// One reason.
    pub struct EvidenceRecord {
        /// What was seen: a text, as bytes that need not be copied, for the rules name few signals.
        #[prost(bytes = "bytes", tag = "1")]
        pub signal: Bytes,
        /// Its weight.
        #[prost(double, tag = "2")]
        pub log_odds: f64,
    }

    /// Somebody it could be.
    pub struct CandidateRecord {
        /// Whom.
        #[prost(bytes = "vec", tag = "1")]
        pub customer: Vec<u8>,
        /// The score.
        #[prost(double, tag = "2")]
        pub log_odds: f64,
        /// Code of the assurance.
        #[prost(int64, tag = "3")]
        pub assurance: i64,
        /// Why.
        #[prost(message, repeated, tag = "4")]
        pub evidence: Vec<EvidenceRecord>,
        /// Masked. Of a decision that is stored it is sealed; opened when somebody is to be asked.
        #[prost(string, tag = "5")]
        pub label: String,
        /// The label under the candidate's own key: readable as long as they are not erased.
        #[prost(bytes = "vec", tag = "6")]
        pub sealed_label: Vec<u8>,
    }

    /// A hint that points elsewhere.
    pub struct ConflictRecord {
        /// The hint's kind.
        #[prost(string, tag = "1")]
        pub kind: String,
        /// The hint's namespace.
        #[prost(string, tag = "2")]
        pub namespace: String,
        /// How many own it.
        #[prost(int64, tag = "3")]
        pub owner_count: i64,
    }

    /// A decision as it was made.
    pub struct DecisionRecord {
        /// Code of the recommendation.
        #[prost(int64, tag = "1")]
        pub recommendation: i64,
        /// Code of the assurance, 0 when nothing matched.
        #[prost(int64, tag = "2")]
        pub assurance: i64,
        /// Best first.
        #[prost(message, repeated, tag = "3")]
        pub candidates: Vec<CandidateRecord>,
        /// What points elsewhere.
        #[prost(message, repeated, tag = "4")]
        pub conflicts: Vec<ConflictRecord>,
        /// The hints that matched the best candidate.
        #[prost(string, repeated, tag = "5")]
        pub sources: Vec<String>,
        /// Which weights.
        #[prost(string, tag = "6")]
        pub model_version: String,
        /// Which policy.
        #[prost(string, tag = "7")]
        pub policy_version: String,
        /// Whether it was inherited from the interaction it continues.
        #[prost(bool, tag = "8")]
        pub inherited: bool,
        /// Whether the best candidate was set aside for want of a contact, and so to be confirmed.
        #[prost(bool, tag = "20")]
        pub archived: bool,
        /// How many of the tenant's decisions the weights were fitted on; 0 for the default's.
        #[prost(int64, tag = "9")]
        pub fitted_on: i64,
    }

    /// A tie that an interaction gives reason for.
    pub struct SupportRecord {
        /// The identifier's token.
        #[prost(bytes = "vec", tag = "1")]
        pub token: Vec<u8>,
        /// Code of the assurance it supports.
        #[prost(int64, tag = "2")]
        pub assurance: i64,
        /// Code of the hint's kind.
        #[prost(int64, tag = "3")]
        pub kind: i64,
    }

    /// An interaction as it stands: what the newest journal row holds.
    pub struct State {
        /// What it says of itself.
        #[prost(message, optional, tag = "1")]
        pub about: Option<About>,
        /// The channel.
        #[prost(string, tag = "2")]
        pub channel: String,
        /// Code of the direction.
        #[prost(int64, tag = "3")]
        pub direction: i64,
        /// Code of the audience.
        #[prost(int64, tag = "4")]
        pub audience: i64,
        /// Event time.
        #[prost(int64, tag = "5")]
        pub start_time: i64,
        /// Whether the caller gave the start time itself.
        #[prost(bool, tag = "6")]
        pub start_given: bool,
        /// Code of the line type.
        #[prost(int64, tag = "7")]
        pub line_type: i64,
        /// Code of the attestation.
        #[prost(int64, tag = "8")]
        pub attestation: i64,
        /// For the brief.
        #[prost(string, tag = "9")]
        pub locale: String,
        /// For the brief.
        #[prost(string, tag = "10")]
        pub time_zone: String,
        /// All hints so far.
        #[prost(message, repeated, tag = "11")]
        pub hints: Vec<HintRecord>,
        /// The known customer that was named as a hint.
        #[prost(bytes = "vec", tag = "12")]
        pub named: Vec<u8>,
        /// Token of the first interaction of its chain.
        #[prost(bytes = "vec", tag = "13")]
        pub contact: Vec<u8>,
        /// Who it was taken for.
        #[prost(message, optional, tag = "14")]
        pub decision: Option<DecisionRecord>,
        /// The customer it is settled on, or the best candidate.
        #[prost(bytes = "vec", tag = "15")]
        pub customer: Vec<u8>,
        /// Whether it is settled.
        #[prost(bool, tag = "16")]
        pub settled: bool,
        /// Whether its customer was made by it.
        #[prost(bool, tag = "17")]
        pub made_customer: bool,
        /// 1 confirmed, 2 rejected for somebody new, 3 rejected for somebody named, 0 nobody said.
        #[prost(int64, tag = "18")]
        pub feedback: i64,
        /// Code of the verification, 0 none.
        #[prost(int64, tag = "19")]
        pub verification: i64,
        /// Under which time it is on its customer's file, if it is.
        #[prost(int64, optional, tag = "20")]
        pub filed_at: Option<i64>,
        /// Whether it has fed the counters.
        #[prost(bool, tag = "21")]
        pub counted: bool,
        /// Matters its updates named.
        #[prost(message, repeated, tag = "22")]
        pub intents: Vec<IntentRecord>,
        /// How it ended.
        #[prost(message, optional, tag = "23")]
        pub ending: Option<EndingRecord>,
        /// Whether it began with its end.
        #[prost(bool, tag = "24")]
        pub end_only: bool,
        /// Which links it gives reason for.
        #[prost(message, repeated, tag = "25")]
        pub supports: Vec<SupportRecord>,
        /// The newest event so far.
        #[prost(int64, tag = "26")]
        pub newest_event: i64,
        /// A customer it made and then left.
        #[prost(bytes = "vec", tag = "27")]
        pub left: Vec<u8>,
        /// Variables its updates set while it was not settled whose they are.
        #[prost(message, repeated, tag = "29")]
        pub values: Vec<ValueRecord>,
        /// Code of the assurance that verification or an agent's word gave, under their key's ceiling.
        #[prost(int64, tag = "30")]
        pub vouched: i64,
        /// What answers called its customer, where that was the name of a set and not their own ref.
        #[prost(bytes = "vec", tag = "32")]
        pub shown_as: Vec<u8>,
        /// Attributes that an end set while it was not settled whose they are.
        #[prost(message, repeated, tag = "31")]
        pub attributes: Vec<ValueRecord>,
        /// Identifiers that gave way to those it linked, where a customer may have no more of a kind.
        #[prost(message, repeated, tag = "40")]
        pub displaced: Vec<HintRecord>,
        /// What was said of consent while it was not settled who said it.
        #[prost(message, repeated, tag = "45")]
        pub consents: Vec<ConsentRecord>,
        /// What was taken out of it for good.
        #[prost(message, repeated, tag = "50")]
        pub redactions: Vec<RedactionRecord>,
        /// The customer's messages that updates told of: the newest of each channel and thread.
        #[prost(message, repeated, tag = "55")]
        pub messages: Vec<MessageRecord>,
        /// Whether an erasure wrote this row anew, without the person who is gone: nothing else has
        /// happened.
        #[prost(bool, tag = "57")]
        pub rewritten: bool,
        /// Token of the first interaction of its conversation, where it or its chain continued one that
        /// was too old to be of the same chain: only where its messages belong follows from it.
        #[prost(bytes = "vec", tag = "60")]
        pub conversation: Vec<u8>,
        /// Whether what it took over from the interaction before rested on a browser alone.
        #[prost(bool, tag = "61")]
        pub by_browser: bool,
        /// Tokens of the ties that those before it in its chain gave reason for.
        #[prost(bytes = "vec", repeated, tag = "62")]
        pub chain_ties: Vec<Vec<u8>>,
        /// Whether its customer was made by one that it goes on with, and by no identifier.
        #[prost(bool, tag = "63")]
        pub made_by_chain: bool,
    }
}

impl EvidenceRecord {
    /// What was seen, such as `match:mobile`. The rules write nothing but UTF-8, and what is sealed
    /// comes back as it was.
    pub fn signal(&self) -> String {
        String::from_utf8_lossy(&self.signal).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_stored_as_the_text_it_is() {
        let record = EvidenceRecord { signal: Bytes::from_static(b"recency"), log_odds: 0.0 };
        let stored = record.encode_to_vec();
        assert_eq!(stored, "recency".to_owned().encode_to_vec(), "field 1, a text");
        assert_eq!(EvidenceRecord::decode(stored.as_slice()).unwrap().signal(), "recency");
    }
}

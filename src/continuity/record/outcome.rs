//! How an interaction ended and what it was about, as they are sealed.

use prost::Message;

use crate::clock::Time;

record! {
    /// What an interaction said of one matter.
    pub struct IntentRecord {
        /// Its name.
        #[prost(string, tag = "1")]
        pub intent: String,
        /// Code of the status.
        #[prost(int64, tag = "2")]
        pub status: i64,
        /// Which one.
        #[prost(string, tag = "3")]
        pub reference: String,
        /// Code of the sensitivity.
        #[prost(int64, tag = "4")]
        pub sensitivity: i64,
        /// Whether an end said it, and no update.
        #[prost(bool, tag = "5")]
        pub by_end: bool,
        /// When it was said; event time. 0 in records that are older than this field.
        #[prost(int64, tag = "6")]
        pub said: i64,
        /// What an update had said of it, of which an end has said something since.
        #[prost(message, optional, tag = "7")]
        pub update: Option<WordRecord>,
    }

    /// What an update said of a matter, while what an end says of it stands.
    pub struct WordRecord {
        /// Code of the status.
        #[prost(int64, tag = "1")]
        pub status: i64,
        /// When it was said; event time.
        #[prost(int64, tag = "2")]
        pub said: i64,
    }

    /// What it led to.
    pub struct ConversionRecord {
        /// What was converted.
        #[prost(string, tag = "1")]
        pub name: String,
        /// Its worth.
        #[prost(double, optional, tag = "2")]
        pub amount: Option<f64>,
        /// ISO 4217.
        #[prost(string, tag = "3")]
        pub currency: String,
    }

    /// How an interaction ended.
    pub struct EndingRecord {
        /// Event time.
        #[prost(int64, tag = "1")]
        pub end_time: i64,
        /// The end's revision.
        #[prost(int64, optional, tag = "2")]
        pub revision: Option<i64>,
        /// What happened.
        #[prost(string, tag = "3")]
        pub summary: String,
        /// Code of the sensitivity.
        #[prost(int64, tag = "4")]
        pub sensitivity: i64,
        /// What it was about.
        #[prost(message, repeated, tag = "5")]
        pub intents: Vec<IntentRecord>,
        /// How it closed.
        #[prost(string, tag = "6")]
        pub disposition: String,
        /// The customer's score.
        #[prost(int32, optional, tag = "7")]
        pub csat: Option<i32>,
        /// From −1 to 1.
        #[prost(double, optional, tag = "8")]
        pub sentiment: Option<f64>,
        /// Whether it was passed on.
        #[prost(bool, tag = "9")]
        pub escalated: bool,
        /// What it led to.
        #[prost(message, optional, tag = "10")]
        pub conversion: Option<ConversionRecord>,
        /// Whether the customer was reached.
        #[prost(bool, tag = "11")]
        pub reached: bool,
        /// Closed because no end came.
        #[prost(bool, tag = "12")]
        pub never_ended: bool,
        /// As first answered.
        #[prost(int32, tag = "13")]
        pub intents_updated: i32,
        /// As first answered.
        #[prost(int32, tag = "14")]
        pub variables_updated: i32,
        /// Whether the caller gave the end time itself.
        #[prost(bool, tag = "15")]
        pub end_given: bool,
    }
}

impl IntentRecord {
    /// When it was said; at that time, where the record does not know.
    pub fn time(&self, otherwise: Time) -> Time {
        if self.said == 0 { otherwise } else { Time(self.said) }
    }

    /// What updates say of the matter, whatever ends say of it; nothing, if only ends name it. It is for
    /// no more eyes than what ends say.
    pub fn by_updates(&self) -> Option<Self> {
        if !self.by_end {
            return Some(self.clone());
        }
        let WordRecord { status, said } = self.update.clone()?;
        Some(Self { status, said, by_end: false, update: None, ..self.clone() })
    }

    /// This, that an end says of a matter of which an update had said that.
    pub fn instead_of(self, update: &Self) -> Self {
        let word = WordRecord { status: update.status, said: update.said };
        Self { update: Some(word), ..self }
    }
}

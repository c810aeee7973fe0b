//! What is masked and what is not.

mod cases;
mod cost;
mod properties;
mod rates;

use super::Redaction;

/// The text as it is kept by default.
fn kept(text: &str) -> String {
    Redaction::default().apply(text).0.into_owned()
}

//! How the doors that speak JSON answer: what never became a call is counted nowhere else.

use std::sync::OnceLock;

use tonic::codegen::http::StatusCode;

use crate::meters::{Counter, Counters, Meters};

/// Codes of HTTP: from 100 to 599.
const FIRST: u16 = 100;
/// So many of them.
const CODES: usize = 500;

/// Answers by their code.
pub(super) struct Answers {
    counters: Counters,
    /// Those that were looked up.
    held: Vec<OnceLock<Counter>>,
}

impl Answers {
    pub fn new(meters: &Meters) -> Self {
        let counters = meters.counters(
            "threadline_http_answers_total",
            "Answers of REST, the Sticky Calls dialect and the hooks, by their HTTP code.",
            &["code"],
        );
        Self { counters, held: (0..CODES).map(|_| OnceLock::new()).collect() }
    }

    pub fn count(&self, code: StatusCode) {
        let number = usize::from(code.as_u16().saturating_sub(FIRST));
        if let Some(held) = self.held.get(number) {
            held.get_or_init(|| self.counters.of(&[code.as_str()])).inc();
        }
    }
}

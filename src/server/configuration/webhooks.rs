//! `[webhooks]`: where they may go, how long they are waited for, when they are tried again.

use std::time::Duration;

use serde::Deserialize;

use super::within;
use crate::continuity::webhooks::Networks;
use crate::events::webhooks::Terms;
use crate::events::webhooks::schedule::{RETRIES_SECONDS, Schedule};

/// Networks that may be named.
const MOST_NETWORKS: usize = 64;
/// Retries of one event.
const MOST_RETRIES: usize = 32;
/// The longest from one attempt to the next: a week.
const LONGEST_RETRY_SECONDS: u64 = 604_800;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WebhooksFile {
    allow_networks: Option<Vec<String>>,
    timeout_seconds: Option<u64>,
    retry_seconds: Option<Vec<u64>>,
}

/// What it says, or the defaults.
pub(super) fn chosen(file: WebhooksFile, wrong: &mut Vec<String>) -> Terms {
    let timeout = within(wrong, "webhooks.timeout_seconds", file.timeout_seconds, 15, 1, 60);
    let mut networks = Vec::new();
    let named = file.allow_networks.unwrap_or_default();
    if named.len() > MOST_NETWORKS {
        wrong.push(format!("webhooks.allow_networks: must be at most {MOST_NETWORKS}"));
    }
    for (index, network) in named.iter().enumerate().take(MOST_NETWORKS) {
        match network.parse() {
            Ok(network) => networks.push(network),
            Err(_) => wrong.push(format!(
                "webhooks.allow_networks[{index}]: must be a network such as 10.1.0.0/16"
            )),
        }
    }
    let retries = file.retry_seconds.unwrap_or_else(|| RETRIES_SECONDS.to_vec());
    let known = 1..=LONGEST_RETRY_SECONDS;
    if retries.len() > MOST_RETRIES || !retries.iter().all(|seconds| known.contains(seconds)) {
        wrong.push(format!(
            "webhooks.retry_seconds: must be at most {MOST_RETRIES}, each from 1 to {LONGEST_RETRY_SECONDS}"
        ));
    }
    Terms {
        networks: Networks::of(networks),
        within: Duration::from_secs(timeout),
        schedule: Schedule::of(retries),
    }
}

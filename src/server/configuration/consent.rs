//! `disclosure_requires_consent`: what a customer must have agreed to before anything is shown.

use std::sync::Arc;

use super::policy::PolicyFile;
use crate::context::{MAX_PURPOSE_LENGTH, valid_purpose};

/// The purpose without which nothing is shown; an empty one asks for none.
pub(super) fn required(
    file: &PolicyFile,
    base: Arc<str>,
    place: &str,
    wrong: &mut Vec<String>,
) -> Arc<str> {
    let Some(chosen) = file.disclosure_requires_consent.as_deref() else { return base };
    if !chosen.is_empty() && !valid_purpose(chosen) {
        let most = MAX_PURPOSE_LENGTH;
        wrong.push(format!(
            "{place}.disclosure_requires_consent: must be at most {most} of a-z, 0-9 and _"
        ));
    }
    chosen.into()
}

//! Where a stream goes on: a place in the journal, sealed, so that it says nothing and opens only for
//! the same tenant, call and filter. It never expires: the journal is never deleted, and what was
//! taken out of it is not there for anybody.

use data_encoding::BASE64URL_NOPAD;

use crate::continuity::{Caller, Error, Watched};

/// The token of a place.
pub(super) fn of(caller: &Caller, watched: &Watched, position: i64) -> String {
    let scope = watched.scope(caller);
    let scope: Vec<&[u8]> = scope.iter().map(Vec::as_slice).collect();
    BASE64URL_NOPAD.encode(&caller.tenant.secrets.seal_position(&scope, position))
}

/// The place of a token.
///
/// # Errors
/// [`Error::ResumeTokenRefused`] for anything else.
pub(super) fn position(caller: &Caller, watched: &Watched, token: &str) -> Result<i64, Error> {
    let scope = watched.scope(caller);
    let scope: Vec<&[u8]> = scope.iter().map(Vec::as_slice).collect();
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| Error::ResumeTokenRefused)?;
    let opened = caller.tenant.secrets.open_position(&scope, &bytes);
    opened.ok_or(Error::ResumeTokenRefused)
}

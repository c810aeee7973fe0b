//! Why a use case did not do what it was asked; mapped to the wire in one place, in `grpc`.

use std::time::Duration;

use crate::crypto::web_token::Refused;
use crate::crypto::{OpenError, SourceError};
use crate::identity::Violation;
use crate::store;

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields are missing, too large or malformed; all of them are named.
    #[error("{} bad fields", .0.len())]
    Invalid(Vec<Violation>),
    /// A web token that is not to be trusted, or no longer for anything new.
    #[error("the web token {0}")]
    WebTokenRefused(Refused),
    /// No such interaction for this tenant and source.
    #[error("no such interaction")]
    InteractionNotFound,
    /// No such customer for this tenant.
    #[error("no such customer")]
    CustomerNotFound,
    /// This id was started with other content.
    #[error("started with other content")]
    StartConflict,
    /// This update id was used with other content.
    #[error("updated with other content")]
    UpdateConflict,
    /// This interaction has ended with other content.
    #[error("ended with other content")]
    EndConflict,
    /// The interaction is not settled on a customer.
    #[error("not settled")]
    NotSettled,
    /// A bot confirmed or rejected without PIN or OTP.
    #[error("verification required")]
    VerificationRequired,
    /// The key's roles do not cover this.
    #[error("a role is required")]
    RoleRequired,
    /// The key may not address that source.
    #[error("the source is not allowed")]
    SourceNotAllowed,
    /// A time in the past without the backfill role.
    #[error("the backfill role is required")]
    BackfillRequired,
    /// This request id was used with other content.
    #[error("requested with other content")]
    RequestConflict,
    /// The two are the same customer already.
    #[error("the same customer")]
    SameCustomer,
    /// More customers would be one person than a set may hold.
    #[error("too many customers in one set")]
    SetTooLarge,
    /// No such merge is in force.
    #[error("no such merge")]
    MergeNotFound,
    /// Identifiers that point to more than one customer, or each to another.
    #[error("more than one customer")]
    CustomerAmbiguous(Vec<Violation>),
    /// An identifier of more customers than one may have.
    #[error("an identifier of too many")]
    IdentifierShared,
    /// No such open conflict.
    #[error("no such conflict")]
    ConflictNotFound,
    /// It was erased with its person: a customer, an interaction, a request.
    #[error("erased")]
    Erased,
    /// What a preview of an erasure showed is not what is there now, or was too long ago.
    #[error("the preview is outdated")]
    PreviewOutdated,
    /// Whoever was being exported is no longer who they were.
    #[error("the export was interrupted")]
    ExportInterrupted,
    /// One interaction has been updated too often.
    #[error("too many updates")]
    TooManyUpdates,
    /// No key, or one of another form.
    #[error("no API key")]
    MissingApiKey,
    /// An unknown or revoked key.
    #[error("an unknown API key")]
    InvalidApiKey,
    /// A key whose time is over, shown with its secret.
    #[error("an expired API key")]
    ExpiredApiKey,
    /// The key, or all keys of its tenant, have called as often as they may; how long to wait.
    #[error("too many calls")]
    RateLimited(Duration),
    /// A resume token that was not given for this, or for a place that is not there.
    #[error("a resume token that is none")]
    ResumeTokenRefused,
    /// More events waited for a watcher than may; the token to go on with.
    #[error("a watcher that reads too slowly")]
    WatcherTooSlow(String),
    /// A stream had to end; the token to go on with.
    #[error("a watch was interrupted")]
    WatchInterrupted(String),
    /// As many streams are open as may be.
    #[error("too many watchers")]
    TooManyWatchers,
    /// The journal already holds this operation: the caller answers it as a replay.
    #[error("already done")]
    AlreadyDone,
    /// The store needs a version of the root key that is not given.
    #[error("the store needs version {0} of the root key")]
    RootKeyMissing(i64),
    /// The root keys cannot be read.
    #[error(transparent)]
    RootKeySource(#[from] SourceError),
    /// A sealed value did not open.
    #[error("a sealed value does not open")]
    Sealed,
    /// The store's.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl store::Refusal for Error {
    fn rests_on_reads(&self) -> bool {
        matches!(
            self,
            Self::Invalid(_)
                | Self::WebTokenRefused(_)
                | Self::InteractionNotFound
                | Self::CustomerNotFound
                | Self::StartConflict
                | Self::UpdateConflict
                | Self::EndConflict
                | Self::RequestConflict
                | Self::SameCustomer
                | Self::SetTooLarge
                | Self::MergeNotFound
                | Self::NotSettled
                | Self::CustomerAmbiguous(_)
                | Self::IdentifierShared
                | Self::ConflictNotFound
                | Self::Erased
                | Self::PreviewOutdated
                | Self::TooManyUpdates
                | Self::AlreadyDone
                | Self::Sealed
        )
    }
}

impl From<OpenError> for Error {
    fn from(_: OpenError) -> Self {
        Self::Sealed
    }
}

impl From<prost::DecodeError> for Error {
    fn from(_: prost::DecodeError) -> Self {
        Self::Sealed
    }
}

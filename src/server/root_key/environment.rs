//! The root key in `THREADLINE_ROOT_KEY`: as it was when this began, since nobody can change the
//! environment of a program that runs.

use zeroize::Zeroizing;

use crate::crypto::{RootKeySource, RootKeys, SourceError};

/// The variable's text.
pub struct Environment(Zeroizing<String>);

impl Environment {
    /// Of this text.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl RootKeySource for Environment {
    fn read(&self) -> Result<RootKeys, SourceError> {
        RootKeys::from_base64(&self.0)
            .map_err(|error| SourceError(format!("THREADLINE_ROOT_KEY: {error}")))
    }
}

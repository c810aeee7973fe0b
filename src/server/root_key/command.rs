//! The root key as a command prints it.

use std::time::Duration;

use crate::crypto::root_keys::MAXIMUM_TEXT;
use crate::crypto::{RootKeySource, RootKeys, SourceError};
use crate::server::printing::{PRINTS_WITHIN, printed};

/// A command that prints the root key.
pub struct PrintedBy {
    program: String,
    arguments: Vec<String>,
    within: Duration,
}

impl PrintedBy {
    /// A program and its arguments.
    ///
    /// # Errors
    /// When there is no program.
    pub fn new(command: Vec<String>) -> Result<Self, SourceError> {
        let mut words = command.into_iter();
        let program = words.next().filter(|program| !program.is_empty());
        let program = program
            .ok_or_else(|| SourceError("server.root_key_command: it names no program".into()))?;
        Ok(Self { program, arguments: words.collect(), within: PRINTS_WITHIN })
    }

    /// With another limit of time; for tests.
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    fn says(&self, why: &str) -> SourceError {
        // Its arguments may hold a token: they are not shown.
        SourceError(format!("the command that prints the root key ({}): {why}", self.program))
    }
}

impl RootKeySource for PrintedBy {
    fn read(&self) -> Result<RootKeys, SourceError> {
        let text = printed((&self.program, &self.arguments), self.within, MAXIMUM_TEXT);
        let text = text.map_err(|why| self.says(&why))?;
        let text = std::str::from_utf8(&text).map_err(|_| self.says("it prints no text"))?;
        RootKeys::from_base64(text).map_err(|error| self.says(&error.to_string()))
    }
}

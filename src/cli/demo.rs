//! `threadline demo`: seven customers, through the real API, as a story.
//!
//! Each journey says what is at stake, shows what the agent sees, and checks
//! its own outcome: a demo that turned out otherwise fails, so CI can run it.

mod cast;
mod journeys;
mod narrate;
mod page;
mod stage;

use std::io::{IsTerminal as _, Write};

use anyhow::{Context as _, bail};

use crate::clock::{Clock, Time};
use crate::ids::Entropy;
use stage::Stage;

/// Plays the demo on an embedded store, or on a database of your choice.
#[derive(clap::Args)]
pub struct DemoArgs {
    /// Where to remember, such as sqlite:demo.db or postgres://…. Default: a store that is thrown
    /// away. Not read from the environment: the demo's people are invented, and must not slip into
    /// the database that `serve` uses.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

/// An API key that the demo needs.
#[derive(Clone, Copy, Debug)]
pub struct KeyToMake {
    /// The field of [`DemoKeys`] it goes to.
    pub name: &'static str,
    /// Its roles. All may write the past: the journeys took place on other days.
    pub roles: &'static [&'static str],
    /// The source it speaks for.
    pub source: &'static str,
    /// The other sources whose interactions it may name.
    pub may_address: &'static [&'static str],
}

/// The keys to make before [`run`].
pub const KEYS: &[KeyToMake] = &[
    KeyToMake {
        name: "telephony",
        roles: &["telephony", "backfill"],
        source: "pbx",
        may_address: &[],
    },
    KeyToMake { name: "chat", roles: &["telephony", "backfill"], source: "chat", may_address: &[] },
    KeyToMake {
        name: "helpdesk",
        roles: &["helpdesk", "backfill"],
        source: "tickets",
        may_address: &[],
    },
    KeyToMake {
        name: "agent",
        roles: &["agent", "telephony", "backfill"],
        source: "desk",
        may_address: &["pbx", "chat"],
    },
];

/// The API keys that the systems of the demo use.
#[derive(Clone, Default)]
pub struct DemoKeys {
    /// The telephone system's.
    pub telephony: String,
    /// The web widget's and the messengers'.
    pub chat: String,
    /// The ticket system's.
    pub helpdesk: String,
    /// The agents' desktops'.
    pub agent: String,
}

impl DemoKeys {
    /// Keeps the key made for the entry of [`KEYS`] with this name; false for a name that is not there.
    pub fn set(&mut self, name: &str, key: String) -> bool {
        let place = match name {
            "telephony" => &mut self.telephony,
            "chat" => &mut self.chat,
            "helpdesk" => &mut self.helpdesk,
            "agent" => &mut self.agent,
            _ => return false,
        };
        *place = key;
        true
    }
}

/// Plays every journey against a server and prints it on standard output.
///
/// # Errors
/// When the server cannot be reached, or a journey turned out otherwise than it must.
pub async fn run(server_url: &str, keys: &DemoKeys) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = out.is_terminal() && !plain;
    play(server_url, keys, Clock::System.now(), &Entropy::System, colour, &mut out).await
}

/// The same with the hour, the randomness and the page as parameters.
///
/// # Errors
/// As [`run`].
pub async fn play(
    server_url: &str,
    keys: &DemoKeys,
    now: Time,
    entropy: &Entropy,
    colour: bool,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let cast = cast::Cast::new(entropy.clone(), now);
    let mut stage = Stage::open(server_url, keys, cast, page::Page::new(out, colour)).await?;
    stage.page.heading("Threadline: who is this, and what were we talking about?")?;
    journeys::play_all(&mut stage).await?;
    let failed = stage.failed();
    stage.page.closing(failed).context("standard output")?;
    if failed > 0 {
        bail!("{failed} expectations of the demo did not hold");
    }
    Ok(())
}

#[cfg(test)]
mod tests;

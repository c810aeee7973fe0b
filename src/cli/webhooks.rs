//! `threadline webhooks create | list | update | rotate | remove | test | dead-letters | replay`: opens
//! the database directly, also while `serve` runs.

mod list;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::DatabaseArgs;
use super::keys::{milliseconds, time};
use crate::clock::Time;
use crate::continuity::Service;
use crate::continuity::webhooks::Changes;
use crate::events::webhooks::sender::{Attempt, NoAnswer};
use crate::events::webhooks::{Terms, try_out};
use crate::store::webhooks::EndpointState;

/// Makes, changes, tries out and repairs endpoints for web-hooks.
#[derive(Args)]
pub struct WebhooksArgs {
    #[command(subcommand)]
    verb: WebhooksVerb,
}

#[derive(Subcommand)]
enum WebhooksVerb {
    /// Makes an endpoint and prints the secret it verifies with: once, and never again
    Create(On<NewEndpoint>),
    /// Lists endpoints, without their secrets: whether they accept, what waits, what was given up
    List(On<Listed>),
    /// Changes an endpoint's address or events, or switches it on or off
    Update(On<Changed>),
    /// Makes a new secret and prints it; events are signed with the old one as well for a while
    Rotate(On<Rotated>),
    /// Removes an endpoint, with all that waits for it
    Remove(On<Named>),
    /// Sends one event of the type webhook.test, and says what became of it
    Test(On<Named>),
    /// Lists the events that an endpoint did not accept and that were given up
    DeadLetters(On<Named>),
    /// Sends events again that were given up
    Replay(On<Replayed>),
}

/// What is done, and on which database.
#[derive(Args)]
struct On<T: Args> {
    #[command(flatten)]
    what: T,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Args)]
struct Named {
    /// The endpoint, as `webhooks list` shows it
    endpoint: String,
}

#[derive(Args)]
struct Listed {
    /// Only this tenant's
    #[arg(long)]
    tenant: Option<String>,
}

#[derive(Args)]
struct Changed {
    #[command(flatten)]
    named: Named,
    /// Its new address
    #[arg(long)]
    url: Option<String>,
    /// A type of event that it is told, such as interaction.ended; may be given several times
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "all_types")]
    types: Vec<String>,
    /// It is told of all types of events
    #[arg(long)]
    all_types: bool,
    /// Events are sent to it, from where it was on
    #[arg(long, conflicts_with = "off")]
    on: bool,
    /// Nothing is sent to it until it is switched on
    #[arg(long)]
    off: bool,
}

#[derive(Args)]
struct Rotated {
    #[command(flatten)]
    named: Named,
    /// How long events are signed with the old secret as well, such as 24h or 7d
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    overlap: String,
}

#[derive(Args)]
struct Replayed {
    #[command(flatten)]
    named: Named,
    /// Only the event with this webhook-id
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// An endpoint to make.
#[derive(Args, Clone)]
pub struct NewEndpoint {
    /// The company; it must be there
    #[arg(long)]
    pub tenant: String,
    /// The test tenant of that name
    #[arg(long)]
    pub test: bool,
    /// Where events are sent to, https://…
    #[arg(long)]
    pub url: String,
    /// A type of event that it is told, such as interaction.ended; may be given several times
    /// [default: all]
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
}

/// Does it.
///
/// # Errors
/// What a person can act on.
pub async fn run(arguments: WebhooksArgs) -> anyhow::Result<ExitCode> {
    let serve = arguments.verb.database().clone().existing()?;
    let terms = serve.configuration.webhooks.clone();
    let service = serve.open().await?;
    let done = perform(&service, &terms, arguments.verb).await;
    service.store().close().await;
    done
}

impl WebhooksVerb {
    fn database(&self) -> &DatabaseArgs {
        match self {
            Self::Create(on) => &on.database,
            Self::List(on) => &on.database,
            Self::Update(on) => &on.database,
            Self::Rotate(on) => &on.database,
            Self::Remove(on) | Self::Test(on) | Self::DeadLetters(on) => &on.database,
            Self::Replay(on) => &on.database,
        }
    }
}

async fn perform(
    service: &Arc<Service>,
    terms: &Terms,
    verb: WebhooksVerb,
) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    match verb {
        WebhooksVerb::Create(on) => {
            let (name, secret) = create(service, &on.what, terms).await?;
            // Whoever asked for the secret alone, as `$(…)` does, sees this all the same.
            writeln!(std::io::stderr(), "{name} verifies with this secret:")?;
            writeln!(out, "{}", *secret)?;
        }
        WebhooksVerb::List(on) => {
            write!(out, "{}", list::list(service, on.what.tenant.as_deref()).await?)?;
        }
        WebhooksVerb::Update(on) => {
            update(service, on.what, terms).await?;
            writeln!(out, "changed")?;
        }
        WebhooksVerb::Rotate(on) => {
            let overlap = milliseconds("overlap", &on.what.overlap)?;
            let endpoint = &on.what.named.endpoint;
            let secret = service.rotate_webhook_secret(endpoint, overlap).await?;
            let ends = time(service.store().now().plus(overlap));
            writeln!(std::io::stderr(), "the old secret is used until {ends}; the new one:")?;
            writeln!(out, "{}", *secret)?;
        }
        WebhooksVerb::Remove(on) => {
            service.remove_webhook(&on.what.endpoint).await?;
            writeln!(out, "removed")?;
        }
        WebhooksVerb::Test(on) => return tried(service, &on.what.endpoint, terms).await,
        WebhooksVerb::DeadLetters(on) => {
            for letter in service.dead_letters(&on.what.endpoint).await? {
                let (failed, why) = (time(letter.failed), NoAnswer::told(letter.outcome));
                writeln!(out, "{} {failed} {} attempts, {why}", letter.id, letter.attempts)?;
            }
        }
        WebhooksVerb::Replay(on) => {
            let (endpoint, id) = (&on.what.named.endpoint, on.what.id.as_deref());
            let replayed = service.replay_dead_letters(endpoint, id).await?;
            writeln!(out, "{replayed} will be sent again")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn update(service: &Arc<Service>, wanted: Changed, terms: &Terms) -> anyhow::Result<()> {
    let Changed { named, url, types, all_types, on, off } = wanted;
    let types = (all_types || !types.is_empty()).then_some(types);
    if url.is_none() && types.is_none() && !on && !off {
        bail!("say what to change: --url, --type, --all-types, --on or --off");
    }
    let changes = Changes { url, types, on: (on || off).then_some(on) };
    let before = service.update_webhook(&named.endpoint, changes, &terms.networks).await?;
    if on && before == EndpointState::Restored {
        writeln!(std::io::stderr(), "{ITS_SECRET_IS_OLD}")?;
    }
    Ok(())
}

/// What nobody knows here: what was done to an endpoint after the backup that it came back from.
const ITS_SECRET_IS_OLD: &str = "it came back from a backup, and is signed with the secrets it had then: \
                                 if one was replaced since, `webhooks rotate ENDPOINT --overlap 0s` now";

/// Makes an endpoint; its name and its secret.
///
/// # Errors
/// A tenant that is not there, an address or a type that cannot be, and the store's.
pub async fn create(
    service: &Arc<Service>,
    new: &NewEndpoint,
    terms: &Terms,
) -> anyhow::Result<(String, zeroize::Zeroizing<String>)> {
    let all = service.store().tenants().await?;
    let named = all.iter().find(|row| row.name == new.tenant && row.test == new.test);
    let Some(row) = named else {
        let kind = if new.test { "test tenant" } else { "tenant" };
        bail!("there is no {kind} of that name: `keys create` makes one");
    };
    let tenant = service.tenant(row.tenant).await?;
    let wanted = (new.url.as_str(), new.types.clone());
    let created = service.create_webhook(&tenant, wanted, &terms.networks).await?;
    Ok((created.name, created.secret))
}

async fn tried(service: &Arc<Service>, endpoint: &str, terms: &Terms) -> anyhow::Result<ExitCode> {
    let told = match try_out(service, endpoint, terms).await? {
        Attempt::Accepted(status) => {
            writeln!(std::io::stdout(), "accepted: status {status}")?;
            return Ok(ExitCode::SUCCESS);
        }
        Attempt::Failed(outcome, _) => NoAnswer::told(outcome),
        Attempt::Gone => "status 410: gone for good".to_owned(),
    };
    writeln!(std::io::stdout(), "not accepted: {told}")?;
    Ok(ExitCode::FAILURE)
}

/// A time, or a dash for none.
fn or_dash(at: Time) -> String {
    if at.0 == 0 { "-".to_owned() } else { time(at) }
}

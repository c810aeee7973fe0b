//! `threadline keys create | list | rotate | revoke`: opens the database directly, also while `serve`
//! runs.

mod list;
mod rotate;
mod terms;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use zeroize::Zeroizing;

pub(super) use list::time;
pub use rotate::{Rotated, rotate};
pub use terms::Terms;
pub(super) use terms::milliseconds;

use super::DatabaseArgs;
use crate::clock::Time;
use crate::continuity::{Role, Service};
use crate::crypto::ApiKey;
use crate::identity::Assurance;
use crate::ids::{Entropy, TenantId};
use crate::store::api_keys::ApiKeyRow;

/// Makes, lists, rotates and revokes API keys.
#[derive(Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    verb: KeysVerb,
}

#[derive(Subcommand)]
enum KeysVerb {
    /// Makes a key and prints it: once, and never again
    Create {
        #[command(flatten)]
        key: NewKey,
        #[command(flatten)]
        terms: Terms,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Lists keys, without their secrets: when each was made, ends, and was last used
    List {
        /// Only this tenant's
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Makes a key that does what another one does, and prints it; the other one works on for a while
    Rotate {
        /// The other key's public part, as `keys list` shows it (tenant number and id, such as 1_k3f9…)
        key: String,
        /// How long the other key works on, such as 24h or 7d; 0s ends it at once
        #[arg(long, value_name = "DURATION", default_value = "24h")]
        overlap: String,
        #[command(flatten)]
        terms: Terms,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Revokes a key, within a second on every instance
    Revoke {
        /// The key's public part, as `keys list` shows it (tenant number and id, such as 1_k3f9…)
        key: String,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// A key to make.
#[derive(Args, Clone)]
pub struct NewKey {
    /// The company; made when it is new. At most 64 of a-z, 0-9, - and _
    #[arg(long)]
    pub tenant: String,
    /// telephony, bot, helpdesk, agent, admin, backfill or insight; may be given several times
    #[arg(long = "role", required = true)]
    pub roles: Vec<String>,
    /// The name its interaction ids belong to
    #[arg(long, default_value = "default")]
    pub source: String,
    /// Another source it may name; may be given several times
    #[arg(long)]
    pub may_address: Vec<String>,
    /// The most that what it states can be worth: asserted, carried, authenticated or verified
    #[arg(long)]
    pub max_assurance: Option<String>,
    /// The key belongs to a test tenant of that name, whose rows are purged after 7 days
    #[arg(long)]
    pub test: bool,
}

impl NewKey {
    /// Checks names and roles; gives the code of the ceiling, 0 for none.
    fn check(&self) -> anyhow::Result<i64> {
        name("tenant", &self.tenant)?;
        name("source", &self.source)?;
        self.may_address.iter().try_for_each(|source| name("may-address", source))?;
        if self.roles.iter().any(|role| Role::parse(role).is_none()) {
            let known: Vec<&str> = Role::ALL.iter().map(|(_, name)| *name).collect();
            bail!("--role must be one of {}", known.join(", "));
        }
        Ok(match self.max_assurance.as_deref() {
            None => 0,
            Some("asserted") => Assurance::Asserted.code(),
            Some("carried") => Assurance::Carried.code(),
            Some("authenticated") => Assurance::Authenticated.code(),
            Some("verified") => Assurance::Verified.code(),
            Some(_) => {
                bail!("--max-assurance must be asserted, carried, authenticated or verified")
            }
        })
    }
}

/// Does it.
///
/// # Errors
/// What a person can act on.
pub async fn run(arguments: KeysArgs) -> anyhow::Result<ExitCode> {
    match arguments.verb {
        KeysVerb::Create { key, terms, database } => {
            key.check()?;
            let service = database.with()?.open().await?;
            let text = create_with(&service, &key, &terms).await;
            service.store().close().await;
            writeln!(std::io::stdout(), "{}", *Zeroizing::new(text?))?;
        }
        KeysVerb::List { tenant, database } => {
            let service = database.existing()?.open().await?;
            let listed = list::list(&service, tenant.as_deref()).await;
            service.store().close().await;
            write!(std::io::stdout(), "{}", listed?)?;
        }
        KeysVerb::Rotate { key, overlap, terms, database } => {
            let service = database.existing()?.open().await?;
            let rotated = rotate(&service, &key, &overlap, &terms).await;
            service.store().close().await;
            let rotated = rotated?;
            // Whoever asked for the key alone, as `$(…)` does, sees this all the same.
            writeln!(std::io::stderr(), "{}", rotated.told())?;
            writeln!(std::io::stdout(), "{}", *Zeroizing::new(rotated.text))?;
        }
        KeysVerb::Revoke { key, database } => {
            let service = database.existing()?.open().await?;
            let revoked = revoke(&service, &key).await;
            service.store().close().await;
            revoked?;
            writeln!(std::io::stdout(), "revoked")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a key that never ends, and gives its text.
///
/// # Errors
/// Names and roles that do not exist, and the store's.
pub async fn create(service: &Service, key: &NewKey) -> anyhow::Result<String> {
    create_with(service, key, &Terms::default()).await
}

/// Makes a key on these terms and gives its text.
///
/// # Errors
/// Names, roles and terms that cannot be, and the store's.
pub async fn create_with(service: &Service, key: &NewKey, terms: &Terms) -> anyhow::Result<String> {
    let max_assurance = key.check()?;
    let now = service.store().now();
    let (expires, rate, burst) = (terms.expires(now)?, terms.rate()?, terms.burst()?);
    let tenant = service.tenant_named(&key.tenant, key.test).await?;
    let made = ApiKey::generate(tenant.id, key.test, &Entropy::System);
    let row = ApiKeyRow {
        tenant: tenant.id,
        id: made.id.clone(),
        hash: made.hash().to_vec(),
        roles: key.roles.join(","),
        source: key.source.clone(),
        may_address: key.may_address.join(","),
        max_assurance,
        created: now,
        revoked: Time(0),
        expires: expires.unwrap_or_default(),
        used: Time(0),
        replaced_by: String::new(),
        rate: rate.unwrap_or_default(),
        burst: burst.unwrap_or_default(),
    };
    service.store().add_api_key(&row).await?;
    Ok(made.text())
}

fn name(what: &str, text: &str) -> anyhow::Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
        bail!("--{what} must be 1 to 64 of a-z, 0-9, - and _");
    }
    Ok(())
}

/// The tenant and id of a key that is named as `keys list` names it.
fn named(key: &str) -> anyhow::Result<(TenantId, &str)> {
    let (tenant, id) = key.split_once('_').context("a key is named as `keys list` shows it")?;
    let tenant = tenant.parse().context("a key is named as `keys list` shows it")?;
    Ok((TenantId(tenant), id))
}

async fn revoke(service: &Service, key: &str) -> anyhow::Result<()> {
    let (tenant, id) = named(key)?;
    let revoked = service.store().revoke_api_key(tenant, id).await?;
    anyhow::ensure!(revoked, "no such key, or it is revoked already");
    Ok(())
}

//! `threadline audit verify | list | checkpoint | key`: opens the database directly, also while
//! `serve` runs.

mod list;
mod verify;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use data_encoding::BASE64;

use super::DatabaseArgs;
use crate::continuity::Service;
use crate::server::checkpoints;
use crate::store::admin::TenantRow;

/// Verifies, lists and signs the audit.
#[derive(Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    verb: AuditVerb,
}

#[derive(Subcommand)]
enum AuditVerb {
    /// Walks the chain of every entry; exits with 0 when it is whole, 1 when it is not or one tenant's
    /// cannot be read, 2 when nothing could be verified
    Verify(verify::VerifyArgs),
    /// Prints entries, the newest last
    List(ListArgs),
    /// Signs where each tenant's chain ends now
    Checkpoint {
        /// Only this tenant's
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// Appended to this file instead of being printed
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Prints what verifies a tenant's checkpoints: its public key (Ed25519, base64)
    Key {
        /// Only this tenant's
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// Does it.
///
/// # Errors
/// What a person can act on.
pub async fn run(arguments: AuditArgs) -> anyhow::Result<ExitCode> {
    match arguments.verb {
        AuditVerb::Verify(arguments) => return Ok(verify::run(arguments).await),
        AuditVerb::List(arguments) => return list::run(arguments).await,
        AuditVerb::Checkpoint { tenant, out, database } => {
            let service = database.existing()?.open().await?;
            let made = checkpoint(&service, tenant.as_deref(), out).await;
            service.store().close().await;
            write!(std::io::stdout(), "{}", made?)?;
        }
        AuditVerb::Key { tenant, database } => {
            let service = database.existing()?.open().await?;
            let keys = keys(&service, tenant.as_deref()).await;
            service.store().close().await;
            write!(std::io::stdout(), "{}", keys?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The tenants of that name, of both kinds; all of them without a name.
///
/// # Errors
/// When there is none of that name, and the store's.
pub(super) async fn tenants(
    service: &Service,
    named: Option<&str>,
) -> anyhow::Result<Vec<TenantRow>> {
    let mut tenants = service.store().tenants().await?;
    if let Some(named) = named {
        tenants.retain(|tenant| tenant.name == named);
        anyhow::ensure!(!tenants.is_empty(), "no such tenant");
    }
    Ok(tenants)
}

/// A tenant as people call it.
pub(super) fn called(tenant: &TenantRow) -> String {
    if tenant.test { format!("{} (test)", tenant.name) } else { tenant.name.clone() }
}

/// Signs where the chains end, and appends that to a file; the lines, where there is no file.
///
/// # Errors
/// The store's and the file's.
pub async fn checkpoint(
    service: &Arc<Service>,
    tenant: Option<&str>,
    out: Option<PathBuf>,
) -> anyhow::Result<String> {
    let own: Vec<i64> = tenants(service, tenant).await?.iter().map(|it| it.tenant.0).collect();
    let mut made = checkpoints::grown(service, &HashMap::new()).await?;
    made.retain(|checkpoint| own.contains(&checkpoint.tenant));
    match out {
        Some(path) => {
            let written = checkpoints::append(&path, &made);
            written.with_context(|| format!("{}", path.display()))?;
            Ok(format!("signed {} chains\n", made.len()))
        }
        None => Ok(made.iter().map(|checkpoint| checkpoint.line() + "\n").collect()),
    }
}

async fn keys(service: &Service, tenant: Option<&str>) -> anyhow::Result<String> {
    let mut text = String::new();
    for row in tenants(service, tenant).await? {
        let opened = service.tenant(row.tenant).await?;
        let key = BASE64.encode(&opened.secrets.signer().public_key());
        text.push_str(&format!("{key}  {}\n", called(&row)));
    }
    Ok(text)
}

pub use list::{Filters, ListArgs, listed};
pub use verify::verify;

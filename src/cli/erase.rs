//! `threadline erase`: shows what would go of a customer, asks, and erases them for ever. A client of
//! the API like any other.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tonic::Status;

use super::client::{Customers, ServerArgs, is_passing, retry_delay, sentence};
use crate::grpc::proto::erase_customer_response::Outcome;
use crate::grpc::proto::{
    EraseCustomerRequest, EraseCustomerResponse, ErasureCounts, ErasurePreview, ErasureReceipt,
};
use crate::ids::Entropy;

/// How often is asked what is not answered in time: a long journal is looked through over several
/// requests, each of which goes on where the one before stopped.
const TRIES: u32 = 100;
/// Between two of them, where the server does not say.
const PAUSE: Duration = Duration::from_millis(500);

/// Whom to erase.
#[derive(clap::Args)]
pub struct EraseArgs {
    /// The customer's ref. Everybody who is one person with them goes as well: unmerge first to erase
    /// one alone
    customer: String,
    /// Erases without asking
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Does it, and prints the receipt: 0 when they are gone, 1 when it was refused or not confirmed.
///
/// # Errors
/// When the server cannot be reached, standard output is closed, or there is nobody to ask.
pub async fn run(args: EraseArgs) -> anyhow::Result<ExitCode> {
    let mut client = Customers::new(args.server.connect().await?);
    let preview = match preview(&mut client, &args.customer).await {
        Ok(preview) => preview,
        Err(status) => return refused(&status),
    };
    say(&shown(&preview))?;
    if !args.yes && !is_confirmed()? {
        say("nothing was erased\n")?;
        return Ok(ExitCode::FAILURE);
    }
    match erase(&mut client, &args.customer, preview.preview_token).await {
        Ok(receipt) => {
            let receipted = receipted(&receipt);
            // There is one receipt: whoever reads standard output no longer, reads it elsewhere.
            if let Err(error) = say(&receipted) {
                write!(std::io::stderr(), "{receipted}")?;
                return Err(error);
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(status) => refused(&status),
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("standard output")
}

fn refused(status: &Status) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stderr(), "{}", sentence(status))?;
    Ok(ExitCode::FAILURE)
}

/// Whether somebody at the terminal says so, in the word that nobody types by mistake.
fn is_confirmed() -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("nobody is there to ask: say --yes");
    }
    say("type \"erase\" to erase all of this for ever: ")?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).context("standard input")?;
    Ok(answer.trim() == "erase")
}

async fn preview(client: &mut Customers, customer: &str) -> Result<ErasurePreview, Status> {
    let request = EraseCustomerRequest { customer_ref: customer.to_owned(), ..Default::default() };
    match asked(client, request).await?.outcome {
        Some(Outcome::Preview(preview)) => Ok(preview),
        _ => Err(odd()),
    }
}

async fn erase(
    client: &mut Customers,
    customer: &str,
    preview_token: String,
) -> Result<ErasureReceipt, Status> {
    let id: [u8; 16] = Entropy::System.bytes();
    let request = EraseCustomerRequest {
        customer_ref: customer.to_owned(),
        preview_token,
        request_id: format!("erase-{}", data_encoding::HEXLOWER.encode(&id)),
        ..Default::default()
    };
    // Who reads no further than this has the receipt all the same: the same request answers it again.
    let again = serde_json::json!({
        "customer_ref": request.customer_ref,
        "preview_token": request.preview_token,
        "request_id": request.request_id,
    });
    // Nobody may be reading: the erasure was asked for all the same.
    let _ = writeln!(
        std::io::stderr(),
        "the receipt again, later: threadline call EraseCustomer '{again}'"
    );
    match asked(client, request).await?.outcome {
        Some(Outcome::Receipt(receipt)) => Ok(receipt),
        _ => Err(odd()),
    }
}

/// Asks until there is an answer. Whether it was done is not known when an answer is lost: the same
/// request has one effect.
async fn asked(
    client: &mut Customers,
    request: EraseCustomerRequest,
) -> Result<EraseCustomerResponse, Status> {
    let mut tries = 1;
    loop {
        match client.erase_customer(request.clone()).await {
            Err(status) if tries < TRIES && is_passing(&status) => {
                tokio::time::sleep(retry_delay(&status).unwrap_or(PAUSE)).await;
                tries += 1;
            }
            answer => return Ok(answer?.into_inner()),
        }
    }
}

fn odd() -> Status {
    Status::internal("the server answered something else")
}

fn shown(preview: &ErasurePreview) -> String {
    let ErasurePreview { customer_ref, member_refs, counts, .. } = preview;
    let counts = counted(counts.as_ref());
    format!("{customer_ref} ({})\n{counts}", member_refs.join(", "))
}

fn receipted(receipt: &ErasureReceipt) -> String {
    let signature = data_encoding::BASE64.encode(&receipt.signature);
    format!("erased\n{}\n{signature}\n", receipt.statement)
}

fn counted(counts: Option<&ErasureCounts>) -> String {
    let it = counts.cloned().unwrap_or_default();
    let mut text = String::new();
    for (count, what) in [
        (it.customer_count, "refs"),
        (it.interaction_count, "interactions"),
        (it.identifier_count, "ties to identifiers"),
        (it.intent_count, "intents"),
        (it.variable_count, "values of variables"),
        (it.attribute_count, "values of attributes"),
        (it.merge_count, "merges and proposals"),
        (it.consent_count, "statements of consent"),
        (it.journal_entry_count, "entries of the audit, of which hashes stay"),
    ] {
        text.push_str(&format!("{count:>8} {what}\n"));
    }
    text
}

//! `threadline export`: everything the service holds on one person, as JSON lines or CSV tables. A
//! client of the API like any other.
//!
//! What is written bears its name only once it is whole: until then it is called `….part`, and goes
//! away when the export does not come to its end.

mod cells;
mod output;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};

use super::client::{Customers, ServerArgs, sentence};
use crate::grpc::proto::{DESCRIPTORS, ExportCustomerRequest, ExportRecord, export_record::Record};
use output::Output;

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A line for each record, an object named by its kind, as the protocol describes it
    Json,
    /// A folder with a table for each kind
    Csv,
}

/// Whom, and where to.
#[derive(clap::Args)]
pub struct ExportArgs {
    /// The customer's ref, any that names them
    #[arg(value_name = "CUSTOMER")]
    customer: String,
    /// As JSON lines, or as CSV tables
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
    /// A file, or for CSV a folder, that is not there yet; only you can read it
    /// [default: standard output; of CSV, export-CUSTOMER]
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Exports: 0 when all of it was written, 1 when it was refused or interrupted.
///
/// # Errors
/// When the server cannot be reached or stops answering, or the files cannot be written.
pub async fn run(args: ExportArgs) -> anyhow::Result<ExitCode> {
    let mut client = Customers::new(args.server.connect().await?);
    let request = ExportCustomerRequest { customer_ref: args.customer.clone() };
    let mut records = match client.export_customer(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return refused(&sentence(&status)),
    };
    let pool = DescriptorPool::decode(DESCRIPTORS).context("the protocol's descriptors")?;
    let of = pool.get_message_by_name("threadline.v1.ExportRecord").context("its records")?;
    let mut output = Output::open(args.format, args.output, &args.customer, &of)?;
    let (mut count, mut ended) = (0, None);
    loop {
        let message = match records.message().await {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(status) => return refused(&sentence(&status)),
        };
        for record in &message.records {
            match &record.record {
                Some(Record::End(end)) => ended = Some(end.record_count),
                Some(_) => count += 1,
                None => {}
            }
            output.write(&dynamic(record, &of)?)?;
        }
    }
    if ended != Some(count) {
        return refused("the export ended before its end; nothing of it was kept");
    }
    let place = output.finish()?;
    if let Some(place) = place {
        writeln!(std::io::stdout(), "{count} records in {}", place.display())
            .context("standard output")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn refused(why: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stderr(), "{why}").context("standard error")?;
    Ok(ExitCode::FAILURE)
}

/// A record as its descriptor tells it; fields that this version does not know are in it.
fn dynamic(
    record: &ExportRecord,
    of: &prost_reflect::MessageDescriptor,
) -> anyhow::Result<DynamicMessage> {
    DynamicMessage::decode(of.clone(), record.encode_to_vec().as_slice()).context("a record")
}

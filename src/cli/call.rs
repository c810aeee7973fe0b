//! `threadline call`: any RPC, JSON in and JSON out.
//!
//! Nothing here knows a message by name: methods, fields and their
//! documentation come from the protocol's own descriptors, so a new RPC can be
//! called the day it is served.

mod catalogue;
mod codec;
pub(super) mod json;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};

use super::client::{self, Connection, ServerArgs};
use crate::grpc::code_name;
use crate::http::write;

/// Exit code of a call that was not made because of how it was asked for.
const USAGE: u8 = 2;

/// Calls one RPC with a JSON request and prints the answer as JSON.
#[derive(clap::Args)]
pub struct CallArgs {
    /// The method, such as StartInteraction or InteractionService/StartInteraction.
    #[arg(required_unless_present = "list")]
    pub method: Option<String>,
    /// The request as JSON, `@FILE`, or `-` for standard input. Left out: prints the request's fields.
    pub json: Option<String>,
    /// Lists every method.
    #[arg(long)]
    pub list: bool,
    /// Prints fields that hold nothing as well.
    #[arg(long)]
    pub emit_defaults: bool,
    /// Which server, and as whom.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Runs the command: 0 for an answer, 1 for an error of the call, 2 when nothing was called.
///
/// # Errors
/// When the JSON does not fit the request, or the server cannot be reached.
pub async fn run(args: CallArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let catalogue = catalogue::Catalogue::load()?;
    let Some(name) = args.method.as_deref().filter(|_| !args.list) else {
        write!(out, "{}", catalogue.list())?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(method) = catalogue.find(name) else {
        let known = catalogue.list();
        write!(std::io::stderr(), "there is no method {name:?}; there are\n\n{known}")?;
        return Ok(ExitCode::from(USAGE));
    };
    let Some(json) = args.json.as_deref() else {
        write!(out, "{}", catalogue::describe(&method))?;
        return Ok(ExitCode::from(USAGE));
    };
    let requests = json::requests(&method, &json::read(json)?)?;
    let connection = args.server.connect().await?;
    match call(connection, &method, requests, args.emit_defaults, &mut out).await? {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(status) => {
            write!(std::io::stderr(), "{}", error_lines(&status))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Makes the call and prints each answer as it comes: pretty, or one a line for a stream.
/// The outer error is ours (no connection, closed output), the inner one the server's.
async fn call(
    connection: Connection,
    method: &MethodDescriptor,
    requests: Vec<DynamicMessage>,
    emit_defaults: bool,
    out: &mut dyn Write,
) -> anyhow::Result<Result<(), Status>> {
    if !method.is_client_streaming() && requests.len() != 1 {
        bail!("{} takes exactly one request; {} were given", method.name(), requests.len());
    }
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = PathAndQuery::try_from(path).context("the descriptors name an impossible path")?;
    let mut grpc = tonic::client::Grpc::new(connection);
    grpc.ready().await.context("the connection was closed")?;
    // On the wire a single message is a stream of one: one path serves all four shapes of an RPC.
    let request = Request::new(tokio_stream::iter(requests));
    let codec = codec::DynamicCodec::new(method.output());
    let mut answers = match grpc.streaming(request, path, codec).await {
        Ok(response) => response.into_inner(),
        Err(status) => return Ok(Err(status)),
    };
    loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                let text = write(&answer, !method.is_server_streaming(), emit_defaults)
                    .context("the answer has no JSON form")?;
                writeln!(out, "{text}")?;
                out.flush()?;
            }
            Ok(None) => return Ok(Ok(())),
            Err(status) => return Ok(Err(status)),
        }
    }
}

/// What a refused call prints: code and reason, then every field violation on its own line.
fn error_lines(status: &Status) -> String {
    let mut text = code_name(status.code()).to_owned();
    let reason = client::reason(status);
    if !reason.is_empty() {
        text.push_str(&format!(" {reason}"));
    }
    text.push_str(&format!(": {}\n", client::message(status)));
    for violation in client::field_violations(status) {
        text.push_str(&format!("  {violation}\n"));
    }
    if let Some(delay) = client::retry_delay(status) {
        text.push_str(&format!("  try again in {} ms\n", delay.as_millis()));
    }
    text
}

#[cfg(test)]
mod tests;

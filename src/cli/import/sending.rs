//! A thousand rows make a call; a call that the server could not take is made again.

use std::time::Duration;

use anyhow::anyhow;
use prost::Message as _;
use prost_types::Timestamp;

use super::ImportArgs;
use super::columns::{Column, Columns};
use super::file::CsvFile;
use crate::cli::client::{self, Customers};
use crate::grpc::code_name;
use crate::grpc::proto::{
    Identifier, ImportCustomersRequest, ImportCustomersResponse, ImportRow, ImportSettings,
    ProfileAttributeInput,
};

/// Rows of one call: as many rejected ones as one answer lists.
const ROWS_OF_A_CALL: usize = 1_000;
/// Bytes of one call, about: however long the rows, no more of the file is held.
const BYTES_OF_A_CALL: usize = 4 << 20;
/// Rows of one message.
const ROWS_OF_A_MESSAGE: usize = 250;
/// Bytes of one message, about; the server takes one mebibyte.
const BYTES_OF_A_MESSAGE: usize = 1 << 19;
/// Bytes of one row as it is sent.
const MAX_SENT_BYTES: usize = 1 << 18;
/// How often a call is made when the server asks for another try.
const TRIES: u32 = 8;
/// The first wait between tries; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Rows of the file that go together.
pub(super) struct Call {
    rows: Vec<ImportRow>,
    /// Rows that are not sent: their line, and what is wrong with them.
    pub(super) unread: Vec<(u64, String)>,
    /// Where in the file they end.
    pub(super) ends_at: u64,
}

/// A call and what became of it.
pub(super) struct Done {
    /// What was sent.
    pub(super) call: Call,
    /// What the server did with it.
    pub(super) answer: ImportCustomersResponse,
}

impl Call {
    /// The next rows of the file; `None` at its end.
    pub(super) fn next(file: &mut CsvFile, columns: &Columns) -> anyhow::Result<Option<Self>> {
        let mut call =
            Self { rows: Vec::with_capacity(ROWS_OF_A_CALL), unread: Vec::new(), ends_at: 0 };
        let mut bytes = 0;
        while call.rows.len() + call.unread.len() < ROWS_OF_A_CALL && bytes < BYTES_OF_A_CALL {
            let row = match file.next() {
                Ok(Some(row)) => row,
                // What came before is imported; the same mistake is met again then.
                Err(error) if call.is_empty() => return Err(error),
                Ok(None) | Err(_) => break,
            };
            call.ends_at = row.ends_at;
            match row.fields.map(|fields| read(row.line, &fields, columns)) {
                Ok(row) if row.encoded_len() <= MAX_SENT_BYTES => {
                    bytes += row.encoded_len();
                    call.rows.push(row);
                }
                Ok(_) => {
                    let why = format!("is longer than {MAX_SENT_BYTES} bytes");
                    call.unread.push((row.line, why));
                }
                Err(why) => call.unread.push((row.line, why)),
            }
        }
        Ok(Some(call).filter(|call| !call.is_empty()))
    }

    /// What is sent.
    #[cfg(test)]
    pub(super) fn into_rows(self) -> Vec<ImportRow> {
        self.rows
    }

    /// The messages that carry it.
    fn messages(&self, settings: &ImportSettings) -> Vec<ImportCustomersRequest> {
        let mut messages = vec![ImportCustomersRequest {
            settings: Some(settings.clone()),
            ..ImportCustomersRequest::default()
        }];
        let mut bytes = 0;
        for row in &self.rows {
            let length = row.encoded_len();
            let full = |last: &ImportCustomersRequest| {
                last.rows.len() >= ROWS_OF_A_MESSAGE || bytes + length > BYTES_OF_A_MESSAGE
            };
            if messages.last().is_none_or(full) {
                messages.push(ImportCustomersRequest::default());
                bytes = 0;
            }
            bytes += length;
            if let Some(last) = messages.last_mut() {
                last.rows.push(row.clone());
            }
        }
        messages
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.unread.is_empty()
    }
}

/// A row as it is sent. Empty fields say nothing.
fn read(line: u64, fields: &csv::StringRecord, columns: &Columns) -> ImportRow {
    let row_number = i64::try_from(line).unwrap_or(i64::MAX);
    let mut row = ImportRow { row_number, ..ImportRow::default() };
    for (value, column) in fields.iter().zip(&columns.0) {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        match column {
            Column::Identifier(kind, namespace) => row.identifiers.push(Identifier {
                kind: (*kind).to_owned(),
                namespace: namespace.clone(),
                value: value.to_owned(),
                ..Identifier::default()
            }),
            Column::Attribute(name) => {
                let input = ProfileAttributeInput { value: value.to_owned(), ..Default::default() };
                row.profile.insert(name.clone(), input);
            }
            Column::Ignored => {}
        }
    }
    row
}

/// How the rows are to be read, the same for all calls.
pub(super) fn settings(args: &ImportArgs, update_time: Timestamp) -> ImportSettings {
    ImportSettings {
        source: args.source.clone().unwrap_or_default(),
        dry_run: args.dry_run,
        update_time: Some(update_time),
        ..ImportSettings::default()
    }
}

/// Makes a call until it is answered.
///
/// # Errors
/// What the server refuses, or that it does not answer any more.
pub(super) async fn send(
    client: Customers,
    settings: ImportSettings,
    call: Call,
) -> anyhow::Result<Done> {
    if call.rows.is_empty() {
        return Ok(Done { call, answer: ImportCustomersResponse::default() });
    }
    let mut tries = 0;
    loop {
        let messages = tokio_stream::iter(call.messages(&settings));
        match client.clone().import_customers(messages).await {
            Ok(answer) => return Ok(Done { call, answer: answer.into_inner() }),
            Err(status) if client::is_passing(&status) && tries < TRIES => {
                let own = client::retry_delay(&status).unwrap_or_default();
                tokio::time::sleep(own.max(FIRST_WAIT * 2_u32.pow(tries))).await;
                tries += 1;
            }
            Err(status) => {
                let (code, reason) = (code_name(status.code()), client::reason(&status));
                let violations: Vec<String> =
                    client::field_violations(&status).iter().map(ToString::to_string).collect();
                let said =
                    format!("{code} {reason}: {} {}", status.message(), violations.join("; "));
                return Err(anyhow!("{}", said.trim_end()));
            }
        }
    }
}

//! `ImportCustomers`: rows as they come, many in flight, and what became of them. No more is held
//! than what is in flight and the report.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt as _;

use super::limits::{self, Check};
use super::proto;
use super::status::{invalid, name, status};
use super::{LOOKED_AGAIN_AFTER, LOOKS, answers, credential, customer_requests};
use crate::continuity::import_customers::{Import, Imported};
use crate::continuity::{Caller, Credential, Error, Service, Warning};
use crate::identity::Violation;

/// Rows of one import in flight.
const IN_FLIGHT: usize = 128;
/// Rejected rows, and warnings, that one answer lists; the counts tell of the rest.
const MOST_TOLD: usize = 1_000;
/// Fields of one rejected row that are named.
const MOST_VIOLATIONS: usize = 32;

/// Imports the rows of a stream.
///
/// # Errors
/// Settings or messages that cannot be read, and the store's: what was imported before stays, and
/// the same rows may be sent again.
pub(super) async fn import(
    service: &Arc<Service>,
    permits: &Arc<Semaphore>,
    caller: &Caller,
    asked: &Request<()>,
    mut rows: Streaming<proto::ImportCustomersRequest>,
) -> Result<proto::ImportCustomersResponse, Status> {
    let shown = credential(asked, caller).map_err(|error| status(&error))?;
    let mut message = rows.message().await?;
    let settings = message.as_mut().and_then(|first| first.settings.take()).unwrap_or_default();
    let now = service.store().now();
    service.may_import(caller, &settings.source).map_err(|error| status(&error))?;
    let import = Arc::new(customer_requests::import(settings, caller, now)?);
    let mut run = Run {
        service: Arc::clone(service),
        permits: Arc::clone(permits),
        caller: caller.clone(),
        import,
        flight: JoinSet::new(),
        report: proto::ImportCustomersResponse::default(),
    };
    while let Some(request) = message {
        let mut check = Check::default();
        check.at_most("rows", request.rows.len(), limits::IMPORT_ROWS);
        if !check.violations.is_empty() {
            return Err(invalid(&check.violations, proto::ErrorReason::InvalidField));
        }
        for row in request.rows {
            run.take(row).await?;
        }
        message = rows.message().await?;
        if message.is_some() {
            still_admitted(service, asked, &shown).await?;
        }
    }
    while let Some(landed) = run.flight.join_next().await {
        run.land(landed)?;
    }
    let mut report = run.report;
    report.rejected_rows.sort_by_key(|row| row.row_number);
    report.warnings.sort_by_key(|warning| warning.row_number);
    Ok(report)
}

/// Each message after the first is a call of its own: a key that was revoked or has expired imports
/// no further, nor a certificate that stands for somebody else by now or may do less. What calls too often
/// waits, and whoever sends waits with it; so does a key that cannot be looked at in time, since the
/// import's own rows keep the readers busy.
async fn still_admitted(
    service: &Arc<Service>,
    asked: &Request<()>,
    shown: &Credential,
) -> Result<(), Status> {
    let mut looks = 0;
    loop {
        match super::caller(service, asked).await {
            // All rows are written as the first ones were.
            Ok(_) => {
                let admitted = super::still_admitted(service, shown).await;
                return admitted.map_err(|error| status(&error));
            }
            Err(Error::RateLimited(wait)) => tokio::time::sleep(wait).await,
            Err(Error::Store(_)) if looks < LOOKS => {
                looks += 1;
                tokio::time::sleep(LOOKED_AGAIN_AFTER).await;
            }
            Err(error) => return Err(status(&error)),
        }
    }
}

/// A row, what was redacted of it, and what became of it.
type Landed = (i64, Vec<Warning>, Result<Imported, Error>);

struct Run {
    service: Arc<Service>,
    permits: Arc<Semaphore>,
    caller: Caller,
    import: Arc<Import>,
    flight: JoinSet<Landed>,
    report: proto::ImportCustomersResponse,
}

impl Run {
    async fn take(&mut self, row: proto::ImportRow) -> Result<(), Status> {
        let number = row.row_number;
        let (row, redacted) = match customer_requests::row(row, &self.caller) {
            Ok(read) => read,
            Err(violations) => {
                self.reject(number, name(proto::ErrorReason::InvalidField), &violations);
                return Ok(());
            }
        };
        while self.flight.len() >= IN_FLIGHT {
            if let Some(landed) = self.flight.join_next().await {
                self.land(landed)?;
            }
        }
        let (service, caller) = (Arc::clone(&self.service), self.caller.clone());
        let import = Arc::clone(&self.import);
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        self.flight.spawn(async move {
            let _permit = permit;
            (number, redacted, service.import_row(&caller, &import, row).await)
        });
        Ok(())
    }

    fn land(&mut self, landed: Result<Landed, tokio::task::JoinError>) -> Result<(), Status> {
        // A row that panicked is a defect of ours; the rows may be sent again.
        let (number, redacted, imported) =
            landed.map_err(|_| Status::internal("internal error"))?;
        match imported {
            Ok(Imported::Created(warnings)) => {
                self.report.created_count += 1;
                self.warn(number, &warnings);
                self.warn(number, &redacted);
            }
            Ok(Imported::Updated(warnings)) => {
                self.report.updated_count += 1;
                self.warn(number, &warnings);
                self.warn(number, &redacted);
            }
            Ok(Imported::Unchanged(warnings)) => {
                self.report.unchanged_count += 1;
                self.warn(number, &warnings);
                self.warn(number, &redacted);
            }
            Err(Error::Invalid(violations)) => {
                self.reject(number, name(proto::ErrorReason::InvalidField), &violations);
            }
            Err(Error::CustomerAmbiguous(violations)) => {
                self.reject(number, name(proto::ErrorReason::CustomerAmbiguous), &violations);
            }
            Err(error) => {
                let refused = status(&error);
                if refused.code() != Code::FailedPrecondition {
                    return Err(refused);
                }
                let reason = refused.get_details_error_info().map(|it| it.reason);
                self.reject(number, &reason.unwrap_or_default(), &[]);
            }
        }
        Ok(())
    }

    fn warn(&mut self, number: i64, warnings: &[Warning]) {
        for warning in answers::warnings(warnings) {
            self.report.warning_count += 1;
            if self.report.warnings.len() < MOST_TOLD {
                let warning = proto::RowWarning { row_number: number, warning: Some(warning) };
                self.report.warnings.push(warning);
            }
        }
    }

    fn reject(&mut self, number: i64, reason: &str, violations: &[Violation]) {
        self.report.rejected_count += 1;
        if self.report.rejected_rows.len() >= MOST_TOLD {
            return;
        }
        let violations = violations.iter().take(MOST_VIOLATIONS).map(|it| {
            let (field, description) = (it.field.clone(), it.description.clone());
            proto::ImportViolation { field, description }
        });
        self.report.rejected_rows.push(proto::RejectedRow {
            row_number: number,
            reason: reason.to_owned(),
            violations: violations.collect(),
        });
    }
}

//! `ExportCustomer`: what is held, as flat records, in messages of a size that every client takes. The
//! next page is read when the client has taken the one before, however long that takes: so it is asked
//! before each whether whoever exports may do so still.

mod interaction;
mod records;

use std::sync::Arc;

use futures_util::stream::{BoxStream, StreamExt as _, try_unfold};
use prost::Message as _;
use tonic::Status;

use super::status::status;
use super::{answers, proto, still_admitted};
use crate::continuity::export_customer::Export;
use crate::continuity::{Caller, Credential, Service};
use proto::export_record::Record;

/// Bytes of the records of one message, about: clients take 4 MB.
const MESSAGE_BYTES: usize = 1 << 20;

/// A stream of records.
pub(super) type Records = BoxStream<'static, Result<proto::ExportCustomerResponse, Status>>;

/// What goes on between two messages.
struct Sending {
    service: Arc<Service>,
    shown: Credential,
    export: Export,
    waiting: std::vec::IntoIter<Record>,
    sent: i64,
    ended: bool,
}

/// Begins an export, for whoever showed this.
///
/// # Errors
/// As the use case's.
pub(super) async fn export(
    service: &Arc<Service>,
    (caller, shown): (&Caller, Credential),
    customer_ref: &str,
) -> Result<Records, Status> {
    let begun = service.export_customer(caller, customer_ref).await;
    let export = begun.map_err(|error| status(&error))?;
    let (service, waiting) = (Arc::clone(service), Vec::new().into_iter());
    let sending = Sending { service, shown, export, waiting, sent: 0, ended: false };
    Ok(try_unfold(sending, message).boxed())
}

impl Sending {
    /// A key that was revoked or has expired exports no further, nor a certificate that does not stand for
    /// whoever began.
    async fn may_go_on(&self) -> Result<(), Status> {
        still_admitted(&self.service, &self.shown).await.map_err(|error| status(&error))
    }
}

/// The next message.
async fn message(
    mut sending: Sending,
) -> Result<Option<(proto::ExportCustomerResponse, Sending)>, Status> {
    if sending.ended {
        return Ok(None);
    }
    // Also of what was read before: it has waited for as long as the client liked.
    sending.may_go_on().await?;
    let (mut records, mut bytes) = (Vec::new(), 0);
    while bytes < MESSAGE_BYTES {
        let Some(record) = sending.waiting.next() else {
            sending.may_go_on().await?;
            let page = sending.export.next().await.map_err(|error| status(&error))?;
            let Some(held) = page else {
                sending.ended = true;
                let time = answers::timestamp(sending.service.store().now());
                let record_count = sending.sent;
                let end = Record::End(proto::ExportEnd { record_count, time });
                records.push(proto::ExportRecord { record: Some(end) });
                break;
            };
            let all = held.into_iter().flat_map(|held| records::records(&sending.export, held));
            sending.waiting = all.collect::<Vec<Record>>().into_iter();
            continue;
        };
        let record = proto::ExportRecord { record: Some(record) };
        bytes += record.encoded_len();
        sending.sent += 1;
        records.push(record);
    }
    Ok(Some((proto::ExportCustomerResponse { records }, sending)))
}

//! Erasing on the wire: requests checked and read, answers written.

use super::answers::timestamp;
use super::limits::{self, Check};
use super::proto::{self, erase_customer_response::Outcome};
use super::redacting::content;
use super::requests::{Parsed, finish, own_source};
use crate::continuity::Caller;
use crate::continuity::erase_customer::{Erasing, Preview, Receipt};
use crate::continuity::record::ErasureRecord;

/// What an EraseCustomer asks for.
pub(super) enum Asked {
    /// What would go of this customer.
    Preview(String),
    /// That it goes.
    Erase(Erasing),
}

/// Checks and reads a request.
pub(super) fn erase(mut request: proto::EraseCustomerRequest, caller: &Caller) -> Parsed<Asked> {
    let mut check = Check::default();
    own_source(&mut request.source, caller);
    let (content, _) = content(&mut request, &caller.tenant.policy.redaction);
    check.required("customer_ref", &request.customer_ref, limits::ID);
    check.line("source", &request.source, limits::SHORT);
    check.line("preview_token", &request.preview_token, limits::PAGE_TOKEN);
    if request.preview_token.is_empty() {
        check.line("request_id", &request.request_id, limits::ID);
        return finish(check, Asked::Preview(request.customer_ref));
    }
    check.required("request_id", &request.request_id, limits::ID);
    let erasing = Erasing {
        source: request.source,
        request_id: request.request_id,
        content,
        customer_ref: request.customer_ref,
        preview_token: request.preview_token,
    };
    finish(check, Asked::Erase(erasing))
}

/// What would go.
pub(super) fn previewed(it: &Preview) -> proto::EraseCustomerResponse {
    let preview = proto::ErasurePreview {
        customer_ref: it.customer.to_ref(),
        member_refs: it.members.iter().map(|member| member.to_ref()).collect(),
        counts: Some(counts(&it.counts)),
        preview_token: it.token.clone(),
        expire_time: timestamp(it.expire),
    };
    proto::EraseCustomerResponse { outcome: Some(Outcome::Preview(preview)) }
}

/// That it is gone.
pub(super) fn erased(it: Receipt) -> proto::EraseCustomerResponse {
    let receipt = proto::ErasureReceipt {
        receipt_id: it.id,
        customer_ref: it.customer_ref,
        erase_time: timestamp(it.erased),
        counts: Some(counts(&it.counts)),
        audit_position: it.position,
        tenant: it.tenant,
        statement: it.statement,
        signature: it.signature,
    };
    proto::EraseCustomerResponse { outcome: Some(Outcome::Receipt(receipt)) }
}

fn counts(it: &ErasureRecord) -> proto::ErasureCounts {
    let count = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    proto::ErasureCounts {
        customer_count: count(it.customers),
        interaction_count: count(it.interactions),
        identifier_count: count(it.identifiers),
        intent_count: count(it.intents),
        variable_count: count(it.variables),
        attribute_count: count(it.attributes),
        merge_count: count(it.merges),
        journal_entry_count: count(it.journal_entries),
        consent_count: count(it.consents),
    }
}

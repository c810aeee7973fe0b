//! Merges on the wire: requests checked and read, answers written.

use data_encoding::BASE64URL_NOPAD;

use super::answers::{attribute, timestamp};
use super::customers::identifier;
use super::limits::{self, Check};
use super::proto;
use super::redacting::content;
use super::requests::{Parsed, finish, own_source};
use crate::continuity::Caller;
use crate::continuity::joining::Merge;
use crate::continuity::merge_customers::{Merged, Merging};
use crate::continuity::preview_merge::{Preview, Side};
use crate::continuity::unmerge_customers::{Unmerged, Unmerging, Which};
use crate::identity::Identifier;
use crate::ids::{CustomerId, Token};

/// Checks a PreviewMerge.
pub(super) fn preview(request: &proto::PreviewMergeRequest) -> Parsed<()> {
    let mut check = Check::default();
    check.required("customer_ref", &request.customer_ref, limits::ID);
    check.required("other_customer_ref", &request.other_customer_ref, limits::ID);
    finish(check, ())
}

/// Checks and reads a merge.
pub(super) fn merge(mut request: proto::MergeCustomersRequest, caller: &Caller) -> Parsed<Merging> {
    let mut check = Check::default();
    own_source(&mut request.source, caller);
    let (content, _) = content(&mut request, &caller.tenant.policy.redaction);
    check.required("request_id", &request.request_id, limits::ID);
    check.line("source", &request.source, limits::SHORT);
    check.required("customer_ref", &request.customer_ref, limits::ID);
    check.required("other_customer_ref", &request.other_customer_ref, limits::ID);
    if request.reason.trim().is_empty() {
        check.bad("reason", "is required");
    }
    check.text("reason", &request.reason, limits::REASON);
    check.text("evidence", &request.evidence, limits::REASON);
    let merging = Merging {
        source: request.source,
        request_id: request.request_id,
        content,
        customer_ref: request.customer_ref,
        other_customer_ref: request.other_customer_ref,
        reason: request.reason,
        evidence: request.evidence,
    };
    finish(check, merging)
}

/// Checks and reads an unmerge.
pub(super) fn unmerge(
    mut request: proto::UnmergeCustomersRequest,
    caller: &Caller,
) -> Parsed<Unmerging> {
    let mut check = Check::default();
    own_source(&mut request.source, caller);
    let (content, _) = content(&mut request, &caller.tenant.policy.redaction);
    check.required("request_id", &request.request_id, limits::ID);
    check.line("source", &request.source, limits::SHORT);
    check.text("reason", &request.reason, limits::REASON);
    let which = which(&mut check, &request);
    let unmerging = Unmerging {
        source: request.source,
        request_id: request.request_id,
        content,
        which,
        reason: request.reason,
    };
    finish(check, unmerging)
}

fn which(check: &mut Check, request: &proto::UnmergeCustomersRequest) -> Which {
    let (one, other) = (&request.customer_ref, &request.other_customer_ref);
    if request.merge_id.is_empty() {
        check.required("customer_ref", one, limits::ID);
        check.required("other_customer_ref", other, limits::ID);
        return Which::Between(one.clone(), other.clone());
    }
    for (field, named) in [("customer_ref", one), ("other_customer_ref", other)] {
        if !named.is_empty() {
            check.bad(field, "must be left out where merge_id is given");
        }
    }
    let merge_id = read_merge_id(&request.merge_id);
    if merge_id.is_none() {
        check.bad("merge_id", "is not one that an answer gave");
    }
    Which::Merge(merge_id.unwrap_or(Token([0; 16])))
}

fn merge_id(token: Token) -> String {
    BASE64URL_NOPAD.encode(&token.0)
}

fn read_merge_id(text: &str) -> Option<Token> {
    let short = text.len() <= limits::PAGE_TOKEN;
    let bytes = short.then(|| BASE64URL_NOPAD.decode(text.as_bytes()).ok())??;
    bytes.try_into().ok().map(Token)
}

/// Customers who are one person.
pub(super) fn set(name: CustomerId, members: &[CustomerId]) -> proto::CustomerSet {
    proto::CustomerSet {
        customer_ref: name.to_ref(),
        member_refs: members.iter().map(|member| member.to_ref()).collect(),
    }
}

/// The answer to a merge.
pub(super) fn merged(it: &Merged) -> proto::MergeCustomersResponse {
    let state = match it.in_force {
        true => proto::MergeState::InForce,
        false => proto::MergeState::Undone,
    };
    proto::MergeCustomersResponse {
        merge_id: merge_id(it.merge_id),
        set: Some(set(it.customer, &it.members)),
        state: state.into(),
    }
}

/// The answer to an unmerge.
pub(super) fn unmerged(it: &Unmerged) -> proto::UnmergeCustomersResponse {
    proto::UnmergeCustomersResponse {
        merge_ids: it.merge_ids.iter().map(|token| merge_id(*token)).collect(),
        sets: [&it.one, &it.other].map(|(name, members)| set(*name, members)).to_vec(),
    }
}

/// One merge of a history.
pub(super) fn history(it: &Merge) -> proto::Merge {
    proto::Merge {
        merge_id: merge_id(it.merge_id),
        customer_ref: it.one.to_ref(),
        other_customer_ref: it.other.to_ref(),
        state: it.state as i32,
        create_time: timestamp(it.made),
        undo_time: timestamp(it.undone),
        made_by: it.made_by.clone(),
        source: it.source.clone(),
        reason: it.reason.clone(),
        evidence: it.evidence.clone(),
        undone_by: it.undone_by.clone(),
        undone_reason: it.undone_reason.clone(),
    }
}

/// The answer to a preview.
pub(super) fn previewed(it: Preview) -> proto::PreviewMergeResponse {
    let name = |it: Identifier| proto::IdentifierName {
        kind: it.scheme,
        namespace: it.namespace,
        value: it.value,
    };
    let conflicts = it.attributes.iter().map(|conflict| proto::AttributeConflict {
        name: conflict.name.clone(),
        kept: Some(attribute(&conflict.kept)),
        other: Some(attribute(&conflict.other)),
    });
    proto::PreviewMergeResponse {
        customer_ref: it.customer.to_ref(),
        attribute_conflicts: conflicts.collect(),
        sides: it.sides.iter().map(side).collect(),
        already_merged: it.already_merged,
        too_large: it.too_large,
        shared_identifiers: it.shared.into_iter().map(name).collect(),
        contradicting_identifiers: it.contradicting.into_iter().map(name).collect(),
        disclosure: it.disclosure as i32,
    }
}

fn side(it: &Side) -> proto::MergeSide {
    proto::MergeSide {
        set: Some(set(it.customer, &it.members)),
        contact_count: i32::try_from(it.contacts).unwrap_or(i32::MAX),
        open_intent_count: i32::try_from(it.open_intents).unwrap_or(i32::MAX),
        identifiers: it.identifiers.iter().map(|one| identifier(one, true)).collect(),
        disclosure: it.disclosure as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_id_reads_back_and_odd_ones_do_not() {
        let token = Token([7; 16]);
        assert_eq!(read_merge_id(&merge_id(token)), Some(token));
        for odd in ["", "x", "AAAA", "not base64!", &"A".repeat(300)] {
            assert_eq!(read_merge_id(odd), None, "{odd}");
        }
    }
}

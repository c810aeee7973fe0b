//! Protocol messages to commands: every field is checked against its limit, and all that is wrong
//! is said at once.

use std::mem::take;

use data_encoding::BASE64URL_NOPAD;
use tonic::Status;

use super::fields::{
    Token as WebToken, audience, check_about, check_feedback, check_hints, check_voice, cleared,
    consents, conversion, direction, hints, history_limit, intents, profile, sensitivity, telco,
    time, variables, verification, without_token,
};
use super::limits::{self, Check};
use super::proto::{self, ErrorReason};
use super::redacting::{content, redact};
use super::status::{bad_token, invalid};
use crate::clock::{DAY, MINUTE, Time};
use crate::context::{Audience, Sensitivity};
use crate::continuity::end_interaction::End;
use crate::continuity::reassign_interaction::Reassigning;
use crate::continuity::record::{About, MessageRecord};
use crate::continuity::start_interaction::Start;
use crate::continuity::update_interaction::Update;
use crate::continuity::{Caller, Error, Feedback, Role, Warning};
use crate::identity::{Circumstances, Direction, ShownToken, normalise};
use crate::ids::Token;

/// A start's time may lie back by so much without the backfill role.
const BEHIND: i64 = 5 * MINUTE;
/// An end's times may lie back by so much without the backfill role: web-hooks come late.
pub(super) const END_BEHIND: i64 = 7 * DAY;

/// A parsed request, or the status that names all that is wrong with it.
pub(super) type Parsed<T> = Result<T, Status>;

/// What was asked, and what its answer must warn of.
pub(super) type Redacted<T> = (T, Vec<Warning>);

pub(super) fn finish<T>(check: Check, value: T) -> Parsed<T> {
    if !check.violations.is_empty() {
        let mut all = check.violations;
        all.extend(check.token.map(bad_token));
        return Err(invalid(&all, ErrorReason::InvalidField));
    }
    if let Some(refused) = check.token {
        return Err(super::status(&Error::WebTokenRefused(refused)));
    }
    Ok(value)
}

/// Checks and reads a start.
pub(super) fn start(
    mut request: proto::StartInteractionRequest,
    caller: &Caller,
    now: Time,
    token: WebToken,
) -> Parsed<Redacted<Start>> {
    let redacted = redact(&mut request, &caller.tenant.policy.redaction);
    let late_token = token.as_ref().is_ok_and(ShownToken::is_late);
    let mut check = Check::default();
    let about = About {
        interaction_id: take(&mut request.interaction_id),
        source: caller.source.to_string(),
        thread_ref: take(&mut request.thread_ref),
        agent_ref: take(&mut request.agent_ref),
        queue: take(&mut request.queue),
        brand: take(&mut request.brand),
        continues_interaction_id: take(&mut request.continues_interaction_id),
        continues_source: take(&mut request.continues_source),
    };
    check_about(&mut check, &about);
    check.required("channel", &request.channel, limits::SHORT);
    check.word("channel", &request.channel);
    check_voice(&mut check, &request.locale, &request.time_zone);
    let direction = direction(&mut check, request.direction);
    let audience = audience(&mut check, request.audience).unwrap_or(Audience::Private);
    let (line_type, attestation) = telco(&mut check, request.telco);
    let raw = hints(&mut check, request.identity_hints.unwrap_or_default(), token);
    let start_time = time(&mut check, "start_time", request.start_time, now);
    let history_limit = history_limit(&mut check, request.history_limit);
    let circumstances = Circumstances {
        channel: &request.channel,
        direction: direction.unwrap_or(Direction::Inbound),
        line_type,
        attestation,
        max_assurance: caller.max_assurance,
        continuation: false,
    };
    let normalised = normalise(&raw, &circumstances, &caller.tenant.policy.identity);
    check.violations.extend(normalised.violations.iter().cloned());
    let past = start_time.is_some_and(|at| now.since(at) > BEHIND);
    let start = Start {
        about,
        channel: request.channel.clone(),
        direction: direction.unwrap_or(Direction::Inbound),
        audience,
        normalised,
        late_token,
        line_type,
        attestation,
        locale: request.locale,
        time_zone: request.time_zone,
        start_time,
        history_limit,
    };
    let start = finish(check, start)?;
    if past {
        needs_backfill(caller)?;
    }
    Ok((start, redacted))
}

/// Checks and reads an update.
pub(super) fn update(
    mut request: proto::UpdateInteractionRequest,
    caller: &Caller,
    now: Time,
    token: WebToken,
) -> Parsed<Redacted<Update>> {
    let mut check = Check::default();
    canonical(&mut request.source, &mut request.identity_hints, caller, &token);
    let (content, redacted) = content(&mut request, &caller.tenant.policy.redaction);
    check.required("interaction_id", &request.interaction_id, limits::ID);
    check.required("update_id", &request.update_id, limits::ID);
    check.line("source", &request.source, limits::SHORT);
    check.line("agent_ref", &request.agent_ref, limits::ID);
    check.line("queue", &request.queue, limits::NAME);
    let message = message(&mut check, request.last_inbound, now);
    use proto::update_interaction_request::IdentityFeedback as Said;
    let feedback = request.identity_feedback.map(|said| match said {
        Said::IdentityConfirmed(it) => Feedback::Confirmed(Some(it.customer_ref)),
        Said::IdentityRejected(it) => Feedback::Rejected(it.customer_ref),
    });
    check_feedback(&mut check, feedback.as_ref());
    let raw = hints(&mut check, request.identity_hints.unwrap_or_default(), token);
    check_hints(&mut check, &raw, caller);
    let update = Update {
        source: request.source,
        interaction_id: request.interaction_id,
        update_id: request.update_id,
        content,
        hints: raw,
        agent_ref: request.agent_ref,
        queue: request.queue,
        audience: audience(&mut check, request.audience),
        intents: intents(&mut check, request.intents, Sensitivity::Normal),
        message,
        variables: variables(&mut check, request.variables, caller),
        consents: consents(&mut check, request.consents, now),
        feedback,
        verification: verification(&mut check, request.verification),
    };
    finish(check, (update, redacted))
}

/// The customer's last message; its time is zero when none is given.
fn message(
    check: &mut Check,
    said: Option<proto::LastInbound>,
    now: Time,
) -> Option<MessageRecord> {
    let proto::LastInbound { channel, thread_ref, time: at } = said?;
    check.required("last_inbound.channel", &channel, limits::SHORT);
    check.word("last_inbound.channel", &channel);
    check.line("last_inbound.thread_ref", &thread_ref, limits::ID);
    let time = time(check, "last_inbound.time", at, now).map_or(0, |at| at.0);
    Some(MessageRecord { channel, thread_ref, time })
}

/// Checks and reads an end.
pub(super) fn end(
    mut request: proto::EndInteractionRequest,
    caller: &Caller,
    now: Time,
    token: WebToken,
) -> Parsed<Redacted<End>> {
    let mut check = Check::default();
    canonical(&mut request.source, &mut request.identity_hints, caller, &token);
    let (content, redacted) = content(&mut request, &caller.tenant.policy.redaction);
    check_outcome(&mut check, &request);
    let about = about_of_an_end(&mut request);
    check_about(&mut check, &about);
    check.line("source", &about.source, limits::SHORT);
    check.line("customer_ref", &request.customer_ref, limits::ID);
    check.word("channel", &request.channel);
    let feedback = request.identity_feedback.map(word_of_an_end);
    check_feedback(&mut check, feedback.as_ref());
    let raw = hints(&mut check, request.identity_hints.unwrap_or_default(), token);
    check_hints(&mut check, &raw, caller);
    let (line_type, attestation) = telco(&mut check, request.telco);
    let sensitivity = sensitivity(&mut check, "sensitivity", request.sensitivity);
    let start_time = time(&mut check, "start_time", request.start_time, now);
    let end_time = time(&mut check, "end_time", request.end_time, now);
    let mut variables = variables(&mut check, request.variables, caller);
    cleared(&mut check, "clear_variables", request.clear_variables, &mut variables);
    let (mut profile, disclosure) = profile(&mut check, request.profile);
    cleared(&mut check, "clear_profile", request.clear_profile, &mut profile);
    let unspecified = sensitivity.unwrap_or(Sensitivity::Normal);
    let past = [start_time, end_time].into_iter().flatten().any(|at| now.since(at) > END_BEHIND);
    let end = End {
        about,
        content,
        customer_ref: request.customer_ref,
        hints: raw,
        channel: request.channel,
        direction: direction(&mut check, request.direction),
        line_type,
        attestation,
        start_time,
        end_time,
        revision: request.revision,
        complete: request.complete,
        intents: intents(&mut check, request.intents, unspecified),
        variables,
        profile,
        consents: consents(&mut check, request.consents, now),
        disclosure,
        summary: request.summary,
        sensitivity: unspecified,
        feedback,
        verification: verification(&mut check, request.verification),
        disposition: request.disposition,
        csat: request.csat,
        sentiment: request.sentiment,
        escalated: request.escalated,
        conversion: conversion(&mut check, request.conversion),
    };
    let end = finish(check, end)?;
    if past {
        needs_backfill(caller)?;
    }
    Ok((end, redacted))
}

/// What an end says of itself.
fn about_of_an_end(request: &mut proto::EndInteractionRequest) -> About {
    About {
        interaction_id: take(&mut request.interaction_id),
        source: take(&mut request.source),
        thread_ref: take(&mut request.thread_ref),
        agent_ref: take(&mut request.agent_ref),
        queue: take(&mut request.queue),
        brand: String::new(),
        continues_interaction_id: take(&mut request.continues_interaction_id),
        continues_source: take(&mut request.continues_source),
    }
}

fn word_of_an_end(said: proto::end_interaction_request::IdentityFeedback) -> Feedback {
    use proto::end_interaction_request::IdentityFeedback as Said;
    match said {
        Said::IdentityConfirmed(it) => Feedback::Confirmed(Some(it.customer_ref)),
        Said::IdentityRejected(it) => Feedback::Rejected(it.customer_ref),
    }
}

/// Named or not, the key's own source is the same: a retry may do either.
pub(super) fn own_source(source: &mut String, caller: &Caller) {
    if **source == *caller.source {
        source.clear();
    }
}

/// The form in which a retry is the same: a token is whom it names.
fn canonical(
    source: &mut String,
    hints: &mut Option<proto::IdentityHints>,
    caller: &Caller,
    token: &WebToken,
) {
    own_source(source, caller);
    without_token(hints, token);
}

/// What happened, in words and numbers.
fn check_outcome(check: &mut Check, request: &proto::EndInteractionRequest) {
    check.text("summary", &request.summary, limits::SUMMARY);
    check.line("disposition", &request.disposition, limits::NAME);
    if request.csat.is_some_and(|csat| !(0..=10).contains(&csat)) {
        check.bad("csat", "must be from 0 to 10");
    }
    if request.sentiment.is_some_and(|it| !(-1.0..=1.0).contains(&it)) {
        check.bad("sentiment", "must be from -1 to 1");
    }
    if request.revision.is_some_and(|revision| revision < 0) {
        check.bad("revision", "must not be negative");
    }
    if request.complete && request.revision.is_none() {
        check.bad("complete", "needs a revision");
    }
}

/// Checks a GetInteraction; gives its view and history limit.
pub(super) fn get(
    request: &proto::GetInteractionRequest,
) -> Parsed<(proto::InteractionView, usize)> {
    let mut check = Check::default();
    check.required("interaction_id", &request.interaction_id, limits::ID);
    check.line("source", &request.source, limits::SHORT);
    let view = check.known("view", proto::InteractionView::try_from(request.view));
    let history = history_limit(&mut check, request.history_limit);
    finish(check, (view.unwrap_or_default(), history))
}

/// Checks a ListInteractions; gives its page size and where the page before ended.
pub(super) fn list(
    request: &proto::ListInteractionsRequest,
) -> Parsed<(i32, Option<(Time, Token)>)> {
    let mut check = Check::default();
    whom(&mut check, &request.customer_ref, &request.source, &request.interaction_id);
    check.word("channel", &request.channel);
    let size = request.page_size;
    if !(0..=limits::PAGE).contains(&size) {
        check.bad("page_size", format!("must be from 1 to {}", limits::PAGE));
    }
    let after = read_page_token(&request.page_token);
    if after.is_none() && !request.page_token.is_empty() {
        check.bad("page_token", "is not one that an answer gave");
    }
    finish(check, (if size == 0 { limits::DEFAULT_PAGE } else { size }, after))
}

/// Checks a GetCustomer.
pub(super) fn get_customer(request: &proto::GetCustomerRequest) -> Parsed<()> {
    let mut check = Check::default();
    whom(&mut check, &request.customer_ref, &request.source, &request.interaction_id);
    finish(check, ())
}

/// Checks and reads a reassignment.
pub(super) fn reassign(
    mut request: proto::ReassignInteractionRequest,
    caller: &Caller,
) -> Parsed<Reassigning> {
    let mut check = Check::default();
    own_source(&mut request.source, caller);
    let (content, _) = content(&mut request, &caller.tenant.policy.redaction);
    check.required("interaction_id", &request.interaction_id, limits::ID);
    check.required("request_id", &request.request_id, limits::ID);
    check.line("source", &request.source, limits::SHORT);
    if let Some(named) = &request.customer_ref {
        check.required("customer_ref", named, limits::ID);
    }
    let reassigning = Reassigning {
        source: request.source,
        interaction_id: request.interaction_id,
        request_id: request.request_id,
        content,
        customer_ref: request.customer_ref,
    };
    finish(check, reassigning)
}

pub(super) fn whom(check: &mut Check, customer_ref: &str, source: &str, interaction_id: &str) {
    check.line("interaction_id", interaction_id, limits::ID);
    if interaction_id.is_empty() && customer_ref.is_empty() {
        check.bad("customer_ref", "is required, or interaction_id");
    }
    check.line("source", source, limits::SHORT);
    check.line("customer_ref", customer_ref, limits::ID);
}

/// Where a page ended: a time and a blind token, nothing readable.
pub(super) fn page_token((ended, interaction): (Time, Token)) -> String {
    let bytes = [&ended.0.to_be_bytes()[..], &interaction.0].concat();
    BASE64URL_NOPAD.encode(&bytes)
}

fn read_page_token(text: &str) -> Option<(Time, Token)> {
    if text.len() > limits::PAGE_TOKEN {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (time, token) = bytes.split_at_checked(8)?;
    Some((Time(i64::from_be_bytes(time.try_into().ok()?)), Token(token.try_into().ok()?)))
}

pub(super) fn needs_backfill(caller: &Caller) -> Parsed<()> {
    let allowed = caller.has(Role::Backfill);
    if allowed { Ok(()) } else { Err(super::status(&Error::BackfillRequired)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_tokens_read_back_and_odd_ones_do_not() {
        let place = (Time(1_700_000_000_123), Token([7; 16]));
        assert_eq!(read_page_token(&page_token(place)), Some(place));
        for odd in ["x", "AAAA", "not base64!", &"A".repeat(200)] {
            assert_eq!(read_page_token(odd), None, "{odd}");
        }
    }
}

//! (e) A caller who withholds the number is nobody we know.

use super::{ending, intent, recommendation};
use crate::cli::demo::stage::{Stage, System, shows_nothing};
use crate::clock::MINUTE;
use crate::grpc::proto::{IdentityHints, IntentStatus, Recommendation, StartInteractionRequest};

pub(super) async fn play(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.page.journey(
        'e',
        "A withheld number, twice",
        "“anonymous” is not a number that two callers share: it must never bring anybody's \
         history back.",
    )?;
    let mut refs = Vec::new();
    let mut silent = true;
    for (number, minutes) in [(1, 90), (2, 30)] {
        let call = StartInteractionRequest {
            interaction_id: stage.cast.id(&format!("withheld-{number}")),
            channel: "voice".to_owned(),
            identity_hints: Some(IdentityHints {
                caller_number: "anonymous".to_owned(),
                ..IdentityHints::default()
            }),
            ..StartInteractionRequest::default()
        };
        let at = stage.cast.minutes_ago(minutes);
        let answer = stage.start(System::Telephony, at, call.clone()).await?;
        silent &= answer.new_customer
            && recommendation(&answer) == Recommendation::Ignore
            && shows_nothing(&answer)
            && answer.identity.as_ref().is_none_or(|one| one.candidates.is_empty());
        let open = intent("complaint", "", IntentStatus::Open);
        let note = ending(&call.interaction_id, &answer.customer_ref, open, "Would not say who");
        stage.end(System::Telephony, at.plus(2 * MINUTE), note).await?;
        refs.push(answer.customer_ref);
    }
    stage.expect(
        silent && refs[0] != refs[1],
        "a new customer each time, and nothing disclosed (ignore)",
    )
}

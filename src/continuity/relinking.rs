//! What a contact gives reason for stays linked when it is filed.
//!
//! A contact whose hints are all linked files nothing while it goes on. Meanwhile the contacts on
//! file that gave the reason may go: past retention, or to another customer. Then the link went with
//! them, and this contact is a reason for it again.

use super::Error;
use super::absorb::hints_of;
use super::desk::Desk;
use super::limits;
use super::recognise::hint_record;
use super::record::State;
use super::settling::{customer_of, token_of};
use super::untying;
use crate::identity::Assurance;
use crate::ids::Token;

/// Links again what a settled contact supports, and nobody unlinked since it began.
pub(super) async fn hold(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    interaction: Token,
) -> Result<(), Error> {
    let Some(customer) = customer_of(&state.customer).filter(|_| state.settled) else {
        return Ok(());
    };
    let began = untying::began(desk, state, interaction);
    let working = desk.take_in_hand(customer).await?;
    let lost =
        |token: Token| !working.links().contains_key(&token) && working.untied(token) < began;
    let supports = state.supports.iter();
    let supports = supports.filter_map(|it| Some((token_of(&it.token)?, it.assurance)));
    let lost: Vec<(Token, i64)> = supports.filter(|(token, _)| lost(*token)).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let (service, tenant) = (desk.service, desk.tenant);
    for hint in hints_of(state) {
        let shown = &hint.identifier;
        let gave_way = state.displaced.iter().any(|one| {
            (&one.scheme, &one.namespace, &one.value)
                == (&shown.scheme, &shown.namespace, &shown.value)
        });
        if gave_way {
            continue;
        }
        let token = tenant.secrets.identifier(&shown.scheme, &shown.namespace, &shown.value);
        let Some((_, assurance)) = lost.iter().find(|(known, _)| *known == token) else { continue };
        let strength = Assurance::from_code(*assurance).unwrap_or(Assurance::Asserted);
        if limits::make_room(desk, state, customer, &hint, strength).await? {
            let working = desk.take_in_hand(customer).await?;
            working.link(service, tenant, token, &hint_record(&hint), *assurance);
        }
    }
    Ok(())
}

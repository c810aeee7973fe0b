//! A customer has only so many identifiers of a kind: whether there is room for one more.

use super::Error;
use super::answer::Warning;
use super::desk::Desk;
use super::record::{HintRecord, State};
use super::sealing::Slot;
use super::working::{Refolded, Working};
use crate::clock::Time;
use crate::identity::{Assurance, Held, Hint, Room, room};
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::rows::LinkRow;

/// Makes room for an identifier that the customer does not have yet; whether there is any.
///
/// What gave way is remembered in the interaction, so that it comes back with the interaction's
/// withdrawal.
pub(super) async fn make_room(
    desk: &mut Desk<'_, '_>,
    state: &mut State,
    customer: CustomerId,
    hint: &Hint,
    assurance: Assurance,
) -> Result<bool, Error> {
    let most = desk.tenant.policy.identity.limit(&hint.identifier.scheme);
    let now = Time(state.start_time);
    let tenant = desk.tenant_id();
    let working = desk.take_in_hand(customer).await?;
    if working.links().len() < most {
        return Ok(true);
    }
    let held = of_kind(tenant, working, hint)?;
    let direct = |token: Token| working.ties().get(&token).is_some_and(|tie| tie.assurance > 0);
    let counted: Vec<Held> =
        held.iter().map(|(link, _)| as_held(link, direct(link.token))).collect();
    match room(&counted, most, assurance, now) {
        Room::Free => Ok(true),
        Room::InPlaceOf(index) => {
            let (link, identifier) = &held[index];
            let token = link.token;
            state.displaced.push(identifier.clone());
            working.unlink(token);
            Ok(true)
        }
        Room::Full => {
            desk.warnings.push(limit_reached(hint, most));
            Ok(false)
        }
    }
}

/// Gives back what had to give way, as far as other contacts still speak for it.
pub(super) fn give_back(
    desk: &mut Desk<'_, '_>,
    customer: CustomerId,
    displaced: &[HintRecord],
    still: impl Fn(Token) -> Option<Refolded>,
) {
    let (service, tenant) = (desk.service, desk.tenant);
    let Some(working) = desk.working.get_mut(&customer) else { return };
    for identifier in displaced {
        let HintRecord { scheme, namespace, value, .. } = identifier;
        let token = tenant.secrets.identifier(scheme, namespace, value);
        let Some(refolded) = still(token).filter(|_| !working.links().contains_key(&token)) else {
            continue;
        };
        working.link(service, tenant, token, identifier, refolded.assurance);
        working.reset_link(token, &refolded);
    }
}

/// The customer's links of the hint's kind and namespace.
fn of_kind(
    tenant: TenantId,
    working: &Working,
    hint: &Hint,
) -> Result<Vec<(LinkRow, HintRecord)>, Error> {
    let customer = working.row.customer;
    let mut held = Vec::new();
    for link in working.links().values() {
        let slot = Slot::Link { customer, token: link.token };
        let opened: HintRecord = slot.open(tenant, &working.key, &link.identifier)?;
        if (&opened.scheme, &opened.namespace)
            == (&hint.identifier.scheme, &hint.identifier.namespace)
        {
            held.push((link.clone(), opened));
        }
    }
    Ok(held)
}

/// A link as it counts; one that was made `direct`ly, beside any contact, never gives way.
fn as_held(link: &LinkRow, direct: bool) -> Held {
    // A strength that a newer version wrote is stronger than what is known here.
    let known = Assurance::from_code(link.assurance).filter(|_| !direct);
    let assurance = known.unwrap_or(Assurance::Verified);
    Held { assurance, uses: link.uses, newest: link.newest }
}

fn limit_reached(hint: &Hint, most: usize) -> Warning {
    Warning {
        code: "limit_reached",
        field: hint.field.clone(),
        message: format!(
            "the customer has as many identifiers of this kind as are allowed ({most}); it was not linked"
        ),
    }
}

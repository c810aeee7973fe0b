//! Which of a customer's identifiers others use too.

use super::Error;
use super::desk::Desk;
use super::get_customer::KnownIdentifier;
use super::recognise::owner;
use crate::identity::{HintKind, Identifier, MAX_OWNERS, Owner, gathered, sharing};
use crate::ids::{CustomerId, Token};

/// Looks up who else uses each identifier, and says so beside it.
pub(super) async fn tell(
    desk: &mut Desk<'_, '_>,
    identifiers: &mut [KnownIdentifier],
) -> Result<(), Error> {
    let now = desk.service.store.now();
    let secrets = &desk.tenant.secrets;
    let token = |one: &KnownIdentifier| {
        let Identifier { scheme, namespace, value } = &one.identifier;
        secrets.identifier(scheme, namespace, value)
    };
    let tokens: Vec<Token> = identifiers.iter().map(token).collect();
    let owners = desk.owners(&tokens).await?;
    for (one, token) in identifiers.iter_mut().zip(&tokens) {
        let Some(known) = owners.get(token) else { continue };
        // Beyond so many it names nobody, and counting them would be a crowd's worth of reads.
        let ids: Vec<CustomerId> =
            known.customers.iter().map(|(id, _)| *id).take(MAX_OWNERS).collect();
        let people = desk.people(&ids, false).await?;
        let ties = ids.iter().filter_map(|id| owner(people.get(id)?, *token));
        let name = |id: CustomerId| people.get(&id).map_or(id, |person| person.set_name());
        // Which half-life their counters have is no matter here: only who uses it is asked.
        let ties: Vec<Owner> = gathered(ties, HintKind::UnknownLine, name);
        (one.sharing, one.owners) = sharing(&ties, now);
    }
    Ok(())
}

//! Which hints become a customer's when an interaction settles. The store is
//! poisoned here or nowhere.

use crate::clock::{DAY, Time};
use crate::ids::CustomerId;

use super::model::{MAX_OWNERS, Owner, Shown};
use super::vocabulary::{Assurance, HintKind};

/// Why the interaction is this customer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Nobody was found: the customer is new.
    NewCustomer,
    /// A decision of this assurance.
    Decided(Assurance),
    /// Somebody confirmed or corrected the identity by a verification of this assurance.
    Confirmed(Assurance),
}

/// A link, and how strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkToMake {
    /// The index of the hint shown; each identifier comes once.
    pub shown: usize,
    /// The link's assurance.
    pub assurance: Assurance,
}

/// The links to make for a customer on whom an interaction settles, in the order shown.
///
/// All hints are linked, but not what a customer only asserted and somebody else already has,
/// not identifiers of more than [`MAX_OWNERS`], and not our own references. A link is as strong
/// as the weaker of its hint and its basis; a new customer's as its hint, but for the subject of a
/// web token that somebody else holds VERIFIED. A signed-in subject becomes nobody's by a decision
/// below AUTHENTICATED. Those that the customer has already are among them: each
/// is a reason for the link, and is kept as one.
pub fn links(shown: &[Shown], customer: CustomerId, basis: Basis) -> Vec<LinkToMake> {
    let mut made: Vec<LinkToMake> = Vec::with_capacity(shown.len());
    for (index, hint) in shown.iter().enumerate() {
        if !may_link(hint, customer) || is_strangers(hint, customer, basis) {
            continue;
        }
        let assurance = match basis {
            // Whoever says that it is somebody else does not make them the account's owner too.
            Basis::NewCustomer if is_anothers(hint, customer) => {
                hint.assurance.min(Assurance::Authenticated)
            }
            Basis::NewCustomer => hint.assurance,
            Basis::Decided(basis) | Basis::Confirmed(basis) => hint.assurance.min(basis),
        };
        let same =
            |link: &&mut LinkToMake| shown[link.shown].identifier_index == hint.identifier_index;
        match made.iter_mut().find(same) {
            Some(link) if link.assurance < assurance => {
                *link = LinkToMake { shown: index, assurance };
            }
            Some(_) => {}
            None => made.push(LinkToMake { shown: index, assurance }),
        }
    }
    made
}

/// Whether it is a signed-in subject that nothing but a number or the like ties to this customer: who
/// borrows or forges a number once must not own the account from then on.
fn is_strangers(hint: &Shown, customer: CustomerId, basis: Basis) -> bool {
    let weak = matches!(basis, Basis::Decided(basis) if basis < Assurance::Authenticated);
    let signed_in = hint.kind == HintKind::WebToken && hint.assurance == Assurance::Verified;
    weak && signed_in && hint.owners.iter().all(|owner| owner.customer != customer)
}

/// Whether it is a web token's subject that another customer holds, VERIFIED.
fn is_anothers(hint: &Shown, customer: CustomerId) -> bool {
    let holds =
        |owner: &Owner| owner.customer != customer && owner.assurance == Assurance::Verified;
    hint.kind == HintKind::WebToken && hint.owners.iter().any(holds)
}

fn may_link(hint: &Shown, customer: CustomerId) -> bool {
    let others = hint.owners.iter().filter(|owner| owner.customer != customer).count();
    hint.kind != HintKind::CustomerRef
        && others <= MAX_OWNERS
        && (hint.assurance > Assurance::Asserted || others == 0)
}

/// After so long without use an identifier gives way to another of its kind, where a customer may
/// have no more: numbers and addresses are given up.
const GIVES_WAY_AFTER: i64 = 180 * DAY;

/// A link that a customer has, as it counts where a customer may have only so many of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The link's assurance.
    pub assurance: Assurance,
    /// How often it was used in settled, ended interactions.
    pub uses: i64,
    /// When it was last used; means nothing without a use.
    pub newest: Time,
}

/// Whether a customer may have one identifier more of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// They have fewer than they may.
    Free,
    /// The link of this index gives way to the new one.
    InPlaceOf(usize),
    /// They have as many as they may, and none gives way.
    Full,
}

/// Whether a new link of strength `assurance` may join those that a customer has of its kind, of
/// which they may have `most`.
///
/// A weaker link gives way, and among equals one that was not used for 180 days: the weakest first,
/// then the one unused the longest. What was VERIFIED never gives way, and nothing gives way to
/// something weaker. So nobody can push a customer's own identifiers out by showing others, and a
/// customer who changes numbers over the years is not locked out by the old ones.
pub fn room(held: &[Held], most: usize, assurance: Assurance, now: Time) -> Room {
    if held.len() < most {
        return Room::Free;
    }
    let gives_way = |link: &Held| {
        let unused = link.uses > 0 && now.since(link.newest) > GIVES_WAY_AFTER;
        link.assurance < Assurance::Verified
            && (link.assurance < assurance || (link.assurance == assurance && unused))
    };
    let mut yielding: Vec<usize> =
        (0..held.len()).filter(|index| gives_way(&held[*index])).collect();
    yielding.sort_by_key(|index| (held[*index].assurance, held[*index].newest, *index));
    yielding.first().map_or(Room::Full, |index| Room::InPlaceOf(*index))
}

//! Which hints become a customer's when an interaction settles. The store is
//! poisoned here or nowhere.

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
/// web token that somebody else holds VERIFIED. Those that the customer has already are among them: each
/// is a reason for the link, and is kept as one.
pub fn links(shown: &[Shown], customer: CustomerId, basis: Basis) -> Vec<LinkToMake> {
    let mut made: Vec<LinkToMake> = Vec::with_capacity(shown.len());
    for (index, hint) in shown.iter().enumerate() {
        if !may_link(hint, customer) {
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

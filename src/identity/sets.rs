//! Sets of customers who are one person: connected components of merges.
//!
//! A merge is an undirected edge between two named customers, so the order in which edges are made
//! does not matter, cycles mean nothing, and taking an edge away undoes exactly that edge.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::ids::CustomerId;

use super::model::Owner;
use super::usage::decayed;
use super::vocabulary::HintKind;

/// Customers of one set at most.
pub const MOST_MEMBERS: usize = 64;

/// The set of each of these customers, as `edges` connect them: every customer's set by its name,
/// which is its oldest (lowest) member. A customer without an edge is a set of its own.
pub fn sets(
    customers: &[CustomerId],
    edges: &[(CustomerId, CustomerId)],
) -> BTreeMap<CustomerId, CustomerId> {
    let mut names: BTreeMap<CustomerId, CustomerId> =
        customers.iter().map(|customer| (*customer, *customer)).collect();
    // As often as names still change: at most as often as the longest path has edges.
    loop {
        let mut changed = false;
        for (one, other) in edges {
            let (Some(a), Some(b)) = (names.get(one).copied(), names.get(other).copied()) else {
                continue;
            };
            let name = a.min(b);
            for customer in [one, other] {
                changed |= names.insert(*customer, name) != Some(name);
            }
        }
        if !changed {
            return names;
        }
    }
}

/// The owners of one identifier, with those of one set as one owner, named by `name_of`: what a
/// set shares within itself is not shared. Its use counter is the sum of theirs.
pub fn gathered(
    owners: impl IntoIterator<Item = Owner>,
    kind: HintKind,
    name_of: impl Fn(CustomerId) -> CustomerId,
) -> Vec<Owner> {
    let mut owners = owners.into_iter().peekable();
    let Some(first) = owners.next() else { return Vec::new() };
    let first = Owner { customer: name_of(first.customer), ..first };
    if owners.peek().is_none() {
        return vec![first];
    }
    let mut gathered: Vec<Owner> = vec![first];
    let mut places: FxHashMap<CustomerId, usize> =
        FxHashMap::from_iter([(gathered[0].customer, 0)]);
    for owner in owners {
        let owner = Owner { customer: name_of(owner.customer), ..owner };
        match places.get(&owner.customer) {
            Some(place) => add(&mut gathered[*place], &owner, kind),
            None => {
                places.insert(owner.customer, gathered.len());
                gathered.push(owner);
            }
        }
    }
    gathered
}

/// Adds another member's use of the same identifier.
fn add(sum: &mut Owner, other: &Owner, kind: HintKind) {
    sum.assurance = sum.assurance.max(other.assurance);
    sum.confirmed = sum.confirmed.max(other.confirmed);
    if other.uses <= 0 {
        return;
    }
    if sum.uses <= 0 {
        (sum.uses, sum.weight, sum.newest) = (other.uses, other.weight, other.newest);
        return;
    }
    let newest = sum.newest.max(other.newest);
    sum.weight = decayed(sum.weight, sum.newest, newest, kind)
        + decayed(other.weight, other.newest, newest, kind);
    (sum.uses, sum.newest) = (sum.uses + other.uses, newest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::{DAY, Time};
    use crate::identity::Assurance;

    fn customer(number: u8) -> CustomerId {
        CustomerId([number; 16])
    }

    fn everybody() -> Vec<CustomerId> {
        (0..12).map(customer).collect()
    }

    fn edges() -> impl Strategy<Value = Vec<(CustomerId, CustomerId)>> {
        prop::collection::vec((0u8..12, 0u8..12), 0..16)
            .prop_map(|pairs| pairs.iter().map(|(a, b)| (customer(*a), customer(*b))).collect())
    }

    /// Whether a path of edges leads from one to the other: searched, not named.
    fn connected(edges: &[(CustomerId, CustomerId)], from: CustomerId, to: CustomerId) -> bool {
        let (mut reached, mut next) = (vec![from], vec![from]);
        while let Some(at) = next.pop() {
            for (a, b) in edges {
                for (a, b) in [(a, b), (b, a)] {
                    if *a == at && !reached.contains(b) {
                        reached.push(*b);
                        next.push(*b);
                    }
                }
            }
        }
        reached.contains(&to)
    }

    fn owner(number: u8, uses: i64, days: i64) -> Owner {
        let newest = Time(days * DAY);
        let assurance = Assurance::Carried;
        let (weight, confirmed) = (uses as f64, None);
        Owner { customer: customer(number), assurance, uses, weight, newest, confirmed }
    }

    #[test]
    fn an_identifier_shared_within_a_set_is_not_shared() {
        let owners = [owner(1, 2, 0), owner(2, 1, 30), owner(3, 1, 0)];
        let name = |id: CustomerId| if id == customer(2) { customer(1) } else { id };
        let gathered = gathered(owners, HintKind::Mobile, name);
        assert_eq!(gathered.len(), 2);
        // Two uses a half-life ago and one now.
        assert_eq!((gathered[0].customer, gathered[0].uses), (customer(1), 3));
        assert_eq!((gathered[0].weight, gathered[0].newest), (2.0, Time(30 * DAY)));
    }

    proptest! {
        #[test]
        fn a_set_is_whoever_a_path_of_merges_leads_to(edges in edges()) {
            let names = sets(&everybody(), &edges);
            for a in everybody() {
                for b in everybody() {
                    prop_assert_eq!(names[&a] == names[&b], connected(&edges, a, b));
                }
                let members = everybody().into_iter().filter(|other| names[other] == names[&a]);
                prop_assert_eq!(members.min(), Some(names[&a]), "named by its oldest");
            }
        }

        #[test]
        fn the_order_of_merges_and_their_direction_mean_nothing(
            (edges, shuffled) in edges().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
        ) {
            let turned: Vec<_> = shuffled.iter().map(|(a, b)| (*b, *a)).collect();
            prop_assert_eq!(sets(&everybody(), &edges), sets(&everybody(), &turned));
        }

        #[test]
        fn an_unmerge_undoes_exactly_its_merge(edges in edges(), a in 0u8..12, b in 0u8..12) {
            let before = sets(&everybody(), &edges);
            let mut merged = edges.clone();
            merged.push((customer(a), customer(b)));
            let after = sets(&everybody(), &merged);
            prop_assert_eq!(after[&customer(a)], after[&customer(b)]);
            merged.pop();
            prop_assert_eq!(sets(&everybody(), &merged), before);
        }

        #[test]
        fn the_order_of_members_does_not_matter(
            (owners, shuffled) in prop::collection::vec((0u8..4, 0i64..5, 0i64..400), 1..8)
                .prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
        ) {
            let read = |rows: &[(u8, i64, i64)]| {
                let owners = rows.iter().map(|(who, uses, days)| owner(*who, *uses, *days));
                let mut all = gathered(owners, HintKind::Mobile, |id| id.min(customer(1)));
                all.sort_by_key(|owner| owner.customer);
                all
            };
            for (a, b) in read(&owners).iter().zip(read(&shuffled)) {
                prop_assert_eq!((a.customer, a.uses), (b.customer, b.uses));
                prop_assert!((a.weight - b.weight).abs() < 1e-9);
            }
        }
    }
}

//! What is linked when an interaction settles, and what never is.

use super::world::{NOW, customer, days_ago, owner, shown};
use crate::identity::{
    Assurance, Basis, Held, HintKind, LinkToMake, MAX_OWNERS, Owner, Room, Shown, links, room,
};

use Assurance::{Asserted, Authenticated, Carried, Verified};

fn hint(index: usize, assurance: Assurance, owners: Vec<Owner>) -> Shown {
    Shown { assurance, ..shown(index, HintKind::Email, owners) }
}

fn held(number: u8, assurance: Assurance) -> Owner {
    Owner { assurance, ..owner(number, 1, 1.0) }
}

fn made(shown: &[Shown], basis: Basis) -> Vec<(usize, Assurance)> {
    links(shown, customer(1), basis)
        .into_iter()
        .map(|LinkToMake { shown, assurance }| (shown, assurance))
        .collect()
}

#[test]
fn a_link_is_as_strong_as_the_weaker_of_hint_and_basis() {
    let hints = [hint(0, Asserted, vec![]), hint(1, Authenticated, vec![])];
    for (basis, expected) in [
        (Basis::NewCustomer, [Asserted, Authenticated]),
        (Basis::Decided(Carried), [Asserted, Carried]),
        (Basis::Confirmed(Verified), [Asserted, Authenticated]),
        (Basis::Confirmed(Asserted), [Asserted, Asserted]),
    ] {
        assert_eq!(made(&hints, basis), [(0, expected[0]), (1, expected[1])], "{basis:?}");
    }
}

#[test]
fn what_the_customer_has_already_is_linked_once_more() {
    let basis = Basis::Decided(Authenticated);
    for own in [Asserted, Carried, Authenticated] {
        assert_eq!(made(&[hint(0, Carried, vec![held(1, own)])], basis), [(0, Carried)]);
        assert_eq!(made(&[hint(0, Asserted, vec![held(1, own)])], basis), [(0, Asserted)]);
    }
}

#[test]
fn what_is_only_asserted_is_not_taken_from_its_owner() {
    let basis = Basis::Confirmed(Verified);
    assert_eq!(made(&[hint(0, Asserted, vec![held(2, Asserted)])], basis), []);
    assert_eq!(made(&[hint(0, Asserted, vec![held(2, Verified)])], Basis::NewCustomer), []);
    assert_eq!(made(&[hint(0, Carried, vec![held(2, Verified)])], basis), [(0, Carried)]);
}

#[test]
fn crowds_and_our_own_references_are_not_linked() {
    let crowd = |size: usize| (0..size).map(|n| held(n as u8 + 2, Carried)).collect::<Vec<_>>();
    let basis = Basis::NewCustomer;
    assert_eq!(made(&[hint(0, Carried, crowd(MAX_OWNERS + 1))], basis), []);
    assert_eq!(made(&[hint(0, Carried, crowd(MAX_OWNERS))], basis), [(0, Carried)]);
    assert_eq!(made(&[shown(0, HintKind::CustomerRef, vec![])], basis), []);
}

#[test]
fn an_identifier_shown_twice_is_linked_once_and_by_its_stronger_hint() {
    let twice = |first, second| [hint(0, first, vec![]), hint(0, second, vec![])];
    assert_eq!(made(&twice(Carried, Authenticated), Basis::NewCustomer), [(1, Authenticated)]);
    assert_eq!(made(&twice(Authenticated, Carried), Basis::NewCustomer), [(0, Authenticated)]);
}

/// (assurance, uses, days since the last)
fn have(links: &[(Assurance, i64, f64)]) -> Vec<Held> {
    let held = |(assurance, uses, days): &(Assurance, i64, f64)| Held {
        assurance: *assurance,
        uses: *uses,
        newest: if *uses > 0 { days_ago(*days) } else { Default::default() },
    };
    links.iter().map(held).collect()
}

#[test]
fn below_the_limit_there_is_room() {
    assert_eq!(room(&[], 1, Asserted, NOW), Room::Free);
    let two = have(&[(Carried, 1, 1.0), (Carried, 1, 2.0)]);
    assert_eq!(room(&two, 3, Asserted, NOW), Room::Free);
    assert_eq!(room(&two, 2, Carried, NOW), Room::Full);
    assert_eq!(room(&two, 1, Carried, NOW), Room::Full, "a limit that was lowered takes nothing");
}

#[test]
fn at_the_limit_the_weakest_gives_way_to_a_stronger_one() {
    let held =
        have(&[(Carried, 9, 1.0), (Asserted, 2, 3.0), (Asserted, 1, 9.0), (Carried, 0, 0.0)]);
    assert_eq!(room(&held, 4, Carried, NOW), Room::InPlaceOf(2));
    assert_eq!(room(&held, 4, Asserted, NOW), Room::Full, "nothing gives way to its equal in use");
    assert_eq!(room(&held[3..], 1, Carried, NOW), Room::Full, "nor one that may be in use");
}

#[test]
fn at_the_limit_what_is_unused_gives_way_to_its_equal_and_to_nothing_weaker() {
    let held = have(&[(Carried, 9, 400.0), (Carried, 1, 200.0), (Carried, 1, 100.0)]);
    assert_eq!(room(&held, 3, Carried, NOW), Room::InPlaceOf(0));
    assert_eq!(room(&held[1..], 2, Carried, NOW), Room::InPlaceOf(0));
    assert_eq!(room(&held[2..], 1, Carried, NOW), Room::Full);
    assert_eq!(room(&held, 3, Asserted, NOW), Room::Full);
}

#[test]
fn a_second_web_user_never_takes_the_place_of_the_first() {
    let held = have(&[(Verified, 1, 4_000.0)]);
    assert_eq!(room(&held, 1, Verified, NOW), Room::Full);
}

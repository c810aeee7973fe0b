//! What is linked when an interaction settles, and what never is.

use super::world::{customer, owner, shown};
use crate::identity::{Assurance, Basis, HintKind, LinkToMake, MAX_OWNERS, Owner, Shown, links};

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

//! Order and independence, whatever fails when.

use proptest::prelude::*;

use super::*;

const NOW: Time = Time(1_000);

fn lane(interaction: u8, customer: Option<u8>) -> Lane {
    Lane {
        interaction: Token([interaction; 16]),
        customer: customer.map(|byte| CustomerId([byte; 16])),
        own: customer.map(|byte| CustomerId([byte; 16])),
    }
}

fn lanes(of: &[(u8, Option<u8>)]) -> Lanes {
    let mut lanes = Lanes::default();
    for (index, (interaction, customer)) in of.iter().enumerate() {
        let own = lane(*interaction, *customer);
        lanes.add(index as i64 + 1, Waiting::new(own, Time(index as i64)));
    }
    lanes
}

#[test]
fn one_waits_for_the_same_interaction_and_the_same_customer() {
    let mut lanes = lanes(&[(1, None), (1, Some(7)), (2, Some(7)), (3, Some(8)), (4, None)]);
    assert_eq!(lanes.ready(NOW, 9), [1, 4, 5]);
    assert_eq!(lanes.ready(NOW, 2), [1, 4]);
    lanes.remove(1);
    assert_eq!(lanes.ready(NOW, 9), [2, 4, 5], "3 waits for 2, which is its customer's");
    lanes.get_mut(2).expect("it waits").in_flight = true;
    assert_eq!(lanes.ready(NOW, 9), [4, 5]);
    lanes.get_mut(4).expect("it waits").due = NOW.plus(1);
    assert_eq!(lanes.ready(NOW, 9), [5]);
    assert_eq!(lanes.next_due(NOW), Some(NOW.plus(1)));
}

#[test]
fn whoever_takes_over_begins_where_nothing_is_lost() {
    let mut lanes = lanes(&[(1, Some(7)), (2, Some(8)), (3, Some(7)), (4, Some(9))]);
    assert_eq!(lanes.settled(10), 0);
    assert!(lanes.held_up().is_empty(), "nothing has failed");
    lanes.get_mut(1).expect("it waits").stored = true;
    assert_eq!(lanes.settled(10), 1);
    assert_eq!(lanes.held_up(), [3]);
    lanes.get_mut(3).expect("it waits").stored = true;
    lanes.remove(2);
    assert_eq!(lanes.settled(10), 3);
    lanes.remove(4);
    assert_eq!(lanes.settled(10), 10);
}

#[test]
fn an_endpoint_that_accepts_again_is_not_made_to_wait() {
    let mut lanes = lanes(&[(1, None), (2, None)]);
    for (position, failed) in [(1, 100), (2, 500)] {
        let one = lanes.get_mut(position).expect("it waits");
        (one.failed, one.due) = (Time(failed), Time(9_000));
    }
    assert_eq!(lanes.hasten(Time(200), NOW), [2]);
    assert_eq!(lanes.ready(NOW, 9), [2], "the other one has failed by itself");
}

#[test]
fn what_failed_before_a_take_over_comes_sooner_for_once() {
    let mut lanes = lanes(&[(1, None), (2, None), (3, None)]);
    for (position, asked) in [(1, 0), (2, 60_000)] {
        let one = lanes.get_mut(position).expect("it waits");
        (one.attempts, one.failed) = (4, Time(500));
        (one.due, one.asked) = (Time(99_000), Time(asked));
    }
    lanes.bring_forward(NOW);
    assert_eq!(lanes.ready(NOW, 9), [1, 3]);
    assert_eq!(lanes.ready(Time(60_000), 9), [1, 2, 3], "not before it was asked for");
    let one = lanes.get_mut(1).expect("it waits");
    assert_eq!((one.attempts, one.own_time), (4, Some(Time(99_000))));
    // It has failed again.
    (one.due, one.own_time) = (Time(99_000), None);
    lanes.bring_forward(NOW);
    assert_eq!(lanes.ready(NOW, 9), [3]);
}

#[test]
fn whoever_fails_by_itself_keeps_its_own_time() {
    let mut lanes = lanes(&[(1, None)]);
    let fails = |lanes: &mut Lanes, at: i64| {
        let one = lanes.get_mut(1).expect("it waits");
        one.attempts += 1;
        one.keeps_time_for = one.keeps_time_for.saturating_sub(1);
        (one.failed, one.due) = (Time(at), Time(at + 9_000));
    };
    let attempts = |lanes: &mut Lanes| lanes.get_mut(1).expect("it waits").attempts;
    fails(&mut lanes, 1_000);
    lanes.hasten(Time(0), Time(1_001));
    assert_eq!((lanes.ready(Time(1_001), 9).len(), attempts(&mut lanes)), (1, 0), "not counted");
    fails(&mut lanes, 1_002);
    lanes.hasten(Time(0), Time(1_003));
    assert!(lanes.ready(Time(1_003), 9).is_empty(), "it was not the endpoint");
    fails(&mut lanes, 10_002);
    lanes.hasten(Time(0), Time(10_003));
    assert_eq!((lanes.ready(Time(10_003), 9).len(), attempts(&mut lanes)), (1, 1));
}

#[test]
fn what_a_receiver_asked_for_is_kept() {
    let mut lanes = lanes(&[(1, None)]);
    let one = lanes.get_mut(1).expect("it waits");
    (one.failed, one.due, one.asked) = (Time(500), Time(99_000), Time(60_000));
    lanes.hasten(Time(0), NOW);
    assert!(lanes.ready(Time(59_999), 9).is_empty());
    assert_eq!(lanes.ready(Time(60_000), 9), [1]);
}

#[test]
fn an_attempt_counts_where_nothing_is_due_sooner() {
    let mut lanes = lanes(&[(1, None), (2, None)]);
    for (position, asked) in [(1, 99_000), (2, 60_000)] {
        let one = lanes.get_mut(position).expect("it waits");
        (one.attempts, one.failed) = (1, Time(500));
        (one.due, one.asked) = (Time(99_000), Time(asked));
    }
    assert_eq!(lanes.hasten(Time(0), NOW), [2], "the other one was asked for all its time");
    let one = lanes.get_mut(1).expect("it waits");
    assert_eq!((one.attempts, one.due, one.keeps_time_for), (1, Time(99_000), 0));
}

#[test]
fn whoever_becomes_one_with_others_waits_with_them_and_is_still_themselves() {
    let id = |byte: u8| CustomerId([byte; 16]);
    let mut lanes = lanes(&[(1, Some(7)), (2, Some(8)), (3, None)]);
    lanes.named(&HashMap::from([(id(7), id(7)), (id(8), id(7))]));
    assert_eq!(lanes.ready(NOW, 9), [1, 3], "2 waits for 1, with which it is one person's");
    lanes.named(&HashMap::from([(id(7), id(7)), (id(8), id(8))]));
    assert_eq!(lanes.ready(NOW, 9), [1, 2, 3], "two again");
    assert_eq!(lanes.of(&[id(7)]), [1], "whoever is erased takes nobody else's along");
    lanes.named(&HashMap::new());
    assert_eq!(lanes.of(&[id(8)]), [2], "who is gone keeps their name");
}

#[test]
fn what_waits_of_an_interaction_moves_with_it() {
    let mut lanes = lanes(&[(1, Some(7)), (2, Some(8)), (3, Some(7))]);
    lanes.moved(lane(1, Some(8)));
    assert_eq!(lanes.ready(NOW, 9), [1, 3], "2 waits for 1, which is its customer's by now");
}

proptest! {
    /// Whatever is ready, fails or is done in whatever order: of one interaction or customer nothing is
    /// tried before all that came before it are gone, everything is tried in the end, and a place is
    /// settled only when all up to it are gone or stored.
    #[test]
    fn order_holds_and_nothing_is_forgotten(
        of in prop::collection::vec((0u8..6, prop::option::of(0u8..4)), 1..40),
        choices in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 400),
    ) {
        let mut lanes = lanes(&of);
        let mut done: Vec<i64> = Vec::new();
        let overlaps = |a: i64, b: i64| {
            let (one, two) = (of[a as usize - 1], of[b as usize - 1]);
            one.0 == two.0 || (one.1.is_some() && one.1 == two.1)
        };
        for (choice, succeeds) in choices {
            let ready = lanes.ready(NOW, 8);
            if ready.is_empty() {
                break;
            }
            let position = ready[choice.index(ready.len())];
            for earlier in 1..position {
                prop_assert!(done.contains(&earlier) || !overlaps(earlier, position));
            }
            if succeeds {
                lanes.remove(position);
                done.push(position);
            } else {
                lanes.get_mut(position).expect("it is ready").stored = true;
            }
            let settled = lanes.settled(of.len() as i64);
            for gone in 1..=settled {
                let stored = lanes.get_mut(gone).is_none_or(|one| one.stored);
                prop_assert!(stored);
            }
        }
        while let Some(position) = lanes.ready(NOW, 1).first().copied() {
            lanes.remove(position);
            done.push(position);
        }
        done.sort_unstable();
        prop_assert_eq!(done, (1..=of.len() as i64).collect::<Vec<_>>());
    }
}

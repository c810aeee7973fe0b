//! Which ends are written, however much was said of the interaction before.

use std::sync::Arc;

use super::*;
use crate::store::read::{JournalEntry, JournalGuard};

const SAID: &[u8] = b"what it said";

fn guard(verb: Verb, part: &[u8], position: i64) -> JournalGuard {
    JournalGuard { verb, part: part.to_vec(), fingerprint: SAID.to_vec(), position }
}

/// An interaction that was started, and then so often updated and ended: by ends with these revisions,
/// or by one without.
fn known(updates: usize, ends: &[Option<i64>]) -> Known {
    let mut guards = vec![guard(Verb::Start, b"", 1)];
    for _ in 0..updates {
        let position = guards.len() as i64 + 1;
        guards.push(guard(Verb::Update, &position.to_be_bytes(), position));
    }
    for revision in ends {
        let position = guards.len() as i64 + 1;
        guards.push(guard(Verb::End, &part(*revision), position));
    }
    let received = Time(0);
    let entry = JournalEntry { guards, state: Vec::new(), customer: None, received, erased: false };
    let ending =
        ends.last().map(|revision| EndingRecord { revision: *revision, ..EndingRecord::default() });
    Known { entry: Arc::new(entry), state: State { ending, ..State::default() } }
}

#[test]
fn what_was_updated_as_often_as_it_may_be_can_be_ended() {
    for revision in [None, Some(1)] {
        assert!(may_end(&known(MOST_UPDATES, &[]), revision, SAID).is_ok(), "{revision:?}");
    }
    let closed = known(MOST_UPDATES, &[]);
    let ending = Some(EndingRecord { never_ended: true, ..EndingRecord::default() });
    let closed = Known { state: State { ending, ..State::default() }, ..closed };
    assert!(may_end(&closed, None, SAID).is_ok(), "nobody ended it so far");
    let ended = known(MOST_UPDATES, &[Some(1)]);
    assert!(may_end(&ended, Some(2), SAID).is_ok(), "an amendment");
}

#[test]
fn an_acknowledged_end_is_repeated_however_much_came_since() {
    let most: Vec<Option<i64>> = (1..=MOST_UPDATES as i64).map(Some).collect();
    for (ends, revision) in [(&[None][..], None), (&[Some(3)][..], Some(3)), (&most[..], Some(1))] {
        let known = known(MOST_UPDATES, ends);
        assert!(matches!(may_end(&known, revision, SAID), Err(Error::AlreadyDone)), "{revision:?}");
    }
    let other = may_end(&known(MOST_UPDATES, &[None]), None, b"something else");
    assert!(matches!(other, Err(Error::EndConflict)));
}

#[test]
fn so_many_ends_are_enough() {
    let most: Vec<Option<i64>> = (1..=MOST_UPDATES as i64).map(Some).collect();
    let one_more = Some(MOST_UPDATES as i64 + 1);
    assert!(may_end(&known(0, &most[1..]), one_more, SAID).is_ok());
    let refused = may_end(&known(0, &most), one_more, SAID);
    assert!(matches!(refused, Err(Error::TooManyUpdates)));
}

#[test]
fn a_matter_is_for_as_few_eyes_at_its_end_as_in_what_is_said_after_it() {
    let matter = |reference: &str, sensitivity: Sensitivity| IntentRecord {
        intent: "divorce".into(),
        reference: reference.into(),
        sensitivity: sensitivity.code(),
        ..IntentRecord::default()
    };
    let (normal, sensitive) = (Sensitivity::Normal, Sensitivity::Sensitive);
    let intents = vec![matter("A", normal), matter("B", normal)];
    let ending = Some(EndingRecord { intents, ..EndingRecord::default() });
    let mut state = State { ending, ..State::default() };
    for said in [sensitive, normal] {
        let taken = named_in_between(&mut state, &[matter("A", said)], Time(5));
        assert_eq!(taken[0].sensitivity, sensitive.code(), "nobody lowers it");
        let ending = state.ending.as_ref().expect("an ending");
        let eyes: Vec<i64> = ending.intents.iter().map(|it| it.sensitivity).collect();
        assert_eq!(eyes, [sensitive.code(), normal.code()]);
        assert!(ending.intents.iter().all(|it| it.said == 0), "what the end said stays");
    }
}

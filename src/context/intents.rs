//! Why the customer is in touch. Intents are remembered as facts, one for
//! each interaction that named one, and folded when they are read: a late or
//! amended end then needs no correction of anything counted before.

use super::vocabulary::{IntentStatus, Sensitivity};
use crate::clock::Time;
use crate::ids::Token;

/// Most open intents in an answer; the newest are kept.
pub const MAX_OPEN_INTENTS: usize = 50;

/// What one interaction said of one matter.
#[derive(Clone, PartialEq, Eq)]
pub struct IntentFact {
    /// The interaction that said it.
    pub interaction: Token,
    /// The first interaction of the chain of continuations that this one belongs to; itself if it continues none.
    pub contact: Token,
    /// The matter's name.
    pub intent: String,
    /// Which one, such as an order number; empty when none was given.
    pub reference: String,
    /// How far it had come.
    pub status: IntentStatus,
    /// Who may see it.
    pub sensitivity: Sensitivity,
    /// When it was said: at the end, for what the end named.
    pub time: Time,
    /// The interaction's channel.
    pub channel: String,
    /// Whether it counts as an attempt: the end of a contact that reached the customer.
    pub counts: bool,
}

debug_without_text!(IntentFact { status, sensitivity, time, counts });

/// A matter that is not settled.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenIntent {
    /// Its name.
    pub intent: String,
    /// Which one; empty when no reference was given.
    pub reference: String,
    /// Open or escalated.
    pub status: IntentStatus,
    /// Distinct contacts that left it open since it was last settled; a chain of continuations is one.
    pub attempt_count: i32,
    /// When the first of these contacts said so; when none counts, when it was first named.
    pub first_time: Time,
    /// When it was last named.
    pub last_time: Time,
    /// The channel it was last named on.
    pub last_channel: String,
    /// The strictest of its facts since it was last settled.
    pub sensitivity: Sensitivity,
}

debug_without_text!(OpenIntent { status, attempt_count, first_time, last_time, sensitivity });

/// Folds facts, in whatever order they come, into the matters that are not settled.
///
/// The facts of one (intent, reference) are read by time and then by
/// interaction. Resolved or abandoned closes the matter and what came before
/// no longer counts. Newest first by when they were last named, then by name
/// and reference; at most [`MAX_OPEN_INTENTS`].
pub fn open_intents(facts: &[IntentFact]) -> Vec<OpenIntent> {
    let mut ordered: Vec<&IntentFact> = facts.iter().collect();
    ordered.sort_unstable_by(|a, b| {
        matter(a).cmp(&matter(b)).then_with(|| reading_order(a).cmp(&reading_order(b)))
    });
    let matters = ordered.chunk_by(|a, b| matter(a) == matter(b));
    let mut open: Vec<OpenIntent> = matters.filter_map(|facts| fold(unsettled(facts))).collect();
    // They came by name and reference, and this sort keeps that order within a moment.
    open.sort_by_key(|intent| std::cmp::Reverse(intent.last_time));
    open.truncate(MAX_OPEN_INTENTS);
    open
}

/// What a fact is about.
fn matter(fact: &IntentFact) -> (&str, &str) {
    (&fact.intent, &fact.reference)
}

/// The facts since the matter was last settled.
fn unsettled<'a, 'f>(facts: &'a [&'f IntentFact]) -> &'a [&'f IntentFact] {
    let settled = facts.iter().rposition(|fact| !fact.status.is_open());
    &facts[settled.map_or(0, |last| last + 1)..]
}

/// Time, then interaction; the rest only makes the order total.
fn reading_order(fact: &IntentFact) -> impl Ord + '_ {
    (
        (fact.time, fact.interaction, fact.status),
        (fact.contact, fact.counts, fact.sensitivity, fact.channel.as_str()),
    )
}

/// One matter from its facts since it was last settled, in reading order; `None` when there are none.
fn fold(facts: &[&IntentFact]) -> Option<OpenIntent> {
    let (first, last) = (facts.first()?, facts.last()?);
    let first = facts.iter().find(|fact| fact.counts).unwrap_or(first);
    let mut contacts: Vec<Token> =
        facts.iter().filter(|fact| fact.counts).map(|fact| fact.contact).collect();
    contacts.sort_unstable();
    contacts.dedup();
    Some(OpenIntent {
        intent: last.intent.clone(),
        reference: last.reference.clone(),
        status: last.status,
        attempt_count: i32::try_from(contacts.len()).unwrap_or(i32::MAX),
        first_time: first.time,
        last_time: last.time,
        last_channel: last.channel.clone(),
        sensitivity: facts.iter().map(|fact| fact.sensitivity).max().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A counting fact of interaction `n`, a contact of its own, at second `n`.
    fn fact(n: u8, intent: &str, status: IntentStatus) -> IntentFact {
        IntentFact {
            interaction: Token([n; 16]),
            contact: Token([n; 16]),
            intent: intent.to_owned(),
            reference: String::new(),
            status,
            sensitivity: Sensitivity::Normal,
            time: Time(i64::from(n) * 1_000),
            channel: format!("channel{n}"),
            counts: true,
        }
    }

    #[test]
    fn attempts_are_contacts_since_it_was_last_settled() {
        use IntentStatus::{Abandoned, Escalated, Open, Resolved};
        let facts = [
            fact(1, "billing", Open),
            fact(2, "billing", Resolved),
            fact(3, "billing", Open),
            fact(4, "billing", Escalated),
            fact(5, "refund", Open),
            fact(6, "refund", Abandoned),
        ];
        let open = open_intents(&facts);
        assert_eq!(open.len(), 1);
        assert_eq!((open[0].attempt_count, open[0].status), (2, Escalated));
        assert_eq!((open[0].first_time, open[0].last_time), (Time(3_000), Time(4_000)));
        assert_eq!(open[0].last_channel, "channel4");
    }

    #[test]
    fn a_chain_of_continuations_counts_once() {
        let bot = fact(1, "billing", IntentStatus::Open);
        let agent = IntentFact { contact: bot.contact, ..fact(2, "billing", IntentStatus::Open) };
        let later = fact(3, "billing", IntentStatus::Open);
        assert_eq!(open_intents(&[bot, agent, later])[0].attempt_count, 2);
    }

    #[test]
    fn what_did_not_reach_the_customer_is_no_attempt_but_is_known() {
        let unreached = IntentFact { counts: false, ..fact(1, "renewal", IntentStatus::Open) };
        let open = open_intents(std::slice::from_ref(&unreached));
        assert_eq!((open[0].attempt_count, open[0].first_time), (0, Time(1_000)));
        let open = open_intents(&[unreached, fact(2, "renewal", IntentStatus::Open)]);
        assert_eq!((open[0].attempt_count, open[0].first_time), (1, Time(2_000)));
    }

    #[test]
    fn references_are_matters_of_their_own() {
        let first = IntentFact { reference: "A".into(), ..fact(1, "order", IntentStatus::Open) };
        let second = IntentFact { reference: "B".into(), ..fact(2, "order", IntentStatus::Open) };
        let settled =
            IntentFact { reference: "A".into(), ..fact(3, "order", IntentStatus::Resolved) };
        let open = open_intents(&[first, second, settled]);
        assert_eq!(open.iter().map(|one| one.reference.as_str()).collect::<Vec<_>>(), ["B"]);
    }

    #[test]
    fn one_sensitive_fact_makes_the_matter_sensitive_until_it_is_settled() {
        let hidden = IntentFact {
            sensitivity: Sensitivity::Sensitive,
            ..fact(1, "debt", IntentStatus::Open)
        };
        let plain = fact(2, "debt", IntentStatus::Open);
        let both = [hidden.clone(), plain];
        assert_eq!(open_intents(&both)[0].sensitivity, Sensitivity::Sensitive);
        let again =
            [hidden, fact(2, "debt", IntentStatus::Resolved), fact(3, "debt", IntentStatus::Open)];
        assert_eq!(open_intents(&again)[0].sensitivity, Sensitivity::Normal);
    }

    #[test]
    fn newest_first_and_never_too_many() {
        let facts: Vec<_> =
            (0..60).map(|n| fact(n, &format!("i{n}"), IntentStatus::Open)).collect();
        let open = open_intents(&facts);
        assert_eq!(open.len(), MAX_OPEN_INTENTS);
        assert_eq!((open[0].intent.as_str(), open[49].intent.as_str()), ("i59", "i10"));
        let moment = |intent| IntentFact { time: Time(9), ..fact(1, intent, IntentStatus::Open) };
        let open = open_intents(&[moment("b"), moment("a")]);
        assert_eq!(open[0].intent, "a");
    }

    prop_compose! {
        fn any_fact()(
            interaction in 0u8..4, contact in 0u8..3, intent in "[ab]", reference in "[x]?",
            status in 1i64..=4, sensitivity in 1i64..=2, time in 0i64..4, channel in "[cd]",
            counts: bool,
        ) -> IntentFact {
            IntentFact {
                interaction: Token([interaction; 16]),
                contact: Token([contact; 16]),
                intent,
                reference,
                status: IntentStatus::from_code(status).unwrap(),
                sensitivity: Sensitivity::from_code(sensitivity).unwrap(),
                time: Time(time),
                channel,
                counts,
            }
        }
    }

    /// Facts, and the same facts shuffled.
    fn two_orders() -> impl Strategy<Value = (Vec<IntentFact>, Vec<IntentFact>)> {
        proptest::collection::vec(any_fact(), 0..12)
            .prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle()))
    }

    proptest! {
        #[test]
        fn the_order_of_the_facts_does_not_matter((facts, shuffled) in two_orders()) {
            prop_assert!(open_intents(&facts) == open_intents(&shuffled));
        }

        #[test]
        fn matters_know_nothing_of_each_other(facts in proptest::collection::vec(any_fact(), 0..12)) {
            let mut matters: Vec<_> = facts.iter().map(matter).collect();
            matters.sort_unstable();
            matters.dedup();
            let alone = matters.iter().flat_map(|one| {
                let own = facts.iter().filter(|fact| matter(fact) == *one);
                open_intents(&own.cloned().collect::<Vec<_>>())
            });
            let mut alone: Vec<_> = alone.collect();
            alone.sort_by_key(|intent| std::cmp::Reverse(intent.last_time));
            prop_assert!(open_intents(&facts) == alone);
        }

        #[test]
        fn a_final_resolution_leaves_nothing_open(facts in proptest::collection::vec(any_fact(), 0..12)) {
            let mut all = facts.clone();
            all.extend(facts.iter().map(|one| IntentFact {
                status: IntentStatus::Resolved,
                time: Time(100),
                ..one.clone()
            }));
            prop_assert!(open_intents(&all).is_empty());
        }
    }
}

//! One line a start, so that two runs can be compared with `diff`.
//!
//! Refs are random, so a customer is named by when their ref first appeared:
//! two engines that decide alike write the same file.

use std::collections::HashMap;

use super::drive::Ledger;
use super::events::World;

/// `id`, recommendation, probability to four places, customer; separated by tabs, in the order of the starts.
pub(super) fn lines(world: &World, ledger: &Ledger) -> String {
    let mut names = Names::default();
    let mut text = String::new();
    for (start, answer) in world.starts.iter().zip(&ledger.answers) {
        let line = match answer {
            Some(answer) => format!(
                "{}\t{}\t{:.4}\t{}\n",
                start.id,
                answer.recommended(),
                answer.probability,
                names.name(&answer.customer_ref)
            ),
            None => format!("{}\terror\t-\t-\n", start.id),
        };
        text.push_str(&line);
    }
    text
}

/// Refs by the order of their first appearance.
#[derive(Default)]
struct Names<'a> {
    places: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn name(&mut self, customer_ref: &'a str) -> String {
        if customer_ref.is_empty() {
            return "-".to_owned();
        }
        let next = self.places.len() + 1;
        format!("c{}", self.places.entry(customer_ref).or_insert(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_order_of_appearance_and_not_the_refs() {
        let mut one = Names::default();
        let mut other = Names::default();
        let first: Vec<_> = ["x", "y", "x", "", "z"].map(|r| one.name(r)).into();
        let second: Vec<_> = ["k", "a", "k", "", "b"].map(|r| other.name(r)).into();
        assert_eq!(first, ["c1", "c2", "c1", "-", "c3"]);
        assert_eq!(first, second);
    }
}

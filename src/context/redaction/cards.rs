//! Card numbers among the digits of a text.
//!
//! A number is one group of digits or several, whole groups always: what stands in a longer run of
//! digits is no card. Groups belong together when they are written as cards are (in fours, 4-6-5, …),
//! or when nothing else stands in the same row of digits.

use super::digits::{Digits, Gap, Group, Part};
use super::issuers::{LONGEST, SHORTEST, is_card};

/// Ways to write a number that are not groups of equal size.
const LAYOUTS: &[&[usize]] = &[&[4, 6, 5], &[4, 6, 4], &[4, 4, 5], &[6, 10], &[6, 13], &[6, 9]];
/// The longest number that an international `+` may stand before (E.164).
const E164: usize = 15;
/// Equal groups are this wide at most.
const WIDEST: usize = 8;
/// Smaller groups are a number's only if no group of that size stands next to them.
const PLAIN: usize = 4;

/// Marks the groups of every card number that is not marked yet; whether there was one.
pub(super) fn mark(text: &str, digits: &mut Digits) -> bool {
    let mut found = false;
    let mut at = 0;
    while at < digits.groups.len() {
        if let Some(last) = iban(text, digits, at) {
            at = last + 1;
            continue;
        }
        let Some(end) = ends(text, digits, at) else {
            at += 1;
            continue;
        };
        found = true;
        for group in &mut digits.groups[at..end.card] {
            group.part = Part::Card;
        }
        digits.groups[end.card].part = Part::CardEnd;
        at = end.card + 1;
        if let Some(code) = end.code {
            digits.mark_code(code, code);
            at = code + 1;
        }
    }
    found
}

/// The last group of an IBAN of digits in fours (`DE89 3704 …`) whose check digits are at `first`, by
/// ISO 13616: four of its groups would pass for a card's often enough.
fn iban(text: &str, digits: &Digits, first: usize) -> Option<usize> {
    let row = Row { text, groups: &digits.groups };
    let country = &text.as_bytes()[..row.groups[first].start];
    let [.., one, two] = country else { return None };
    let letters = one.is_ascii_uppercase() && two.is_ascii_uppercase();
    let whole = digits.number(first, first);
    if letters && whole.len() > SHORTEST - 2 {
        // Without spaces, as it is sent from system to system.
        let (check, account) = whole.split_at(2);
        return is_checked([*one, *two], check, account).then_some(first);
    }
    if !letters || whole.len() != 2 {
        return None;
    }
    let gap = row.gap(first + 1)?;
    let goes_on = |last: &usize| {
        let before = last - 1 == first || row.groups[last - 1].length == 4;
        before && row.groups[*last].length <= 4 && row.goes_on(*last, Some(gap))
    };
    let last = (first + 1..row.groups.len()).take_while(goes_on).last()?;
    is_checked([*one, *two], whole, digits.number(first + 1, last)).then_some(last)
}

/// Whether an IBAN's check digits are those of its country and account (ISO 13616, modulus 97).
fn is_checked(country: [u8; 2], check: &[u8], account: &[u8]) -> bool {
    let number = |digits: &[u8]| digits.iter().map(|digit| u32::from(*digit)).collect::<Vec<_>>();
    let country = country.map(|letter| u32::from(letter - b'A') + 10);
    let add = |rest: u32, next: u32| (rest * if next > 9 { 100 } else { 10 } + next) % 97;
    let rest = number(account).into_iter().chain(country).chain(number(check)).fold(0, add);
    rest == 1
}

/// Where a number ends.
struct Ends {
    /// Its last group.
    card: usize,
    /// Three more digits that can be the end of a longer number or a security code: neither stays.
    code: Option<usize>,
}

/// Where the number ends that begins at one group: the longest one there is.
fn ends(text: &str, digits: &Digits, first: usize) -> Option<Ends> {
    let row = Row { text, groups: &digits.groups };
    let phone = text[..row.groups[first].start].ends_with(['+', '＋']);
    // What stands behind a decimal point is no number of its own.
    let fraction = first > 0
        && [".", ","].contains(&&text[row.groups[first - 1].end..row.groups[first].start]);
    let mut ends: Option<Ends> = None;
    let mut length = 0;
    for last in first..row.groups.len() {
        let group = &row.groups[last];
        length += group.length;
        if length > LONGEST || group.part != Part::Nothing || !row.follows(first, last) {
            break;
        }
        let alone = last == first;
        let possible = length >= SHORTEST && !(phone && length <= E164) && !(fraction && alone);
        // How it is written is looked at last: that costs most, and few numbers come so far.
        if !possible || !is_card(digits.number(first, last)) || !row.is_written_as_card(first, last)
        {
            continue;
        }
        match &mut ends {
            None => ends = Some(Ends { card: last, code: None }),
            // What stands on the next line or apart is not the end of what was a card without it.
            Some(_) if group.gap == Gap::Line || !row.goes_on(last, row.gap(last - 1)) => {}
            Some(shorter) if shorter.card + 1 == last && group.length == 3 => {
                shorter.code = Some(last);
            }
            Some(_) => ends = Some(Ends { card: last, code: None }),
        }
    }
    ends
}

/// Groups of digits, with the text that they stand in.
struct Row<'t> {
    text: &'t str,
    groups: &'t [Group],
}

impl Row<'_> {
    /// What stands before a group since the one before it, if a number could go on over that.
    fn gap(&self, index: usize) -> Option<&str> {
        let group = self.groups.get(index).filter(|group| group.part == Part::Nothing)?;
        let before = self.groups.get(index.checked_sub(1)?)?;
        let joined = group.gap != Gap::Break && before.part == Part::Nothing;
        joined.then(|| &self.text[before.end..group.start])
    }

    /// Whether the gap before a group is this one.
    fn goes_on(&self, index: usize, gap: Option<&str>) -> bool {
        gap.is_some() && self.gap(index) == gap
    }

    /// Whether the group may go on a number that begins at `first`: all its gaps are of one kind.
    fn follows(&self, first: usize, last: usize) -> bool {
        let marked = |index: usize| self.groups[index].gap == Gap::Mark;
        last == first || self.groups[last].gap != Gap::Break && marked(last) == marked(first + 1)
    }

    /// The groups beside a number that stand in the same row with it. What is tied to something
    /// else in another way, such as the day of a date, does not.
    fn beside(&self, first: usize, last: usize) -> [Option<usize>; 2] {
        let inner = self.gap(first + 1);
        let uniform = (first + 1..=last).all(|index| self.gap(index) == inner);
        let same = |index: usize| match uniform {
            true => self.goes_on(index, inner),
            false => self.gap(index).is_some() && self.groups[index].gap == Gap::Blank,
        };
        let tied = |index: usize| {
            let gap = self.gap(index).filter(|gap| !gap.contains(char::is_whitespace));
            gap.is_some() && !same(index)
        };
        let before = first.checked_sub(1).filter(|before| same(first) && !tied(*before));
        let after = Some(last + 1).filter(|after| same(*after) && !tied(*after + 1));
        [before, after]
    }

    fn is_written_as_card(&self, first: usize, last: usize) -> bool {
        let number = &self.groups[first..=last];
        if first == last {
            return true;
        }
        let [before, after] = self.beside(first, last);
        let dashed = self.gap(first + 1).is_some_and(|gap| !gap.contains(char::is_whitespace));
        let longer = before.is_some_and(|before| self.beside(before, last)[0].is_none())
            || after.is_some_and(|after| self.beside(first, after)[1].is_none());
        if dashed && longer {
            // Four groups and a fifth between the same dashes: no card.
            return false;
        }
        let is_layout =
            |layout: &&[usize]| number.iter().map(|group| group.length).eq(layout.iter().copied());
        if LAYOUTS.iter().any(is_layout) {
            return true;
        }
        let size = number[0].length;
        let (end, rest) = (number[number.len() - 1].length, &number[..number.len() - 1]);
        let equal = size <= WIDEST && rest.iter().all(|it| it.length == size) && end <= size;
        let in_a_row = [before, after].iter().flatten().any(|it| self.groups[*it].length == size);
        // Wider groups than fours are as often two numbers: a list, a column.
        let plain = |index: usize| size <= PLAIN || self.groups[index].gap == Gap::Blank;
        if equal && (size >= PLAIN || !in_a_row) && (first + 1..=last).all(plain) {
            return true;
        }
        // Grouped as nobody groups cards: only alone in its row, on one line, between the same spaces
        // or dashes.
        let inner = self.gap(first + 1);
        let apart =
            |index: usize| self.gap(index).is_none() || self.groups[index].gap != Gap::Blank;
        let uniform = (first + 1..=last).all(|index| self.goes_on(index, inner));
        let blank = self.groups[last].gap == Gap::Blank;
        uniform && blank && apart(first) && apart(last + 1)
    }
}

/// First six and last four digits, stars for the others.
pub(super) fn masked(number: &[u8]) -> String {
    let kept = |place: usize| place < 6 || place + 4 >= number.len();
    let shown = number.iter().enumerate().map(|(place, digit)| match kept(place) {
        true => char::from(b'0' + digit),
        false => '*',
    });
    shown.collect()
}

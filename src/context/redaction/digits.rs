//! The digits of a text: in groups, with what lies between them.

use icu::properties::CodePointMapData;
use icu::properties::props::GeneralCategory;

/// Visible characters between two groups of one number at most, such as ` - `.
const WIDEST_GAP: usize = 4;
/// The stars of a masked number: all digits but ten of a number of 13 to 19.
const STARS: std::ops::RangeInclusive<usize> = 3..=9;

/// What lies before a group of digits, since the group before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Anything that ends a number.
    Break,
    /// Spaces and dashes of any kind.
    Blank,
    /// The same with one end of a line.
    Line,
    /// A point, comma, stroke or the like, and perhaps spaces.
    Mark,
}

/// Digits with nothing visible between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// Where it begins in the text, in bytes.
    pub start: usize,
    /// Where it ends in the text, in bytes.
    pub end: usize,
    /// The first of its digits.
    pub first: usize,
    /// How many.
    pub length: usize,
    /// What lies before it.
    pub gap: Gap,
    /// What it is part of.
    pub part: Part,
}

/// What a group is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing that is known of.
    Nothing,
    /// A card number that is masked, or will be; this is its last group.
    CardEnd,
    /// The same, another group.
    Card,
    /// A security code that will be removed; this is its last group.
    CodeEnd,
    /// The same, another group.
    Code,
}

/// All digits of a text.
#[derive(Default)]
pub(super) struct Digits {
    pub values: Vec<u8>,
    pub groups: Vec<Group>,
}

impl Digits {
    /// Reads a text; a text without digits costs one look at each byte.
    pub fn of(text: &str) -> Self {
        let mut digits = Self::default();
        let mut from = 0;
        while let Some(at) = candidate(text.as_bytes(), from) {
            from = digits.read(text, at);
        }
        digits.settle();
        digits
    }

    /// The digits of the groups from `first` to `last`.
    pub fn number(&self, first: usize, last: usize) -> &[u8] {
        let last = &self.groups[last];
        &self.values[self.groups[first].first..last.first + last.length]
    }

    /// Marks groups as one security code.
    pub fn mark_code(&mut self, first: usize, last: usize) {
        for group in &mut self.groups[first..last] {
            group.part = Part::Code;
        }
        self.groups[last].part = Part::CodeEnd;
    }

    /// Reads from a place where a digit may be to the next break; gives where to look next.
    fn read(&mut self, text: &str, at: usize) -> usize {
        let mut between = Between::far();
        for (offset, character) in text[at..].char_indices() {
            let here = at + offset;
            match kind(character) {
                Kind::Digit(value) => {
                    self.push(value, (here, here + character.len_utf8()), between);
                    between = Between::default();
                }
                Kind::Invisible => {}
                kind if between.sees(kind) => {}
                _ => return here + character.len_utf8(),
            }
        }
        text.len()
    }

    fn push(&mut self, value: u8, (start, end): (usize, usize), between: Between) {
        let first = self.values.len();
        self.values.push(value);
        match self.groups.last_mut() {
            Some(group) if between == Between::default() => {
                (group.end, group.length) = (end, group.length + 1);
                // Ten digits around stars are a masked number once the tenth is read.
                self.mark_masked();
            }
            _ => {
                let part =
                    if STARS.contains(&between.stars) { Part::CardEnd } else { Part::Nothing };
                let gap = between.gap();
                self.groups.push(Group { start, end, first, length: 1, gap, part });
            }
        }
    }

    /// `411111******1111`, as this service writes it.
    fn mark_masked(&mut self) {
        let [.., before, last] = &mut self.groups[..] else { return };
        let masked = before.length == 6 && last.length == 4 && last.part == Part::CardEnd;
        if masked {
            before.part = Part::Card;
        } else if before.part == Part::Card && last.length == 5 {
            before.part = Part::Nothing;
        }
    }

    /// Forgets of groups after stars what did not become a masked number.
    fn settle(&mut self) {
        let mut before = Part::Nothing;
        for group in &mut self.groups {
            if group.part == Part::CardEnd && before != Part::Card {
                group.part = Part::Nothing;
            }
            before = group.part;
        }
    }
}

/// What was seen since the last digit.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Between {
    blanks: usize,
    lines: usize,
    marks: usize,
    stars: usize,
    far: bool,
}

impl Between {
    /// Before the first digit.
    fn far() -> Self {
        Self { far: true, ..Self::default() }
    }

    /// Counts; whether a number could go on after this.
    fn sees(&mut self, kind: Kind) -> bool {
        match kind {
            Kind::Blank => self.blanks += 1,
            Kind::Line => self.lines += 1,
            Kind::Mark => self.marks += 1,
            Kind::Star => self.stars += 1,
            _ => return false,
        }
        let only_stars = self.blanks + self.lines + self.marks == 0;
        !self.far
            && self.blanks <= WIDEST_GAP
            && self.lines + self.marks <= 1
            && (self.stars == 0 || only_stars && self.stars <= *STARS.end())
    }

    fn gap(&self) -> Gap {
        match self {
            _ if self.far || self.stars > 0 => Gap::Break,
            _ if self.marks > 0 => Gap::Mark,
            _ if self.lines > 0 => Gap::Line,
            _ => Gap::Blank,
        }
    }
}

/// What a character is to a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Digit(u8),
    Blank,
    Line,
    Mark,
    Star,
    /// Nothing that anybody sees: zero-width characters, combining marks.
    Invisible,
    Other,
}

/// The next byte that may begin a digit: beyond ASCII no decimal digit comes before U+0660.
fn candidate(bytes: &[u8], from: usize) -> Option<usize> {
    let found = bytes[from..].iter().position(|byte| byte.is_ascii_digit() || *byte >= 0xD9)?;
    Some(from + found)
}

fn kind(character: char) -> Kind {
    match character {
        '0'..='9' => Kind::Digit(character as u8 - b'0'),
        ' ' | '-' | '\t' | '\u{b}' | '\u{c}' | '\r' => Kind::Blank,
        '\n' => Kind::Line,
        '.' | ',' | '/' | '_' | ':' | ';' | '|' | '\\' | '~' => Kind::Mark,
        '*' => Kind::Star,
        '\0'..='\u{7f}' => Kind::Other,
        // A minus, a modifier and a hyphen bullet that pass for dashes; an empty Braille cell.
        '\u{2212}' | '\u{2d7}' | '\u{2043}' | '\u{2800}' => Kind::Blank,
        '\u{85}' => Kind::Line,
        '·' | '•' | '∙' | '．' | '，' | '／' | '＿' | '、' | '。' => Kind::Mark,
        _ => match category(character) {
            GeneralCategory::DecimalNumber => Kind::Digit(value(character)),
            GeneralCategory::SpaceSeparator | GeneralCategory::DashPunctuation => Kind::Blank,
            GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => Kind::Line,
            GeneralCategory::Format
            | GeneralCategory::NonspacingMark
            | GeneralCategory::EnclosingMark => Kind::Invisible,
            _ => Kind::Other,
        },
    }
}

pub(super) fn category(character: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(character)
}

/// Decimal digits stand in rows of ten from 0 to 9 (Unicode stability policy), and rows next to each
/// other begin with a 0 as well: the value is how far the first of them lies back.
fn value(digit: char) -> u8 {
    let lower = (1_u32..)
        .take_while(|back| {
            let before = char::from_u32(digit as u32 - back);
            before.is_some_and(|it| category(it) == GeneralCategory::DecimalNumber)
        })
        .count();
    (lower % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decimal_digit_of_unicode_has_its_value() {
        let mut rows = 0;
        for character in '\u{0}'..=char::MAX {
            if category(character) != GeneralCategory::DecimalNumber {
                continue;
            }
            let row = char::from_u32(character as u32 - u32::from(value(character))).unwrap();
            let place = if character.is_ascii() {
                character as u32 - 48
            } else {
                character as u32 - row as u32
            };
            assert!(matches!(kind(character), Kind::Digit(value) if u32::from(value) == place));
            let mut encoded = [0; 4];
            let bytes = character.encode_utf8(&mut encoded).as_bytes();
            assert_eq!(candidate(bytes, 0), Some(0), "{character} is passed over");
            rows += usize::from(value(character) == 9);
        }
        assert!(rows >= 70, "{rows} rows of digits");
    }

    #[test]
    fn known_digits_have_the_value_that_they_show() {
        for (text, expected) in
            [("٠١٢٣٤٥٦٧٨٩", 0..10), ("０１２３４５６７８９", 0..10), ("९", 9..10), ("𝟘𝟡", 0..1)]
        {
            let read = Digits::of(text).values;
            assert_eq!(read[0], expected.start, "{text}");
            assert!(text.chars().count() == read.len());
        }
        assert_eq!(Digits::of("𝟘𝟡𝟬𝟵𝟶𝟿").values, [0, 9, 0, 9, 0, 9]);
    }

    #[test]
    fn a_masked_number_is_known_again_and_nothing_else_with_stars() {
        let parts = |text| {
            let groups = Digits::of(text).groups;
            groups.iter().map(|group| group.part != Part::Nothing).collect::<Vec<bool>>()
        };
        assert_eq!(parts("411111******1111"), [true, true]);
        assert_eq!(parts("411111***1111"), [true, true]);
        assert_eq!(parts("411111******11112"), [false, false]);
        assert_eq!(parts("41111******1111"), [false, false]);
        assert_eq!(parts("411111** ****1111"), [false, false]);
        assert_eq!(parts("**4111 1111**"), [false, false]);
    }
}

//! Texts that were taken out of an interaction: which there are, and that they stay out.
//!
//! A helpdesk's web-hook that comes late says the same text again, under a higher revision. So what
//! was taken out is remembered with the interaction, and taken out of whatever is said of it later.

use std::fmt;

use super::record::{IntentRecord, RedactionRecord, State, ValueRecord};
use crate::clock::Time;
use crate::store::rows::BlockKind;

/// A text, or several, of one interaction. Without a name all of the kind are meant.
#[derive(Clone, PartialEq, Eq)]
pub enum Field {
    /// What happened.
    Summary,
    /// How it closed.
    Disposition,
    /// What it led to.
    Conversion,
    /// What it was about.
    Intents(Option<String>),
    /// Values that expire.
    Variables(Option<String>),
    /// Values that last.
    Profile(Option<String>),
}

impl Field {
    /// Reads `summary`, `variables`, `variables.NAME` and the like; a name may hold dots.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = match text.split_once('.') {
            Some((_, "")) => return None,
            Some((kind, name)) => (kind, Some(name.to_owned())),
            None => (text, None),
        };
        match (kind, name) {
            ("summary", None) => Some(Self::Summary),
            ("disposition", None) => Some(Self::Disposition),
            ("conversion", None) => Some(Self::Conversion),
            ("intents", name) => Some(Self::Intents(name)),
            ("variables", name) => Some(Self::Variables(name)),
            ("profile", name) => Some(Self::Profile(name)),
            _ => None,
        }
    }

    /// What it names, if it names one of several.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Intents(name) | Self::Variables(name) | Self::Profile(name) => name.as_deref(),
            _ => None,
        }
    }

    fn means(&self, name: &str) -> bool {
        self.name().is_none_or(|known| known == name)
    }

    /// Whether it means an intent of that name.
    pub(super) fn means_intent(&self, name: &str) -> bool {
        matches!(self, Self::Intents(_)) && self.means(name)
    }

    /// Whether it means a value of that kind and name.
    pub(super) fn means_value(&self, kind: BlockKind, name: &str) -> bool {
        let of_kind = match self {
            Self::Variables(_) => kind == BlockKind::Variables,
            Self::Profile(_) => kind == BlockKind::Profile,
            _ => false,
        };
        of_kind && self.means(name)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Summary => "summary",
            Self::Disposition => "disposition",
            Self::Conversion => "conversion",
            Self::Intents(_) => "intents",
            Self::Variables(_) => "variables",
            Self::Profile(_) => "profile",
        };
        match self.name() {
            Some(name) => write!(f, "{kind}.{name}"),
            None => f.write_str(kind),
        }
    }
}

/// What was taken out of an interaction so far.
pub(super) fn of(state: &State) -> Vec<Field> {
    state.redactions.iter().filter_map(|one| Field::parse(&one.field)).collect()
}

/// When something was last taken out; zero when nothing was.
pub fn newest(state: &State) -> Time {
    Time(state.redactions.iter().map(|one| one.time).max().unwrap_or(0))
}

/// Remembers that these are to stay out.
pub(super) fn add(state: &mut State, fields: &[Field], at: Time) {
    for field in fields.iter().map(Field::to_string) {
        state.redactions.retain(|known| known.field != field);
        state.redactions.push(RedactionRecord { field, time: at.0 });
    }
}

/// Takes out of an interaction what is to stay out of it; what of it had been said again. Facts and
/// blocks that are with its customer already are not the interaction's own.
pub(super) fn apply(state: &mut State) -> Vec<Field> {
    let fields = of(state);
    fields.into_iter().filter(|field| take_out(state, field)).collect()
}

fn take_out(state: &mut State, field: &Field) -> bool {
    let ending = state.ending.as_mut();
    match field {
        Field::Summary => ending.is_some_and(|it| taken(&mut it.summary)),
        Field::Disposition => {
            ending.filter(|it| !it.never_ended).is_some_and(|it| taken(&mut it.disposition))
        }
        Field::Conversion => ending.is_some_and(|it| it.conversion.take().is_some()),
        Field::Intents(_) => {
            let ended = ending.is_some_and(|it| without(&mut it.intents, field));
            without(&mut state.intents, field) || ended
        }
        Field::Variables(_) => cleared(&mut state.values, BlockKind::Variables, field),
        Field::Profile(_) => cleared(&mut state.attributes, BlockKind::Profile, field),
    }
}

fn taken(text: &mut String) -> bool {
    !std::mem::take(text).is_empty()
}

fn without(intents: &mut Vec<IntentRecord>, field: &Field) -> bool {
    let before = intents.len();
    intents.retain(|one| !field.means_intent(&one.intent));
    intents.len() < before
}

fn cleared(values: &mut [ValueRecord], kind: BlockKind, field: &Field) -> bool {
    let named = values.iter_mut().filter(|one| field.means_value(kind, &one.name));
    named.filter_map(|one| one.value.take()).count() > 0
}

#[cfg(test)]
mod tests {
    use super::super::record::{ConversionRecord, EndingRecord};
    use super::*;

    fn said() -> State {
        let intent = |name: &str| IntentRecord { intent: name.into(), ..IntentRecord::default() };
        let value = |name: &str| ValueRecord {
            name: name.into(),
            value: Some("x".into()),
            ..ValueRecord::default()
        };
        State {
            intents: vec![intent("a"), intent("b")],
            values: vec![value("a"), value("a.b")],
            attributes: vec![value("a")],
            ending: Some(EndingRecord {
                summary: "x".into(),
                disposition: "x".into(),
                conversion: Some(ConversionRecord::default()),
                intents: vec![intent("b")],
                ..EndingRecord::default()
            }),
            ..State::default()
        }
    }

    #[test]
    fn a_field_reads_as_it_is_written() {
        for text in
            ["summary", "disposition", "conversion", "intents", "variables.a.b", "profile.name"]
        {
            assert_eq!(Field::parse(text).map(|it| it.to_string()).as_deref(), Some(text));
        }
        for text in ["", "summary.a", "variables.", ".a", "hints", "Summary", "intents."] {
            assert!(Field::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn each_takes_out_what_it_names_and_nothing_else() {
        for (text, left) in [
            ("summary", "- x c 2 1 2 1"),
            ("disposition", "x - c 2 1 2 1"),
            ("conversion", "x x - 2 1 2 1"),
            ("intents", "x x c 0 0 2 1"),
            ("intents.b", "x x c 1 0 2 1"),
            ("variables", "x x c 2 1 0 1"),
            ("variables.a.b", "x x c 2 1 1 1"),
            ("profile.a", "x x c 2 1 2 0"),
            ("profile.other", "x x c 2 1 2 1"),
        ] {
            let mut state = said();
            add(&mut state, &[Field::parse(text).expect("a field")], Time(7));
            assert_eq!(apply(&mut state).len(), usize::from(text != "profile.other"), "{text}");
            assert!(apply(&mut state).is_empty(), "{text}: nothing is left to take out");
            let ending = state.ending.clone().unwrap_or_default();
            let or = |text: &str| if text.is_empty() { "-" } else { "x" }.to_owned();
            let values = |them: &[ValueRecord]| them.iter().filter(|it| it.value.is_some()).count();
            let now = format!(
                "{} {} {} {} {} {} {}",
                or(&ending.summary),
                or(&ending.disposition),
                if ending.conversion.is_some() { "c" } else { "-" },
                state.intents.len(),
                ending.intents.len(),
                values(&state.values),
                values(&state.attributes),
            );
            assert_eq!((now.as_str(), newest(&state)), (left, Time(7)), "{text}");
        }
    }

    #[test]
    fn how_it_was_closed_for_want_of_an_end_is_nobodys_text() {
        let mut state = said();
        if let Some(ending) = &mut state.ending {
            ending.never_ended = true;
        }
        add(&mut state, &[Field::Disposition], Time(7));
        assert!(apply(&mut state).is_empty());
    }
}

//! Where in a message something stands. It is written only where something is wrong there: a text may
//! have as many places as a request has bytes.

use std::fmt;

use super::printable;

/// A place, and those that it stands in.
#[derive(Clone, Copy)]
pub(super) enum Place<'p> {
    /// The whole of it.
    Whole,
    /// A field of this name.
    Field(&'p Place<'p>, &'p str),
    /// So far on in a list.
    Item(&'p Place<'p>, usize),
    /// The value of this key in a map.
    Value(&'p Place<'p>, &'p str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Field(Place::Whole, name) => to.write_str(printable(name)),
            Self::Field(outer, name) => write!(to, "{outer}.{}", printable(name)),
            Self::Item(outer, index) => write!(to, "{outer}[{index}]"),
            Self::Value(outer, key) => write!(to, "{outer}[{}]", printable(key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_from_the_outside_in() {
        let map = Place::Field(&Place::Whole, "variables");
        let one = Place::Value(&map, "order_id");
        assert_eq!(
            Place::Field(&one, "ttl_seconds").to_string(),
            "variables[order_id].ttl_seconds"
        );
        let items = Place::Item(&Place::Whole, 6);
        assert_eq!(Place::Field(&items, "4155550101").to_string(), "[6].…");
        assert_eq!(Place::Whole.to_string(), "");
    }
}

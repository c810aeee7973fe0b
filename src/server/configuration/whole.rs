//! A whole number with its default and its bounds, as one type: a setting of this type needs no
//! check elsewhere.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// From `LEAST` to `MOST`; `DEFAULT` where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole<const DEFAULT: u64, const LEAST: u64, const MOST: u64>(u64);

impl<const DEFAULT: u64, const LEAST: u64, const MOST: u64> Whole<DEFAULT, LEAST, MOST> {
    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl<const DEFAULT: u64, const LEAST: u64, const MOST: u64> Default
    for Whole<DEFAULT, LEAST, MOST>
{
    fn default() -> Self {
        const { assert!(LEAST <= DEFAULT && DEFAULT <= MOST) };
        Self(DEFAULT)
    }
}

impl<'de, const DEFAULT: u64, const LEAST: u64, const MOST: u64> Deserialize<'de>
    for Whole<DEFAULT, LEAST, MOST>
{
    fn deserialize<D: Deserializer<'de>>(given: D) -> Result<Self, D::Error> {
        given.deserialize_u64(Within::<LEAST, MOST>).map(Self)
    }
}

struct Within<const LEAST: u64, const MOST: u64>;

impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Within<LEAST, MOST> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {LEAST} to {MOST}")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        let within = (LEAST..=MOST).contains(&number);
        within
            .then_some(number)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        let refused = de::Unexpected::Signed(number);
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(refused, &self)),
        }
    }
}

//! Who is this? Identifiers are parsed and normalised here, and decisions are
//! made from evidence. Pure: no I/O, no clock.

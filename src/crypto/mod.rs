//! Nothing readable at rest: data keys, sealed values bound to their place,
//! and the blind index.

//! Tests of the model and of what happens around it; tables of inputs are beside.

mod differential;
mod google;
mod hints;
mod inputs;
mod linking;
mod policy;
mod proof;
mod properties;
mod worked_starts;
mod world;
mod worth;

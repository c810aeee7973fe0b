//! Tests of the model and of what happens around it; tables of inputs are beside.

mod inputs;
mod linking;
mod policy;
mod properties;
mod world;
mod worked_starts;

//! One binary: the service, its demo and its tools.

fn main() {}

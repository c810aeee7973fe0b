//! Another tenant does not exist: whoever asks for what is another tenant's gets, to the letter and in
//! the same time, what they would get if it existed nowhere.
//!
//! The probes are made from the descriptors: every RPC × every role × every string of its request that
//! names something × what another tenant has of that kind. For the doors that no descriptor tells of,
//! Sticky Calls and the hooks, a list says the same. Two tenants who know nothing send the same
//! requests: one with what a third tenant has, the other with ids that nobody has. All that they have
//! been told must be alike, none of it may hold anything of the third tenant's, and of that one's rows
//! not a byte may have changed. A new RPC or path that nobody has said how to probe fails, and so does a
//! new string of which nobody has said what it names.
//!
//! Some thousand probes; `THREADLINE_PROBES=100000` makes so many, and sees smaller differences in
//! time; `THREADLINE_PROBE=/hooks` makes those only whose way to call has this in its name.
//! `-- --nocapture` prints what was found.

#![expect(clippy::print_stdout, reason = "the figures are what a long run is for")]

#[expect(dead_code, unused_imports, reason = "the other test binaries use the rest")]
mod support;

/// The parts of the probe.
mod tenancy {
    pub mod doors;
    pub mod keys;
    pub mod lane;
    pub mod probing;
    pub mod request;
    pub mod rows;
    pub mod table;
    pub mod target;
    pub mod times;
    pub mod victim;
    pub mod ways;
    pub mod wire;
}

use support::each_engine;
use tenancy::{keys, probing, request, table};

each_engine!(another_tenant_does_not_exist, a_key_of_another_tenant_is_no_key);

async fn another_tenant_does_not_exist(engine: support::Engine) {
    probing::probe(engine).await;
}

async fn a_key_of_another_tenant_is_no_key(engine: support::Engine) {
    keys::probe(engine).await;
}

/// A new RPC without a probe, and a new string that nobody has said anything of.
#[test]
fn every_rpc_is_probed_and_every_string_has_a_kind() {
    let missing: Vec<String> = request::methods()
        .iter()
        .map(|method| method.name().to_owned())
        .filter(|name| table::bases(name).is_empty())
        .collect();
    assert!(missing.is_empty(), "say in tests/tenancy/table.rs how to probe {missing:?}");
    for method in request::methods() {
        let paths = request::paths(&method.input());
        let unknown: Vec<String> = paths
            .iter()
            .filter(|path| table::kind_of(path).is_none())
            .map(|path| path.text())
            .collect();
        assert!(unknown.is_empty(), "{}: say what these name: {unknown:?}", method.name());
    }
}

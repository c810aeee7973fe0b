//! README's smallest requests: each is accepted, and none can be made smaller.

use serde_json::{Map, Value};
use threadline::continuity::Role;

use crate::installation::Installation;
use crate::markdown::{code, table};

const README: &str = include_str!("../../README.md");

fn without(request: &Map<String, Value>, field: &str) -> String {
    let mut less = request.clone();
    less.remove(field);
    Value::Object(less).to_string()
}

#[test]
fn each_is_accepted_and_none_can_be_smaller() {
    let mut machine = Installation::new();
    let settings = "[server]\nstart_budget_ms = 10000\n";
    std::fs::write(machine.path().join("threadline.toml"), settings).unwrap();
    let _server = machine.serve("threadline serve");
    let rows = table(README, "RPC");
    assert!(rows.len() >= 9, "README has lost its smallest requests");
    let (mut customer, mut other) = (String::new(), String::new());
    let all: Vec<(&str, String)> =
        Role::ALL.iter().map(|(_, role)| (*role, machine.key(role))).collect();
    let mut before = String::new();
    for row in rows {
        let [rpc, request, roles] = row.as_slice() else { panic!("an odd row: {row:?}") };
        let method = code(rpc).unwrap();
        let streams = rpc.ends_with("(answers in a stream)");
        let call = if streams { Installation::first_answer } else { Installation::call };
        let request = code(request).unwrap().replace("cus_…", &customer).replace("cus_2…", &other);
        let parsed: Map<String, Value> = serde_json::from_str(&request).unwrap();
        let roles = if roles == "the same" { before } else { roles.clone() };
        let named: Vec<&str> = roles.split(", ").collect();
        let (may, may_not): (Vec<_>, Vec<_>) = all.iter().partition(|(it, _)| named.contains(it));
        assert_eq!(may.len(), named.len(), "{method}: {roles}");
        // The broken ones first: a start or an end that is accepted would be a known one afterwards.
        for field in parsed.keys() {
            let refused = call(&machine, &may[0].1, method, &without(&parsed, field)).unwrap_err();
            assert!(
                refused.starts_with("INVALID_ARGUMENT INVALID_FIELD"),
                "{method} {field}: {refused}"
            );
            assert!(refused.contains(field), "{method} without {field}: {refused}");
        }
        for (role, key) in may {
            // The same content again is a replay, whoever sends it.
            let answer = call(&machine, key, method, &request);
            let answer = answer.unwrap_or_else(|refused| panic!("{method} as {role}: {refused}"));
            let named = answer["customer_ref"].as_str().unwrap_or_default();
            if !named.is_empty() && customer != named {
                other = std::mem::replace(&mut customer, named.to_owned());
            }
        }
        for (role, key) in may_not {
            let refused = call(&machine, key, method, &request).err().unwrap_or_default();
            assert!(
                refused.starts_with("PERMISSION_DENIED ROLE_REQUIRED"),
                "{method} as {role}: {refused}"
            );
        }
        before = roles;
    }
    assert!(customer.starts_with("cus_"));
}

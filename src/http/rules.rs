//! How each RPC is reached over HTTP: the `google.api.http` annotations of the protocol, read from
//! its descriptors. A test holds that every RPC has one; what is not understood here is refused
//! there, before anything is served.

use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, MethodDescriptor, Value,
};
use tonic::codegen::http::Method;

use crate::grpc::DOMAIN;
use crate::grpc::proto::DESCRIPTORS;

/// The protocol, described.
pub(super) static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    // They were made by our own build.
    DescriptorPool::decode(DESCRIPTORS).expect("our own descriptors are valid")
});

/// Every way to reach an RPC.
pub(super) static RULES: LazyLock<Rules> = LazyLock::new(|| {
    // `every_rpc_is_reached` reads the same descriptors.
    Rules::read(&POOL).expect("annotations that a test has read")
});

/// One way to reach one RPC.
#[derive(Clone)]
pub(super) struct Rule {
    /// The HTTP method.
    pub verb: Method,
    /// The path, such as `/api/v1/interactions/{interaction_id}`.
    pub template: String,
    /// Its parts.
    pub segments: Vec<Segment>,
    /// Whether what the path does not say comes in the body; else it comes in the query.
    pub has_body: bool,
    /// What is called.
    pub rpc: MethodDescriptor,
}

/// A part of a path.
#[derive(Clone)]
pub(super) enum Segment {
    /// This very word.
    Word(String),
    /// The value of this field of the request.
    Field(FieldDescriptor),
}

/// What a path says of the request.
pub(super) type Named = Vec<(FieldDescriptor, String)>;

/// What a method and a path lead to.
pub(super) enum Found<'r> {
    /// An RPC, and what the path says.
    Rule(&'r Rule, Named),
    /// A path of ours, under other methods.
    Verbs(Vec<&'r Method>),
    /// Nothing of ours.
    Nothing,
}

/// All rules; words before fields, so that the more special path is found first.
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    /// Reads the annotations of every RPC of ours.
    ///
    /// # Errors
    /// The RPCs that have none, or one that is not understood, and why.
    pub fn read(pool: &DescriptorPool) -> Result<Self, String> {
        let annotation = pool.get_extension_by_name("google.api.http");
        let annotation = annotation.ok_or("the protocol does not import google.api.http")?;
        let (mut rules, mut wrong) = (Vec::new(), Vec::new());
        let ours = pool.services().filter(|service| service.package_name() == DOMAIN);
        for rpc in ours.flat_map(|service| service.methods().collect::<Vec<_>>()) {
            match of_rpc(&rpc, &annotation) {
                Ok(found) => rules.extend(found),
                Err(why) => wrong.push(format!("{}: {why}", rpc.full_name())),
            }
        }
        rules.sort_by_key(|rule| rule.segments.iter().map(Segment::is_field).collect::<Vec<_>>());
        if wrong.is_empty() { Ok(Self(rules)) } else { Err(wrong.join("; ")) }
    }

    /// All of them.
    pub fn all(&self) -> &[Rule] {
        &self.0
    }

    /// Whether it is an RPC's own path, where gRPC is spoken.
    pub fn is_of_grpc(&self, path: &str) -> bool {
        let named = path.strip_prefix('/').and_then(|it| it.split_once('/'));
        let Some((service, name)) = named else { return false };
        let mut rpcs = self.0.iter().map(|rule| &rule.rpc);
        rpcs.any(|rpc| rpc.name() == name && rpc.parent_service().full_name() == service)
    }

    /// Where a request leads. A part of the path that is not UTF-8, percent-encoded, leads nowhere.
    pub fn find(&self, verb: &Method, path: &str) -> Found<'_> {
        let fitting = self.0.iter().find(|rule| rule.fits(path).is_some());
        let Some(first) = fitting else { return Found::Nothing };
        // A word is more than a field: where it fits, no other path is meant.
        let place = self.0.iter().filter(|rule| rule.template == first.template);
        let rule = place.clone().find(|rule| rule.verb == *verb);
        // What the path names is a field of this rule's request, and of no other's at this place.
        match rule.and_then(|rule| Some((rule, rule.fits(path)?))) {
            Some((rule, named)) => Found::Rule(rule, named),
            None => Found::Verbs(place.map(|rule| &rule.verb).collect()),
        }
    }
}

impl Rule {
    fn fits(&self, path: &str) -> Option<Named> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let mut named = Named::new();
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Word(word) if word == part => {}
                Segment::Word(_) => return None,
                Segment::Field(_) if part.is_empty() => return None,
                Segment::Field(field) => {
                    named.push((field.clone(), decoded(part)?));
                }
            }
        }
        parts.next().is_none().then_some(named)
    }
}

/// A percent-encoded text; none where a `%` encodes nothing, or what comes out is not UTF-8.
pub(super) fn decoded(text: &str) -> Option<String> {
    let bytes = |it: &str| matches!(it.as_bytes(), [a, b, ..] if [a, b].iter().all(|it| it.is_ascii_hexdigit()));
    let whole = text.split('%').skip(1).all(bytes);
    let read = percent_decode_str(text).decode_utf8().ok().filter(|_| whole)?;
    Some(read.into_owned())
}

impl Segment {
    fn is_field(&self) -> bool {
        matches!(self, Self::Field(_))
    }
}

fn of_rpc(rpc: &MethodDescriptor, annotation: &ExtensionDescriptor) -> Result<Vec<Rule>, String> {
    let options = rpc.options();
    let Value::Message(first) = options.get_extension(annotation).into_owned() else {
        return Err("the annotation is no message".into());
    };
    if !options.has_extension(annotation) {
        return Err("has no google.api.http annotation".into());
    }
    let more = match first.get_field_by_name("additional_bindings").map(|it| it.into_owned()) {
        Some(Value::List(more)) => more,
        _ => Vec::new(),
    };
    let more = more.into_iter().filter_map(|one| match one {
        Value::Message(one) => Some(one),
        _ => None,
    });
    std::iter::once(first).chain(more).map(|rule| of_binding(rpc, &rule)).collect()
}

fn of_binding(rpc: &MethodDescriptor, rule: &DynamicMessage) -> Result<Rule, String> {
    let text = |name: &str| match rule.get_field_by_name(name).map(|it| it.into_owned()) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let verbs = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    let (verb, template) = verbs
        .into_iter()
        .map(|(name, verb)| (verb, text(name)))
        .find(|(_, template)| !template.is_empty())
        .ok_or("names no path")?;
    if !template.starts_with("/api/v1/") {
        return Err(format!("{template} is not below /api/v1/"));
    }
    let has_body = match text("body").as_str() {
        "" => false,
        "*" => true,
        _ => return Err("the body is all that the path does not say, or nothing".into()),
    };
    if rpc.is_client_streaming() && !has_body {
        return Err("a stream of requests comes in the body".into());
    }
    if !text("response_body").is_empty() {
        return Err("the answer is the whole response".into());
    }
    let segments = template.trim_start_matches('/').split('/').map(|part| segment(rpc, part));
    let segments = segments.collect::<Result<Vec<_>, String>>()?;
    Ok(Rule { verb, template, segments, has_body, rpc: rpc.clone() })
}

fn segment(rpc: &MethodDescriptor, part: &str) -> Result<Segment, String> {
    let Some(name) = part.strip_prefix('{').and_then(|it| it.strip_suffix('}')) else {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        return match !part.is_empty() && part.chars().all(plain) {
            true => Ok(Segment::Word(part.to_owned())),
            false => Err(format!("{part} is neither a word nor a field")),
        };
    };
    let field = rpc.input().get_field_by_name(name);
    let field = field.ok_or_else(|| format!("{name} is no field of the request"))?;
    // One place says it; the body may repeat it.
    let plain = matches!(field.kind(), prost_reflect::Kind::String) && !field.is_list();
    if plain { Ok(Segment::Field(field)) } else { Err(format!("{name} is no single text")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(verb: &Method, path: &str) -> Option<(String, Vec<String>)> {
        match RULES.find(verb, path) {
            Found::Rule(rule, named) => {
                let own = |field: &FieldDescriptor| *field.parent_message() == rule.rpc.input();
                assert!(named.iter().all(|(field, _)| own(field)), "a field of another request");
                let said =
                    named.into_iter().map(|(field, text)| format!("{}={text}", field.name()));
                Some((rule.rpc.name().to_owned(), said.collect()))
            }
            _ => None,
        }
    }

    #[test]
    fn every_rpc_is_reached() {
        let rules = Rules::read(&POOL).unwrap_or_else(|wrong| panic!("{wrong}"));
        let ours = POOL.services().filter(|service| service.package_name() == DOMAIN);
        let rpcs: Vec<_> = ours.flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
        assert!(rpcs.len() >= 16);
        for rpc in rpcs {
            assert!(rules.all().iter().any(|rule| rule.rpc == rpc), "{}", rpc.full_name());
        }
        let mut places: Vec<_> =
            rules.all().iter().map(|it| format!("{} {}", it.verb, it.template)).collect();
        places.sort();
        let all = places.len();
        places.dedup();
        assert_eq!(places.len(), all, "two RPCs at one place");
    }

    #[test]
    fn paths_say_what_they_name() {
        let get = |path| found(&Method::GET, path);
        let said = |rpc: &str, said: &[&str]| {
            Some((rpc.to_owned(), said.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()))
        };
        assert_eq!(
            get("/api/v1/interactions/a%2Fb%20%C3%A9"),
            said("GetInteraction", &["interaction_id=a/b é"])
        );
        assert_eq!(get("/api/v1/interactions"), said("ListInteractions", &[]));
        assert_eq!(
            found(&Method::POST, "/api/v1/customers/import"),
            said("ImportCustomers", &[]),
            "a word is more than a field"
        );
        assert_eq!(
            found(&Method::POST, "/api/v1/customers/cus_1"),
            said("UpsertCustomer", &["customer_ref=cus_1"])
        );
        for nowhere in [
            "/",
            "/api/v1",
            "/api/v1/interactions/",
            "/api/v1/interactions/%FF",
            "/x",
            "/api/v1/interactions/%ZZ",
            "/api/v1/interactions/a%2",
        ] {
            assert_eq!(get(nowhere), None, "{nowhere}");
        }
        let Found::Verbs(verbs) = RULES.find(&Method::DELETE, "/api/v1/interactions") else {
            panic!("a path of ours")
        };
        assert_eq!(verbs, [&Method::POST, &Method::GET]);
        let Found::Verbs(verbs) = RULES.find(&Method::GET, "/api/v1/customers/import") else {
            panic!("a word, and nobody's ref")
        };
        assert_eq!(verbs, [&Method::POST]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let rpc = POOL.services().flat_map(|it| it.methods().collect::<Vec<_>>());
        let rpc = rpc.into_iter().find(|rpc| rpc.name() == "StartInteraction").expect("a start");
        assert!(segment(&rpc, "{interaction_id}").is_ok() && segment(&rpc, "a-b").is_ok());
        for odd in ["{nothing}", "{identity_hints}", "{interaction_id=**}", "a:b", "", "*"] {
            assert!(segment(&rpc, odd).is_err(), "{odd}");
        }
    }
}

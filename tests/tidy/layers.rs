//! The layer table: a module imports only from levels to its left.

use crate::source::{self, File};

/// The levels, left to right. `lib.rs` names every module and is exempt.
const LEVELS: &[&[&str]] = &[
    &["ids", "clock", "meters"],
    &["identity", "context", "crypto"],
    &["store", "cache"],
    &["continuity"],
    &["events", "privacy", "insight"],
    &["grpc"],
    &["http"],
    &["server", "cli"],
    &["main"],
];

/// What may import within its own level, and why.
const SIDEWAYS: &[(&str, &str, &str)] = &[
    ("ids", "clock", "an id begins with the time it was made at"),
    ("context", "identity", "what may be shown depends on how sure the identity is"),
    ("cache", "store", "the cache holds what the store loads"),
    ("cli", "server", "one of the commands is `serve`"),
];

/// Libraries that only these modules may name: transport knows no SQL, the rules know no I/O.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("aes_gcm", &["crypto"]),
    ("aws_lc_rs", &["crypto"]),
    ("reqwest", &["continuity", "events"]),
    ("hmac", &["crypto"]),
    ("libc", &["store"]),
    ("opentelemetry", &["grpc", "server"]),
    ("opentelemetry_otlp", &["server"]),
    ("opentelemetry_sdk", &["grpc", "server"]),
    ("prometheus", &["meters"]),
    ("rand", &["ids"]),
    ("tonic", &["grpc", "http", "server", "cli", "main"]),
    ("tower", &["grpc", "http", "server", "cli", "main"]),
    ("clap", &["cli", "main"]),
    ("tokio", &["store", "cache", "continuity", "events", "grpc", "http", "server", "cli", "main"]),
];

/// Findings for every import that runs back, sideways or out of the table.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    let tests = source::test_files(files);
    for file in files.iter().filter(|file| !tests.contains(&file.path)) {
        let own = module(&file.path);
        if own == "lib" {
            continue;
        }
        let Some(from) = level(own) else {
            findings.push(format!("{}:1: module `{own}` is not in the layer table", file.path));
            continue;
        };
        for (line, target) in imports(file) {
            let allowed = match level(&target) {
                _ if target == own => true,
                // Macros and re-exports of the crate root are no modules; the compiler knows them.
                None => !is_module(files, &target),
                Some(to) if to == from => {
                    SIDEWAYS.iter().any(|(one, two, _)| *one == own && *two == target)
                }
                Some(to) => to < from,
            };
            if !allowed {
                let path = &file.path;
                findings.push(format!("{path}:{line}: `{own}` must not import `{target}`"));
            }
        }
    }
    findings
}

/// Findings for every library that is named outside its home.
pub(crate) fn check_homes(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    let tests = source::test_files(files);
    for file in files.iter().filter(|file| !tests.contains(&file.path)) {
        let own = module(&file.path);
        let code = source::without_tests(&source::code(&file.text));
        for (library, homes) in HOMES.iter().filter(|(_, homes)| !homes.contains(&own)) {
            for at in words(&code, &format!("{library}::")) {
                let line = source::line(&code, at);
                findings.push(format!(
                    "{}:{line}: `{own}` names `{library}`, whose home is {}",
                    file.path,
                    homes.join(", ")
                ));
            }
        }
    }
    findings
}

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&module))
}

/// The top module that a file belongs to.
fn module(path: &str) -> &str {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs")
}

fn is_module(files: &[File], name: &str) -> bool {
    files.iter().any(|file| module(&file.path) == name)
}

/// The top modules that a file names, with the line: `crate::x`, `crate::{x, y::z}`, and
/// `super::…` that climbs to the root.
fn imports(file: &File) -> Vec<(usize, String)> {
    let code = source::without_tests(&source::code(&file.text));
    let mut found = Vec::new();
    let mut take = |at: usize, rest: &str| {
        found.extend(heads(rest).into_iter().map(|head| (source::line(&code, at), head)));
    };
    for at in words(&code, "crate::") {
        take(at, &code[at + "crate::".len()..]);
    }
    let climb = "super::".repeat(depth(&file.path));
    // A path that begins with `super::` is found once, where it begins.
    for at in words(&code, &climb).into_iter().filter(|at| !code[..*at].ends_with("super::")) {
        take(at, &code[at + climb.len()..]);
    }
    found
}

/// How many modules deep a file lies: as many `super` lead to the root.
fn depth(path: &str) -> usize {
    let inner = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    inner.trim_end_matches("/mod").split('/').count()
}

/// Where `text` begins as a word of its own.
fn words(code: &str, text: &str) -> Vec<usize> {
    let starts = |at: &usize| *at == 0 || !source::is_word(code.as_bytes()[at - 1]);
    let outer = |at: &usize| text == "crate::" || !code[..*at].ends_with("::");
    code.match_indices(text).map(|(at, _)| at).filter(starts).filter(outer).collect()
}

/// The first names of a path or of a braced group of paths.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start()
            .bytes()
            .take_while(|byte| source::is_word(*byte))
            .map(char::from)
            .collect()
    };
    let rest = rest.trim_start();
    let Some(group) = rest.strip_prefix('{') else {
        return vec![name(rest)];
    };
    let mut names = vec![name(group)];
    let mut depth = 1;
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => names.push(name(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    fn findings(path: &str, text: &str) -> usize {
        let other = |name: &str| file(&format!("src/{name}/mod.rs"), "//! Another.");
        check(&[file(path, text), other("store"), other("grpc"), other("odd")])
            .iter()
            .filter(|finding| finding.starts_with(path))
            .count()
    }

    #[test]
    fn an_import_that_runs_back_is_found() {
        assert_eq!(findings("src/crypto/a.rs", "use crate::ids::KeyId;"), 0);
        assert_eq!(findings("src/crypto/a.rs", "use crate::crypto::b;"), 0);
        assert_eq!(findings("src/ids.rs", "use crate::crypto::b;"), 1);
        assert_eq!(findings("src/store/a.rs", "fn a() { crate::grpc::b() }"), 1);
        assert_eq!(findings("src/store/a.rs", "use crate::{ids::{A, B}, grpc::c, cli};"), 2);
        assert_eq!(findings("src/store/a.rs", "use super::super::grpc::c;"), 1);
        assert_eq!(findings("src/store/mod.rs", "use super::grpc::c;"), 1);
        assert_eq!(findings("src/store/a.rs", "use super::grpc;"), 0);
        assert_eq!(findings("src/store/a.rs", "use crate::odd;"), 1);
    }

    #[test]
    fn the_line_is_named() {
        let found = check(&[file("src/ids.rs", "//! Ids.\n\nuse crate::store::b;\n")]);
        assert_eq!(found, ["src/ids.rs:3: `ids` must not import `store`"]);
    }

    #[test]
    fn neighbours_import_each_other_only_where_listed() {
        assert_eq!(findings("src/ids.rs", "use crate::clock::Time;"), 0);
        assert_eq!(findings("src/clock.rs", "use crate::ids::KeyId;"), 1);
        assert_eq!(findings("src/context/a.rs", "use crate::identity::b;"), 0);
        assert_eq!(findings("src/identity/a.rs", "use crate::context::b;"), 1);
        assert_eq!(findings("src/cache/a.rs", "use crate::store::b;"), 0);
        assert_eq!(findings("src/store/a.rs", "use crate::cache::b;"), 1);
    }

    #[test]
    fn comments_strings_and_tests_import_nothing() {
        let text = "//! crate::grpc\nconst A: &str = \"crate::grpc\";\n\
                    #[cfg(test)]\nmod tests { use crate::grpc::b; }";
        assert_eq!(findings("src/ids.rs", text), 0);
    }

    #[test]
    fn a_module_outside_the_table_is_found() {
        assert_eq!(findings("src/odd/mod.rs", "use crate::ids::A;"), 2);
    }

    #[test]
    fn a_library_away_from_home_is_found() {
        let found = |path: &str, text: &str| check_homes(&[file(path, text)]).len();
        assert_eq!(found("src/store/a.rs", "use sqlx::Any;"), 0);
        assert_eq!(found("src/grpc/a.rs", "use sqlx::Any;"), 1);
        assert_eq!(found("src/identity/a.rs", "fn a() { tokio::spawn(b); }"), 1);
        assert_eq!(found("src/identity/a.rs", "#[cfg(test)]\nmod tests { use tokio::a; }"), 0);
    }
}

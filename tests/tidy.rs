//! Style as a test: what a reviewer would otherwise have to remember.
//!
//! Each check is a function from texts to findings, in its own file under
//! `tests/tidy/` together with the samples that show it can fail; here they
//! are run over this repository. No network, no database.

#[path = "tidy/columns.rs"]
mod columns;
#[path = "tidy/landed.rs"]
mod landed;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/protocol.rs"]
mod protocol;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/statements.rs"]
mod statements;

use std::path::Path;

use source::{File, read};

fn nothing_found(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn rust() -> Vec<File> {
    let files = [read("src", "rs"), read("tests", "rs"), read("build.rs", "rs")].concat();
    assert!(files.len() > 10, "this repository has more than {} Rust files", files.len());
    files
}

#[test]
fn imports_run_one_way() {
    nothing_found(&layers::check(&read("src", "rs")));
}

#[test]
fn libraries_stay_at_home() {
    nothing_found(&layers::check_homes(&read("src", "rs")));
}

#[test]
fn statements_meet_a_driver_in_one_place() {
    nothing_found(&statements::check(&read("src", "rs")));
}

#[test]
fn files_and_functions_are_short() {
    nothing_found(&shape::check_files(&rust()));
    nothing_found(&shape::check_functions(&read("src", "rs")));
}

#[test]
fn every_file_says_why_it_exists() {
    nothing_found(&shape::check_module_docs(&rust()));
}

#[test]
fn nothing_is_left_undone_or_silenced() {
    nothing_found(&shape::check_leftovers(&read("src", "rs")));
}

#[test]
fn names_say_something() {
    nothing_found(&names::check(&read("src", "rs")));
}

#[test]
fn the_protocol_is_documented() {
    let files = read("proto/threadline", "proto");
    assert!(!files.is_empty(), "no protocol found");
    nothing_found(&protocol::check_comments(&files));
}

#[test]
fn every_error_reason_has_a_remedy_here_and_in_the_readme() {
    let files = read("proto/threadline/v1/error_reason.proto", "proto");
    let reasons = protocol::reasons(&files[0]);
    assert!(!reasons.is_empty(), "no error reasons found");
    nothing_found(&protocol::check_remedies(&files[0].path, &reasons));
    let readme = std::fs::read_to_string("README.md").unwrap_or_default();
    nothing_found(&protocol::check_readme(&readme, &reasons));
}

#[test]
fn every_column_has_a_class_and_both_engines_agree() {
    let (sqlite, postgres) = (read("migrations/sqlite", "sql"), read("migrations/postgres", "sql"));
    assert!(!sqlite.is_empty(), "no migrations found");
    nothing_found(&columns::check(&sqlite, &postgres));
}

#[test]
fn landed_migrations_are_as_they_landed() {
    let files = [read("migrations/sqlite", "sql"), read("migrations/postgres", "sql")].concat();
    nothing_found(&landed::check(&files));
}

#[test]
fn the_security_page_lists_every_column() {
    let page = Path::new("docs/security.md");
    let text = std::fs::read_to_string(page).unwrap();
    let (columns, _) = columns::parse(&read("migrations/sqlite", "sql"));
    let expected = columns::with_table(&text, &columns).expect("the page has both markers");
    if std::env::var_os("THREADLINE_WRITE").is_some_and(|value| value == "1") {
        std::fs::write(page, &expected).unwrap();
        return;
    }
    assert!(
        text == expected,
        "docs/security.md differs from the migrations; write it with \
         `THREADLINE_WRITE=1 cargo test --test tidy`, then read the difference. Expected:\n{}",
        columns::table(&columns)
    );
}

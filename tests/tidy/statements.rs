//! One place where a statement's text meets a driver: there each is bound to its tenant.

use crate::source::{self, File};

/// The place.
const HOME: &str = "src/store/statement";

/// Names by which a text is handed to a driver.
const NAMES: &[&str] = &[
    "Executor",
    "AssertSqlSafe",
    "SqlSafeStr",
    "raw_sql",
    "query_with",
    "query_as",
    "query_as_with",
    "query_scalar",
    "query_scalar_with",
    "QueryBuilder",
    "sqlx::query",
    "query_file",
];

/// Findings for every text that is handed to a driver elsewhere.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    let tests = source::test_files(files);
    let elsewhere = |file: &&File| !file.path.starts_with(HOME) && !tests.contains(&file.path);
    for file in files.iter().filter(elsewhere) {
        let code = source::without_tests(&source::code(&file.text));
        for name in NAMES {
            for (at, _) in code.match_indices(name) {
                let bytes = code.as_bytes();
                let begins = at == 0 || !source::is_word(bytes[at - 1]);
                let ends = bytes.get(at + name.len()).is_none_or(|next| !source::is_word(*next));
                if begins && ends {
                    let line = source::line(&code, at);
                    let path = &file.path;
                    findings.push(format!("{path}:{line}: `{name}` goes past {HOME}, where every text is bound to its tenant"));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_goes_past_its_place_is_found() {
        let found =
            |path: &str, text: &str| check(&[File { path: path.into(), text: text.into() }]).len();
        assert_eq!(found("src/store/read.rs", "use sqlx::{AnyConnection, Row as _};"), 0);
        assert_eq!(found("src/store/read.rs", "use sqlx::Executor as _;"), 1);
        assert_eq!(found("src/store/read.rs", "sqlx::query(\"SELECT 1\").fetch_all(c)"), 1);
        assert_eq!(found("src/store/read.rs", "statement::query(scoped!(\"SELECT 1\"), a)"), 0);
        assert_eq!(found("src/store/read.rs", "// sqlx::query_scalar"), 0);
        assert_eq!(found("src/cli/merge.rs", "sqlx::query_scalar(sql)"), 1);
        assert_eq!(found("src/store/statement.rs", "sqlx::query_with(text, arguments)"), 0);
        assert_eq!(found("src/store/statement/across.rs", "sqlx::query_with(text, arguments)"), 0);
    }
}

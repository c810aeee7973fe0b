//! Sizes, module docs, and what must not be left lying about.

use crate::source::{self, File};

/// Lines that a file may have.
const FILE_LINES: usize = 400;
/// Lines that a function may have.
const FUNCTION_LINES: usize = 70;

/// Longer files, and why.
const LONG_FILES: &[(&str, &str)] = &[];
/// Longer functions as `path name`, and why.
const LONG_FUNCTIONS: &[(&str, &str)] = &[];

/// What must not stand in the sources, and what to do instead.
const LEFTOVERS: &[(&str, &str)] = &[
    ("todo!", "do it"),
    ("unimplemented!", "do it"),
    ("dbg!", "take it out"),
    ("#[allow(", "use #[expect(…, reason = \"…\")]"),
    ("#![allow(", "use #![expect(…, reason = \"…\")]"),
];

/// Findings for files of more than [`FILE_LINES`].
pub(crate) fn check_files(files: &[File]) -> Vec<String> {
    let excused = |file: &&File| !LONG_FILES.iter().any(|(path, _)| *path == file.path);
    let long = |file: &&File| file.text.lines().count() > FILE_LINES;
    let finding =
        |file: &File| format!("{}: {} lines of {FILE_LINES}", file.path, file.text.lines().count());
    files.iter().filter(excused).filter(long).map(finding).collect()
}

/// Findings for functions of more than [`FUNCTION_LINES`].
pub(crate) fn check_functions(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    let tests = source::test_files(files);
    for file in files.iter().filter(|file| !tests.contains(&file.path)) {
        let code = source::without_tests(&source::code(&file.text));
        for (at, _) in code.match_indices("fn ") {
            if at > 0 && source::is_word(code.as_bytes()[at - 1]) {
                continue;
            }
            let (first, last) =
                (source::line(&code, at), source::line(&code, source::item_end(&code, at)));
            let lines = last - first + 1;
            let name = code[at + 3..].bytes().take_while(|byte| source::is_word(*byte)).count();
            let name = &code[at + 3..at + 3 + name];
            let full = format!("{} {name}", file.path);
            if lines > FUNCTION_LINES && !LONG_FUNCTIONS.iter().any(|(long, _)| *long == full) {
                findings.push(format!(
                    "{}:{first}: `{name}` has {lines} lines of {FUNCTION_LINES}",
                    file.path
                ));
            }
        }
    }
    findings
}

/// Findings for files that do not begin with `//!`.
pub(crate) fn check_module_docs(files: &[File]) -> Vec<String> {
    let silent = |file: &&File| {
        let first = file.text.lines().next().unwrap_or_default();
        first.strip_prefix("//!").is_none_or(|words| words.trim().is_empty())
    };
    let finding = |file: &File| format!("{}:1: begins with no `//!` module doc", file.path);
    files.iter().filter(silent).map(finding).collect()
}

/// Findings for what must not be left in the sources.
pub(crate) fn check_leftovers(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let code = source::code(&file.text);
        for (text, instead) in LEFTOVERS {
            for (at, _) in code.match_indices(text) {
                let line = source::line(&code, at);
                findings.push(format!("{}:{line}: `{text}`: {instead}", file.path));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> [File; 1] {
        [File { path: "src/a.rs".into(), text: text.into() }]
    }

    #[test]
    fn a_long_file_is_found() {
        assert!(check_files(&file(&"a\n".repeat(FILE_LINES))).is_empty());
        assert_eq!(check_files(&file(&"a\n".repeat(FILE_LINES + 1))).len(), 1);
    }

    #[test]
    fn a_long_function_is_found() {
        let function = |lines: usize| format!("pub fn a() {{\n{}}}\n", "b();\n".repeat(lines));
        assert!(check_functions(&file(&function(FUNCTION_LINES - 2))).is_empty());
        let found = check_functions(&file(&function(FUNCTION_LINES - 1)));
        assert_eq!(found, ["src/a.rs:1: `a` has 71 lines of 70"]);
        let test = format!("#[cfg(test)]\nmod tests {{ {} }}", function(FUNCTION_LINES));
        assert!(check_functions(&file(&test)).is_empty());
    }

    #[test]
    fn a_missing_module_doc_is_found() {
        assert!(check_module_docs(&file("//! Why.\n")).is_empty());
        assert_eq!(check_module_docs(&file("//!\nuse a;\n")).len(), 1);
        assert_eq!(check_module_docs(&file("// Why.\n")).len(), 1);
        assert_eq!(check_module_docs(&file("")).len(), 1);
    }

    #[test]
    fn leftovers_are_found_in_code_only() {
        assert_eq!(check_leftovers(&file("fn a() { todo!() }\n#[allow(dead_code)]\n")).len(), 2);
        assert_eq!(check_leftovers(&file("#![allow(dead_code)]\n")).len(), 1);
        assert!(check_leftovers(&file("// todo!\nconst A: &str = \"dbg!\";\n")).is_empty());
    }
}

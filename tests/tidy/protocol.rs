//! The protocol's comments, and the error reasons with their remedies.

use crate::source::File;

/// An error reason without its prefix, its comment, and its line.
pub(crate) struct Reason {
    pub(crate) name: String,
    comment: String,
    line: usize,
}

const PREFIX: &str = "ERROR_REASON_";

/// Findings for every service, RPC, message, enum, oneof, field and value without a comment
/// before it.
pub(crate) fn check_comments(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let mut commented = false;
        let mut open = false;
        for (number, line) in file.text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with("//") {
                commented = line.trim_start_matches('/').trim().len() > 1;
                continue;
            }
            // A declaration may go on over several lines; only its first needs the comment.
            if !open && is_declaration(line) && !commented {
                findings.push(format!("{}:{}: no comment: {line}", file.path, number + 1));
            }
            open = !(line.is_empty() || line.ends_with([';', '{', '}']));
            commented = false;
        }
    }
    findings
}

fn is_declaration(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    match first {
        "service" | "rpc" | "message" | "enum" | "oneof" => true,
        "syntax" | "package" | "import" | "option" | "reserved" | "extensions" | "" => false,
        // A part of an option.
        word if word.ends_with(':') => false,
        word => word.starts_with(|letter: char| letter.is_ascii_alphabetic()),
    }
}

/// The reasons of `enum ErrorReason`, without the unspecified one.
pub(crate) fn reasons(file: &File) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut comment = String::new();
    for (number, line) in file.text.lines().enumerate() {
        let line = line.trim();
        if let Some(words) = line.strip_prefix("//") {
            comment.push_str(words);
        } else {
            let name = line.split([' ', '=']).next().and_then(|name| name.strip_prefix(PREFIX));
            if let Some(name) = name.filter(|name| *name != "UNSPECIFIED") {
                let comment = comment.clone();
                reasons.push(Reason { name: name.to_owned(), comment, line: number + 1 });
            }
            comment.clear();
        }
    }
    reasons
}

/// Findings for reasons whose comment names no remedy.
pub(crate) fn check_remedies(path: &str, reasons: &[Reason]) -> Vec<String> {
    let silent = |reason: &&Reason| {
        let remedy = reason.comment.split_once("Remedy:").map(|(_, remedy)| remedy.trim());
        remedy.is_none_or(str::is_empty)
    };
    let finding =
        |reason: &Reason| format!("{path}:{}: {} has no remedy", reason.line, reason.name);
    reasons.iter().filter(silent).map(finding).collect()
}

/// Findings for reasons that the README does not list.
pub(crate) fn check_readme(readme: &str, reasons: &[Reason]) -> Vec<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words: std::collections::HashSet<&str> = readme.split(|letter| !is_part(letter)).collect();
    let missing = |reason: &&Reason| !words.contains(reason.name.as_str());
    let finding = |reason: &Reason| format!("README.md: does not list the reason {}", reason.name);
    reasons.iter().filter(missing).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File { path: "a.proto".into(), text: text.into() }
    }

    #[test]
    fn a_declaration_without_comment_is_found() {
        let good = "syntax = \"proto3\";\n\n// A.\nmessage A {\n  // B.\n  string b = 1;\n\
                    \n  // C.\n  map<string, string> c = 2 [\n    deprecated = true\n  ];\n}\n";
        assert!(check_comments(&[file(good)]).is_empty());
        for bad in [
            "message A {\n}\n",
            "// A.\nmessage A {\n  string b = 1;\n}\n",
            "// A.\nservice A {\n  rpc B(C) returns (D);\n}\n",
            "// A.\nenum A {\n  // B.\n  B = 0;\n  C = 1;\n}\n",
            "// A.\n\nmessage A {}\n",
            "//\nmessage A {}\n",
        ] {
            assert_eq!(check_comments(&[file(bad)]).len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_reason_without_remedy_or_readme_is_found() {
        let text = "enum ErrorReason {\n  // Never.\n  ERROR_REASON_UNSPECIFIED = 0;\n\
                    // A. Remedy: mend it.\n  ERROR_REASON_A_B = 1;\n  // C.\n  ERROR_REASON_C = 2;\n\
                    ERROR_REASON_D = 3;\n  // E. Remedy:\n  ERROR_REASON_E=4;\n}\n";
        let reasons = reasons(&file(text));
        let names: Vec<&str> = reasons.iter().map(|reason| reason.name.as_str()).collect();
        assert_eq!(names, ["A_B", "C", "D", "E"]);
        let expected = ["a.proto:7: C has no remedy", "a.proto:8: D has no remedy"];
        let found = check_remedies("a.proto", &reasons);
        assert_eq!((&found[..2], found.len()), (&expected.map(str::to_owned)[..], 3));
        assert_eq!(check_readme("`A_B`, `C` and D_; E.", &reasons).len(), 1);
    }
}

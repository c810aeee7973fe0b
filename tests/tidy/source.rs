//! Source files, and source files without what the compiler ignores.

use std::fs;
use std::path::Path;

/// A file's text under its path from the root of the repository.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The files under `root` whose names end in `extension`, sorted; none when `root` is missing.
pub(crate) fn read(root: &str, extension: &str) -> Vec<File> {
    let mut files = Vec::new();
    collect(Path::new(root), extension, &mut files);
    files.sort_by(|one, two| one.path.cmp(&two.path));
    files
}

fn collect(path: &Path, extension: &str, files: &mut Vec<File>) {
    if let Ok(entries) = fs::read_dir(path) {
        for entry in entries {
            collect(&entry.expect("a readable folder").path(), extension, files);
        }
    } else if path.extension().is_some_and(|own| own == extension) && path.exists() {
        let text = fs::read_to_string(path).expect("a text in UTF-8");
        files.push(File { path: path.to_string_lossy().replace('\\', "/"), text });
    }
}

/// `text` with comments, strings and characters blanked, byte by byte, so that every offset and
/// line number still holds.
pub(crate) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut output = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped(bytes, at);
        for byte in &mut output[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    // Whole comments and strings were blanked, so that no character is cut in two.
    String::from_utf8(output).expect("blanking keeps UTF-8 whole")
}

/// Where the comment, string or character that begins at `at` ends; `at` itself when none does.
fn skipped(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + block_comment(rest);
    }
    let in_word = at > 0 && is_word(bytes[at - 1]);
    if !in_word && let Some(length) = raw_string(rest) {
        return at + length;
    }
    match rest[0] {
        b'"' => at + quoted(rest, b'"'),
        // 'a' and '\n' are characters, 'a without an end is a lifetime.
        b'\'' if rest.get(1) == Some(&b'\\') => at + quoted(rest, b'\''),
        b'\'' => match rest.iter().skip(1).take(6).position(|byte| *byte == b'\'') {
            Some(length) if one_character(&rest[1..=length]) => at + length + 2,
            _ => at,
        },
        _ => at,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> Option<usize> {
    let after = rest.strip_prefix(b"br").or_else(|| rest.strip_prefix(b"r"))?;
    let hashes = after.iter().take_while(|byte| **byte == b'#').count();
    if after.get(hashes) != Some(&b'"') {
        return None;
    }
    let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let start = rest.len() - after.len() + hashes + 1;
    let length = rest[start..].windows(end.len()).position(|window| window == end);
    Some(length.map_or(rest.len(), |length| start + length + end.len()))
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn one_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().count() == 1)
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `code` (as [`code`] gives it) with its `#[cfg(test)]` modules blanked.
pub(crate) fn without_tests(code: &str) -> String {
    let mut output = code.to_owned();
    for start in test_attributes(code) {
        let end = item_end(code, start);
        let blank: String =
            code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        output.replace_range(start..end, &blank);
    }
    output
}

/// The files of `files` that only tests compile: `#[cfg(test)] mod name;`.
pub(crate) fn test_files(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let code = code(&file.text);
        for start in test_attributes(&code) {
            // The path attribute's string is blank in the code, so read the text.
            let item = &file.text[start..item_end(&code, start)];
            let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if let Some((_, rest)) = item.split_once("#[path = \"") {
                let name = rest.split('"').next().unwrap_or_default();
                found.push(format!("{folder}/{name}"));
            } else if let Some((_, rest)) = item.split_once("mod ")
                && let Some(name) = rest.strip_suffix(';')
            {
                let folder = match file.path.strip_suffix(".rs") {
                    Some(own) if !own.ends_with("/mod") && !own.ends_with("/lib") => own,
                    _ => folder,
                };
                found.push(format!("{folder}/{name}.rs"));
            }
        }
    }
    // What a test file declares lies in the folder of its name.
    let folders: Vec<String> = found.iter().map(|path| path.replace(".rs", "/")).collect();
    let within = |file: &&File| folders.iter().any(|folder| file.path.starts_with(folder));
    found.extend(files.iter().filter(within).map(|file| file.path.clone()));
    found
}

fn test_attributes(code: &str) -> Vec<usize> {
    code.match_indices("#[cfg(test)]").map(|(at, _)| at).collect()
}

/// Where the item that begins at `start` ends: its `;` or its closing brace.
pub(crate) fn item_end(code: &str, start: usize) -> usize {
    let (mut braces, mut others) = (0, 0);
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => others += 1,
            b')' | b']' => others -= 1,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces == 0 && others == 0 {
                    return at + 1;
                }
            }
            b';' if braces == 0 && others == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The line, counted from 1, of an offset.
pub(crate) fn line(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        let text =
            "a /* b /* c */ d */ e // f\n\"g \\\" h\" i r#\"j \" k\"# l 'm' '\\'' 'é' &'n str";
        let left = code(text);
        assert_eq!(left.len(), text.len());
        let words: Vec<&str> = left.split_whitespace().collect();
        assert_eq!(words, ["a", "e", "i", "l", "&'n", "str"]);
        assert_eq!(line(text, text.find("g ").unwrap()), 2);
    }

    #[test]
    fn test_modules_are_left_out() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { let c = [1; 2]; } }\nfn d() {}";
        let left = without_tests(&code(text));
        assert!(left.contains("fn d") && !left.contains("fn b"));
    }

    #[test]
    fn test_files_are_known() {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let files = [
            file("src/a/b.rs", "#[cfg(test)]\nmod tests;"),
            file("src/a/mod.rs", "#[cfg(test)]\nmod sample;\nmod real;"),
            file("src/a/c.rs", "#[cfg(test)]\n#[path = \"c_tests.rs\"]\nmod tests;"),
            file("src/a/b/tests/d.rs", ""),
        ];
        let expected =
            ["src/a/b/tests.rs", "src/a/sample.rs", "src/a/c_tests.rs", "src/a/b/tests/d.rs"];
        assert_eq!(test_files(&files), expected);
    }
}

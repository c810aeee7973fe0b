//! Every column says whether it is readable, blind or sealed, and why.
//!
//! The convention: a migration has one column a line, and each such line ends
//! in `-- readable: why`, `-- blind: why` or `-- sealed: why`. What this
//! reader does not understand is a finding, never a column overlooked.

use crate::source::File;

/// One column as a migration declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    table: String,
    name: String,
    kind: &'static str,
    class: &'static str,
    why: String,
}

const CLASSES: &[&str] = &["readable", "blind", "sealed"];
/// The three types that both engines read alike, under the names each has for them.
const TYPES: &[(&str, &str)] =
    &[("BIGINT", "number"), ("TEXT", "text"), ("BLOB", "bytes"), ("BYTEA", "bytes")];
const CONSTRAINTS: &[&str] = &["PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "CONSTRAINT"];
/// Landed migrations are add-only.
const TAKING_AWAY: &[&str] = &["DROP TABLE", "DROP COLUMN", "RENAME"];

const BEGIN: &str = "<!-- columns: written by tests/tidy.rs -->\n";
const END: &str = "<!-- end of columns -->";

/// Findings for both engines' migrations.
pub(crate) fn check(sqlite: &[File], postgres: &[File]) -> Vec<String> {
    let name = |file: &File| file.path.rsplit('/').next().unwrap_or_default().to_owned();
    let names = |files: &[File]| files.iter().map(name).collect::<Vec<_>>();
    let mut findings = Vec::new();
    if names(sqlite) != names(postgres) {
        findings.push(format!(
            "migrations differ in name: sqlite {:?}, postgres {:?}",
            names(sqlite),
            names(postgres)
        ));
    }
    let (one, mut found) = parse(sqlite);
    findings.append(&mut found);
    let (two, mut found) = parse(postgres);
    findings.append(&mut found);
    let only = |side: &str, these: &[Column], those: &[Column]| -> Vec<String> {
        let alone = these.iter().filter(|column| !those.contains(column));
        alone.map(|column| format!("only {side} has {}", describe(column))).collect()
    };
    findings.extend(only("sqlite", &one, &two));
    findings.extend(only("postgres", &two, &one));
    findings
}

fn describe(column: &Column) -> String {
    let Column { table, name, kind, class, why } = column;
    format!("{table}.{name} ({kind}, {class}: {why})")
}

/// The columns of a list of migrations, with findings for what has no class or is not understood.
pub(crate) fn parse(files: &[File]) -> (Vec<Column>, Vec<String>) {
    let (mut columns, mut findings) = (Vec::new(), Vec::new());
    for file in files {
        let mut reader = Reader::default();
        for (number, line) in file.text.lines().enumerate() {
            match reader.line(line) {
                Ok(column) => columns.extend(column),
                Err(why) => findings.push(format!("{}:{}: {why}", file.path, number + 1)),
            }
        }
    }
    (columns, findings)
}

/// Where in a migration we are.
#[derive(Default)]
struct Reader {
    /// The table whose CREATE is open.
    creating: Option<String>,
    /// The table whose ALTER is open.
    altering: Option<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<Option<Column>, String> {
        let (sql, comment) = line.split_once("--").unwrap_or((line, ""));
        let sql = sql.trim();
        let words: Vec<&str> = sql.split_whitespace().collect();
        let upper = words.join(" ").to_ascii_uppercase();
        if let Some(taken) = TAKING_AWAY.iter().find(|taken| upper.contains(**taken)) {
            return Err(format!("{taken}: landed migrations are add-only"));
        }
        if let Some(table) = self.creating.clone() {
            if sql.starts_with(')') {
                self.creating = None;
                return Ok(None);
            }
            let skipped = words.first().is_none_or(|word| {
                CONSTRAINTS
                    .contains(&word.to_ascii_uppercase().split('(').next().unwrap_or_default())
            });
            return if skipped { Ok(None) } else { column(&table, sql, comment).map(Some) };
        }
        if upper.starts_with("CREATE") && upper.split(' ').any(|word| word == "TABLE") {
            let name = sql.strip_suffix('(').map(str::trim_end).filter(|rest| !rest.contains('('));
            let name = name.and_then(|rest| rest.split_whitespace().last());
            let name = name.ok_or("expected `CREATE TABLE name (` alone on its line")?;
            self.creating = Some(name.to_owned());
            return Ok(None);
        }
        if upper.starts_with("ALTER TABLE") {
            self.altering = words.get(2).map(|name| (*name).to_owned());
        }
        let added = upper.find("ADD ").map(|at| words.join(" ")[at + "ADD ".len()..].to_owned());
        let result = match (self.altering.clone(), added) {
            (Some(table), Some(rest)) => added_column(&table, &rest, comment),
            _ => Ok(None),
        };
        if sql.ends_with(';') {
            self.altering = None;
        }
        result
    }
}

fn added_column(table: &str, rest: &str, comment: &str) -> Result<Option<Column>, String> {
    let first = rest.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    if CONSTRAINTS.contains(&first.as_str()) {
        return Ok(None);
    }
    if first != "COLUMN" {
        return Err("expected `ADD COLUMN name …`".to_owned());
    }
    column(table, rest["COLUMN".len()..].trim(), comment).map(Some)
}

/// Reads `name TYPE …` and its class.
fn column(table: &str, sql: &str, comment: &str) -> Result<Column, String> {
    let mut words = sql.split_whitespace();
    let name = words.next().unwrap_or_default();
    let place = format!("{table}.{name}");
    let depth = |text: &str| text.matches('(').count() == text.matches(')').count();
    let body = sql.trim_end_matches([',', ';']);
    if body.match_indices(',').any(|(at, _)| depth(&body[..at])) {
        return Err(format!("{place}: one column a line"));
    }
    let kind = words.next().unwrap_or_default().trim_end_matches([',', ';']);
    let kind = TYPES.iter().find(|(own, _)| *own == kind).map(|(_, common)| *common);
    let kind = kind.ok_or_else(|| format!("{place}: only BIGINT, TEXT, BLOB and BYTEA"))?;
    let (class, why) = comment.split_once(':').unwrap_or_default();
    let class = CLASSES.iter().find(|known| **known == class.trim());
    let class = class.filter(|_| !why.trim().is_empty());
    let class = class.ok_or_else(|| {
        format!("{place} has no class: end the line in `-- readable|blind|sealed: why`")
    })?;
    let (table, name, why) = (table.to_owned(), name.to_owned(), why.trim().to_owned());
    Ok(Column { table, name, kind, class, why })
}

/// The table of all columns for the security page.
pub(crate) fn table(columns: &[Column]) -> String {
    let mut text = "| table | column | class | why |\n|---|---|---|---|\n".to_owned();
    for Column { table, name, class, why, .. } in columns {
        let why = why.replace('|', "\\|");
        text.push_str(&format!("| `{table}` | `{name}` | {class} | {why} |\n"));
    }
    text
}

/// The page with the table between its markers; `None` when a marker is missing.
pub(crate) fn with_table(page: &str, columns: &[Column]) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", table(columns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-- A table.\nCREATE TABLE a (\n    tenant BIGINT NOT NULL, -- readable: whose\n\
        \n    b BLOB NOT NULL DEFAULT '', -- sealed: a name\n    PRIMARY KEY (tenant, b)\n) STRICT;\n\
        CREATE INDEX i ON a (tenant, b);\nALTER TABLE a ADD COLUMN c TEXT; -- blind: a token\n\
        ALTER TABLE a\n    ADD COLUMN d BIGINT; -- readable: a time\n";

    fn file(text: &str) -> [File; 1] {
        [File { path: "migrations/sqlite/0001_a.sql".into(), text: text.into() }]
    }

    #[test]
    fn columns_are_read_with_their_classes() {
        let (columns, findings) = parse(&file(GOOD));
        assert!(findings.is_empty(), "{findings:?}");
        let read: Vec<String> = columns.iter().map(describe).collect();
        assert_eq!(
            read,
            [
                "a.tenant (number, readable: whose)",
                "a.b (bytes, sealed: a name)",
                "a.c (text, blind: a token)",
                "a.d (number, readable: a time)"
            ]
        );
        let postgres = GOOD.replace("BLOB", "BYTEA");
        assert!(check(&file(GOOD), &file(&postgres)).is_empty());
    }

    #[test]
    fn a_column_without_class_is_found() {
        for (good, bad) in [
            ("-- sealed: a name", ""),
            ("-- sealed: a name", "-- sealed:"),
            ("-- sealed: a name", "-- secret: a name"),
            ("-- sealed: a name", "-- a name"),
            ("-- blind: a token", ""),
            ("-- readable: a time", ""),
            ("b BLOB NOT NULL DEFAULT ''", "b BLOB, e BLOB"),
            ("b BLOB NOT", "b BOOLEAN NOT"),
            ("CREATE TABLE a (", "CREATE TABLE a (x BIGINT,"),
            ("CREATE TABLE a (", "CREATE TABLE a AS SELECT 1"),
            ("ADD COLUMN c", "ADD c"),
            ("CREATE INDEX i ON a (tenant, b);", "DROP TABLE a;"),
        ] {
            let text = GOOD.replacen(good, bad, 1);
            assert_ne!(text, GOOD, "the sample has {good}");
            assert!(!parse(&file(&text)).1.is_empty(), "{text}");
        }
    }

    #[test]
    fn engines_that_differ_are_found() {
        let differs =
            |good: &str, bad: &str| check(&file(GOOD), &file(&GOOD.replacen(good, bad, 1)));
        assert_eq!(differs("-- sealed: a name", "-- blind: a name").len(), 2);
        assert_eq!(differs("c TEXT", "c BIGINT").len(), 2);
        assert_eq!(differs("ALTER TABLE a ADD COLUMN c TEXT; -- blind: a token\n", "").len(), 1);
        let mut renamed = file(GOOD);
        renamed[0].path = "migrations/postgres/0001_b.sql".into();
        assert_eq!(check(&file(GOOD), &renamed).len(), 1);
    }

    #[test]
    fn the_page_holds_the_table_between_its_markers() {
        let (columns, _) = parse(&file(GOOD));
        let page = format!("Before.\n{BEGIN}old\n{END}\nAfter.\n");
        let written = with_table(&page, &columns).unwrap();
        assert!(written.contains("| `a` | `b` | sealed | a name |"));
        assert!(written.starts_with("Before.\n") && written.ends_with("\nAfter.\n"));
        assert_eq!(with_table(&written, &columns), Some(written.clone()));
        assert_ne!(with_table(&written, &columns[1..]), Some(written));
        assert_eq!(with_table("no markers", &columns), None);
    }
}

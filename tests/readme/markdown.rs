//! The little of Markdown that these tests read: fenced blocks with the mark before them, and tables.

/// A fenced block that a mark stands before: `<!-- run: client -->` gives `run: client`.
#[derive(Debug, PartialEq)]
pub(crate) struct Block {
    /// What the comment says.
    pub(crate) mark: String,
    /// The lines of the block.
    pub(crate) text: String,
}

/// The marked blocks, in order.
pub(crate) fn marked_blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut mark: Option<String> = None;
    let mut inside: Option<Vec<&str>> = None;
    for line in markdown.lines() {
        if line.starts_with("```") {
            if let Some(lines) = inside.take() {
                if let Some(mark) = mark.take() {
                    blocks.push(Block { mark, text: lines.join("\n") });
                }
            } else {
                inside = Some(Vec::new());
            }
        } else if let Some(lines) = &mut inside {
            lines.push(line);
        } else if let Some(said) = line.strip_prefix("<!-- ").and_then(|it| it.strip_suffix(" -->"))
        {
            mark = Some(said.to_owned());
        } else if !line.trim().is_empty() {
            // A mark belongs to the block right after it.
            mark = None;
        }
    }
    assert!(inside.is_none(), "a fenced block is not closed");
    blocks
}

/// The rows of the table whose header begins with `first`, each cell trimmed; none if there is no
/// such table.
pub(crate) fn table(markdown: &str, first: &str) -> Vec<Vec<String>> {
    let header = format!("| {first} |");
    let rows = markdown.lines().skip_while(|line| !line.starts_with(&header)).skip(2);
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|').trim_end_matches('|');
    row.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// What stands between the first pair of backticks.
pub(crate) fn code(cell: &str) -> Option<&str> {
    cell.split('`').nth(1)
}

#[test]
fn blocks_belong_to_the_mark_right_before_them() {
    let text = "<!-- run: a -->\n```sh\none\ntwo\n```\n\n```sh\nunmarked\n```\n<!-- run: b -->\n\
                words\n```\nno\n```\n<!-- answer -->\n\n```json\n{}\n```\n";
    let block = |mark: &str, text: &str| Block { mark: mark.into(), text: text.into() };
    assert_eq!(marked_blocks(text), [block("run: a", "one\ntwo"), block("answer", "{}")]);
}

#[test]
fn a_table_is_found_by_its_first_column() {
    let text =
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n| c | d |\n|---|---|\n| `x` y | 4 |\n| 5 | 6 |\nend\n";
    assert_eq!(table(text, "c"), [["`x` y", "4"], ["5", "6"]]);
    assert_eq!(code(&table(text, "c")[0][0]), Some("x"));
    assert!(table(text, "e").is_empty());
}

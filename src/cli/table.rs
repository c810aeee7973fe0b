//! Lists for people: a line each, in columns.

/// A line of cells, each padded to its column's width, and what comes last, however long.
pub(super) fn line<const N: usize>(
    columns: [(&str, usize); N],
    cells: [String; N],
    last: &str,
) -> String {
    let mut text = String::new();
    for (cell, (_, width)) in cells.iter().zip(columns) {
        text.push_str(&format!("{cell:<width$} "));
    }
    text.push_str(last);
    format!("{}\n", text.trim_end())
}

//! The page the demo is printed on: a hundred columns, colour on a terminal.

use std::io::{self, Write};
use std::time::Duration;

/// The width of the page, in columns.
pub(super) const WIDTH: usize = 100;
/// Where the text of a row begins.
const TEXT_AT: usize = 29;
/// Columns kept at the right for the latency of a call.
const LATENCY_COLUMNS: usize = 12;

/// What a piece of text means, shown by colour where there is any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it is.
    Plain,
    /// A title.
    Strong,
    /// Of less weight.
    Faint,
    /// Good news.
    Good,
    /// Take care.
    Careful,
    /// It went wrong.
    Bad,
}

/// Prints rows of: when, what, text, latency.
pub(super) struct Page<'a> {
    out: &'a mut (dyn Write + Send),
    colour: bool,
}

impl<'a> Page<'a> {
    /// An empty page.
    pub(super) fn new(out: &'a mut (dyn Write + Send), colour: bool) -> Self {
        Self { out, colour }
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.colour => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Careful => "33",
            Tone::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The first line of all.
    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.paint(Tone::Strong, text);
        writeln!(self.out, "{text}")
    }

    /// A journey begins: its title, and in a sentence what is at stake.
    pub(super) fn journey(&mut self, letter: char, title: &str, stake: &str) -> io::Result<()> {
        let title = self.paint(Tone::Strong, &format!("({letter}) {title}"));
        writeln!(self.out, "\n{title}")?;
        for line in wrapped(stake, WIDTH - 4) {
            writeln!(self.out, "    {line}")?;
        }
        writeln!(self.out)
    }

    /// A call: when, on which channel, what came of it, and how long it took.
    pub(super) fn call(
        &mut self,
        when: &str,
        what: &str,
        (tone, text): (Tone, &str),
        lasted: Duration,
    ) -> io::Result<()> {
        let latency = format!("{:.1} ms", lasted.as_secs_f64() * 1_000.0);
        let lines = wrapped(text, WIDTH - TEXT_AT - LATENCY_COLUMNS);
        for (number, line) in lines.iter().enumerate() {
            let (when, what) = if number == 0 { (when, what) } else { ("", "") };
            let gap = " ".repeat((WIDTH - TEXT_AT - LATENCY_COLUMNS).saturating_sub(length(line)));
            let line = self.paint(tone, line);
            let row = if number == 0 {
                let latency = self.paint(Tone::Faint, &format!("{latency:>LATENCY_COLUMNS$}"));
                format!("  {when:<12}  {what:<12} {line}{gap}{latency}")
            } else {
                format!("  {when:<12}  {what:<12} {line}")
            };
            writeln!(self.out, "{}", row.trim_end())?;
        }
        Ok(())
    }

    /// A detail under a call, with its name; each line of `text` begins a new one.
    pub(super) fn detail(&mut self, name: &str, text: &str) -> io::Result<()> {
        let lines = text.lines().flat_map(|line| wrapped(line, WIDTH - TEXT_AT));
        for (number, line) in lines.enumerate() {
            let name = if number == 0 { name } else { "" };
            let name = self.paint(Tone::Faint, &format!("{name:<12}"));
            writeln!(self.out, "{:16}{name} {line}", "")?;
        }
        Ok(())
    }

    /// Whether what must be so is so.
    pub(super) fn expectation(&mut self, holds: bool, text: &str) -> io::Result<()> {
        let mark = if holds { self.paint(Tone::Good, "✓") } else { self.paint(Tone::Bad, "✗") };
        for (number, line) in wrapped(text, WIDTH - 6).iter().enumerate() {
            let mark = if number == 0 { mark.as_str() } else { " " };
            writeln!(self.out, "    {mark} {line}")?;
        }
        Ok(())
    }

    /// The last line.
    pub(super) fn closing(&mut self, failed: usize) -> io::Result<()> {
        let (tone, text) = match failed {
            0 => (Tone::Good, "Every journey turned out as it must.".to_owned()),
            _ => (Tone::Bad, format!("{failed} expectations did not hold; see ✗ above.")),
        };
        let text = self.paint(tone, &text);
        writeln!(self.out, "\n{text}")?;
        self.out.flush()
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// `text` in lines of at most `width` columns, broken at blanks, or anywhere where there is none.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for part in letters.chunks(width) {
            // `lines` is never empty: it begins with one and only grows.
            let line = lines.last_mut().map_or(0, |line| length(line));
            if line > 0 && line + 1 + part.len() > width {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.extend(part);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(colour: bool) -> String {
        let mut out = Vec::new();
        let mut page = Page::new(&mut out, colour);
        let long = "word ".repeat(60) + &"x".repeat(300);
        page.heading("Title").unwrap();
        page.journey('a', "Three days", &long).unwrap();
        let lasted = Duration::from_micros(3_140);
        page.call("Mon  2:00 PM", "web chat", (Tone::Good, &long), lasted).unwrap();
        page.call("Mon  2:00 PM", "web chat", (Tone::Plain, "short"), lasted).unwrap();
        page.detail("brief", &format!("one\n{long}\nthree")).unwrap();
        page.expectation(false, &long).unwrap();
        page.closing(1).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_is_wider_than_the_page_nor_coloured_off_a_terminal() {
        let text = printed(false);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(!text.contains('\x1b'));
        assert!(text.contains("3.1 ms") && text.contains("✗"), "{text}");
        let short = text.lines().find(|line| line.contains("short")).unwrap();
        assert_eq!(short.chars().count(), WIDTH);
        assert!(short.ends_with("3.1 ms"), "{short}");
    }

    #[test]
    fn colour_changes_nothing_but_the_colour() {
        let mut coloured = printed(true);
        assert!(coloured.contains('\x1b'));
        for code in ["0", "1", "2", "31", "32", "33"] {
            coloured = coloured.replace(&format!("\x1b[{code}m"), "");
        }
        let trimmed =
            |text: String| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(trimmed(coloured), trimmed(printed(false)));
    }
}

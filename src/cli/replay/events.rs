//! The recorded world: its starts and ends in time order, with the truth.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Deserializer};

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: u64 = 1024 * 1024;
/// The first two bytes of every gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// One line of the file.
#[derive(Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
enum Event {
    Start(Start),
    End(End),
}

/// A contact begins.
#[derive(Deserialize)]
pub(in crate::cli) struct Start {
    /// When, in seconds since 1970.
    pub(in crate::cli) ts: f64,
    /// The interaction's id.
    pub(in crate::cli) id: String,
    /// The channel, as the API takes it.
    pub(in crate::cli) channel: String,
    /// What the channel shows of the customer.
    #[serde(default)]
    pub(in crate::cli) hints: Hints,
    /// Who it is in truth: for the scorer alone.
    pub(in crate::cli) truth: Truth,
}

/// What a channel shows of a customer. Absent and null are the same.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::cli) struct Hints {
    pub(in crate::cli) ani: Option<Text>,
    pub(in crate::cli) line_type: Option<Text>,
    pub(in crate::cli) attestation: Option<Text>,
    pub(in crate::cli) email: Option<Text>,
    pub(in crate::cli) external_ids: Option<BTreeMap<String, Text>>,
    pub(in crate::cli) whatsapp_id: Option<Text>,
    pub(in crate::cli) telegram_id: Option<Text>,
    pub(in crate::cli) discord_id: Option<Text>,
    pub(in crate::cli) jwt_sub: Option<Text>,
}

/// A text that some recorders write as a number.
pub(in crate::cli) struct Text(pub(in crate::cli) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Number(serde_json::Number),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Text(text) => text,
            Either::Number(number) => number.to_string(),
        }))
    }
}

/// Who is concerned, and who is in fact on the line.
#[derive(Deserialize)]
pub(in crate::cli) struct Truth {
    /// The customer whose affairs these are.
    pub(in crate::cli) customer: String,
    /// The person calling, perhaps on another's behalf.
    pub(in crate::cli) caller: String,
}

/// A contact ends.
#[derive(Deserialize)]
pub(in crate::cli) struct End {
    /// When, in seconds since 1970.
    pub(in crate::cli) ts: f64,
    /// The interaction's id.
    pub(in crate::cli) id: String,
    #[serde(default)]
    pub(in crate::cli) intent: String,
    #[serde(default)]
    pub(in crate::cli) status: String,
    #[serde(default)]
    pub(in crate::cli) summary: String,
    #[serde(default)]
    pub(in crate::cli) vars: BTreeMap<String, Text>,
}

/// One event, by the place of its start.
pub(in crate::cli) enum Step {
    /// `starts[0]` begins.
    Start(usize),
    /// It ends so.
    End(usize, End),
}

/// All of it, in the order of the file.
pub(in crate::cli) struct World {
    /// Every start.
    pub(in crate::cli) starts: Vec<Start>,
    /// Every start and every end of a known start.
    pub(in crate::cli) steps: Vec<Step>,
    /// Ends whose start is not in the file; they name neither channel nor hints and cannot be sent.
    pub(in crate::cli) ends_without_start: usize,
}

impl World {
    /// Reads a file, plain or gzip, told apart by its first bytes.
    ///
    /// # Errors
    /// When it cannot be read, a line is no event or too long, or two starts have one id.
    pub(in crate::cli) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut file = BufReader::new(file);
        let head = file.fill_buf().with_context(|| format!("cannot read {}", path.display()))?;
        if head.starts_with(&GZIP_MAGIC) {
            let unpacked = flate2::bufread::MultiGzDecoder::new(file);
            Self::parse(BufReader::new(unpacked))
        } else {
            Self::parse(file)
        }
        .with_context(|| path.display().to_string())
    }

    fn parse(mut lines: impl BufRead) -> anyhow::Result<Self> {
        let mut world = Self { starts: vec![], steps: vec![], ends_without_start: 0 };
        let mut places = HashMap::new();
        let mut line = String::new();
        for number in 1.. {
            line.clear();
            // One byte more than the limit tells a line at the limit from one beyond it.
            let mut bounded = lines.by_ref().take(MAX_LINE_BYTES + 1);
            if bounded.read_line(&mut line).with_context(|| format!("line {number}"))? == 0 {
                break;
            }
            if line.len() as u64 > MAX_LINE_BYTES {
                bail!("line {number} is longer than {MAX_LINE_BYTES} bytes");
            }
            if line.trim().is_empty() {
                continue;
            }
            let event = serde_json::from_str(&line)
                .with_context(|| format!("line {number} is no event"))?;
            world.add(event, &mut places).with_context(|| format!("line {number}"))?;
        }
        Ok(world)
    }

    fn add(&mut self, event: Event, places: &mut HashMap<String, usize>) -> anyhow::Result<()> {
        match event {
            Event::Start(start) => {
                let place = self.starts.len();
                if places.insert(start.id.clone(), place).is_some() {
                    bail!("a second start of {}", start.id);
                }
                self.steps.push(Step::Start(place));
                self.starts.push(start);
            }
            Event::End(end) => match places.get(&end.id) {
                Some(&place) => self.steps.push(Step::End(place, end)),
                None => self.ends_without_start += 1,
            },
        }
        Ok(())
    }

    /// Forgets all but the first `starts` starts and their ends.
    pub(in crate::cli) fn keep_first(&mut self, starts: usize) {
        self.starts.truncate(starts);
        self.steps.retain(|step| match step {
            Step::Start(place) | Step::End(place, _) => *place < starts,
        });
    }

    /// The place of the first start that is scored: those before it only feed the store.
    pub(in crate::cli) fn first_scored(&self) -> usize {
        (self.starts.len() * 6).div_ceil(10)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const TWO: &str = r#"{"t":"start","ts":1704067639,"id":"i0","channel":"voice","hints":{"ani":"+16105558555","telegram_id":42},"truth":{"customer":"C1","caller":"C2","kind":"plain"}}
{"t":"end","ts":1704067860,"id":"i0","customer":"C1","intent":"a","status":"open","summary":"s","vars":{"k":"v"}}
{"t":"end","ts":1704067861,"id":"elsewhere","customer":"C1","intent":"a","status":"open","summary":"s","vars":{}}
"#;

    #[test]
    fn plain_and_gzip_read_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, packed) = (folder.path().join("a.jsonl"), folder.path().join("b"));
        std::fs::write(&plain, TWO).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(
            File::create(&packed).unwrap(),
            flate2::Compression::fast(),
        );
        encoder.write_all(TWO.as_bytes()).unwrap();
        encoder.finish().unwrap();
        for path in [plain, packed] {
            let world = World::read(&path).unwrap();
            assert_eq!((world.starts.len(), world.steps.len()), (1, 2));
            assert_eq!(world.ends_without_start, 1);
            assert_eq!(world.starts[0].hints.telegram_id.as_ref().unwrap().0, "42");
            assert!(matches!(&world.steps[1], Step::End(0, end) if end.vars["k"].0 == "v"));
        }
    }

    #[test]
    fn what_is_no_event_is_named_by_its_line() {
        let first = TWO.lines().next().unwrap();
        for (text, names) in [
            ("{\"t\":\"start\"}\n".to_owned(), "line 1 is no event"),
            ("\nnot json\n".to_owned(), "line 2 is no event"),
            (format!("{first}\n{first}\n"), "a second start of i0"),
        ] {
            let error = format!("{:#}", World::parse(text.as_bytes()).err().unwrap());
            assert!(error.contains(names), "{error}");
        }
        let long = "x".repeat(MAX_LINE_BYTES as usize + 1);
        assert!(World::parse(long.as_bytes()).is_err());
    }

    #[test]
    fn the_last_two_fifths_are_scored() {
        let mut world = World::parse(TWO.as_bytes()).unwrap();
        for (count, first) in [(0, 0), (1, 1), (5, 3), (10, 6), (11, 7)] {
            world.starts = (0..count).map(|_| start()).collect();
            assert_eq!(world.first_scored(), first, "{count}");
        }
    }

    fn start() -> Start {
        World::parse(TWO.as_bytes()).unwrap().starts.remove(0)
    }

    #[test]
    fn a_limit_drops_later_starts_and_their_ends() {
        let text = format!("{TWO}{}", TWO.replace("\"i0\"", "\"i1\""));
        let mut world = World::parse(text.as_bytes()).unwrap();
        world.keep_first(1);
        assert_eq!((world.starts.len(), world.steps.len()), (1, 2));
    }
}

//! What `/metrics` says, read as strictly as Prometheus reads it, and held against its rules of naming.

use std::collections::{BTreeMap, BTreeSet};

/// Labels and their values.
pub type Labels = BTreeMap<String, String>;

/// One metric.
#[derive(Debug, Default)]
pub struct Family {
    /// What it says of itself.
    pub help: String,
    /// Its type.
    pub kind: String,
    /// Every line: name, labels, value.
    pub samples: Vec<(String, Labels, f64)>,
}

/// All metrics, by name.
#[derive(Debug, Default)]
pub struct Scrape(pub BTreeMap<String, Family>);

impl Scrape {
    /// Reads the text format 0.0.4; panics at the first line that is not of it.
    #[track_caller]
    pub fn of(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let mut read = Self::default();
        let mut current = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help");
                current = name.to_owned();
                let family = Family { help: help.to_owned(), ..Family::default() };
                assert!(read.0.insert(current.clone(), family).is_none(), "twice: {name}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert_eq!(name, current, "its type follows its help");
                read.0.get_mut(name).expect("it was helped").kind = kind.to_owned();
            } else {
                let (name, labels, value) = sample(line);
                let family = read.0.get_mut(&current).expect("a line belongs to a family");
                let suffixes: &[&str] = match family.kind.as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                let own = suffixes.iter().any(|suffix| name == format!("{current}{suffix}"));
                assert!(own, "{name} among {current}");
                family.samples.push((name, labels, value));
            }
        }
        read
    }

    /// The sum of all lines of that name with these labels, whatever other labels they have.
    #[track_caller]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |own: &Labels| {
            labels.iter().all(|(label, value)| own.get(*label).is_some_and(|own| own == value))
        };
        let all = self.0.values().flat_map(|family| &family.samples);
        all.filter(|(own, with, _)| own == name && has(with)).map(|(_, _, value)| value).sum()
    }

    /// How much each line of that name has grown since another scrape, where it has.
    pub fn grown(&self, since: &Self, name: &str) -> BTreeMap<String, f64> {
        let lines = |scrape: &Self| -> BTreeMap<String, f64> {
            let all = scrape.0.values().flat_map(|family| &family.samples);
            let own = all.filter(|(own, _, _)| own == name);
            own.map(|(_, labels, value)| {
                let labels: Vec<&str> = labels.values().map(String::as_str).collect();
                (labels.join(" "), *value)
            })
            .collect()
        };
        let before = lines(since);
        let grown = lines(self).into_iter().map(|(line, value)| {
            let by = value - before.get(&line).copied().unwrap_or_default();
            (line, by)
        });
        grown.filter(|(_, by)| *by != 0.0).collect()
    }

    /// What `promtool check metrics` would find, and what is no metric of ours.
    pub fn findings(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, family) in &self.0 {
            let mut wrong = |what: &str| found.push(format!("{name}: {what}"));
            if !name.starts_with("threadline_") && !name.starts_with("process_") {
                wrong("is of no namespace");
            }
            if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                wrong("is not in lower case");
            }
            if family.help.len() < 10 || !family.help.ends_with('.') {
                wrong("has no sentence for a help");
            }
            if (family.kind == "counter") != name.ends_with("_total") {
                wrong("ends with _total, or is a counter, and is not the other");
            }
            if !["counter", "gauge", "histogram"].contains(&family.kind.as_str()) {
                wrong("has no type");
            }
            let parts: BTreeSet<&str> = name.split('_').collect();
            for unit in ["milliseconds", "ms", "minutes", "kilobytes", "megabytes", "percent"] {
                if parts.contains(unit) {
                    wrong("is not in base units");
                }
            }
            for word in ["gauge", "counter", "histogram"] {
                if parts.contains(word) {
                    wrong("has its type in its name");
                }
            }
            for (_, labels, value) in &family.samples {
                if labels.keys().any(|label| parts.contains(label.as_str())) {
                    wrong("has a label's name in its own");
                }
                if value.is_nan() || (family.kind != "gauge" && *value < 0.0) {
                    wrong("counts backwards");
                }
            }
            if family.kind == "histogram" {
                found.extend(histogram(name, family));
            }
        }
        found
    }
}

/// Buckets rise up to infinity, which holds all that were counted.
fn histogram(name: &str, family: &Family) -> Vec<String> {
    let mut found = Vec::new();
    let (mut last, mut bound, mut all) = (0.0, f64::NEG_INFINITY, None);
    for (line, labels, value) in &family.samples {
        if line.ends_with("_bucket") {
            let le = labels["le"].replace("+Inf", "inf").parse::<f64>().expect("a bound");
            if le < bound {
                last = 0.0;
            }
            if *value < last {
                found.push(format!("{name}: a bucket holds less than the one below"));
            }
            (last, bound) = (*value, if le.is_infinite() { f64::NEG_INFINITY } else { le });
            all = le.is_infinite().then_some(*value).or(all);
            if le.is_infinite() {
                last = 0.0;
            }
        } else if line.ends_with("_count") && all != Some(*value) {
            found.push(format!("{name}: the last bucket does not hold all"));
        }
    }
    found
}

/// `name{label="value",…} number`.
fn sample(line: &str) -> (String, Labels, f64) {
    let (head, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let Some((name, rest)) = head.split_once('{') else {
        return (head.to_owned(), Labels::new(), value);
    };
    let inner = rest.strip_suffix('}').unwrap_or_else(|| panic!("no end: {line}"));
    let mut labels = Labels::new();
    for pair in inner.split(',').filter(|pair| !pair.is_empty()) {
        let (label, quoted) = pair.split_once('=').unwrap_or_else(|| panic!("no label: {line}"));
        let text = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        let text = text.unwrap_or_else(|| panic!("not quoted: {line}"));
        assert!(!text.contains(['"', '\\', '\n']), "none of ours needs escaping: {line}");
        assert!(labels.insert(label.to_owned(), text.to_owned()).is_none(), "twice: {line}");
    }
    (name.to_owned(), labels, value)
}

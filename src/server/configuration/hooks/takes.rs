//! `[tenants.NAME.hooks.HOOK.takes]`: what of a delivery becomes which field of an end.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::http::hooks::condition::Condition;
use crate::http::hooks::hints::{FIELDS, HintTake, Shown};
use crate::http::hooks::mapping::{IntentTake, Mapping, Revision, STATUSES, VariableTake};
use crate::http::hooks::taking::{MOST_WORDS, Take};
use crate::identity::namespace_mistake;

/// Conditions of one hook.
pub const MOST_CONDITIONS: usize = 16;
/// Intents of one hook: as many as a request may have.
const MOST_INTENTS: usize = 32;
/// Variables of one hook: as many as a request may have.
const MOST_VARIABLES: usize = 64;
/// External ids of one hook: as many as a request may have.
const MOST_EXTERNAL_IDS: usize = 16;
/// What a revision is that the helpdesk does not give.
const RECEIVED: &str = "received";

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionFile {
    path: String,
    #[serde(default)]
    is: Vec<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakesFile {
    interaction_id: TakeFile,
    revision: TakeFile,
    channel: TakeFile,
    start_time: Option<TakeFile>,
    end_time: Option<TakeFile>,
    thread_ref: Option<TakeFile>,
    agent_ref: Option<TakeFile>,
    queue: Option<TakeFile>,
    disposition: Option<TakeFile>,
    customer_ref: Option<TakeFile>,
    summary: Option<TakeFile>,
    csat: Option<TakeFile>,
    #[serde(default)]
    sensitive: bool,
    #[serde(default)]
    intents: Vec<IntentFile>,
    #[serde(default)]
    variables: BTreeMap<String, TakeFile>,
    #[serde(default)]
    hints: HintsFile,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct IntentFile {
    intent: TakeFile,
    reference: Option<TakeFile>,
    status: Option<TakeFile>,
}

#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct HintsFile {
    email: Option<TakeFile>,
    phone: Option<TakeFile>,
    caller_number: Option<TakeFile>,
    whatsapp_id: Option<TakeFile>,
    telegram_user_id: Option<TakeFile>,
    discord_user_id: Option<TakeFile>,
    visitor_id: Option<TakeFile>,
    external_ids: BTreeMap<String, TakeFile>,
}

/// How one value is taken: a path alone, or a table.
#[derive(Clone, Default)]
struct TakeFile(TakeTable);

#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TakeTable {
    path: Option<String>,
    value: Option<String>,
    words: BTreeMap<String, String>,
    otherwise: Option<String>,
    ttl_seconds: Option<i32>,
    sensitive: Option<bool>,
    assurance: Option<String>,
}

impl<'de> Deserialize<'de> for TakeFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = TakeFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON path, or a table with path or value")
            }

            fn visit_str<E>(self, path: &str) -> Result<TakeFile, E> {
                Ok(TakeFile(TakeTable { path: Some(path.to_owned()), ..TakeTable::default() }))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<TakeFile, M::Error> {
                TakeTable::deserialize(MapAccessDeserializer::new(map)).map(TakeFile)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The settings of one hook while they are read.
struct Reader<'w> {
    place: &'w str,
    wrong: &'w mut Vec<String>,
}

impl Reader<'_> {
    fn bad(&mut self, setting: &str, why: impl fmt::Display) {
        self.wrong.push(format!("{}.takes.{setting}: {why}", self.place));
    }

    /// A value that has nothing but a way to be taken.
    fn plain(&mut self, setting: &str, file: &TakeFile) -> Take {
        let of_others = [
            ("ttl_seconds", file.0.ttl_seconds.is_some()),
            ("sensitive", file.0.sensitive.is_some()),
            ("assurance", file.0.assurance.is_some()),
        ];
        for (name, _) in of_others.iter().filter(|(_, said)| *said) {
            self.bad(setting, format!("has no {name}"));
        }
        self.take(setting, &file.0)
    }

    fn take(&mut self, setting: &str, table: &TakeTable) -> Take {
        if table.words.len() > MOST_WORDS {
            self.bad(setting, format!("has more than {MOST_WORDS} words"));
        }
        let said = match (&table.path, &table.value) {
            (Some(path), None) => Take::path(path),
            (None, Some(value)) if table.words.is_empty() && table.otherwise.is_none() => {
                Ok(Take::always(value))
            }
            (None, Some(_)) => Err("words and otherwise need a path".into()),
            _ => Err("must have either path or value".into()),
        };
        match said {
            Ok(take) => take.said(&table.words, table.otherwise.as_deref()),
            Err(why) => {
                self.bad(setting, why);
                Take::always("")
            }
        }
    }

    fn optional(&mut self, setting: &str, file: Option<&TakeFile>) -> Option<Take> {
        file.map(|file| self.plain(setting, file))
    }

    fn intents(&mut self, files: &[IntentFile]) -> Vec<IntentTake> {
        if files.len() > MOST_INTENTS {
            self.bad("intents", format!("at most {MOST_INTENTS}"));
        }
        let mut intents = Vec::with_capacity(files.len());
        for (index, file) in files.iter().enumerate() {
            let place = |name: &str| format!("intents[{index}].{name}");
            let status = self.optional(&place("status"), file.status.as_ref());
            let outcomes = status.as_ref().and_then(Take::outcomes).unwrap_or_default();
            if outcomes.iter().any(|one| !STATUSES.contains(one)) {
                self.bad(&place("status"), format!("must become one of {}", STATUSES.join(", ")));
            }
            intents.push(IntentTake {
                intent: self.plain(&place("intent"), &file.intent),
                reference: self.optional(&place("reference"), file.reference.as_ref()),
                status,
            });
        }
        intents
    }

    fn variables(&mut self, files: &BTreeMap<String, TakeFile>) -> BTreeMap<String, VariableTake> {
        if files.len() > MOST_VARIABLES {
            self.bad("variables", format!("at most {MOST_VARIABLES}"));
        }
        let mut variables = BTreeMap::new();
        for (name, TakeFile(table)) in files {
            let place = format!("variables.{name}");
            if table.assurance.is_some() {
                self.bad(&place, "has no assurance");
            }
            if table.ttl_seconds.is_some_and(|seconds| seconds < 1) {
                self.bad(&place, "ttl_seconds must be at least 1");
            }
            let taken = VariableTake {
                value: self.take(&place, table),
                ttl_seconds: table.ttl_seconds,
                sensitive: table.sensitive.unwrap_or_default(),
            };
            variables.insert(name.clone(), taken);
        }
        variables
    }

    fn hints(&mut self, file: &HintsFile) -> Vec<HintTake> {
        let own = [
            &file.caller_number,
            &file.whatsapp_id,
            &file.telegram_user_id,
            &file.discord_user_id,
            &file.visitor_id,
        ];
        let mut all = vec![(Shown::Email, &file.email), (Shown::Phone, &file.phone)];
        all.extend(FIELDS.into_iter().map(Shown::Field).zip(own));
        let mut hints = Vec::new();
        for (shown, take) in all {
            if let Some(TakeFile(table)) = take {
                hints.push(self.hint(shown, table));
            }
        }
        if file.external_ids.len() > MOST_EXTERNAL_IDS {
            self.bad("hints.external_ids", format!("at most {MOST_EXTERNAL_IDS}"));
        }
        for (namespace, TakeFile(table)) in &file.external_ids {
            if let Some(mistake) = namespace_mistake(namespace) {
                self.bad("hints.external_ids", format!("a namespace {mistake}"));
            }
            hints.push(self.hint(Shown::External(namespace.clone()), table));
        }
        hints
    }

    fn hint(&mut self, shown: Shown, table: &TakeTable) -> HintTake {
        let setting = match &shown {
            Shown::Email => "hints.email".to_owned(),
            Shown::Phone => "hints.phone".to_owned(),
            Shown::Field(name) => format!("hints.{name}"),
            Shown::External(namespace) => format!("hints.external_ids.{namespace}"),
        };
        let assurance = match (table.assurance.as_deref(), &shown) {
            (None, _) => None,
            (Some(_), Shown::Field(_)) => {
                self.bad(&setting, "has no assurance: its channel says it");
                None
            }
            (Some("asserted"), _) => Some("ASSURANCE_ASSERTED"),
            (Some("carried"), _) => Some("ASSURANCE_CARRIED"),
            (Some(_), _) => {
                self.bad(&setting, "assurance must be asserted or carried");
                None
            }
        };
        if table.ttl_seconds.is_some() || table.sensitive.is_some() {
            self.bad(&setting, "has neither ttl_seconds nor sensitive");
        }
        HintTake { take: self.take(&setting, table), shown, assurance }
    }
}

/// The mapping that was chosen; every mistake goes to `wrong`.
pub(super) fn mapping(file: &TakesFile, place: &str, wrong: &mut Vec<String>) -> Mapping {
    let mut reader = Reader { place, wrong };
    let texts = [
        ("thread_ref", &file.thread_ref),
        ("agent_ref", &file.agent_ref),
        ("queue", &file.queue),
        ("disposition", &file.disposition),
        ("customer_ref", &file.customer_ref),
    ];
    let texts = texts
        .into_iter()
        .filter_map(|(name, take)| reader.optional(name, take.as_ref()).map(|take| (name, take)));
    let texts = texts.collect();
    let revision = match file.revision.0.path.as_deref() {
        Some(RECEIVED) => Revision::Received,
        _ => Revision::Taken(reader.plain("revision", &file.revision)),
    };
    Mapping {
        closes: Vec::new(),
        interaction_id: reader.plain("interaction_id", &file.interaction_id),
        revision,
        channel: reader.plain("channel", &file.channel),
        start_time: reader.optional("start_time", file.start_time.as_ref()),
        end_time: reader.optional("end_time", file.end_time.as_ref()),
        texts,
        summary: reader.optional("summary", file.summary.as_ref()),
        csat: reader.optional("csat", file.csat.as_ref()),
        intents: reader.intents(&file.intents),
        variables: reader.variables(&file.variables),
        hints: reader.hints(&file.hints),
        sensitive: file.sensitive,
    }
}

/// When a delivery counts; every mistake goes to `wrong`.
pub(super) fn conditions(
    files: &[ConditionFile],
    place: &str,
    wrong: &mut Vec<String>,
) -> Vec<Condition> {
    if files.len() > MOST_CONDITIONS {
        wrong.push(format!("{place}.closes: at most {MOST_CONDITIONS}"));
    }
    let mut conditions = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        if file.is.len() > MOST_WORDS {
            wrong.push(format!("{place}.closes[{index}].is: at most {MOST_WORDS} words"));
        }
        match Condition::new(&file.path, &file.is) {
            Ok(condition) => conditions.push(condition),
            Err(why) => wrong.push(format!("{place}.closes[{index}].path: {why}")),
        }
    }
    conditions
}

//! `[tenants.NAME.hooks.HOOK]`: the web-hooks of a tenant's helpdesks.

mod takes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tonic::codegen::http::header::{AUTHORIZATION, HeaderName};

use self::takes::{ConditionFile, TakesFile};
use super::policy::PolicyFile;
use crate::crypto::{Algorithm, DeliverySecrets};
use crate::http::hooks::mapping::Mapping;
use crate::http::hooks::proof::{Encoding, Part, Proof, Signed};
use crate::http::hooks::{Kind, zendesk};
use crate::server::hook_secrets::{HookSettings, Place, Secret};

/// Hooks of one tenant.
pub const MOST_HOOKS: usize = 100;
/// How far the time of signing may be away, where the settings do not say.
pub const FRESH_FOR: Duration = Duration::from_secs(300);
/// The longest that may be chosen.
const MOST_FRESH_FOR: u64 = 86_400;
/// The longest name of a hook or source, in characters.
const MOST_WORD: usize = 64;
/// The longest prefix or template of a signature, in bytes.
const MOST_TEXT: usize = 64;
/// Words of a command that prints a secret.
const MOST_WORDS: usize = 64;

/// One hook.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookFile {
    kind: String,
    source: Option<String>,
    verify: Option<String>,
    secret_env: Option<String>,
    secret_file: Option<PathBuf>,
    secret_command: Option<Vec<String>>,
    header: Option<String>,
    algorithm: Option<String>,
    encoding: Option<String>,
    prefix: Option<String>,
    signed: Option<String>,
    timestamp_header: Option<String>,
    fresh_for_seconds: Option<u64>,
    closes: Option<Vec<ConditionFile>>,
    takes: Option<TakesFile>,
}

/// Every hook of every tenant; every mistake goes to `wrong`.
pub(super) fn chosen(
    tenants: &BTreeMap<String, PolicyFile>,
    of_everybody: &PolicyFile,
    folder: &Path,
    wrong: &mut Vec<String>,
) -> Vec<HookSettings> {
    if !of_everybody.hooks.is_empty() {
        wrong.push("policy.hooks: a hook is one tenant's".into());
    }
    let (mut hooks, mut names) = (Vec::new(), BTreeSet::new());
    for (tenant, PolicyFile { hooks: files, .. }) in tenants {
        if files.len() > MOST_HOOKS {
            wrong.push(format!("tenants.{tenant}.hooks: at most {MOST_HOOKS}"));
        }
        for (name, file) in files {
            let place = format!("tenants.{tenant}.hooks.{name}");
            if !is_word(name) {
                wrong.push(format!(
                    "{place}: its name must be 1 to {MOST_WORD} of a-z, 0-9, - and _"
                ));
            }
            if !names.insert(name) {
                wrong.push(format!("{place}: another tenant has a hook of that name"));
            }
            let mut reader = Reader { file, place: &place, folder, wrong };
            hooks.extend(reader.hook(tenant, name));
        }
    }
    hooks
}

fn is_word(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    !text.is_empty() && text.len() <= MOST_WORD && text.chars().all(allowed)
}

/// One hook while it is read.
struct Reader<'r> {
    file: &'r HookFile,
    place: &'r str,
    folder: &'r Path,
    wrong: &'r mut Vec<String>,
}

impl Reader<'_> {
    fn bad(&mut self, setting: &str, why: &str) {
        self.wrong.push(format!("{}.{setting}: {why}", self.place));
    }

    /// Settings that mean nothing here.
    fn without(&mut self, why: &str, settings: &[(&str, bool)]) {
        for (setting, _) in settings.iter().filter(|(_, said)| *said) {
            self.bad(setting, why);
        }
    }

    fn hook(&mut self, tenant: &str, name: &str) -> Option<HookSettings> {
        let file = self.file;
        let Some(kind) = Kind::parse(&file.kind) else {
            self.bad("kind", "must be zendesk or generic");
            return None;
        };
        if file.source.as_deref().is_some_and(|source| !is_word(source)) {
            self.bad("source", &format!("must be 1 to {MOST_WORD} of a-z, 0-9, - and _"));
        }
        let (proof, secret) = match kind {
            Kind::Zendesk => self.zendesk(),
            Kind::Generic => self.generic()?,
        };
        let mapping = self.mapping(kind)?;
        if mapping.is_new_whenever_received() && proof.can_be_said_again() {
            let why = "must be of the delivery where nothing says when it was signed: whoever has listened \
                       could send an old one again, as the newest. Or name a timestamp_header";
            self.bad("takes.revision", why);
        }
        let (name, tenant, source) = (name.to_owned(), tenant.to_owned(), file.source.clone());
        Some(HookSettings { name, tenant, kind, source, proof, secret, mapping })
    }

    fn mapping(&mut self, kind: Kind) -> Option<Mapping> {
        let file = self.file;
        let mut mapping = match (&file.takes, kind) {
            (Some(takes), _) => takes::mapping(takes, self.place, self.wrong),
            // A test reads it.
            (None, Kind::Zendesk) => zendesk::mapping().ok()?,
            (None, Kind::Generic) => {
                self.bad("takes", "is required: what of a delivery is what");
                return None;
            }
        };
        match &file.closes {
            Some(files) => mapping.closes = takes::conditions(files, self.place, self.wrong),
            None if kind == Kind::Zendesk && file.takes.is_none() => {}
            None => self.bad("closes", "is required: which deliveries count; [] takes all"),
        }
        Some(mapping)
    }

    fn zendesk(&mut self) -> (Proof, Option<Secret>) {
        let file = self.file;
        let mut settings = self.of_signatures();
        settings.push(("verify", file.verify.is_some()));
        settings.push(("timestamp_header", file.timestamp_header.is_some()));
        self.without("is not chosen: Zendesk signs as it does", &settings);
        let fresh_for = self.fresh_for();
        let signed = zendesk::signed(DeliverySecrets::new(Vec::new()), fresh_for);
        (Proof::Signed(signed), self.secret(false))
    }

    fn generic(&mut self) -> Option<(Proof, Option<Secret>)> {
        match self.file.verify.as_deref() {
            Some("hmac") => {
                let signed = self.hmac();
                Some((Proof::Signed(signed), self.secret(false)))
            }
            Some("standard_webhooks") => {
                let mut settings = self.of_signatures();
                settings.push(("timestamp_header", self.file.timestamp_header.is_some()));
                self.without("is not chosen: Standard Webhooks says it", &settings);
                let signed = self.standard();
                Some((Proof::Signed(signed), self.secret(true)))
            }
            Some("api_key") => Some((self.api_key(), None)),
            _ => {
                self.bad("verify", "must be hmac, standard_webhooks or api_key");
                None
            }
        }
    }

    fn of_signatures(&self) -> Vec<(&'static str, bool)> {
        let file = self.file;
        vec![
            ("header", file.header.is_some()),
            ("algorithm", file.algorithm.is_some()),
            ("encoding", file.encoding.is_some()),
            ("prefix", file.prefix.is_some()),
            ("signed", file.signed.is_some()),
        ]
    }

    fn api_key(&mut self) -> Proof {
        let file = self.file;
        let mut settings = self.of_signatures();
        settings.retain(|(setting, _)| *setting != "header");
        settings.push(("timestamp_header", file.timestamp_header.is_some()));
        settings.push(("fresh_for_seconds", file.fresh_for_seconds.is_some()));
        settings.push(("secret_env", file.secret_env.is_some()));
        settings.push(("secret_file", file.secret_file.is_some()));
        settings.push(("secret_command", file.secret_command.is_some()));
        self.without("means nothing where an API key is asked for", &settings);
        let header = file.header.as_deref().map(|name| self.header("header", name));
        Proof::ApiKey(header.unwrap_or(AUTHORIZATION))
    }

    fn standard(&mut self) -> Signed {
        let text = |text: &str| Part::Text(text.to_owned());
        Signed {
            secrets: DeliverySecrets::new(Vec::new()),
            header: HeaderName::from_static("webhook-signature"),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Base64,
            prefix: "v1,".into(),
            parts: vec![Part::Id, text("."), Part::Timestamp, text("."), Part::Body],
            timestamp: Some(HeaderName::from_static("webhook-timestamp")),
            fresh_for: self.fresh_for(),
        }
    }

    fn hmac(&mut self) -> Signed {
        let file = self.file;
        let header = match file.header.as_deref() {
            Some(name) => self.header("header", name),
            None => {
                self.bad("header", "is required: where the signature is");
                AUTHORIZATION
            }
        };
        let algorithm = match file.algorithm.as_deref() {
            None | Some("sha256") => Algorithm::Sha256,
            Some("sha1") => Algorithm::Sha1,
            Some("sha512") => Algorithm::Sha512,
            Some(_) => {
                self.bad("algorithm", "must be sha256, sha512 or sha1");
                Algorithm::Sha256
            }
        };
        let encoding = match file.encoding.as_deref() {
            None | Some("hex") => Encoding::Hex,
            Some("base64") => Encoding::Base64,
            Some(_) => {
                self.bad("encoding", "must be hex or base64");
                Encoding::Hex
            }
        };
        let prefix = file.prefix.clone().unwrap_or_default();
        if prefix.len() > MOST_TEXT || !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.bad("prefix", &format!("must be at most {MOST_TEXT} printable characters"));
        }
        let name = file.timestamp_header.as_deref();
        let timestamp = name.map(|name| self.header("timestamp_header", name));
        if timestamp.is_none() && file.fresh_for_seconds.is_some() {
            self.bad("fresh_for_seconds", "needs timestamp_header");
        }
        let parts = self.parts(timestamp.is_some());
        let (secrets, fresh_for) = (DeliverySecrets::new(Vec::new()), self.fresh_for());
        Signed { secrets, header, algorithm, encoding, prefix, parts, timestamp, fresh_for }
    }

    /// What is signed: a text with `{body}` and, where there is one, `{timestamp}`.
    fn parts(&mut self, with_time: bool) -> Vec<Part> {
        let default = if with_time { "{timestamp}.{body}" } else { "{body}" };
        let template = self.file.signed.as_deref().unwrap_or(default);
        let (mut parts, mut rest) = (Vec::new(), template);
        while !rest.is_empty() {
            let known = [("{body}", Part::Body), ("{timestamp}", Part::Timestamp)];
            let first = known
                .into_iter()
                .filter_map(|(mark, part)| Some((rest.find(mark)?, mark, part)))
                .min_by_key(|(at, ..)| *at);
            let (text, after) = match &first {
                Some((at, mark, _)) => (&rest[..*at], &rest[at + mark.len()..]),
                None => (rest, ""),
            };
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            parts.extend(first.map(|(.., part)| part));
            rest = after;
        }
        let count = |part: &Part| parts.iter().filter(|one| *one == part).count();
        let times = usize::from(with_time);
        let fits = count(&Part::Body) == 1 && count(&Part::Timestamp) == times;
        if !fits || template.len() > MOST_TEXT {
            let why = "must have {body} once, and {timestamp} if there is a timestamp_header";
            self.bad("signed", why);
        }
        parts
    }

    fn header(&mut self, setting: &str, name: &str) -> HeaderName {
        HeaderName::try_from(name.to_ascii_lowercase()).unwrap_or_else(|_| {
            self.bad(setting, "must be the name of a header");
            AUTHORIZATION
        })
    }

    fn fresh_for(&mut self) -> i64 {
        let seconds = self.file.fresh_for_seconds.unwrap_or(FRESH_FOR.as_secs());
        if !(1..=MOST_FRESH_FOR).contains(&seconds) {
            self.bad("fresh_for_seconds", &format!("must be from 1 to {MOST_FRESH_FOR}"));
        }
        seconds.min(MOST_FRESH_FOR) as i64 * 1_000
    }

    fn secret(&mut self, standard: bool) -> Option<Secret> {
        let file = self.file;
        let environment = file.secret_env.clone().map(Place::Environment);
        let path = file.secret_file.as_ref().map(|path| Place::File(self.folder.join(path)));
        let command = file.secret_command.clone().map(Place::Command);
        let mut places = [environment, path, command].into_iter().flatten();
        let (Some(place), None) = (places.next(), places.next()) else {
            let why = "one of secret_env, secret_file and secret_command must say where it is";
            self.bad("secret", why);
            return None;
        };
        let fits = match &place {
            Place::Environment(name) => !name.is_empty() && !name.contains(['=', '\0']),
            Place::File(_) => true,
            Place::Command(words) => (1..=MOST_WORDS).contains(&words.len()),
        };
        if !fits {
            self.bad("secret", "names a variable, or a program and its arguments");
        }
        Some(Secret { place, standard })
    }
}

#[cfg(test)]
mod tests;

//! The secrets that helpdesks sign with: from the environment, a file or a command, read when serving
//! begins and at SIGHUP. The settings themselves hold none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::printing::{PRINTS_WITHIN, printed};
use crate::continuity::HookCaller;
use crate::crypto::DeliverySecrets;
use crate::http::hooks::mapping::Mapping;
use crate::http::hooks::proof::Proof;
use crate::http::hooks::{Hook, Hooks, Kind};
use crate::ids::Entropy;

/// Bytes of all secrets of one hook.
const MOST_BYTES: usize = 4_096;
/// Secrets of one hook: the old and the new one, while they are changed.
const MOST_SECRETS: usize = 4;
/// The shortest secret, in bytes.
const LEAST_BYTES: usize = 16;
/// What secrets of Standard Webhooks begin with.
const STANDARD: &str = "whsec_";

/// One hook, as the settings have it.
#[derive(Clone, Debug)]
pub struct HookSettings {
    /// Its name, alone among all tenants'.
    pub name: String,
    /// Its tenant's.
    pub tenant: String,
    /// Where it is served.
    pub kind: Kind,
    /// The source that its interaction ids belong to.
    pub source: Option<String>,
    /// What a delivery must show; its secrets are not there yet.
    pub proof: Proof,
    /// Where they come from; an API key needs none.
    pub secret: Option<Secret>,
    /// How deliveries are read.
    pub mapping: Mapping,
}

/// Where a hook's secrets are, and in which form.
#[derive(Clone)]
pub struct Secret {
    /// Where.
    pub place: Place,
    /// Whether they are written as Standard Webhooks has it: base64, mostly after `whsec_`.
    pub standard: bool,
}

/// Where a text is that the settings must not hold.
#[derive(Clone)]
pub enum Place {
    /// A variable of the environment.
    Environment(String),
    /// A file.
    File(PathBuf),
    /// A command that prints it.
    Command(Vec<String>),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments of a command may hold a token.
        f.write_str("Secret(…)")
    }
}

/// All hooks, with their secrets.
///
/// # Errors
/// Every secret that cannot be had, each with its hook.
pub(super) fn open(settings: Vec<HookSettings>, entropy: &Entropy) -> Result<Hooks, Vec<String>> {
    let (mut hooks, mut wrong) = (BTreeMap::new(), Vec::new());
    for one in settings {
        let mut proof = one.proof;
        if let (Proof::Signed(signed), Some(secret)) = (&mut proof, &one.secret) {
            match secret.read() {
                Ok(secrets) => signed.secrets = secrets,
                Err(why) => wrong.push(format!("tenants.{}.hooks.{}: {why}", one.tenant, one.name)),
            }
        }
        let source = one.source.as_deref().unwrap_or(&one.name);
        let caller = HookCaller::new(&one.name, &one.tenant, source);
        let addressed = one.source.filter(|_| matches!(proof, Proof::ApiKey(_)));
        let (kind, mapping) = (one.kind, one.mapping);
        hooks.insert(one.name, Hook { kind, proof, mapping, source: addressed, caller });
    }
    match wrong.is_empty() {
        true => Ok(Hooks::new(hooks, entropy)),
        false => Err(wrong),
    }
}

/// What is wrong with the secrets of hooks, as far as it can be seen without running a command.
pub(super) fn examine(settings: &[HookSettings]) -> Vec<String> {
    let seen = settings.iter().filter_map(|one| {
        let secret = one.secret.as_ref()?;
        let seen = !matches!(secret.place, Place::Command(_));
        let why = seen.then(|| secret.read().err()).flatten()?;
        Some(format!("tenants.{}.hooks.{}: {why}", one.tenant, one.name))
    });
    seen.collect()
}

impl Secret {
    fn read(&self) -> Result<DeliverySecrets, String> {
        let text = self.place.text()?;
        let words: Vec<&str> = text.split_whitespace().collect();
        if !(1..=MOST_SECRETS).contains(&words.len()) {
            let what = self.place.name();
            return Err(format!("{what} must hold 1 to {MOST_SECRETS} secrets, a line each"));
        }
        let mut secrets = Vec::with_capacity(words.len());
        for word in words {
            let key = match self.standard {
                false => Zeroizing::new(word.as_bytes().to_vec()),
                true => {
                    let word = word.strip_prefix(STANDARD).unwrap_or(word);
                    let decoded = BASE64.decode(word.as_bytes());
                    Zeroizing::new(decoded.map_err(|_| {
                        format!("{} must hold base64, after {STANDARD}", self.place.name())
                    })?)
                }
            };
            if key.len() < LEAST_BYTES {
                let what = self.place.name();
                return Err(format!("{what} holds a secret of less than {LEAST_BYTES} bytes"));
            }
            secrets.push(key);
        }
        Ok(DeliverySecrets::new(secrets))
    }
}

impl Place {
    /// What the settings call it.
    fn name(&self) -> String {
        match self {
            Self::Environment(name) => format!("secret_env: {name}"),
            Self::File(path) => format!("secret_file: {}", path.display()),
            Self::Command(words) => {
                format!("secret_command: {}", words.first().map_or("", String::as_str))
            }
        }
    }

    fn text(&self) -> Result<Zeroizing<String>, String> {
        let says = |why: &str| format!("{}: {why}", self.name());
        match self {
            Self::Environment(name) => match std::env::var(name) {
                Ok(text) if text.len() <= MOST_BYTES => Ok(Zeroizing::new(text)),
                Ok(_) => Err(says(&format!("has more than {MOST_BYTES} bytes"))),
                Err(std::env::VarError::NotPresent) => Err(says("is not set")),
                Err(std::env::VarError::NotUnicode(_)) => Err(says("is no text")),
            },
            Self::File(path) => file(path).map_err(|why| says(&why)),
            Self::Command(words) => {
                // The settings have at least one word.
                let (program, arguments) = words.split_first().ok_or_else(|| says("is empty"))?;
                let text = printed((program, arguments), PRINTS_WITHIN, MOST_BYTES);
                let text = text.map_err(|why| says(&why))?;
                let text = std::str::from_utf8(&text).map_err(|_| says("it prints no text"))?;
                Ok(Zeroizing::new(text.to_owned()))
            }
        }
    }
}

fn file(path: &Path) -> Result<Zeroizing<String>, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|error| error.kind().to_string())?;
    // Room for all of it at once: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MOST_BYTES + 1));
    let read = file.take(MOST_BYTES as u64 + 1).read_to_string(&mut text);
    read.map_err(|_| "is no text that can be read".to_owned())?;
    if text.len() > MOST_BYTES {
        return Err(format!("has more than {MOST_BYTES} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(place: Place, standard: bool) -> Result<(), String> {
        Secret { place, standard }.read().map(drop)
    }

    #[test]
    fn secrets_come_from_a_file_or_a_command_and_are_in_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let written = |text: &str| {
            let path = folder.path().join("secret");
            std::fs::write(&path, text).unwrap();
            Place::File(path)
        };
        let canary = "canary-canary-canary";
        assert_eq!(read(written(&format!("{canary}\n")), false), Ok(()));
        assert_eq!(read(written(&format!("{canary}\n{canary}2\n")), false), Ok(()));
        assert_eq!(read(written("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), true), Ok(()));
        let echo = |text: &str| Place::Command(vec!["echo".into(), text.into()]);
        assert_eq!(read(echo(canary), false), Ok(()));
        for (place, standard) in [
            (written(""), false),
            (written("canary-short"), false),
            (written(&format!("{canary} ").repeat(5)), false),
            (written(canary), true),
            (written(&"c".repeat(MOST_BYTES + 1)), false),
            (Place::File(folder.path().join("none")), false),
            (Place::Environment("THREADLINE_NO_SUCH_VARIABLE".into()), false),
            (Place::Command(vec!["false".into(), canary.into()]), false),
            (echo("canary-short"), false),
        ] {
            let why = read(place, standard).unwrap_err();
            assert!(why.starts_with("secret_") && !why.contains("canary"), "{why}");
        }
        assert_eq!(format!("{:?}", Secret { place: echo(canary), standard: false }), "Secret(…)");
    }
}

//! All that is wrong before anything is opened, at once: settings, environment, and the files that
//! they name. Nothing is made, asked or connected to.

use std::net::SocketAddr;

use zeroize::Zeroizing;

use super::root_key::{Given, Source, folder_of};
use super::tls::Certificates;
use super::{Configuration, ConfigurationError, Layers, hook_secrets};

/// What to serve with, as `serve` will find it.
///
/// `mistakes` are those that were found elsewhere, such as in variables that only the caller reads.
///
/// # Errors
/// Every mistake at once.
pub fn examine(
    layers: &Layers,
    root_key: Option<String>,
    mistakes: Vec<String>,
) -> Result<Configuration, ConfigurationError> {
    let (configuration, mut wrong) = match Configuration::read(layers) {
        Ok(read) => read,
        Err(unread) => return Err(ConfigurationError([unread.0, mistakes].concat())),
    };
    wrong.extend(mistakes);
    // What is wrong already is not judged by what it leads to.
    let fine = |wrong: &[String], names: &[&str]| {
        !wrong.iter().any(|one| names.iter().any(|name| one.starts_with(name)))
    };
    if let Some(tls) = &configuration.tls {
        let unusable = Certificates::examine(tls).into_iter();
        wrong.extend(unusable.map(|why| format!("server.tls: {why}")));
    }
    if fine(&wrong, &["server.listen", "--listen", "server.tls", "server.plaintext"]) {
        let address = configuration.listen.parse::<SocketAddr>();
        wrong.extend(address.ok().and_then(|at| plaintext_refused(&configuration, at)));
    }
    wrong.extend(twice_listened_to(&configuration));
    wrong.extend(no_place_for_checkpoints(&configuration));
    if fine(&wrong, &["server.root_key"]) {
        let given = Given {
            text: root_key.map(Zeroizing::new),
            file: configuration.root_key_file.clone(),
            command: configuration.root_key_command.clone(),
        };
        let known = fine(&wrong, &["server.database", "--database"]);
        let database = known.then_some(&*configuration.database);
        wrong.extend(Source::examine(given, database).err());
    }
    wrong.extend(hook_secrets::examine(&configuration.hooks));
    configuration.unless(wrong)
}

/// Why checkpoints cannot be appended where they were to be, as far as that is seen without doing so.
fn no_place_for_checkpoints(configuration: &Configuration) -> Option<String> {
    let file = configuration.checkpoint_file.as_ref()?;
    let why = match file.as_os_str().is_empty() || file.is_dir() {
        true => "must be a file".to_owned(),
        false => folder_of(file).err()?.to_string(),
    };
    Some(format!("server.checkpoint_file: {why}"))
}

/// That calls and operators have one address, if they have.
fn twice_listened_to(configuration: &Configuration) -> Option<String> {
    let address = |text: &str| text.parse::<SocketAddr>().ok().filter(|it| it.port() != 0);
    let calls = address(&configuration.listen)?;
    let operators = address(configuration.operations.listen.as_deref()?)?;
    let all = |it: SocketAddr| it.ip().is_unspecified();
    let same_host = calls.ip() == operators.ip() || all(calls) || all(operators);
    (same_host && calls.port() == operators.port())
        .then(|| "server.operations.listen: is server.listen: each needs a port of its own".into())
}

/// Why this address is not served, if it is not.
pub(super) fn plaintext_refused(
    configuration: &Configuration,
    address: SocketAddr,
) -> Option<String> {
    let safe = configuration.tls.is_some()
        || configuration.plaintext_anywhere
        || address.ip().to_canonical().is_loopback();
    (!safe).then(|| {
        format!(
            "server.listen: {address} can be reached from other machines, and without TLS everything \
             sent to it can be read and changed on the way: set [server.tls], listen on 127.0.0.1, \
             or, behind a proxy that speaks TLS, set server.plaintext = \"anywhere\""
        )
    })
}

//! The files under deploy/: what they name exists, what they call is a command, what they set is a
//! setting, and linters have nothing to say. Nothing of it is run here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use threadline::server::{Configuration, Layers};
use yaml_rust2::{Yaml, YamlLoader};

use crate::keys::ROOT_KEY;
use crate::served::{printed, threadline};

const DOCKERFILE: &str = include_str!("../../deploy/Dockerfile");
const IGNORED: &str = include_str!("../../deploy/Dockerfile.dockerignore");
const COMPOSE: &str = include_str!("../../deploy/compose.yaml");
const SETTINGS: &str = include_str!("../../deploy/compose.toml");
const UNIT: &str = include_str!("../../deploy/threadline.service");
const CARGO: &str = include_str!("../../Cargo.toml");
/// Every variable that is read.
const VARIABLES: &str = include_str!("../../docs/configuration.md");

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

/// Fails unless these words are a command of ours with options that it has.
#[track_caller]
fn assert_is_command(words: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let asked = threadline(folder.path(), &[words, &["--help"]].concat()).output();
    let asked = asked.expect("the binary starts");
    assert!(asked.status.success(), "{words:?}: {}", printed(&asked).1);
}

#[track_caller]
fn assert_is_variable(name: &str) {
    let known = VARIABLES.contains(&format!("| `{name}` |"));
    assert!(known || !name.starts_with("THREADLINE_"), "{name} is not read by anybody");
}

/// How long an instance may take to end: what the settings allow, and 12 seconds to close.
fn longest_end() -> Duration {
    let plain = Configuration::parse("", &Layers::default()).expect("the defaults are valid");
    plain.unready_for + plain.drain_within + Duration::from_secs(12)
}

/// The instructions of the Dockerfile, each in one line.
fn instructions() -> Vec<(&'static str, &'static str)> {
    let lines = DOCKERFILE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once(' ').expect("an instruction and what it is about")).collect()
}

/// What an instruction says when it says it for the last time.
fn last(instruction: &str) -> &'static str {
    let found = instructions().into_iter().rfind(|(name, _)| *name == instruction);
    found.unwrap_or_else(|| panic!("no {instruction}")).1
}

fn words(json: &str) -> Vec<String> {
    serde_json::from_str(json).expect("words in JSON: no shell is in between")
}

#[test]
fn the_image_is_small_and_runs_as_nobody() {
    let all = instructions();
    let stages: Vec<&str> =
        all.iter().filter(|(name, _)| *name == "FROM").map(|(_, from)| *from).collect();
    assert_eq!(stages.len(), 2, "what builds is not what runs");
    assert!(stages.iter().all(|from| from.contains(':') && !from.contains(":latest")));
    let (_, version) = stages[0].split_once("rust:").expect("Rust builds it");
    let version = version.split('-').next().expect("a version");
    let (_, least) = CARGO.split_once("rust-version = \"").expect("the least version");
    let least = least.split('"').next().expect("a version");
    let number = |text: &str| text.split('.').map(|it| it.parse().unwrap()).collect::<Vec<u32>>();
    assert!(number(version) >= number(least), "{version} cannot build it");
    let copied = all.iter().filter(|(name, _)| *name == "COPY");
    for (_, what) in copied.filter(|(_, what)| what.starts_with("--from=")) {
        let stage = what.trim_start_matches("--from=").split(' ').next().expect("a stage");
        assert!(stages[0].ends_with(&format!(" AS {stage}")), "no stage {stage}");
    }
    let user = last("USER").split(':').next().expect("a user");
    assert!(user.parse::<u32>().is_ok_and(|user| user > 0), "{user} may be root");
    assert_eq!(words(last("ENTRYPOINT")), ["threadline"]);
    let command = words(last("CMD"));
    assert_is_command(&command.iter().map(String::as_str).collect::<Vec<_>>());
    let (variable, listen) = last("ENV").split_once('=').expect("a variable");
    assert_is_variable(variable);
    assert_eq!(listen.rsplit(':').next(), Some(last("EXPOSE")));
    for file in IGNORED.lines().filter_map(|line| line.strip_prefix('!')) {
        assert!(deploy("..").join(file).exists(), "{file} is not there");
    }
}

#[test]
fn a_linter_finds_nothing_in_the_dockerfile() {
    let beside = std::env::var("THREADLINE_TEST_PYTHON").ok().map(PathBuf::from);
    let linter = beside.map(|python| python.with_file_name("hadolint")).filter(|it| it.exists());
    let Some(linter) = linter else {
        eprintln!("not run: there is no hadolint here (./test.sh installs it)");
        return;
    };
    let output = Command::new(linter).arg(deploy("Dockerfile")).output().expect("it starts");
    assert!(output.status.success(), "{}{}", printed(&output).0, printed(&output).1);
}

/// The services with what they take over from others.
fn services(compose: &Yaml) -> BTreeMap<String, BTreeMap<String, Yaml>> {
    fn whole(one: &Yaml) -> BTreeMap<String, Yaml> {
        let own = one.as_hash().expect("a table");
        let (mut all, merge) = (BTreeMap::new(), Yaml::String("<<".into()));
        if let Some(base) = own.get(&merge) {
            all = whole(base);
        }
        let named = own.iter().filter(|(name, _)| **name != merge);
        all.extend(named.map(|(name, value)| (text(name), value.clone())));
        all
    }
    let services = compose["services"].as_hash().expect("services");
    services.iter().map(|(name, service)| (text(name), whole(service))).collect()
}

fn text(yaml: &Yaml) -> String {
    yaml.as_str().unwrap_or_else(|| panic!("no text: {yaml:?}")).to_owned()
}

fn texts(yaml: Option<&Yaml>) -> Vec<String> {
    yaml.and_then(Yaml::as_vec).map_or(Vec::new(), |list| list.iter().map(text).collect())
}

fn table(yaml: Option<&Yaml>) -> BTreeMap<String, Yaml> {
    let entries = yaml.and_then(Yaml::as_hash).into_iter().flatten();
    entries.map(|(name, value)| (text(name), value.clone())).collect()
}

#[test]
fn the_composition_names_what_there_is() {
    let compose = &YamlLoader::load_from_str(COMPOSE).expect("YAML")[0];
    let services = services(compose);
    let (secrets, volumes) = (table(Some(&compose["secrets"])), table(Some(&compose["volumes"])));
    for (name, service) in &services {
        assert!(service.contains_key("image"), "{name} has no image");
        for (other, how) in table(service.get("depends_on")) {
            let other = services.get(&other).unwrap_or_else(|| panic!("{name} waits for nobody"));
            match how["condition"].as_str() {
                Some("service_healthy") => assert!(other.contains_key("healthcheck")),
                Some("service_completed_successfully") => assert!(!other.contains_key("restart")),
                condition => panic!("{name}: {condition:?}"),
            }
        }
        for variable in table(service.get("environment")).keys() {
            assert_is_variable(variable);
        }
        for secret in texts(service.get("secrets")) {
            assert!(secrets.contains_key(&secret), "{name}: no secret {secret}");
        }
        for volume in texts(service.get("volumes")) {
            let from = volume.split(':').next().expect("a place");
            match from.strip_prefix("./") {
                Some(file) => assert!(deploy(file).exists(), "{name}: no {file}"),
                None => assert!(volumes.contains_key(from), "{name}: no volume {from}"),
            }
        }
        if let Some(build) = service.get("build") {
            let context = deploy(build["context"].as_str().expect("a folder"));
            assert!(context.join(build["dockerfile"].as_str().expect("a file")).exists());
        }
        if service.get("image").map(text).as_deref() == Some("threadline") {
            let command = texts(service.get("command"));
            assert_is_command(&command.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    // Secrets are made on the spot, and are not committed by mistake.
    let kept_out = include_str!("../../.gitignore");
    for (name, secret) in &secrets {
        let file = secret["file"].as_str().expect("a file").trim_start_matches("./");
        assert!(kept_out.contains(&format!("/deploy/{file}\n")), "{name} may be committed");
    }
}

#[test]
fn the_composition_starts_with_settings_that_are_valid() {
    let compose = &YamlLoader::load_from_str(COMPOSE).expect("YAML")[0];
    let services = services(compose);
    let instances: Vec<_> =
        services.iter().filter(|(_, service)| service.contains_key("stop_grace_period")).collect();
    assert_eq!(instances.len(), 2, "two instances serve");
    let mut ports = Vec::new();
    for (name, instance) in &instances {
        let grace = text(&instance["stop_grace_period"]);
        let grace = grace.strip_suffix('s').and_then(|it| it.parse().ok()).expect("seconds");
        assert!(Duration::from_secs(grace) > longest_end(), "{name} is killed while it ends");
        for port in texts(instance.get("ports")) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port} is open to everybody");
            assert!(port.ends_with(&format!(":{}", last("EXPOSE"))), "{name}: {port}");
            ports.push(port);
        }
    }
    ports.dedup();
    assert_eq!(ports.len(), 2, "each has a port of its own");
    // The dashboard has something to draw, and nobody outside the composition reads it.
    let settings = Configuration::parse(SETTINGS, &Layers::default()).expect("they are valid");
    let metrics = settings.operations.listen.expect("metrics are shown");
    let (host, port) = metrics.rsplit_once(':').expect("host and port");
    assert_eq!(host, "0.0.0.0", "another container cannot ask");
    assert_ne!(port, last("EXPOSE"));
    assert!(
        SETTINGS.contains(&format!("http://one:{port}/metrics")) && services.contains_key("one")
    );
    // What they are started with, as far as it is files, is looked at by the binary itself.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("root-key"), ROOT_KEY).expect("a file");
    let mut command = threadline(folder.path(), &["config", "check"]);
    let (variable, listen) = last("ENV").split_once('=').expect("a variable");
    command.env(variable, listen);
    for (name, value) in table(instances[0].1.get("environment")) {
        let value = text(&value);
        let value = match name.as_str() {
            "THREADLINE_CONFIG" => {
                let mounted = texts(instances[0].1.get("volumes"));
                let mounted =
                    mounted.iter().find_map(|it| it.strip_suffix(&format!(":{value}:ro")));
                deploy(mounted.expect("the settings are mounted")).display().to_string()
            }
            "THREADLINE_ROOT_KEY_FILE" => {
                let secret = value.strip_prefix("/run/secrets/").expect("a secret");
                assert!(texts(instances[0].1.get("secrets")).iter().any(|it| it == secret));
                secret.to_owned()
            }
            "THREADLINE_DATABASE" => {
                let (before, rest) = value.split_once("${").expect("a password from outside");
                format!("{before}0123abcd{}", rest.split_once('}').expect("its end").1)
            }
            _ => value,
        };
        command.env(name, value);
    }
    let output = command.output().expect("the binary starts");
    assert!(output.status.success(), "{}", printed(&output).1);
}

/// What the unit says under that name, each time.
fn says(name: &str) -> Vec<&'static str> {
    UNIT.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

#[test]
fn the_unit_starts_reloads_and_ends_it() {
    let binary = "/usr/local/bin/threadline";
    let commands = [says("ExecStart"), says("ExecReload")].concat();
    let own: Vec<Vec<&str>> = commands
        .iter()
        .filter_map(|line| line.strip_prefix(binary))
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(own, [vec!["serve"], vec!["config", "check"]]);
    own.iter().for_each(|words| assert_is_command(words));
    assert_eq!(commands.last(), Some(&"/bin/kill -HUP $MAINPID"));
    for variable in says("Environment") {
        assert_is_variable(variable.split('=').next().expect("a name"));
    }
    let within = says("TimeoutStopSec")[0].parse().expect("seconds");
    assert!(Duration::from_secs(within) > longest_end(), "it is killed while it ends");
    assert_ne!(says("User"), ["root"]);
    let state = format!("/var/lib/{}", says("StateDirectory")[0]);
    assert_eq!(says("WorkingDirectory"), [state]);
}

#[test]
fn the_unit_is_installed_from_one_folder() {
    let commands: Vec<&str> = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .flat_map(|line| line.split(" && "))
        .collect();
    let installed = commands.iter().filter_map(|command| command.strip_prefix("install -m "));
    let files: Vec<&str> = installed
        .map(|words| words.rsplit(' ').nth(1).expect("what is installed, and where"))
        .collect();
    assert_eq!(files.len(), 3, "{commands:?}");
    for file in files.iter().filter(|file| **file != "target/release/threadline") {
        assert!(deploy("..").join(file).is_file(), "{file} is not there");
    }
}

#[test]
fn systemd_finds_nothing_in_the_unit_and_little_exposed() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("not run: there is no systemd-analyze here");
        return;
    }
    // Only where the binary is differs from how it is installed.
    let folder = tempfile::tempdir().expect("a folder");
    let unit = folder.path().join("threadline.service");
    let binary = env!("CARGO_BIN_EXE_threadline");
    std::fs::write(&unit, UNIT.replace("/usr/local/bin/threadline", binary)).expect("a file");
    for arguments in [&["verify"][..], &["security", "--offline=yes", "--threshold=15"]] {
        let mut command = Command::new("systemd-analyze");
        let output = command.args(arguments).arg(&unit).output().expect("it starts");
        let (said, wrong) = printed(&output);
        assert!(output.status.success(), "{arguments:?}: {said}{wrong}");
        let ours = wrong.lines().filter(|line| line.contains("threadline.service"));
        assert_eq!(ours.collect::<Vec<_>>(), [""; 0], "{arguments:?}");
    }
}

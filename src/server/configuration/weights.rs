//! Files of weights, as `threadline fit` writes and `[tenants.NAME] weights` names them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::document::Document;
use crate::identity::{FEATURES, Feature, Fitted, Weights};

/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 65_536;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct WeightsFile {
    version: String,
    /// How many of the tenant's decisions; missing when fitted on a simulation.
    sample_size: u32,
    weights: BTreeMap<String, f64>,
}

/// The weights of a tenant: its own file's, else those of `base`.
pub(super) fn chosen(
    file: Option<&PathBuf>,
    folder: &Path,
    base: Arc<Weights>,
    place: &str,
    wrong: &mut Vec<String>,
) -> Arc<Weights> {
    let Some(file) = file else { return base };
    if place == "policy" {
        wrong.push("policy.weights: are fitted on one tenant, and are that tenant's".into());
        return base;
    }
    match read(&folder.join(file)) {
        Ok(weights) => Arc::new(weights),
        Err(mistakes) => {
            wrong.extend(mistakes.iter().map(|one| format!("{place}.weights: {one}")));
            base
        }
    }
}

/// Reads a file of weights.
///
/// # Errors
/// Every mistake at once, a sentence each.
pub(crate) fn read(path: &Path) -> Result<Weights, Vec<String>> {
    let said = |error: std::io::Error| vec![format!("{}: {error}", path.display())];
    if std::fs::metadata(path).map_err(said)?.len() > MAX_BYTES {
        return Err(vec![format!("{}: is longer than {MAX_BYTES} bytes", path.display())]);
    }
    let text = std::fs::read_to_string(path).map_err(said)?;
    let in_file = |mistakes: Vec<String>| {
        mistakes.iter().map(|one| format!("{}: {one}", path.display())).collect()
    };
    parse(&text).map_err(in_file)
}

/// Reads weights from the text of a file.
///
/// # Errors
/// Every mistake at once: a figure without a weight, a weight of no figure, a weight out of bounds.
pub(crate) fn parse(text: &str) -> Result<Weights, Vec<String>> {
    let mut mistakes = Vec::new();
    let document = Document::parse(text, &mut mistakes);
    let file: WeightsFile = document.settings(&[], &mut mistakes);
    if !mistakes.is_empty() {
        document.locate(&mut mistakes);
        return Err(mistakes);
    }
    let mut values = [0.0; FEATURES];
    for feature in Feature::ALL {
        match file.weights.get(feature.name()) {
            Some(weight) => values[feature as usize] = *weight,
            None => mistakes.push(format!("weights: {} is missing", feature.name())),
        }
    }
    let unknown = file.weights.keys().filter(|name| Feature::named(name).is_none());
    mistakes.extend(unknown.map(|name| format!("weights: there is no figure {name:?}")));
    let fitted = match file.sample_size {
        0 => Fitted::OnSimulation,
        decisions => Fitted::OnTenant(decisions),
    };
    let weights = Weights::new(file.version, fitted, values);
    mistakes.extend(weights.validate());
    if mistakes.is_empty() { Ok(weights) } else { Err(mistakes) }
}

/// Weights as the text of a file; `about` becomes its first lines, as comments.
pub(crate) fn text(weights: &Weights, about: &[String]) -> String {
    let mut text = String::new();
    for line in about {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {line}");
    }
    let _ = writeln!(text, "version = {:?}", weights.version);
    if let Fitted::OnTenant(decisions) = weights.fitted {
        let _ = writeln!(text, "sample_size = {decisions}");
    }
    let _ = writeln!(text, "\n[weights]");
    for feature in Feature::ALL {
        let _ = writeln!(text, "{:?} = {:.4}", feature.name(), weights.get(feature));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let own = Weights::new("acme-1".into(), Fitted::OnTenant(900), *Weights::DEFAULT.values());
        for weights in [Weights::DEFAULT, own] {
            assert_eq!(parse(&text(&weights, &["made by a test".into()])).unwrap(), weights);
        }
    }

    #[test]
    fn a_tenant_names_its_file_beside_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let own = Weights::new("acme-1".into(), Fitted::OnTenant(900), *Weights::DEFAULT.values());
        std::fs::write(folder.path().join("own.toml"), text(&own, &[])).unwrap();
        let settings = folder.path().join("threadline.toml");
        let load = |text: &str| {
            std::fs::write(&settings, text).unwrap();
            let layers =
                crate::server::Layers { file: Some(settings.clone()), ..Default::default() };
            crate::server::Configuration::load(&layers)
        };
        let read = load("[tenants.acme]\nweights = \"own.toml\"").unwrap();
        assert_eq!(*read.policies.of("acme").weights, own);
        assert_eq!(*read.policies.of("other").weights, Weights::DEFAULT);
        for (text, part) in [
            ("[policy]\nweights = \"own.toml\"", "policy.weights"),
            ("[tenants.acme]\nweights = \"gone.toml\"", "tenants.acme.weights"),
        ] {
            let Err(wrong) = load(text) else { panic!("accepted") };
            assert!(wrong.0.iter().any(|one| one.contains(part)), "{part} in {wrong}");
        }
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let good = text(&Weights::DEFAULT, &[]);
        let bad = good.replace("\"uses\"", "\"luck\"").replace("\"rival\" = -", "\"rival\" = -99");
        let mistakes = parse(&bad).unwrap_err().join("\n");
        for part in ["uses is missing", "no figure \"luck\"", "the weight of rival"] {
            assert!(mistakes.contains(part), "{part} in {mistakes}");
        }
        assert!(parse("version = 1").is_err());
    }
}

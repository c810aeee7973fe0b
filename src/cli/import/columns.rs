//! What the columns of a file are.

use anyhow::bail;
use csv::StringRecord;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// An identifier of this kind and namespace.
    Identifier(&'static str, String),
    /// A lasting attribute of this name.
    Attribute(String),
    /// Nothing of ours.
    Ignored,
}

/// The columns of a file, in its order.
#[derive(Debug)]
pub(super) struct Columns(pub(super) Vec<Column>);

/// How a column of an external id begins.
const EXTERNAL: &str = "external:";
const KNOWN: &str = "E-mail, Phone Number, Telegram User ID, Discord User ID, Customer Name and \
                     external:NAMESPACE";

impl Columns {
    /// Reads a header: names in any order and case.
    ///
    /// # Errors
    /// Every column that is not known, and a file without anything that identifies.
    pub(super) fn read(
        header: &StringRecord,
        profile: &[(String, String)],
        ignored: &[String],
    ) -> anyhow::Result<Self> {
        let (mut columns, mut unknown) = (Vec::with_capacity(header.len()), Vec::new());
        for name in header {
            match column(name, profile, ignored) {
                Some(column) => columns.push(column),
                None => unknown.push(format!("{:?}", name.trim())),
            }
        }
        let absent = |name: &&String| !header.iter().any(|column| same(column, name));
        let mapped = profile.iter().map(|(column, _)| column);
        if let Some(name) = mapped.chain(ignored).find(absent) {
            bail!("there is no column {name:?}");
        }
        if !unknown.is_empty() {
            bail!(
                "unknown columns: {}; known are {KNOWN}. Take one for a lasting attribute with \
                 --profile COLUMN=attribute, or leave it out with --ignore COLUMN",
                unknown.join(", ")
            );
        }
        if !columns.iter().any(|column| matches!(column, Column::Identifier(..))) {
            bail!("no column identifies anybody; known are {KNOWN}");
        }
        let names: Vec<&String> = columns
            .iter()
            .filter_map(|column| match column {
                Column::Attribute(name) => Some(name),
                _ => None,
            })
            .collect();
        if let Some(name) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name))
        {
            bail!("two columns are the attribute {:?}", name.1);
        }
        Ok(Self(columns))
    }
}

fn column(name: &str, profile: &[(String, String)], ignored: &[String]) -> Option<Column> {
    if let Some((_, attribute)) = profile.iter().find(|(column, _)| same(column, name)) {
        return Some(Column::Attribute(attribute.clone()));
    }
    if ignored.iter().any(|column| same(column, name)) {
        return Some(Column::Ignored);
    }
    let name = name.trim();
    if let Some(namespace) = name.get(EXTERNAL.len()..)
        && name.get(..EXTERNAL.len()).is_some_and(|start| start.eq_ignore_ascii_case(EXTERNAL))
        && !namespace.trim().is_empty()
    {
        return Some(Column::Identifier("external", namespace.trim().to_lowercase()));
    }
    // However it is written: "E-mail", "email", "E_MAIL".
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    let plain: String = letters.flat_map(char::to_lowercase).collect();
    Some(match plain.as_str() {
        "email" | "emailaddress" => Column::Identifier("email", String::new()),
        "phone" | "phonenumber" => Column::Identifier("phone", String::new()),
        "telegramuserid" => Column::Identifier("telegram", String::new()),
        "discorduserid" => Column::Identifier("discord", String::new()),
        "customername" | "name" => Column::Attribute("name".to_owned()),
        _ => return None,
    })
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

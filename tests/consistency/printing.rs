//! Histories as people read them.

use std::fmt;

use super::calls::{Asked, Input, Output, Said, ServiceCall, Setting, Shown, Shows, Whom};

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { id, shows, channel, time } => {
                write!(f, "start {id} showing {shows} on channel {channel}")?;
                time.iter().try_for_each(|it| write!(f, " at {it}"))
            }
            Self::Update { id, update, said } => write!(f, "update {id}.{update} {said}"),
            Self::End { id, shows, revision, said, time } => {
                write!(f, "end {id} showing {shows} {said}")?;
                revision.iter().try_for_each(|it| write!(f, " revision {it}"))?;
                time.iter().try_for_each(|it| write!(f, " at {it}"))
            }
            Self::Get { id } => write!(f, "get {id}"),
            Self::Merge { number, one, other } => write!(f, "merge {number} of {one} and {other}"),
            Self::Unmerge { number, which } => write!(f, "unmerge {number} of {which:?}"),
            Self::Reassign { id, number, to } => {
                write!(f, "reassign {number} of {id} to ")?;
                match to {
                    Some(to) => write!(f, "{to}"),
                    None => f.write_str("somebody new"),
                }
            }
            Self::Tie { number, whom, index, holds } => {
                let what = if *holds { "link" } else { "unlink" };
                write!(f, "{what} {number} of {} to {whom}", ["A", "B"][*index])
            }
            Self::Look { whom } => write!(f, "look at {whom}"),
            Self::Preview { number, whom } => write!(f, "preview {number} of erasing {whom}"),
            Self::Erase { number, of, whom } => {
                write!(f, "erase {number} {whom} as previewed by {of}")
            }
            Self::Revoke { key } => write!(f, "revoke key {key}"),
            Self::Age => f.write_str("everything ages"),
            Self::Sweep => f.write_str("sweep"),
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(id) => write!(f, "whose {id} is"),
            Self::Named(number) => write!(f, "customer {number}"),
        }
    }
}

impl fmt::Display for Shows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.first, self.second) {
            (true, true) => "A and B",
            (true, false) => "A",
            (false, true) => "B",
            (false, false) => "nothing",
        })
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(content {}", self.content)?;
        for Setting { name, value, ttl_seconds } in &self.settings {
            write!(f, ", v{name} = {value} for {ttl_seconds} s")?;
        }
        self.intents.iter().try_for_each(|(name, status)| write!(f, ", i{name} {status:?}"))?;
        f.write_str(")")
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut variables = self.variables.iter();
        variables.try_for_each(|(name, value)| write!(f, ", v{name} = {value}"))?;
        let mut intents = self.intents.iter();
        intents.try_for_each(|(name, (status, attempts))| {
            write!(f, ", i{name} {status:?} × {attempts}")
        })
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let customer = |it: &Option<u32>| {
            it.map_or("nobody".to_owned(), |number| format!("customer {number}"))
        };
        match self {
            Self::Answered { customer: who, new, recommended, shown } => {
                let new = if *new { ", new" } else { "" };
                write!(f, "{}{new}, {recommended:?}{shown}", customer(who))
            }
            Self::Looked { set, owns, shown } => write!(f, "{set:?} with {owns}{shown}"),
            Self::Ended { customer: who } => f.write_str(&customer(who)),
            other => write!(f, "{other:?}"),
        }
    }
}

/// A history as a person reads it: one call a line, in the order they were made.
pub(crate) fn print(calls: &[ServiceCall]) -> String {
    let mut ordered: Vec<&ServiceCall> = calls.iter().collect();
    ordered.sort_by_key(|call| call.invoked);
    let line = |call: &&ServiceCall| {
        let Input { asked, now, client, instance, key, elapsed, .. } = &call.input;
        let (until, output) = match &call.returned {
            Some((at, output)) => (at.to_string(), output.to_string()),
            None => ("…".to_owned(), "no answer".to_owned()),
        };
        let span = format!("{}–{until}", call.invoked);
        let since = elapsed.0;
        format!(
            "  {span:<12} client {client} at instance {instance}, key {key}, clock {now}, \
             {since} ms: {asked} → {output}\n"
        )
    };
    ordered.iter().map(line).collect()
}

/// How often happened what must happen often for the checker to see anything.
#[derive(Default)]
pub(crate) struct Rare {
    erasures: usize,
    together: usize,
    outdated: usize,
    erased: usize,
    not_let_in: usize,
}

impl Rare {
    /// Counts what happened in a history.
    pub(crate) fn count(&mut self, calls: &[ServiceCall]) {
        for (_, output) in calls.iter().filter_map(|call| call.returned.as_ref()) {
            match output {
                Output::Gone(counts) => {
                    self.erasures += 1;
                    self.together += usize::from(counts.customers > 1);
                }
                Output::Outdated => self.outdated += 1,
                Output::Erased => self.erased += 1,
                Output::NotLetIn => self.not_let_in += 1,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Rare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { erasures, together, outdated, erased, not_let_in } = self;
        write!(f, "{erasures} erased somebody, {together} several at once, ")?;
        write!(f, "{outdated} were not as previewed, ")?;
        write!(f, "{erased} came too late, {not_let_in} with a revoked key")
    }
}

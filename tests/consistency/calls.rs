//! What is asked of the service and what it answers, as small numbers: a customer of a test has
//! two identifiers at most, and names are `v3` or `i2`.

use std::collections::BTreeMap;
use std::fmt;

use super::wgl::Call;

/// How far a matter has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Status {
    Open,
    Resolved,
    Escalated,
    Abandoned,
}

impl Status {
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Escalated)
    }
}

/// A variable to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: u16,
    pub(crate) value: u32,
    pub(crate) ttl_seconds: i64,
}

/// What an update or an end says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Equal for equal content.
    pub(crate) content: u32,
    pub(crate) settings: Vec<Setting>,
    pub(crate) intents: Vec<(u16, Status)>,
}

/// Which of the two identifiers an interaction shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shows {
    pub(crate) first: bool,
    pub(crate) second: bool,
}

impl Shows {
    pub(crate) fn indexes(self) -> impl Iterator<Item = usize> {
        [self.first, self.second]
            .into_iter()
            .enumerate()
            .filter(|(_, shown)| *shown)
            .map(|(i, _)| i)
    }
}

/// A customer, as a request names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// The one that the newest answer on this interaction named.
    Of(u16),
    /// The one of this number.
    Named(u32),
}

/// Which merge is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one that this call made, by its id.
    Merge(u16),
    /// All between the two that this call named.
    BetweenThoseOf(u16),
    /// All between these two.
    Between(u32, u32),
}

/// One request. `now` is the clock when it was made, `time` what the caller says of the event.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Start {
        id: u16,
        shows: Shows,
        channel: u8,
        time: Option<i64>,
    },
    Update {
        id: u16,
        update: u8,
        said: Said,
    },
    End {
        id: u16,
        shows: Shows,
        revision: Option<i64>,
        said: Said,
        time: Option<i64>,
    },
    Get {
        id: u16,
    },
    /// Two customers are one person from now on.
    Merge {
        number: u16,
        one: Whom,
        other: Whom,
    },
    Unmerge {
        number: u16,
        which: Which,
    },
    /// An interaction is this customer's, or somebody's who is new.
    Reassign {
        id: u16,
        number: u16,
        to: Option<Whom>,
    },
    /// One of the two identifiers is this customer's, or is not, whatever contacts say.
    Tie {
        number: u16,
        whom: Whom,
        index: usize,
        holds: bool,
    },
    /// All that is known of a customer.
    Look {
        whom: Whom,
    },
    /// All that is there grows eight days older.
    Age,
    /// What is older than seven days is removed.
    Sweep,
}

/// A request as it was made: the clock then, and when its answer was there; without one, the end of
/// time.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) asked: Asked,
    pub(crate) now: i64,
    pub(crate) answered: i64,
    /// How far the service's clock and this one may be apart, in milliseconds.
    pub(crate) clocks_apart: i64,
    /// Who asked whom, for people who read the history.
    pub(crate) client: usize,
    pub(crate) instance: usize,
}

impl Input {
    /// The earliest and the latest that the service's clock may have shown meanwhile.
    pub(crate) fn span(&self) -> (i64, i64) {
        (self.now - self.clocks_apart, self.answered.saturating_add(self.clocks_apart))
    }
}

/// What an answer recommends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recommended {
    Reuse,
    Confirm,
    Ignore,
}

/// A customer's context as an answer shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) variables: BTreeMap<u16, u32>,
    /// Status and attempts of each open intent.
    pub(crate) intents: BTreeMap<u16, (Status, i32)>,
}

/// One answer. Customers are numbered by age, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Answered {
        customer: Option<u32>,
        new: bool,
        recommended: Recommended,
        shown: Shown,
    },
    /// It had its effect; what was answered is a call of its own.
    Accepted,
    Ended {
        customer: Option<u32>,
    },
    /// The members of a set, oldest first, and whether the merge holds.
    Joined {
        set: Vec<u32>,
        in_force: bool,
    },
    /// The sets of the older and of the younger one.
    Parted {
        older: Vec<u32>,
        younger: Vec<u32>,
    },
    /// Reassigned to this customer.
    Moved {
        customer: Option<u32>,
        new: bool,
    },
    /// Whose tie it is or was, whether it was there before, and how many have the identifier now.
    Tied {
        customer: Option<u32>,
        before: bool,
        owners: i32,
    },
    /// A customer with all members, the identifiers they have, and their context.
    Looked {
        set: Vec<u32>,
        owns: Shows,
        shown: Shown,
    },
    Conflict,
    /// Both refs name one customer.
    Same,
    /// An end that says it was before its start.
    Refused,
    NotFound,
    /// Aged or swept.
    Done,
    /// Nothing that any contract allows.
    Broken(String),
}

/// A call on the service.
pub(crate) type ServiceCall = Call<Input, Output>;

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
        let Input { asked, now, client, instance, .. } = &call.input;
        let (until, output) = match &call.returned {
            Some((at, output)) => (at.to_string(), output.to_string()),
            None => ("…".to_owned(), "no answer".to_owned()),
        };
        let span = format!("{}–{until}", call.invoked);
        format!(
            "  {span:<12} client {client} at instance {instance}, clock {now}: {asked} → {output}\n"
        )
    };
    ordered.iter().map(line).collect()
}

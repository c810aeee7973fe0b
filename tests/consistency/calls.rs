//! What is asked of the service and what it answers, as small numbers: a customer of a test has
//! two identifiers at most, and names are `v3` or `i2`.

use std::collections::BTreeMap;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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

/// The number of the channel that carries text; the other one carries calls.
pub(crate) const WRITTEN: u8 = 1;

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
    /// What would go if this customer were erased.
    Preview {
        number: u16,
        whom: Whom,
    },
    /// A customer is erased, as this preview has shown them.
    Erase {
        number: u16,
        of: u16,
        whom: Whom,
    },
    /// The API key of this number is revoked.
    Revoke {
        key: u8,
    },
    /// All that is there grows eight days older.
    Age,
    /// What is older than seven days is removed.
    Sweep,
}

impl Asked {
    /// The interaction that it is about.
    pub(crate) fn interaction(&self) -> Option<u16> {
        match self {
            Self::Start { id, .. }
            | Self::Update { id, .. }
            | Self::End { id, .. }
            | Self::Get { id }
            | Self::Reassign { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Whether it changes nothing.
    pub(crate) fn only_looks(&self) -> bool {
        matches!(self, Self::Get { .. } | Self::Look { .. } | Self::Preview { .. })
    }
}

/// A request as it was made: the clock then, and when its answer was there; without one, the end of
/// time. The same by a stopwatch.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) asked: Asked,
    pub(crate) now: i64,
    pub(crate) answered: i64,
    pub(crate) elapsed: (i64, i64),
    /// The number of the API key it was made with.
    pub(crate) key: u8,
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

/// How much was erased: customers, those among them whose ref named another one; interactions; ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Counts {
    pub(crate) customers: i32,
    pub(crate) interactions: i32,
    pub(crate) identifiers: i32,
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
    /// Whoever would be erased, oldest first.
    Previewed {
        set: Vec<u32>,
    },
    /// So many went.
    Gone(Counts),
    /// It went with its person.
    Erased,
    /// Not what was previewed would go.
    Outdated,
    /// The API key is none, or none any more.
    NotLetIn,
    Conflict,
    /// Both refs name one customer.
    Same,
    /// An end that says it was before its start.
    Refused,
    NotFound,
    /// Aged, swept or revoked.
    Done,
    /// Nothing that any contract allows.
    Broken(String),
}

/// A call on the service.
pub(crate) type ServiceCall = Call<Input, Output>;

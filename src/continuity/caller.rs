//! Who calls: an API key with its roles, its source and its ceiling.

use std::sync::Arc;

use super::Error;
use super::tenant::Tenant;
use crate::identity::Assurance;

/// What a key may do. A key may have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Start, update, end.
    Telephony = 1,
    /// The same, nothing sensitive, confirms only with PIN or OTP.
    Bot = 2,
    /// End, amend, confirm; reads nothing.
    Helpdesk = 4,
    /// Read history, watch, update, confirm.
    Agent = 8,
    /// Customers, keys, policy.
    Admin = 16,
    /// All of telephony, and past times.
    Backfill = 32,
    /// Reports.
    Insight = 64,
}

impl Role {
    /// All of them, with the names that `keys create --role` takes.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Telephony, "telephony"),
        (Self::Bot, "bot"),
        (Self::Helpdesk, "helpdesk"),
        (Self::Agent, "agent"),
        (Self::Admin, "admin"),
        (Self::Backfill, "backfill"),
        (Self::Insight, "insight"),
    ];

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(role, _)| role)
    }
}

/// An authenticated client.
#[derive(Clone)]
pub struct Caller {
    /// Its tenant.
    pub tenant: Arc<Tenant>,
    /// The public part of its key.
    pub key_id: Arc<str>,
    /// Its roles, as a sum of [`Role`]s.
    pub roles: u32,
    /// The source its interaction ids belong to.
    pub source: Arc<str>,
    /// Other sources it may name.
    pub may_address: Arc<[String]>,
    /// Its explicit ceiling, if it has one.
    pub max_assurance: Option<Assurance>,
}

impl Caller {
    /// Whether it has that role.
    pub fn has(&self, role: Role) -> bool {
        self.roles & role as u32 != 0
    }

    /// Whether it has one of these roles.
    ///
    /// # Errors
    /// [`Error::RoleRequired`] when it has none of them.
    pub fn needs(&self, roles: &[Role]) -> Result<(), Error> {
        if roles.iter().any(|role| self.has(*role)) { Ok(()) } else { Err(Error::RoleRequired) }
    }

    /// Whether it may start interactions.
    ///
    /// # Errors
    /// [`Error::RoleRequired`].
    pub fn may_start(&self) -> Result<(), Error> {
        self.needs(&[Role::Telephony, Role::Bot, Role::Backfill])
    }

    /// Whether it may end interactions.
    ///
    /// # Errors
    /// [`Error::RoleRequired`].
    pub fn may_end(&self) -> Result<(), Error> {
        let writers = [Role::Telephony, Role::Bot, Role::Helpdesk, Role::Backfill, Role::Admin];
        self.needs(&writers)
    }

    /// The source a request is about: its own, or one it may address.
    ///
    /// # Errors
    /// [`Error::SourceNotAllowed`] for any other.
    pub fn addresses(&self, named: &str) -> Result<String, Error> {
        let allowed = named.is_empty()
            || *named == *self.source
            || self.may_address.iter().any(|source| source == named);
        match (allowed, named.is_empty()) {
            (true, true) => Ok(self.source.to_string()),
            (true, false) => Ok(named.to_owned()),
            (false, _) => Err(Error::SourceNotAllowed),
        }
    }

    /// Whether sensitive values may be shown to it at all: not to one that is only a bot.
    pub fn may_see_sensitive(&self) -> bool {
        !self.has(Role::Bot) || self.needs(&[Role::Telephony, Role::Agent, Role::Admin]).is_ok()
    }

    /// Whether anything of a customer may be shown to it: a helpdesk reads nothing.
    pub fn reads(&self) -> bool {
        let readers = [Role::Telephony, Role::Bot, Role::Agent, Role::Admin, Role::Backfill];
        self.needs(&readers).is_ok()
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Caller({} of tenant {})", self.key_id, self.tenant.id.0)
    }
}

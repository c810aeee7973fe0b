//! A text that may be run: each table that it names is bound to the tenant, which is always `$1`.
//!
//! It is checked while the program is compiled: a text that forgets the tenant is no program. What is
//! understood is the little SQL that is written here; anything else is refused, so that what was not
//! thought of cannot slip through.

mod query;
mod words;

use query::query;
use words::{Token, hides, is, next};

/// A text whose every table is bound to its tenant. Made by [`scoped!`] only.
#[derive(Clone, Copy)]
pub(in crate::store) struct Scoped(&'static str);

impl Scoped {
    /// The text, if it is bound; else the program does not compile.
    pub(in crate::store) const fn checked(sql: &'static str) -> Self {
        match fault(sql) {
            None => Self(sql),
            Some(fault) => panic!("{}", fault),
        }
    }

    pub(super) const fn text(self) -> &'static str {
        self.0
    }

    #[cfg(test)]
    pub(in crate::store) fn as_str(self) -> &'static str {
        self.0
    }
}

/// A look-up by many keys: `head` ends before `IN`, `tail` comes after the keys. Made by [`keyed!`].
#[derive(Clone, Copy)]
pub(in crate::store) struct Keyed {
    pub(super) head: &'static str,
    pub(super) tail: &'static str,
}

impl Keyed {
    /// The look-up, if all that it can find is its tenant's; else the program does not compile.
    pub(in crate::store) const fn checked(head: &'static str, tail: &'static str) -> Self {
        match (fault(head), tail_fault(tail)) {
            (None, None) => Self { head, tail },
            (Some(fault), _) | (None, Some(fault)) => panic!("{}", fault),
        }
    }
}

/// A statement's text, checked while it is compiled.
macro_rules! scoped {
    ($sql:expr) => {{
        const TEXT: $crate::store::statement::Scoped =
            $crate::store::statement::Scoped::checked($sql);
        TEXT
    }};
}
pub(in crate::store) use scoped;

/// A look-up by many keys, checked while it is compiled.
macro_rules! keyed {
    ($head:expr) => {
        keyed!($head, "")
    };
    ($head:expr, $tail:expr) => {{
        const LOOK_UP: $crate::store::statement::Keyed =
            $crate::store::statement::Keyed::checked($head, $tail);
        LOOK_UP
    }};
}
pub(in crate::store) use keyed;

type Fault = &'static str;

const HIDDEN: Fault = "quoted names and comments hide what a text says";
const UNKNOWN: Fault =
    "a statement begins with SELECT, INSERT, UPDATE, DELETE or a word of control";
const UNBOUND: Fault = "a table is not bound to the tenant by `tenant = $1` in its own WHERE or ON";
const EITHER: Fault = "OR beside the tenant looks past it: put it between parentheses";
const OTHER: Fault = "a tenant is compared with something other than $1, or changed";
const INSERTED: Fault = "an inserted row begins with the tenant, as its first column and as $1";
const NAMED: Fault = "a table is named by one word, and there are at most four";
const JOINED: Fault = "only inner and left joins are understood";
const NESTED: Fault = "a SELECT stands between parentheses of its own, and those are closed";
const TAILED: Fault = "what follows the keys may narrow, group, order and limit, and no more";

/// Why a text is not bound to its tenant; none when it is.
const fn fault(sql: &str) -> Option<Fault> {
    let sql = sql.as_bytes();
    if hides(sql) {
        return Some(HIDDEN);
    }
    let mut at = 0;
    while at < sql.len() {
        at = match statement(sql, at) {
            Ok(end) => end,
            Err(fault) => return Some(fault),
        };
    }
    None
}

/// Why a text may not follow a look-up's keys.
const fn tail_fault(sql: &str) -> Option<Fault> {
    let sql = sql.as_bytes();
    let first = next(sql, 0);
    let begins = first.is_end()
        || is(sql, first, "AND")
        || is(sql, first, "GROUP")
        || is(sql, first, "ORDER")
        || is(sql, first, "LIMIT");
    let mut token = first;
    while !token.is_end() {
        let more = is(sql, token, "SELECT") || is(sql, token, "OR") || is(sql, token, "UNION");
        if more || sql[token.start] == b';' || is(sql, token, "tenant") {
            return Some(TAILED);
        }
        token = next(sql, token.end);
    }
    if begins && !hides(sql) { None } else { Some(TAILED) }
}

/// One statement, or one part of a UNION; where the next one begins.
const fn statement(sql: &[u8], at: usize) -> Result<usize, Fault> {
    let first = next(sql, at);
    if first.is_end() {
        return Ok(sql.len());
    }
    if sql[first.start] == b';' {
        return Ok(first.end);
    }
    if is(sql, first, "SELECT") || is(sql, first, "DELETE") || is(sql, first, "UPDATE") {
        return query(sql, first);
    }
    if is(sql, first, "INSERT") {
        return insert(sql, first.end);
    }
    let control = is(sql, first, "BEGIN")
        || is(sql, first, "COMMIT")
        || is(sql, first, "ROLLBACK")
        || is(sql, first, "PRAGMA")
        || is(sql, first, "DISCARD")
        || is(sql, first, "SET");
    if !control {
        return Err(UNKNOWN);
    }
    let mut token = first;
    while !token.is_end() && sql[token.start] != b';' {
        token = next(sql, token.end);
    }
    Ok(token.end)
}

/// What is between parentheses; where it ends. A SELECT there is bound for itself.
const fn group(sql: &[u8], at: usize) -> Result<usize, Fault> {
    let mut token = next(sql, at);
    if is(sql, token, "SELECT") {
        let mut end = at;
        loop {
            end = match statement(sql, end) {
                Ok(end) => end,
                Err(fault) => return Err(fault),
            };
            let after = next(sql, end);
            if after.is_sign(sql, b')') {
                return Ok(after.end);
            }
            if !is(sql, after, "SELECT") {
                return Err(NESTED);
            }
        }
    }
    while !token.is_sign(sql, b')') {
        if token.is_end() || is(sql, token, "SELECT") {
            return Err(NESTED);
        }
        let mut end = token.end;
        if token.is_sign(sql, b'(') {
            end = match group(sql, token.end) {
                Ok(end) => end,
                Err(fault) => return Err(fault),
            };
        } else if let Some(fault) = compares_otherwise(sql, token) {
            return Err(fault);
        }
        token = next(sql, end);
    }
    Ok(token.end)
}

const fn compares_otherwise(sql: &[u8], token: Token) -> Option<Fault> {
    let equals = next(sql, token.end);
    if is(sql, token, "tenant") && equals.is_sign(sql, b'=') {
        let value = next(sql, equals.end);
        return if is(sql, value, "$1") { None } else { Some(OTHER) };
    }
    None
}

/// `INSERT INTO table (tenant, …) VALUES ($1, …), …`, or a SELECT that begins with `$1`.
const fn insert(sql: &[u8], at: usize) -> Result<usize, Fault> {
    let mut token = next(sql, at);
    while !token.is_end() && !token.is_sign(sql, b'(') {
        token = next(sql, token.end);
    }
    let mut end = match begins_with(sql, token, "tenant") {
        Ok(end) => end,
        Err(fault) => return Err(fault),
    };
    token = next(sql, end);
    if is(sql, token, "SELECT") {
        let first = next(sql, token.end);
        let one = is(sql, first, "$1") && next(sql, first.end).is_sign(sql, b',');
        return if one { query(sql, token) } else { Err(INSERTED) };
    }
    if !is(sql, token, "VALUES") {
        return Err(INSERTED);
    }
    loop {
        end = match begins_with(sql, next(sql, token.end), "$1") {
            Ok(end) => end,
            Err(fault) => return Err(fault),
        };
        token = next(sql, end);
        if !token.is_sign(sql, b',') {
            return on_conflict(sql, end);
        }
    }
}

/// A group whose first word is this one; where it ends.
const fn begins_with(sql: &[u8], open: Token, first: &str) -> Result<usize, Fault> {
    if !open.is_sign(sql, b'(') || !is(sql, next(sql, open.end), first) {
        return Err(INSERTED);
    }
    let after = next(sql, next(sql, open.end).end);
    if !after.is_sign(sql, b',') && !after.is_sign(sql, b')') {
        return Err(INSERTED);
    }
    group(sql, open.end)
}

/// What follows inserted rows: changes what is there, but never whose it is.
const fn on_conflict(sql: &[u8], at: usize) -> Result<usize, Fault> {
    let mut token = next(sql, at);
    while !token.is_end() && !token.is_sign(sql, b';') {
        if is(sql, token, "SELECT") || is(sql, token, "FROM") {
            return Err(NESTED);
        }
        if is(sql, token, "tenant") && next(sql, token.end).is_sign(sql, b'=') {
            return Err(OTHER);
        }
        token = next(sql, token.end);
    }
    Ok(token.start)
}

/// Fails to compile when what follows inserted rows could change whose they are.
pub(super) const fn leaves_the_tenant(sql: &str) {
    if let Err(fault) = on_conflict(sql.as_bytes(), 0) {
        panic!("{}", fault);
    }
}

#[cfg(test)]
mod tests;

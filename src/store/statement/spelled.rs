//! Texts whose values are spelled out: PostgreSQL takes several statements in one round trip only
//! without parameters. The values are numbers and hashes of our own, never anything that came from
//! outside.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _};

use super::Scoped;
use crate::ids::TenantId;

/// A value that may be spelled out.
#[derive(Clone, Copy)]
pub(in crate::store) enum Literal<'a> {
    Number(i64),
    Hash(&'a [u8]),
}

impl Literal<'_> {
    fn spelled(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Hash(bytes) => format!("'\\x{}'", data_encoding::HEXLOWER.encode(bytes)),
        }
    }
}

/// Several statements as one text.
#[derive(Default)]
pub(in crate::store) struct Spelled(String);

impl Spelled {
    /// Adds a statement without parameters.
    pub(in crate::store) fn command(mut self, sql: Scoped) -> Self {
        self.0.push_str(sql.text());
        self.0.push_str("; ");
        self
    }

    /// Adds a statement with the tenant in place of `$1`, and the others in place of `$2` and so on.
    pub(in crate::store) fn statement(
        mut self,
        sql: Scoped,
        tenant: TenantId,
        others: &[Literal<'_>],
    ) -> Self {
        let mut parts = sql.text().split('$');
        self.0.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = part.split_at(digits);
            let value = match number.parse::<usize>() {
                Ok(1) => Some(Literal::Number(tenant.0)),
                // A parameter that nothing was given for stays one, and PostgreSQL refuses it.
                Ok(number) => number.checked_sub(2).and_then(|at| others.get(at)).copied(),
                Err(_) => None,
            };
            match value {
                Some(value) => self.0.push_str(&value.spelled()),
                None => self.0.extend(["$", number]),
            }
            self.0.push_str(rest);
        }
        self.0.push_str("; ");
        self
    }

    pub(in crate::store) async fn execute(
        self,
        connection: &mut AnyConnection,
    ) -> Result<(), sqlx::Error> {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(self.0))).await.map(drop)
    }

    pub(in crate::store) async fn fetch_all(
        self,
        connection: &mut AnyConnection,
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(self.0))).await
    }

    pub(in crate::store) async fn fetch_optional(
        self,
        connection: &mut AnyConnection,
    ) -> Result<Option<AnyRow>, sqlx::Error> {
        connection.fetch_optional(sqlx::raw_sql(AssertSqlSafe(self.0))).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::scoped;
    use super::*;

    #[test]
    fn values_stand_where_their_parameters_stood() {
        let link = scoped!("INSERT INTO audit_link (tenant, position, hash) VALUES ($1, $3, $2)");
        let text = Spelled::default()
            .command(scoped!("BEGIN"))
            .statement(link, TenantId(7), &[Literal::Hash(&[0xab, 1]), Literal::Number(-5)])
            .statement(scoped!("SELECT $2, $9"), TenantId(7), &[]);
        assert_eq!(
            text.0,
            "BEGIN; INSERT INTO audit_link (tenant, position, hash) VALUES (7, -5, '\\xab01'); \
             SELECT $2, $9; "
        );
    }
}

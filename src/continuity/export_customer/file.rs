//! Their file: contacts, intent facts, blocks of values; one member after the other.

use std::sync::Arc;

use super::held::Perhaps;
use super::{Export, Held, Page, Place, page};
use crate::continuity::Error;
use crate::continuity::load::{self, Texts};
use crate::ids::Token;
use crate::store::export;
use crate::store::rows::{FactRow, InteractionRow};

impl Export {
    /// The page at this place of the file.
    pub(super) async fn of_file(&self, place: Place) -> Result<Page, Error> {
        match place {
            Place::Contacts(member, after) => self.contacts(member, after).await,
            Place::Facts(member, after) => self.facts(member, after).await,
            Place::Blocks(member, after) => self.blocks(member, after).await,
            // Neither is in the file.
            Place::Person | Place::Journal(_) => Ok((Vec::new(), None)),
        }
    }

    async fn contacts(
        &self,
        member: usize,
        after: Option<(crate::clock::Time, Token)>,
    ) -> Result<Page, Error> {
        let Some(customer) = self.whose.members.get(member).copied() else {
            return Ok((Vec::new(), Some(Place::Facts(0, None))));
        };
        let tenant = self.tenant.id;
        let rows = page(self, move |connection| {
            Box::pin(
                async move { export::contacts(connection, tenant, customer, after).await.map(Ok) },
            )
        })
        .await?;
        let next = rows.last().filter(|_| is_full(rows.len()));
        let next = match next {
            Some(last) => Place::Contacts(member, Some((last.ended, last.interaction))),
            None => Place::Contacts(member + 1, None),
        };
        let held = rows.into_iter().map(|row| self.contact(row));
        Ok((held.collect::<Result<Vec<Held>, Error>>()?, Some(next)))
    }

    fn contact(&self, row: InteractionRow) -> Result<Held, Error> {
        if !row.confirmed {
            return Ok(Held::Perhaps(Perhaps {
                customer: row.customer,
                interaction: row.interaction,
                channel: row.channel,
                started: row.started,
                received: row.received,
            }));
        }
        let key = self.whose.key(row.customer)?;
        let (_, record) = load::open_contact(self.tenant.id, key, &row)?;
        Ok(Held::Contact { row: Box::new(row), record: Box::new(record) })
    }

    async fn facts(&self, member: usize, after: Option<export::FactPlace>) -> Result<Page, Error> {
        let Some(customer) = self.whose.members.get(member).copied() else {
            return Ok((Vec::new(), Some(Place::Blocks(0, None))));
        };
        let (service, owner) = (Arc::clone(&self.service), Arc::clone(&self.tenant));
        let (rows, texts): (Vec<FactRow>, Texts) = page(self, move |connection| {
            Box::pin(async move {
                let rows = export::facts(connection, owner.id, customer, after).await?;
                let texts = Texts::of(&service, owner.id, &rows);
                let texts = texts.completed(&service, &owner, connection).await?;
                Ok(texts.map(|texts| (rows, texts)))
            })
        })
        .await?;
        let next = match rows.last().filter(|_| is_full(rows.len())) {
            Some(last) => {
                Place::Facts(member, Some((last.interaction, last.intent, last.reference)))
            }
            None => Place::Facts(member + 1, None),
        };
        let key = self.whose.key(customer)?;
        let mut held = Vec::with_capacity(rows.len());
        for row in &rows {
            // Of what an export holds nothing is left out silently.
            let text = texts.of_fact(row).ok_or(Error::Sealed)?;
            let fact = load::open_fact(self.tenant.id, key, row, text)?;
            held.push(Held::Fact { customer, fact });
        }
        Ok((held, Some(next)))
    }

    async fn blocks(
        &self,
        member: usize,
        after: Option<(crate::store::rows::BlockKind, Token, i64)>,
    ) -> Result<Page, Error> {
        let Some(customer) = self.whose.members.get(member).copied() else {
            return Ok((Vec::new(), Some(Place::Journal(0))));
        };
        let tenant = self.tenant.id;
        let rows = page(self, move |connection| {
            Box::pin(
                async move { export::blocks(connection, tenant, customer, after).await.map(Ok) },
            )
        })
        .await?;
        let next = match rows.last().filter(|_| is_full(rows.len())) {
            Some(last) => Place::Blocks(member, Some((last.kind, last.interaction, last.part))),
            None => Place::Blocks(member + 1, None),
        };
        let key = self.whose.key(customer)?;
        let mut held = Vec::with_capacity(rows.len());
        for row in rows {
            let record = load::open_block(tenant, key, &row)?;
            held.push(Held::Block { row, record });
        }
        Ok((held, Some(next)))
    }
}

/// Whether there may be more behind a page.
fn is_full(rows: usize) -> bool {
    rows as i64 >= export::PAGE
}

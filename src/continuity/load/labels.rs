//! The texts of the intents that facts name.

use std::collections::HashMap;
use std::sync::Arc;

use super::Loaded;
use crate::continuity::sealing::Slot;
use crate::continuity::service::Service;
use crate::continuity::tenant::Tenant;
use crate::ids::{TenantId, Token};
use crate::store::Connection;
use crate::store::read;
use crate::store::rows::FactRow;

/// Texts by their tokens, as far as they are known yet.
pub(in crate::continuity) struct Texts {
    texts: HashMap<Token, Arc<str>>,
    missing: Vec<Token>,
}

impl Texts {
    /// What memory knows of them: all of it, most likely.
    pub fn of<'f>(
        service: &Service,
        tenant: TenantId,
        facts: impl IntoIterator<Item = &'f FactRow>,
    ) -> Self {
        let mut known = Self { texts: HashMap::new(), missing: Vec::new() };
        for fact in facts {
            match service.memory.label(tenant, fact.intent) {
                Some(text) => drop(known.texts.insert(fact.intent, text)),
                None if !known.missing.contains(&fact.intent) => known.missing.push(fact.intent),
                None => {}
            }
        }
        known
    }

    /// Whether the store has to be asked for any.
    pub fn is_missing_any(&self) -> bool {
        !self.missing.is_empty()
    }

    /// The same, with those that the store has.
    pub async fn completed(
        mut self,
        service: &Service,
        tenant: &Tenant,
        connection: &mut Connection,
    ) -> Loaded<Self> {
        for (token, sealed) in read::labels(connection, tenant.id, &self.missing).await? {
            match (Slot::Label { token }).open_text(tenant.id, &tenant.key, &sealed) {
                Ok(text) => {
                    let text: Arc<str> = text.into();
                    service.memory.keep_label(tenant.id, token, Arc::clone(&text));
                    self.texts.insert(token, text);
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(self))
    }

    /// The text of what a fact names; `None` where the dictionary lacks it. Then the fact says nothing
    /// to anybody, but it must not keep all else that is known of its customer from them.
    pub fn of_fact(&self, fact: &FactRow) -> Option<&str> {
        let text = self.texts.get(&fact.intent);
        if text.is_none() {
            tracing::warn!("an intent is not in its tenant's dictionary: left out");
        }
        text.map(|text| &**text)
    }
}

//! EraseCustomer: a person goes for ever, with everybody who is one person with them.
//!
//! First what would go, and a token for exactly that. Then: replay? → everything of theirs → is it
//! what was previewed? → erase → receipt.

use std::sync::{Arc, Mutex};

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use subtle::ConstantTimeEq as _;

use super::Error;
use super::audit::shown;
use super::caller::{Caller, Role};
use super::changing::Asked;
use super::desk::Desk;
use super::erasure::{erase, notice};
use super::journaling::{self, Entry};
use super::record::{ErasureRecord, RequestRecord};
use super::service::Service;
use super::theirs::{Theirs, Walked, theirs};
use super::traces::About;
use crate::clock::Time;
use crate::ids::{CustomerId, TenantId, Token};
use crate::store::rows::Verb;
use crate::store::{Boxed, Operation, Proposed, Reads};

/// A preview may be erased for so long, in milliseconds.
pub const PREVIEW_KEPT: i64 = 15 * 60 * 1_000;

/// An erasure, parsed.
#[derive(Clone)]
pub struct Erasing {
    /// Who says so; empty for the key's own.
    pub source: String,
    /// This request's own id.
    pub request_id: String,
    /// The request in canonical form: what makes two erasures the same.
    pub content: Vec<u8>,
    /// Whom.
    pub customer_ref: String,
    /// What the preview answered.
    pub preview_token: String,
}

/// What would go.
pub struct Preview {
    /// The person, by the name of their set.
    pub customer: CustomerId,
    /// Everybody who is this person, oldest first.
    pub members: Vec<CustomerId>,
    /// How much.
    pub counts: ErasureRecord,
    /// Erases exactly this.
    pub token: String,
    /// Until when.
    pub expire: Time,
}

/// That a person was erased.
pub struct Receipt {
    /// Its id: the request's token.
    pub id: String,
    /// The customer as the request named them.
    pub customer_ref: String,
    /// Store time.
    pub erased: Time,
    /// How much went.
    pub counts: ErasureRecord,
    /// The erasure's place in the journal.
    pub position: i64,
    /// The tenant's name.
    pub tenant: String,
    /// All of this in one line of JSON.
    pub statement: String,
    /// Ed25519 over the statement.
    pub signature: Vec<u8>,
}

impl Service {
    /// Looks what an erasure would take away. Nothing is written.
    ///
    /// # Errors
    /// [`Error::CustomerNotFound`], [`Error::Erased`], [`Error::RoleRequired`], and the store's.
    pub async fn preview_erasure(
        self: &Arc<Self>,
        caller: &Caller,
        customer_ref: &str,
    ) -> Result<Preview, Error> {
        let previewed = self.what_would_go(caller, customer_ref).await;
        let about = About::customers(&[customer_ref]);
        self.traced(caller, Verb::PreviewErase, &about, previewed, |it| vec![it.customer])
    }

    async fn what_would_go(
        self: &Arc<Self>,
        caller: &Caller,
        customer_ref: &str,
    ) -> Result<Preview, Error> {
        caller.needs(&[Role::Admin])?;
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &caller.tenant, &mut reads);
        let walked = self.walks.of(caller.tenant.id, customer_ref, self.store.now());
        let found = theirs(&mut desk, customer_ref, &walked).await?;
        let expire = self.store.now().plus(PREVIEW_KEPT);
        Ok(Preview {
            customer: found.name,
            token: Ticket::of(caller, &found, expire).to_text(),
            members: found.members,
            counts: found.counts,
            expire,
        })
    }

    /// Erases a person.
    ///
    /// # Errors
    /// [`Error::PreviewOutdated`] when the token is not of what is there now, or too old;
    /// [`Error::CustomerNotFound`], [`Error::Erased`] when somebody else erased them,
    /// [`Error::RequestConflict`] for a known request id with other content, those of roles and
    /// sources, and the store's.
    pub async fn erase_customer(
        self: &Arc<Self>,
        caller: &Caller,
        erasing: Erasing,
    ) -> Result<Receipt, Error> {
        caller.needs(&[Role::Admin])?;
        let named = (&*erasing.source, &*erasing.request_id);
        let asked = Asked::of(self, caller, Verb::Erase, named, &erasing.content)?;
        let (token, customer_ref) = (asked.token, erasing.customer_ref.clone());
        let (service, own) = (Arc::clone(self), caller.clone());
        let tenant = caller.tenant.id;
        let walked = self.walks.of(tenant, &customer_ref, self.store.now());
        let operation = Arc::new(EraseOperation { service, caller: own, asked, erasing, walked });
        let erased = self.change(operation).await?;
        self.walks.forget(tenant, &customer_ref);
        let receipt = self.receipt(caller, token, customer_ref).await;
        if erased.is_some() {
            return receipt;
        }
        // Sent again: a receipt is shown, and of somebody who is named no more.
        self.traced(caller, Verb::Repeat, &About::of(token), receipt, |_| Vec::new())
    }

    /// The receipt of an erasure that the journal holds.
    async fn receipt(
        self: &Arc<Self>,
        caller: &Caller,
        token: Token,
        customer_ref: String,
    ) -> Result<Receipt, Error> {
        let mut reads = Reads::Fresh(Arc::clone(&self.store));
        let mut desk = Desk::new(self, &caller.tenant, &mut reads);
        let (entry, record) =
            desk.journaled::<RequestRecord>(token).await?.ok_or(Error::CustomerNotFound)?;
        let counts = record.and_then(|record| record.erasure).ok_or(Error::Sealed)?;
        let position = entry.newest().map_or(0, |guard| guard.position);
        let mut receipt = Receipt {
            id: BASE64URL_NOPAD.encode(&token.0),
            customer_ref,
            erased: entry.received,
            counts,
            position,
            tenant: caller.tenant.name.clone(),
            statement: String::new(),
            signature: Vec::new(),
        };
        receipt.statement = receipt.stated();
        let signer = caller.tenant.secrets.signer();
        receipt.signature = signer.sign(receipt.statement.as_bytes());
        Ok(receipt)
    }
}

impl Receipt {
    /// What is signed. It begins with what it is: nothing else that the key signs does.
    fn stated(&self) -> String {
        #[derive(Serialize)]
        struct Statement<'a> {
            statement: &'static str,
            tenant: &'a str,
            receipt_id: &'a str,
            customer_ref: &'a str,
            erase_time: String,
            audit_position: i64,
            customers: i64,
            interactions: i64,
            identifiers: i64,
            intents: i64,
            variables: i64,
            attributes: i64,
            merges: i64,
            consents: i64,
            journal_entries: i64,
        }
        let counts = &self.counts;
        let statement = Statement {
            statement: "threadline erasure 1",
            tenant: &self.tenant,
            receipt_id: &self.id,
            customer_ref: &self.customer_ref,
            erase_time: shown(self.erased),
            audit_position: self.position,
            customers: counts.customers,
            interactions: counts.interactions,
            identifiers: counts.identifiers,
            intents: counts.intents,
            variables: counts.variables,
            attributes: counts.attributes,
            merges: counts.merges,
            consents: counts.consents,
            journal_entries: counts.journal_entries,
        };
        // Numbers and texts always have a JSON form.
        serde_json::to_string(&statement).expect("numbers and texts")
    }
}

/// What a preview answers and an erasure shows again: until when it is good, and a keyed hash of who
/// was previewed, under which stamps, with how many interactions.
struct Ticket {
    expire: Time,
    hash: [u8; 16],
}

impl Ticket {
    fn of(caller: &Caller, theirs: &Theirs, expire: Time) -> Self {
        let mut bytes = expire.0.to_be_bytes().to_vec();
        bytes.extend(theirs.counts.interactions.to_be_bytes());
        for (customer, stamp) in &theirs.everybody {
            bytes.extend(customer.0);
            bytes.extend(stamp.0.to_be_bytes());
        }
        let hash = caller.tenant.secrets.fingerprint(&[b"erasure preview", &bytes]);
        Self { expire, hash }
    }

    fn to_text(&self) -> String {
        BASE64URL_NOPAD.encode(&[&self.expire.0.to_be_bytes()[..], &self.hash].concat())
    }

    /// `None` for what no preview ever answered.
    fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (expire, hash) = bytes.split_first_chunk::<8>()?;
        Some(Self { expire: Time(i64::from_be_bytes(*expire)), hash: hash.try_into().ok()? })
    }
}

struct EraseOperation {
    service: Arc<Service>,
    caller: Caller,
    asked: Asked,
    erasing: Erasing,
    /// What was walked of the journal stays walked when it is decided again.
    walked: Arc<Mutex<Walked>>,
}

impl EraseOperation {
    /// Whether it is what was previewed, and not too long ago.
    fn was_previewed(&self, theirs: &Theirs) -> bool {
        let Some(shown) = Ticket::parse(&self.erasing.preview_token) else { return false };
        let now = Ticket::of(&self.caller, theirs, shown.expire);
        let same = bool::from(now.hash.ct_eq(&shown.hash));
        same && self.asked.now <= shown.expire
    }
}

impl Operation for EraseOperation {
    type Answer = ();
    type Refusal = Error;

    fn tenant(&self) -> TenantId {
        self.caller.tenant.id
    }

    fn decide<'a>(&'a self, reads: &'a mut Reads<'_>) -> Boxed<'a, Result<Proposed<()>, Error>> {
        Box::pin(async move {
            let mut desk = Desk::new(&self.service, &self.caller.tenant, reads);
            self.asked.may_be_done(&mut desk).await?;
            let found = theirs(&mut desk, &self.erasing.customer_ref, &self.walked).await?;
            if !self.was_previewed(&found) {
                return Err(Error::PreviewOutdated);
            }
            let record =
                RequestRecord { erasure: Some(found.counts.clone()), ..RequestRecord::default() };
            let (now, caller) = (self.asked.now, &*self.caller.key_id);
            let entry = Entry {
                interaction: self.asked.token,
                verb: Verb::Erase,
                part: Vec::new(),
                fingerprint: self.asked.fingerprint.clone(),
                time: now,
                caller,
            };
            journaling::write_unnamed(&mut desk, &record, entry);
            erase(&mut desk, &found, now, caller).await?;
            let notice = notice(&desk, &found, self.asked.token);
            if let Some(erasure) = &mut desk.effects.erasure {
                erasure.notice = Some(notice);
            }
            Ok(desk.propose(()))
        })
    }
}

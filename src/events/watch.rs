//! One stream: what a watcher is sent next, wherever it has to come from.
//!
//! Who comes with a token, or has fallen behind, reads the journal by themselves; who has seen all
//! that has been handed out hears the rest from the follower. Either way the place that was reached
//! is the only thing that counts, so that nothing is missed between the two, and nothing sent twice.

mod late;
mod shown;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use self::late::Late;
use self::shown::Shown;
use super::follower::{Delivery, Ended, Joining};
use super::places::Place;
use super::token;
use super::told::{Message, Request, Told};
use super::watching::Watching;
use crate::continuity::following::{Event, Interest, Page, Since};
use crate::continuity::{Caller, Credential, Error, Role, Service};
use crate::ids::CustomerId;
use crate::store;

/// Events that may wait for one watcher; one more, and they are let go.
const QUEUE: usize = 256;
/// A stream without an event says where it is so often.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// A stream's key is looked at so often.
const KEY_LOOKED_AT_EVERY: Duration = Duration::from_millis(300);
/// What was read longer ago is read again before it is sent: it may not be shown any more.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// How long a watcher waits for a store that does not answer, or not before what it says is stale: who
/// reads on by themselves, and whose key is looked at.
const SILENT_FOR: Duration = Duration::from_secs(5);
/// Between two tries of something that could not be done.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// One stream.
pub struct Watch {
    watching: Arc<Watching>,
    caller: Caller,
    shown: Credential,
    request: Request,
    interest: Interest,
    /// All up to here has been sent, or is nothing for this watcher.
    position: i64,
    from: From,
    stopping: watch::Receiver<bool>,
    /// Who was shown: for an hour they leave no entry again.
    shown_lately: Shown,
    heartbeat_at: Instant,
    key_looked_at: Instant,
    /// How long the store has not said whether the key is still good.
    key_unknown: Late,
    /// How long whatever was read has been stale before it could be told.
    stale: Late,
    over: bool,
    _place: Place,
}

/// Where events come from.
enum From {
    /// The journal, a page at a time.
    Journal(Option<Read>),
    /// The follower.
    Follower(Live),
}

struct Read {
    page: Page,
    next: usize,
}

struct Live {
    queue: mpsc::Receiver<Delivery>,
    ended: Arc<OnceLock<Ended>>,
    handed_out: Arc<AtomicI64>,
}

impl Watch {
    /// Opens a stream.
    pub(super) async fn open(
        watching: &Arc<Watching>,
        caller: Caller,
        shown: Credential,
        request: Request,
    ) -> Result<Self, Error> {
        let service = watching.service();
        let filter = service.watch(&caller, &request.watched).await?;
        let place = watching.places.take(&caller)?;
        let newest = service.newest_position(&caller.tenant).await?;
        let position = match request.resume_token.as_str() {
            "" => newest,
            named => token::position(&caller, &request.watched, named)?,
        };
        if position > newest {
            // The store was put back to before the token was given.
            return Err(Error::ResumeTokenRefused);
        }
        let now = Instant::now();
        Ok(Self {
            interest: Interest { filter: Arc::new(filter), context: request.context },
            watching: Arc::clone(watching),
            caller,
            shown,
            request,
            position,
            from: From::Journal(None),
            stopping: watching.stopping(),
            shown_lately: Shown::none(),
            heartbeat_at: now,
            key_looked_at: now,
            key_unknown: Late::default(),
            stale: Late::default(),
            over: false,
            _place: place,
        })
    }

    /// The next message; the first is a heartbeat. Nothing comes after an error.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        if self.over {
            return None;
        }
        let message = self.message().await.map_err(|error| match error {
            // Whatever became of the store, this is where to go on.
            Error::Store(_) => Error::WatchInterrupted(self.resume_token()),
            error => error,
        });
        if message.is_err() {
            self.over = true;
            self.from = From::Journal(None);
        }
        Some(message)
    }

    async fn message(&mut self) -> Result<Message, Error> {
        loop {
            if *self.stopping.borrow() {
                return Err(Error::WatchInterrupted(self.resume_token()));
            }
            if !self.is_admitted().await? {
                tokio::time::sleep(AGAIN_AFTER).await;
                continue;
            }
            self.shown_lately.forget();
            let message = match &self.from {
                From::Journal(_) if self.heartbeat_at <= Instant::now() => Some(self.heartbeat()),
                From::Journal(_) => self.read_on().await?,
                From::Follower(_) => self.hear().await?,
            };
            if let Some(message) = message {
                self.heartbeat_at = Instant::now() + HEARTBEAT_EVERY;
                return Ok(message);
            }
        }
    }

    /// A key that was revoked or has expired watches no further, nor a certificate that nobody vouches
    /// for any more. While the store does not say so either way, nothing is shown: `false`.
    async fn is_admitted(&mut self) -> Result<bool, Error> {
        if self.key_looked_at.elapsed() < KEY_LOOKED_AT_EVERY {
            return Ok(true);
        }
        let begun = Instant::now();
        match self.service().still_admits(&self.shown).await {
            Ok(()) => (self.key_looked_at, self.key_unknown) = (Instant::now(), Late::default()),
            Err(Error::Store(error)) => {
                let is_over = self.key_unknown.is_over(begun, Instant::now());
                return if is_over { Err(error.into()) } else { Ok(false) };
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// The next event of the page in hand, or the next page; behind the last, it is heard on.
    async fn read_on(&mut self) -> Result<Option<Message>, Error> {
        let From::Journal(read) = &mut self.from else { return Ok(None) };
        match read.take() {
            Some(Read { page, next })
                if next < page.events.len() && page.read_at.elapsed() < FRESH_FOR =>
            {
                let message = self.tell(&page, next).await?;
                let is_done = self.position >= page.events[next].position;
                let next = next + usize::from(is_done);
                self.from = From::Journal(Some(Read { page, next }));
                Ok(message)
            }
            Some(Read { page, next }) if next >= page.events.len() => {
                self.position = page.position;
                if !page.more {
                    self.join().await;
                }
                Ok(None)
            }
            Some(_) => self.read_too_long_ago().map(|()| None),
            None => self.read().await.map(|()| None),
        }
    }

    /// What was read is stale, and read again; but not without end, where the store takes so long that it
    /// is stale whenever it could be told.
    fn read_too_long_ago(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        match self.stale.is_over(now, now) {
            true => Err(Error::WatchInterrupted(self.resume_token())),
            false => Ok(()),
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        let interests: Arc<[Interest]> = Arc::new([self.interest.clone()]);
        let since = loop {
            // It is never closed.
            let _permit = self.watching.catching_up.acquire().await;
            let service = self.watching.service();
            match service.follow(&self.caller.tenant, self.position, &interests).await {
                Ok(since) => break since,
                Err(_) if begun.elapsed() < SILENT_FOR => {}
                Err(_) => return Err(Error::WatchInterrupted(self.resume_token())),
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        };
        match since {
            Since::Page(page) if page.is_gone(&self.interest) => Err(self.gone().await),
            Since::Page(page) => {
                self.from = From::Journal(Some(Read { page, next: 0 }));
                Ok(())
            }
            Since::Nothing => {
                self.join().await;
                Ok(())
            }
            Since::PutBack => Err(self.put_back()),
        }
    }

    /// Hears on from the follower; who is behind it meanwhile reads on first.
    async fn join(&mut self) {
        self.stale = Late::default();
        let (queue, hears) = mpsc::channel(QUEUE);
        let (joined, told) = oneshot::channel();
        let ended = Arc::new(OnceLock::new());
        let joining = Joining {
            from: self.position,
            interest: self.interest.clone(),
            queue,
            ended: Arc::clone(&ended),
            joined,
        };
        self.watching.join(&self.caller.tenant, joining);
        self.from = match told.await {
            Ok(Some(handed_out)) => From::Follower(Live { queue: hears, ended, handed_out }),
            Ok(None) => From::Journal(None),
            Err(_) => {
                tokio::time::sleep(AGAIN_AFTER).await;
                From::Journal(None)
            }
        };
    }

    /// What the follower says; a heartbeat or a look at the key when it is time for one.
    async fn hear(&mut self) -> Result<Option<Message>, Error> {
        let wake = self.heartbeat_at.min(self.key_looked_at + KEY_LOOKED_AT_EVERY);
        let From::Follower(live) = &mut self.from else { return Ok(None) };
        let delivery = tokio::select! {
            biased;
            _ = self.stopping.changed() => return Ok(None),
            delivery = live.queue.recv() => delivery,
            () = tokio::time::sleep_until(wake) => {
                if self.heartbeat_at > Instant::now() {
                    return Ok(None);
                }
                // In this order: whatever had been handed out by then is in the queue.
                let handed_out = live.handed_out.load(Ordering::Acquire);
                match live.queue.try_recv() {
                    Ok(delivery) => Some(delivery),
                    // Of one who was let go what comes next was not put there.
                    Err(mpsc::error::TryRecvError::Empty) if live.ended.get().is_none() => {
                        self.position = self.position.max(handed_out);
                        return Ok(Some(self.heartbeat()));
                    }
                    Err(_) => None,
                }
            }
        };
        let ended = live.ended.get().copied();
        match delivery {
            Some(Delivery { page, index }) if page.read_at.elapsed() < FRESH_FOR => {
                let message = self.tell(&page, index).await?;
                if self.position < page.events[index].position {
                    // It may take a while until it can be told: whoever waits hears nothing meanwhile.
                    self.from = From::Journal(None);
                }
                Ok(message)
            }
            Some(_) if ended.is_none() => {
                // What waits here is stale: read again from where this watcher is.
                self.from = From::Journal(None);
                Ok(None)
            }
            _ => Err(match ended {
                Some(Ended::TooSlow) => Error::WatcherTooSlow(self.resume_token()),
                Some(Ended::Gone) => self.gone().await,
                Some(Ended::PutBack) => self.put_back(),
                Some(Ended::Silent) | None => Error::WatchInterrupted(self.resume_token()),
            }),
        }
    }

    /// An event as this watcher may see it, once the audit will know that they did; nothing of one
    /// who has not agreed to be shown. Nothing either where it must wait, because the audit takes no entry
    /// just now, or what was read is stale by then: the place that was reached stays before it.
    async fn tell(&mut self, page: &Page, index: usize) -> Result<Option<Message>, Error> {
        let event = &page.events[index];
        // A stream may last for days.
        self.watching.service().bring_up_to_date(&mut self.caller);
        let (service, watched) = (Arc::clone(self.service()), &self.request.watched);
        let may = service.may_be_told(&self.caller, watched, &self.interest.filter).await?;
        if may && page.read_at.elapsed() >= FRESH_FOR {
            return self.read_too_long_ago().map(|()| None);
        }
        self.stale = Late::default();
        if !may {
            self.position = event.position;
            return Ok(None);
        }
        let own = page.called(&self.interest).filter(|_| watched.is_customer());
        let left = own.is_some() && event.customer() != own;
        // Of those, GetInteraction shows an agent nothing; whoever calls there may yet be another.
        let elsewhere = !self.caller.has(Role::Admin) && !event.is_addressed_by(&self.caller);
        let names_only = left || elsewhere || !event.opens();
        let customer = own.or(event.customer());
        if !self.trace(event, customer)? {
            tokio::time::sleep(AGAIN_AFTER).await;
            return Ok(None);
        }
        self.position = event.position;
        let now = service.store().now();
        let answer = || event.answer(&self.caller, now, self.request.history_limit);
        let told = Told {
            happened: event.happened,
            time: event.time,
            received: event.received,
            customer,
            names_only: if names_only { event.names() } else { None },
            answer: if names_only { None } else { answer() },
        };
        Ok(Some(Message { resume_token: self.resume_token(), told: Some(told) }))
    }

    /// Leaves the entry that somebody is shown, unless this stream has left one lately. Whether it is
    /// there: not while too many wait.
    fn trace(&mut self, event: &Event, shown: Option<CustomerId>) -> Result<bool, Error> {
        if self.shown_lately.has(shown) {
            return Ok(true);
        }
        match self.service().trace_event(&self.caller, &self.request.watched, event, shown) {
            Ok(()) => {}
            Err(Error::Store(store::Error::QueueFull)) => return Ok(false),
            Err(_) => return Err(Error::WatchInterrupted(self.resume_token())),
        }
        self.shown_lately.note(shown);
        Ok(true)
    }

    /// Why a customer is not there any more: as whoever asks for them now is told.
    async fn gone(&self) -> Error {
        let again = self.service().watch(&self.caller, &self.request.watched).await;
        again.err().unwrap_or(Error::CustomerNotFound)
    }

    /// What was told up to here has not happened. The token that is given opens nothing, nor will it once
    /// the journal has grown past this place: nobody knows what was not told of what happened before it.
    fn put_back(&mut self) -> Error {
        self.position = i64::MAX;
        Error::WatchInterrupted(self.resume_token())
    }

    fn heartbeat(&self) -> Message {
        Message { resume_token: self.resume_token(), told: None }
    }

    fn resume_token(&self) -> String {
        token::of(&self.caller, &self.request.watched, self.position)
    }

    fn service(&self) -> &Arc<Service> {
        self.watching.service()
    }
}

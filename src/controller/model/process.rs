//! One operator process of the model: the shell's own memory, index and fence, and its passes as futures that stop wherever
//! the shell awaits something. Mirrors `pass` and `act`.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    api::{Object, Refusal, Write, key},
    milvus::{Sender, moment},
    world::{Shared, await_turn},
};
use crate::{
    controller::{
        fence::Fence,
        index::{Index, Lock},
        memory::{Memory, Newest, Remembered, newer},
        wakes::Router,
    },
    milvus::{ErrorKind, MilvusError},
    refresh::{
        Connection, Decision, Desired, Effect, Fact, Look, Observation, OwnSourceCheck, Permission, Recorded, Slot,
        Submission, Wake, decide, differs_only_in_progress, is_due, limits::SUBMIT_BUDGET, project,
    },
};

/// Two addresses of one Milvus.
const ENDPOINTS: [&str; 2] = ["http://milvus:19530", "http://10.0.0.7:19530"];
const MOST_STEPS: usize = 12;
const AFTER_CONFLICT: Duration = Duration::from_millis(50);
const AFTER_ERROR: Duration = Duration::from_secs(1);
const BETWEEN_PROGRESS: Duration = Duration::from_secs(5);

/// What is gone when the process dies.
pub struct Shell {
    pub operator: String,
    pub memory: Memory,
    pub index: Index,
    pub fence: Fence,
    /// What the watch has shown.
    pub cache: RefCell<Vec<Option<Object>>>,
    /// Until when it may lead, on its own monotonic clock.
    pub leads_until: Cell<Duration>,
    /// How wrong its wall clock is.
    pub clock_off: Cell<SignedDuration>,
    /// Whether what it writes arrives only later.
    pub cut_off: Cell<bool>,
}

impl Shell {
    /// A process that begins with this listing.
    pub fn start(operator: String, listing: Vec<Option<Object>>, leads_until: Duration) -> Self {
        let (index, fence) = (Index::new(Router::new(&[None])), Fence::new(&[None]));
        for object in listing.iter().flatten() {
            index.seen(&object.uid, &object.want, &object.record());
        }
        let due = listing.iter().flatten().filter(|object| is_due(&object.want, &object.record()));
        fence.listed(&None, due.map(|object| object.uid.clone()));
        Self {
            operator,
            memory: Memory::default(),
            index,
            fence,
            cache: RefCell::new(listing),
            leads_until: Cell::new(leads_until),
            clock_off: Cell::default(),
            cut_off: Cell::default(),
        }
    }

    /// Frees all that is held for an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.memory.forget(uid);
        self.fence.announced(uid);
        self.index.gone(uid);
    }

    fn permission(&self, uid: &str, now: Duration) -> Permission {
        self.fence.permission(uid, now < self.leads_until.get())
    }
}

/// Why a pass ended early.
enum WriteError {
    Conflict,
    Gone,
    Unanswered,
}

struct Pass {
    world: Shared,
    shell: Rc<Shell>,
    name: usize,
    uid: String,
    want: Desired,
    record: Recorded,
    fact: Fact,
    asked: Duration,
    newest: Newest,
    durable: Recorded,
}

/// One pass over `object` as the cache has it. Gives the pause until the next one.
pub async fn pass(world: Shared, shell: Rc<Shell>, name: usize, object: Object) -> Duration {
    let written = shell.memory.with(&object.uid, |remembered| remembered.newest.clone());
    let cached = Newest { resource_version: object.version.to_string(), status: object.status.map(Arc::new) };
    let newest = match written {
        Some(written) if newer(&written.resource_version, &cached.resource_version) => written,
        Some(_) | None => cached,
    };
    let durable = Recorded::of(newest.status.as_deref());
    let outcome = shell.memory.with(&object.uid, |remembered| remembered.outcome(durable.claim()));
    let asked = world.borrow().time;
    let mut pass = Pass {
        asked,
        world,
        shell,
        name,
        uid: object.uid,
        want: object.want,
        record: durable.clone(),
        fact: outcome.map_or(Fact::Nothing, Fact::Submitted),
        newest,
        durable,
    };
    let ended = pass.run().await;
    pass.settle(&ended);
    let exists = pass.shell.cache.borrow()[name].as_ref().is_some_and(|cached| cached.uid == pass.uid);
    if !exists {
        pass.shell.forget(&pass.uid);
    }
    match ended {
        Ok(Wake::After(pause)) => pause,
        Ok(Wake::OnChange) | Err(WriteError::Gone) => Duration::MAX,
        Err(WriteError::Conflict) => AFTER_CONFLICT,
        Err(WriteError::Unanswered) => AFTER_ERROR,
    }
}

impl Pass {
    async fn run(&mut self) -> Result<Wake, WriteError> {
        self.shell.index.seen(&self.uid, &self.want, &self.durable);
        self.repeat_unanswered().await?;
        for _ in 0..MOST_STEPS {
            let began = self.now();
            let connection = self.connection();
            let ready = matches!(connection, Connection::Ready { .. });
            let seen = self.observe(connection);
            self.asked = began;
            let Decision { next, effect, wake, .. } = decide(self.wall(), &self.want, &self.record, &seen);
            self.record = next;
            if (effect.must_be_recorded_first() || effect == Effect::None) && !self.write().await? {
                return Ok(Wake::After(BETWEEN_PROGRESS));
            }
            if !ready {
                return Ok(wake);
            }
            self.fact = match effect {
                Effect::None | Effect::Delete => return Ok(wake),
                Effect::Find => Fact::Looked(self.look().await),
                Effect::Submit => Fact::Submitted(self.submit(began).await),
                Effect::Poll(job) => {
                    let known = !self.world.borrow_mut().choices.happens(5);
                    let now = self.now();
                    Fact::Sighted(known.then(|| self.world.borrow().milvus.poll(job, now)))
                }
            };
        }
        Ok(Wake::After(Duration::ZERO))
    }

    fn settle(&self, ended: &Result<Wake, WriteError>) {
        let Shell { index, fence, memory, .. } = &*self.shell;
        match ended {
            Ok(_) | Err(WriteError::Conflict) => index.settled(&self.uid, &key(self.name), &self.want, &self.durable),
            Err(WriteError::Unanswered) if memory.with(&self.uid, |r| r.unanswered().is_some()) => {}
            Err(WriteError::Unanswered) => index.pass_over(&self.uid, &self.want, &self.durable),
            Err(WriteError::Gone) => {
                fence.announced(&self.uid);
                index.pass_over(&self.uid, &self.want, &self.durable);
            }
        }
        if self.durable.ended() {
            memory.rest(&self.uid);
        }
    }

    fn now(&self) -> Duration {
        self.world.borrow().time
    }

    fn wall(&self) -> Timestamp {
        moment(self.now()) + self.shell.clock_off.get()
    }

    fn endpoint(&self) -> &'static str {
        if self.world.borrow().milvus.denied { ENDPOINTS[0] } else { ENDPOINTS[self.name] }
    }

    fn connection(&self) -> Connection {
        if self.world.borrow().down {
            Connection::NotReady { reason: "Unreachable".into(), message: "nothing answers.".into() }
        } else {
            Connection::Ready { endpoint: self.endpoint().into() }
        }
    }

    fn observe(&mut self, connection: Connection) -> Observation {
        let (claim, asked) = (self.record.claim(), self.world.borrow().instant(self.asked));
        let operator = self.durable.run.as_ref().and_then(|run| run.operator.as_ref());
        if operator == Some(&self.shell.operator) || !is_due(&self.want, &self.durable) {
            self.shell.fence.announced(&self.uid);
        }
        Observation {
            connection,
            claim_known: self.shell.memory.with(&self.uid, |remembered| remembered.claim_known(claim, asked)),
            permission: self.shell.permission(&self.uid, self.now()),
            operator: self.shell.operator.clone(),
            turn: self.shell.index.turn(&self.uid),
            luck: 0.5,
            slot: Slot::Mine,
            fact: std::mem::replace(&mut self.fact, Fact::Nothing),
        }
    }

    /// Whether what is decided is written, rather than held back.
    async fn write(&mut self) -> Result<bool, WriteError> {
        if self.record == self.durable {
            self.shell.memory.with(&self.uid, Remembered::outcome_recorded);
            return Ok(true);
        }
        if differs_only_in_progress(&self.durable, &self.record) {
            let now = self.world.borrow().instant(self.now());
            let written = self.shell.memory.with(&self.uid, |remembered| remembered.written);
            if written.is_some_and(|written| now.saturating_duration_since(written) < BETWEEN_PROGRESS) {
                return Ok(false);
            }
        }
        let conditions = self.newest.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let status = project(&self.record, conditions, self.wall());
        assert_eq!(Recorded::of(Some(&status)), self.record, "what is read back is what was decided");
        let desired = Newest { status: Some(Arc::new(status)), ..self.newest.clone() };
        let resource_version = match self.send(&desired).await {
            Err(WriteError::Conflict) => return Err(self.read_anew().await),
            Err(WriteError::Unanswered) if self.record.claim() != self.durable.claim() => {
                self.shell.memory.with(&self.uid, |remembered| remembered.keep_unanswered(desired));
                return Err(WriteError::Unanswered);
            }
            sent => sent?,
        };
        self.newest = Newest { resource_version, ..desired };
        self.durable = self.record.clone();
        let now = self.world.borrow().instant(self.now());
        self.shell.memory.with(&self.uid, |remembered| {
            remembered.newest = Some(self.newest.clone());
            remembered.written = Some(now);
            remembered.outcome_recorded();
            remembered.claim_known(self.durable.claim(), now);
        });
        self.shell.fence.announced(&self.uid);
        Ok(true)
    }

    async fn send(&self, newest: &Newest) -> Result<String, WriteError> {
        let status = newest.status.as_deref().cloned().unwrap_or_default();
        let write = Write { name: self.name, version: newest.resource_version.parse().unwrap(), status };
        await_turn().await;
        let outcome = self.world.borrow_mut().apply(write, self.shell.cut_off.get());
        await_turn().await;
        match outcome {
            Some(Ok(version)) => Ok(version.to_string()),
            Some(Err(Refusal::Conflict)) => Err(WriteError::Conflict),
            Some(Err(Refusal::Gone)) => Err(WriteError::Gone),
            None => Err(WriteError::Unanswered),
        }
    }

    async fn repeat_unanswered(&mut self) -> Result<(), WriteError> {
        let Some(claim) = self.shell.memory.with(&self.uid, |remembered| remembered.unanswered()) else {
            return Ok(());
        };
        let sent = self.send(&claim).await;
        if !matches!(sent, Err(WriteError::Unanswered)) {
            self.shell.memory.with(&self.uid, |remembered| remembered.answered());
        }
        let resource_version = match sent {
            Err(WriteError::Conflict) => return Err(self.read_anew().await),
            sent => sent?,
        };
        self.newest = Newest { resource_version, ..claim };
        self.durable = Recorded::of(self.newest.status.as_deref());
        self.record = self.durable.clone();
        self.shell.memory.with(&self.uid, |remembered| remembered.newest = Some(self.newest.clone()));
        self.fact = Fact::Submitted(Submission::Withheld);
        Ok(())
    }

    async fn read_anew(&mut self) -> WriteError {
        await_turn().await;
        let read = self.world.borrow().api.objects[self.name].clone();
        await_turn().await;
        let Some(object) = read.filter(|object| object.uid == self.uid) else { return WriteError::Gone };
        self.durable = object.record();
        let newest = Newest { resource_version: object.version.to_string(), status: object.status.map(Arc::new) };
        self.shell.memory.with(&self.uid, |remembered| remembered.newest = Some(newest));
        WriteError::Conflict
    }

    async fn look(&self) -> Result<Look, MilvusError> {
        await_turn().await;
        if self.world.borrow_mut().choices.happens(5) {
            return Err(MilvusError::new(ErrorKind::Timeout, "no answer"));
        }
        // Not modelled: a collection that is re-created between the two calls.
        let (collection, jobs) = {
            let world = self.world.borrow();
            (world.milvus.describe(), world.milvus.list(world.milvus.collection, world.time))
        };
        await_turn().await;
        if self.record.claim().is_none() {
            let due = self.record.run.as_ref().and_then(|run| run.queued_time);
            let Desired { database, collection: name, .. } = &self.want;
            let by_name = || Lock::Name(self.endpoint().to_owned(), database.clone(), name.clone());
            let lock = collection.as_ref().map_or_else(by_name, |collection| Lock::Collection(collection.id));
            self.shell.index.join(&self.uid, &key(self.name), lock, due);
        }
        let taken: BTreeSet<_> = self.shell.index.of_others(&self.uid, &jobs);
        Ok(Look { collection, jobs, taken, own_source: OwnSourceCheck::None })
    }

    async fn submit(&self, claiming_began: Duration) -> Submission {
        let Some(claim) = self.record.claim() else { return Submission::Withheld };
        let left = SUBMIT_BUDGET.saturating_sub(self.now() - claiming_began);
        let outcome = if left.is_zero() || self.shell.permission(&self.uid, self.now()) != Permission::Granted {
            Submission::Withheld
        } else {
            let outcome = self.world.borrow_mut().submit(Sender { uid: self.uid.clone(), claim }, left);
            await_turn().await;
            outcome
        };
        self.shell.memory.with(&self.uid, |remembered| remembered.keep_outcome(claim, outcome.clone()));
        outcome
    }
}

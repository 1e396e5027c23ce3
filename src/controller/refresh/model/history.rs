//! One history: what happens next, in which process, until the tape is over and all is well.

mod happenings;

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use happenings::Weights;

use super::{
    api::{Api, Asks, Event},
    breach::Breach,
    choices::Choices,
    process::{Shell, pass},
    world::{Shared, World},
};
use crate::{
    api::{ActiveJobPolicy, VerifyPolicy},
    leader::{LEASE_DURATION, RENEW_DEADLINE},
    refresh::{is_due, limits::LATE_CLAIM},
};

/// More than any run needs in good weather.
const GOOD_STEPS: usize = 20_000;

/// A pass of one object in one process.
enum Slot {
    /// None until then.
    Idle(Duration),
    Running(Pin<Box<dyn Future<Output = Duration>>>),
}

struct Process {
    /// `None` while it stands by.
    shell: Option<Rc<Shell>>,
    slots: Vec<Slot>,
    /// Objects that changed in the middle of a pass.
    again: Vec<bool>,
    paused_until: Duration,
    renews: bool,
    /// Whether its watch shows nothing new for now.
    stalled: bool,
}

pub struct History {
    world: Shared,
    processes: [Process; 2],
    /// When the lease was renewed last; `None` without election, where all processes work.
    lease: Option<Option<(usize, Duration)>>,
    /// Whether a process goes on, for as long as things go wrong, after its lease has run out: its own question is then all
    /// that holds it.
    outlive_leases: bool,
    policy: ActiveJobPolicy,
    /// How many refreshes may run at a time.
    limit: usize,
    /// How often each of the happenings comes.
    weights: Weights,
    started: usize,
    log: bool,
    last_told: String,
}

/// Plays `tape` and says what was wrong.
pub fn play(tape: &[u16], log: bool) -> Result<(), Breach> {
    let mut history = History::new(tape.to_vec(), log);
    while !history.choices(|choices| choices.is_over()) && history.breach().is_none() {
        history.happen();
    }
    history.calm();
    for _ in 0..GOOD_STEPS {
        if history.breach().is_some() || history.is_over() {
            break;
        }
        history.go_on();
    }
    if !history.is_over() {
        let objects = history.world.borrow().api.objects.clone();
        history.world.borrow_mut().note(Err(format!("still going on: {objects:?}")));
    }
    history.world.borrow_mut().check_end();
    history.breach().map_or(Ok(()), Err)
}

impl History {
    fn new(tape: Vec<u16>, log: bool) -> Self {
        let mut choices = Choices::new(tape);
        let policy = if choices.happens(30) { ActiveJobPolicy::Adopt } else { ActiveJobPolicy::Wait };
        // Without election two processes are safe for one object only.
        let (names, lease) = match choices.draw(&[2, 2, 1]) {
            0 => (2, Some(None)),
            1 => (1, Some(None)),
            _ => (1, None),
        };
        let outlive_leases = choices.happens(30);
        let limit = if choices.happens(30) { 1 } else { 16 };
        let weights = happenings::choose(&mut choices);
        let process = || Process {
            shell: None,
            slots: (0..names).map(|_| Slot::Idle(Duration::ZERO)).collect(),
            again: vec![false; names],
            paused_until: Duration::ZERO,
            renews: true,
            stalled: false,
        };
        // Where the account may not describe the collection, neither aliases nor addresses are told to be the same one.
        let denied = choices.happens(10);
        let collection_names = if denied { ["products"; 2] } else { ["products", "goods"] };
        let refuses = choices.happens(50);
        let by_the_clock = choices.happens(40);
        let verify = [None, Some(VerifyPolicy::Require), Some(VerifyPolicy::Report)][choices.draw(&[6, 3, 1])];
        let watch = [None, Some(0), Some(45)][choices.draw(&[5, 3, 2])];
        let api = Api::new(names, collection_names, policy, Asks { by_the_clock, verify, watch });
        let mut world = World::new(choices, api, denied, refuses);
        world.versions.unordered = lease.is_none();
        let processes = [process(), process()];
        Self {
            world: Rc::new(RefCell::new(world)),
            processes,
            lease,
            outlive_leases,
            policy,
            limit,
            weights,
            started: 0,
            log,
            last_told: String::new(),
        }
    }

    fn choices<T>(&self, choose: impl FnOnce(&mut Choices) -> T) -> T {
        choose(&mut self.world.borrow_mut().choices)
    }

    fn breach(&self) -> Option<Breach> {
        self.world.borrow().breach.clone()
    }

    fn now(&self) -> Duration {
        self.world.borrow().time
    }

    fn is_over(&self) -> bool {
        self.world.borrow().is_fresh()
            && self.world.borrow().api.objects.iter().flatten().all(|object| {
                let record = object.record();
                record.is_at_rest() && !is_due(&object.want, &record)
            })
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.log {
            println!("{:>9.3} s  {}", self.now().as_secs_f64(), what());
        }
    }

    /// Nothing goes wrong any more.
    fn calm(&mut self) {
        self.tell(|| "from here on all is well".into());
        while !self.world.borrow().api.late.is_empty() {
            self.land_late();
        }
        self.world.borrow_mut().down = false;
        self.world.borrow_mut().refused = [false; 2];
        self.world.borrow_mut().api.resume();
        self.outlive_leases = false;
        for process in &mut self.processes {
            process.paused_until = Duration::ZERO;
            process.renews = true;
            process.stalled = false;
            if let Some(shell) = &process.shell {
                shell.cut_off.set(false);
            }
        }
    }

    /// What happens by itself: all processes do what they can, or time passes until one can.
    fn go_on(&mut self) {
        let mut progress = false;
        for process in 0..2 {
            if self.processes[process].paused_until > self.now() {
                continue;
            }
            self.mind_the_lease(process);
            self.mind_the_takeover(process);
            while !self.processes[process].stalled && self.deliver(process) {}
            self.ring(process);
            for name in 0..self.processes[process].slots.len() {
                progress |= self.poll(process, name);
            }
        }
        if !progress {
            let waits = self.processes.iter().flat_map(|process| &process.slots).filter_map(|slot| match slot {
                Slot::Idle(next) => Some(*next),
                Slot::Running(_) => None,
            });
            let now = self.now();
            let next = waits.filter(|next| *next > now).min().unwrap_or(now + Duration::from_secs(60));
            self.advance((next - now).min(Duration::from_secs(60)));
        }
    }

    fn advance(&mut self, time: Duration) {
        let before = self.now();
        for process in 0..2 {
            // A scope that counts as empty may be anything but: what that costs is said where the operator cannot help it.
            let shell = self.processes[process].shell.clone();
            if shell.is_some_and(|shell| before + time >= shell.began + LATE_CLAIM) {
                self.list(process);
            }
        }
        self.world.borrow_mut().pass_time(time);
        let now = self.now();
        let Some(Some((holder, renewed))) = &mut self.lease else { return };
        let process = &self.processes[*holder];
        if let Some(shell) = &process.shell
            && process.renews
            && process.paused_until <= before
            && shell.leads_until.get() > before
        {
            *renewed = now;
            shell.leads_until.set(now + RENEW_DEADLINE);
        }
    }

    /// A process whose lease has run out ends; one that stands by takes a lease that nobody renews.
    fn mind_the_lease(&mut self, index: usize) {
        let now = self.now();
        if let Some(shell) = &self.processes[index].shell {
            if shell.leads_until.get() <= now && !self.outlive_leases {
                self.crash(index);
            }
            return;
        }
        let until = match &mut self.lease {
            None => Duration::MAX,
            Some(Some((_, renewed))) if *renewed + LEASE_DURATION > now => return,
            Some(lease) => {
                *lease = Some((index, now));
                now + RENEW_DEADLINE
            }
        };
        self.started += 1;
        let operator = format!("operator-{}", self.started);
        self.tell(|| format!("{operator} begins as process {index}"));
        let shell = Shell::start(operator, &self.world.borrow(), until, self.limit);
        let renews = !self.outlive_leases || !self.choices(|c| c.happens(50));
        let process = &mut self.processes[index];
        process.slots.fill_with(|| Slot::Idle(now));
        process.shell = Some(Rc::new(shell));
        process.renews &= renews;
        process.stalled = false;
        self.world.borrow_mut().api.undelivered[index].clear();
        let late = self.world.borrow().refuses && self.choices(|c| c.happens(20));
        if !late {
            self.list(index);
        }
    }

    /// What a process has not listed yet it lists now, at one version as the API server does.
    fn list(&mut self, index: usize) {
        let Some(shell) = self.processes[index].shell.clone() else { return };
        let names: Vec<usize> = shell.unlisted.borrow().iter().copied().collect();
        for name in names {
            let world = &mut *self.world.borrow_mut();
            world.api.undelivered[index].retain(|event| event.name() != name);
            let asks = shell.listed(name, world.api.objects[name].clone(), world.time);
            self.processes[index].slots[name] = Slot::Idle(if asks { world.time } else { Duration::MAX });
        }
    }

    /// Lists what is not listed, and reads what withholds others for too long.
    fn mind_the_takeover(&mut self, index: usize) {
        let Some(shell) = self.processes[index].shell.clone() else { return };
        if !shell.unlisted.borrow().is_empty() && !self.choices(|c| c.happens(50)) {
            self.list(index);
        }
        let instant = self.world.borrow().instant(self.now());
        for (uid, _) in shell.volatile.turns.fence.unread(instant) {
            if self.choices(|c| c.happens(30)) {
                continue;
            }
            let world = self.world.borrow();
            match world.api.objects.iter().flatten().find(|object| object.uid == uid) {
                Some(object) => {
                    shell.known(object, world.time);
                    shell.volatile.turns.fence.read(&uid);
                }
                None => shell.volatile.turns.fence.announced(&uid),
            }
        }
    }

    /// Wakes what a schedule has made due, and whatever else was woken.
    fn ring(&mut self, index: usize) {
        let now = self.now();
        let process = &mut self.processes[index];
        let Some(shell) = process.shell.clone() else { return };
        let looked = {
            let world = &mut *self.world.borrow_mut();
            shell.lookout.borrow_mut().end(now, world.milvus.version, &mut world.choices)
        };
        for name in looked.into_iter().chain(shell.woken(now)) {
            match &mut process.slots[name] {
                Slot::Idle(next) => *next = now,
                Slot::Running(_) => process.again[name] = true,
            }
        }
    }

    fn crash(&mut self, index: usize) {
        let process = &mut self.processes[index];
        process.shell = None;
        process.slots.fill_with(|| Slot::Idle(Duration::ZERO));
    }

    fn land_late(&mut self) {
        self.world.borrow_mut().land_late();
    }

    /// Delivers one event of the watch, if there is one.
    fn deliver(&mut self, index: usize) -> bool {
        let (now, event) = (self.now(), self.world.borrow_mut().api.undelivered[index].pop_front());
        let Some(event) = event else { return false };
        let process = &mut self.processes[index];
        let Some(shell) = process.shell.as_ref().filter(|shell| !shell.unlisted.borrow().contains(&event.name()))
        else {
            return true;
        };
        let name = match event {
            Event::Applied(name, object) => {
                let before = shell.cache.borrow_mut()[name].replace(object.clone());
                let asks = shell.shown(&object, now);
                // The filter of the watch lets no status write through.
                if !asks || before.is_some_and(|before| before.uid == object.uid && before.want == object.want) {
                    return true;
                }
                name
            }
            Event::Deleted(name, uid) => {
                shell.cache.borrow_mut()[name].take_if(|object| object.uid == uid);
                shell.forget(&uid);
                name
            }
        };
        match &mut process.slots[name] {
            Slot::Idle(next) => *next = now,
            Slot::Running(_) => process.again[name] = true,
        }
        true
    }

    /// Lets the pass of one object come to its next stop. Says whether there was anything to do.
    fn poll(&mut self, index: usize, name: usize) -> bool {
        let now = self.now();
        let process = &mut self.processes[index];
        let Some(shell) = process.shell.as_ref().filter(|_| process.paused_until <= now) else { return false };
        if let Slot::Idle(next) = process.slots[name] {
            let object = shell.cache.borrow()[name].clone();
            let Some(object) = object.filter(|_| next <= now) else { return false };
            process.again[name] = false;
            process.slots[name] = Slot::Running(Box::pin(pass(self.world.clone(), shell.clone(), name, object)));
        }
        let Slot::Running(running) = &mut process.slots[name] else { return false };
        if let Poll::Ready(pause) = running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            let next = if process.again[name] { now } else { now.saturating_add(pause) };
            process.slots[name] = Slot::Idle(next);
            if self.log {
                let object = self.world.borrow().api.objects[name].clone();
                let record = object.as_ref().map(super::api::Object::record).unwrap_or_default();
                let run = record.run.as_ref().map(|run| (run.number, run.attempt, run.submit_time.is_some()));
                let told = format!("process {index}, object {name}: {run:?} {:?} {:?}", record.job.id, record.summary);
                if told != self.last_told {
                    self.tell(|| told.clone());
                    self.last_told = told;
                }
            }
        }
        true
    }
}

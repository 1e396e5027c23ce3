//! What can happen next.

use std::time::Duration;

use jiff::SignedDuration;

use super::{
    super::{choices::Choices, milvus::SOURCE},
    History,
};

/// What can happen and how often, where it does at all. What is without a name goes on by itself.
const HAPPENINGS: [(&str, u16); 18] = [
    ("", 30),
    ("", 30),
    ("", 10),
    ("time", 8),
    ("crash", 3),
    ("late write", 4),
    ("foreign job", 6),
    ("delete", 2),
    ("clock", 3),
    ("pause", 4),
    ("re-created", 2),
    ("renewal", 3),
    ("connection", 2),
    ("edit", 4),
    ("cut off", 3),
    ("refused", 3),
    ("watch", 3),
    ("source", 5),
];

pub type Weights = [u16; HAPPENINGS.len()];

/// How often each thing happens in one history: half of those that go wrong do not. A few that come often meet in more ways than
/// all of them do, each now and then.
pub fn choose(choices: &mut Choices) -> Weights {
    let left_out = choices.below(1 << HAPPENINGS.iter().filter(|(name, _)| !name.is_empty()).count());
    let mut index = 0;
    HAPPENINGS.map(|(name, weight)| {
        if name.is_empty() {
            return weight;
        }
        index += 1;
        if left_out >> (index - 1) & 1 == 1 { 0 } else { 2 * weight }
    })
}

impl History {
    /// One thing, of those that go wrong as well.
    pub(super) fn happen(&mut self) {
        let names = self.processes[0].slots.len();
        let weights = self.weights;
        let action = self.choices(|c| c.draw(&weights));
        let (process, name) = if action == 0 { (0, 0) } else { self.choices(|c| (c.below(2), c.below(names))) };
        match action {
            0 => return self.go_on(),
            1 => {
                self.poll(process, name);
                return;
            }
            2 => {
                self.deliver(process);
                return;
            }
            3 => {
                let times = [1, 5, 12, 20, 31, 61, 3600, 39_600, 46_800, 90_000];
                let time = self.choices(|c| c.draw(&[8, 8, 8, 8, 8, 8, 2, 1, 1, 1]));
                self.advance(Duration::from_secs(times[time]));
            }
            4 => self.crash(process),
            5 => self.land_late(),
            6 => {
                let source = if self.choices(|c| c.happens(50)) { "s3://else/" } else { SOURCE };
                let world = &mut *self.world.borrow_mut();
                world.milvus.begin(world.time, source, None, &mut world.choices);
            }
            7 => {
                self.world.borrow_mut().api.delete(name);
                if self.choices(|c| c.happens(80)) {
                    self.world.borrow_mut().api.create(name, self.policy);
                }
            }
            8 => {
                let off = SignedDuration::from_mins([0, 60, -60][self.choices(|c| c.below(3))]);
                if let Some(shell) = &self.processes[process].shell {
                    shell.clock_off.set(off);
                }
                self.world.borrow_mut().versions.unordered = true;
            }
            9 => {
                let pause = self.choices(|c| c.seconds(1..90));
                self.processes[process].paused_until = self.now() + Duration::from_secs(pause);
            }
            10 => {
                let world = &mut *self.world.borrow_mut();
                world.milvus.recreate(world.time);
            }
            11 => self.processes[process].renews ^= true,
            12 => self.world.borrow_mut().down ^= true,
            13 => {
                let kind = self.choices(|c| c.draw(&[2, 3, 1, 2, 2]));
                self.world.borrow_mut().api.edit(name, kind);
            }
            // A webhook that fails and lets nothing through, until it is mended.
            15 => {
                let world = &mut *self.world.borrow_mut();
                world.refused[name] = world.refuses && !world.refused[name];
            }
            16 => self.processes[process].stalled ^= true,
            17 => {
                let world = &mut *self.world.borrow_mut();
                world.milvus.change_source(world.time, &mut world.choices);
            }
            // Its API server is out of reach: what it writes arrives later, and others get its lease.
            _ => {
                let process = &mut self.processes[process];
                process.renews = false;
                if let Some(shell) = &process.shell {
                    shell.cut_off.set(true);
                }
            }
        }
        self.tell(|| format!("{} (process {process}, object {name})", HAPPENINGS[action].0));
    }
}

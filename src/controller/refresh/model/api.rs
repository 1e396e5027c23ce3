//! The API server of the model: objects with versions, writes that are lost or land late, and a watch that lags.

use std::{collections::VecDeque, time::Duration};

use serde_json::json;

use super::breach::Breach;
use crate::{
    api::{ActiveJobPolicy, ExternalCollectionRefresh, RefreshStatus, VerifyPolicy},
    object::Key,
    refresh::{Desired, Recorded},
};

/// One object at one version.
#[derive(Clone, Debug)]
pub struct Object {
    pub uid: String,
    pub version: u64,
    pub want: Desired,
    pub status: Option<RefreshStatus>,
}

impl Object {
    pub fn key(&self) -> Key {
        let (name, _) = self.uid.split_once('-').unwrap();
        key(name.parse().unwrap())
    }

    pub fn record(&self) -> Recorded {
        Recorded::of(self.status.as_ref())
    }
}

/// What a watch tells.
#[derive(Clone)]
pub enum Event {
    Applied(usize, Object),
    Deleted(usize, String),
}

impl Event {
    pub fn name(&self) -> usize {
        match self {
            Self::Applied(name, _) | Self::Deleted(name, _) => *name,
        }
    }
}

/// A write on its way.
pub struct Write {
    pub name: usize,
    /// Names the process.
    pub by: String,
    pub version: u64,
    pub status: RefreshStatus,
    pub sent: Duration,
}

/// Why a write was not taken.
#[derive(Clone, Copy, PartialEq)]
pub enum Refusal {
    Conflict,
    Gone,
    Refused,
}

/// What else objects are created with.
#[derive(Clone, Copy)]
pub struct Asks {
    /// Whether they have a schedule.
    pub by_the_clock: bool,
    /// How what they have refreshed is checked, if it is.
    pub verify: Option<VerifyPolicy>,
    /// For how many seconds the source has to be quiet, if they watch it.
    pub watch: Option<u64>,
}

/// The objects by name, and what each process' watch has not delivered.
pub struct Api {
    pub objects: Vec<Option<Object>>,
    pub late: Vec<Write>,
    pub undelivered: [VecDeque<Event>; 2],
    /// What each object calls the collection.
    pub collection_names: [&'static str; 2],
    asks: Asks,
    version: u64,
    /// A claim that was taken although the object was suspended at the version that it was decided on.
    held_start: Option<Breach>,
}

impl Api {
    pub fn new(names: usize, collection_names: [&'static str; 2], policy: ActiveJobPolicy, asks: Asks) -> Self {
        let mut api = Self {
            objects: vec![None; names],
            late: Vec::new(),
            undelivered: Default::default(),
            collection_names,
            asks,
            version: 0,
            held_start: None,
        };
        for name in 0..names {
            api.create(name, policy);
        }
        api
    }

    pub fn create(&mut self, name: usize, policy: ActiveJobPolicy) {
        let mut spec = json!({ "collectionName": self.collection_names[name], "activeJobPolicy": policy });
        if let Some(policy) = self.asks.verify {
            spec["verify"] = json!({ "policy": policy, "timeoutSeconds": 60 });
        }
        if let Some(quiet) = self.asks.watch {
            spec["watch"] =
                json!({ "objects": {}, "intervalSeconds": 30, "quietSeconds": quiet, "minIntervalSeconds": 1 });
        }
        if self.asks.by_the_clock {
            // What is created later waits for its first tick.
            spec["runOnCreation"] = json!(self.version < 2);
            spec["schedule"] = json!({ "cron": "*/5 * * * *" });
        }
        let mut refresh = ExternalCollectionRefresh::new("refresh", serde_json::from_value(spec).unwrap());
        refresh.metadata.generation = Some(1);
        self.version += 1;
        let uid = format!("{name}-{}", self.version);
        self.put(name, Object { uid, version: self.version, want: Desired::of(&refresh), status: None });
    }

    pub fn delete(&mut self, name: usize) {
        if let Some(object) = self.objects[name].take() {
            self.tell(&Event::Deleted(name, object.uid));
        }
    }

    /// Another spec: another source, a token (new or used before), a suspension that begins or ends, or another schedule.
    pub fn edit(&mut self, name: usize, kind: usize) {
        let Some(mut object) = self.objects[name].clone() else { return };
        object.version = self.next_version();
        let want = &mut object.want;
        want.generation += 1;
        match kind {
            0 => want.fingerprint = format!("v1:{}", want.generation),
            1 => want.trigger = Some(want.generation.to_string()),
            2 => want.trigger = Some((want.generation - 2).to_string()),
            3 => want.suspend ^= true,
            _ => {
                if let Some(schedule) = &mut want.schedule {
                    schedule.cron = if schedule.cron == "*/5 * * * *" { "*/3 * * * *" } else { "*/5 * * * *" }.into();
                }
            }
        }
        self.put(name, object);
    }

    /// Lets every object start.
    pub fn resume(&mut self) {
        let suspended = |object: &Option<Object>| object.as_ref().is_some_and(|object| object.want.suspend);
        for name in (0..self.objects.len()).filter(|name| suspended(&self.objects[*name])).collect::<Vec<_>>() {
            self.edit(name, 3);
        }
    }

    /// The whole status at the version that it was decided on, which is of one object only. What changes nothing makes no new
    /// version.
    pub fn apply(&mut self, write: &Write) -> Result<u64, Refusal> {
        let Some(mut object) = self.objects[write.name].clone() else { return Err(Refusal::Gone) };
        if object.version != write.version {
            return Err(Refusal::Conflict);
        }
        if object.status.as_ref() == Some(&write.status) {
            return Ok(object.version);
        }
        let before = object.record().claim();
        object.version = self.next_version();
        object.status = Some(write.status.clone());
        if object.want.suspend && object.record().claim().is_some_and(|claim| Some(claim) != before) {
            self.held_start = Some(format!("{} is suspended and was claimed", object.uid));
        }
        let version = object.version;
        self.put(write.name, object);
        Ok(version)
    }

    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn put(&mut self, name: usize, object: Object) {
        self.tell(&Event::Applied(name, object.clone()));
        self.objects[name] = Some(object);
    }

    fn tell(&mut self, event: &Event) {
        for watch in &mut self.undelivered {
            watch.push_back(event.clone());
        }
    }

    /// The runs that stand: claimed, or with a job that is not over.
    pub fn standing(&self) -> impl Iterator<Item = (&Object, Recorded)> {
        let records = self.objects.iter().flatten().map(|object| (object, object.record()));
        records.filter(|(_, record)| record.claim().is_some() || (record.job.id.is_some() && !record.ended()))
    }

    /// At most one run of a collection stands, and nothing that is suspended was claimed.
    pub fn check(&self) -> Result<(), Breach> {
        self.held_start.clone().map_or(Ok(()), Err)?;
        let mut held: Vec<Option<i64>> =
            self.standing().map(|(_, r)| r.run.and_then(|run| run.collection_id)).collect();
        held.sort_unstable();
        if held.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(format!("two runs of one collection stand: {held:?}"));
        }
        Ok(())
    }
}

/// The key of the object `name`.
pub fn key(name: usize) -> Key {
    Key { namespace: "default".into(), name: name.to_string() }
}

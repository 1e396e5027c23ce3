//! The effects: what a pass asks of Milvus.

use tokio::time::Instant;

use super::{
    pass::Pass,
    ports::{Ports, Server},
};
use crate::{
    milvus::{self, Answer, Collection, ErrorKind, Job, JobId, MilvusError, examiner::Evidence},
    refresh::{Desired, Look, OwnSourceCheck, Run, Submission, is_trouble, limits::SUBMIT_BUDGET},
    turns::queue::Lock,
};

impl<P: Ports> Pass<'_, P> {
    /// Describes the collection, lists its jobs, and gets in line for it.
    pub(super) async fn look(&mut self, server: &P::Server) -> milvus::Result<Look> {
        let (collection, jobs) = self.asked(server).await?;
        let mut own_source = OwnSourceCheck::None;
        if self.record.claim().is_none() {
            own_source = self.own_source().await;
            let Desired { database, collection: name, .. } = self.want();
            let lock = collection.as_ref().map_or_else(
                || Lock::Name(server.endpoint().to_owned(), database.clone(), name.clone()),
                |collection| Lock::Collection(collection.id),
            );
            let due = self.record.run.as_ref().and_then(|run| run.queued_time);
            self.volatile.turns.queue.join(&self.uid, &self.key, lock, due, self.ports.now());
        }
        let taken = self.volatile.turns.queue.of_others(&self.uid, &jobs);
        Ok(Look { collection, jobs, taken, own_source, source: self.scouted.last.clone() })
    }

    /// What [`Self::ask`] gives, which also says who may look next.
    async fn asked(&self, server: &P::Server) -> milvus::Result<(Option<Collection>, Vec<Job>)> {
        let looks = &self.volatile.turns.looks;
        looks.begin(&self.connection, &self.uid, self.ports.instant());
        match self.ask(server).await {
            Err(error) if is_trouble(error.kind) => {
                self.ports.suspect(&error);
                Err(looks.failed(&self.connection, &self.uid, error, self.ports.instant()))
            }
            answered => {
                if looks.answered(&self.connection, &self.uid) {
                    self.ports.recovered();
                }
                answered
            }
        }
    }

    /// Gets the refresh's own source ready for a start, if it brings one along.
    async fn own_source(&mut self) -> OwnSourceCheck {
        self.source = None;
        let Some(own) = self.want().brings(self.scouted.last.as_ref()) else { return OwnSourceCheck::None };
        match self.ports.own_source(&own).await {
            Ok(source) => {
                let secrets = source.secrets.clone();
                self.volatile.memory.with(&self.uid, |remembered| remembered.spec_secrets.know(secrets));
                self.source = Some(source);
                OwnSourceCheck::Usable
            }
            Err(problem) => problem,
        }
    }

    /// Has the server's words about the job scrubbed of the spec that it was started with, also when the server has been
    /// connected to anew since, and when another process has started the job.
    async fn keep_spec_secret(&self, server: &P::Server) {
        let memory = &self.volatile.memory;
        let (known, look) = memory.with(&self.uid, |remembered| remembered.spec_secrets.ask(self.ports.instant()));
        let mut known = known;
        if look && let Some(place) = self.want().spec_place() {
            known = self.ports.spec_secrets(place).await;
            if let Some(secrets) = known.clone() {
                memory.with(&self.uid, |remembered| remembered.spec_secrets.know(secrets));
            }
        }
        if let Some(secrets) = known {
            server.keep_secret(&secrets);
        }
    }

    /// Describes the collection before and after it lists the jobs, so that no job of another incarnation is listed for the
    /// described one.
    async fn ask(&self, server: &P::Server) -> milvus::Result<(Option<Collection>, Vec<Job>)> {
        let before = self.describe(server).await?;
        if before.as_ref().is_some_and(|collection| !collection.external) {
            return Ok((before, Vec::new()));
        }
        let jobs = server.list(&self.want().database, &self.want().collection).await?;
        // An ended job concerns only a run with an open claim, so most looks need no second answer.
        let open = self.record.run.as_ref().is_some_and(Run::has_open_claims);
        if !open && jobs.iter().all(|job| job.state.is_terminal()) {
            return Ok((before, jobs));
        }
        let after = self.describe(server).await?;
        if before.as_ref().map(|collection| collection.id) == after.as_ref().map(|collection| collection.id) {
            return Ok((after, jobs));
        }
        let message = format!("Collection {} was replaced while the operator read it.", self.want().collection);
        Err(MilvusError::new(ErrorKind::Busy, message))
    }

    /// The collection, or `None` where the account may not describe it.
    async fn describe(&self, server: &P::Server) -> milvus::Result<Option<Collection>> {
        match server.describe(&self.want().database, &self.want().collection).await {
            Ok(described) => Ok(Some(described)),
            Err(error) if error.kind == ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends the start of the claim that was just written. Its outcome is kept until it is recorded, in this pass or another.
    pub(super) async fn submit(&self, server: &P::Server, claiming_began: Instant) -> Submission {
        let Some(claim) = self.record.claim() else { return Submission::Withheld };
        let Desired { database, collection, .. } = self.want();
        let left = SUBMIT_BUDGET.saturating_sub(self.ports.instant().saturating_duration_since(claiming_began));
        let outcome = if left.is_zero() || !self.ports.leads() {
            Submission::Withheld
        } else {
            self.volatile.memory.with(&self.uid, |remembered| remembered.sending(self.ports.instant()));
            match server.submit(database, collection, self.source.as_ref(), left).await {
                Ok(job) => Submission::Accepted(job),
                Err(error) => {
                    self.ports.suspect(&error);
                    Submission::Failed(error)
                }
            }
        };
        self.volatile.memory.with(&self.uid, |remembered| remembered.keep_outcome(claim, outcome.clone()));
        outcome
    }

    /// Has the poller follow the job and gives what Milvus last said of it.
    pub(super) async fn follow(&self, server: &P::Server, job: JobId) -> Option<Answer> {
        let age = self.since_submit(self.ports.now());
        let entry = (self.connection.clone(), self.key.clone());
        self.volatile.memory.with(&self.uid, |remembered| remembered.followed = Some(entry));
        self.keep_spec_secret(server).await;
        let sighting = server.track(&self.key, job, age);
        if let Some(error) = &sighting.failing {
            self.ports.suspect(error);
        }
        sighting.answer
    }

    /// What a look at what the collection serves has found, if one has ended; else has one begun.
    pub(super) fn examine(&self, server: &P::Server) -> Option<milvus::Result<Evidence>> {
        let Desired { database, collection, generation, .. } = self.want();
        let verify = self.want().verify.as_ref()?;
        let plan = verify.plan((database, collection), *generation, &self.record, self.ports.allows_queries());
        server.examine(&self.key, plan)
    }
}

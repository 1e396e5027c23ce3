//! The effects: what a pass asks of Milvus.

use tokio::time::Instant;

use super::{Key, index::Lock, pass::Pass, servers::Server};
use crate::{
    milvus::{self, Answer, Collection, ErrorKind, Job, JobId, MilvusError},
    refresh::{Desired, Look, OwnSourceCheck, Permission, Submission, limits::SUBMIT_BUDGET},
};

impl Pass<'_> {
    /// Describes the collection, lists its jobs, and gets in line for it.
    pub(super) async fn look(&mut self, server: &Server, connection: &Key) -> milvus::Result<Look> {
        let asked = self.ask(server).await.inspect_err(|error| self.suspect(connection, error));
        let (collection, jobs) = asked?;
        let mut own_source = OwnSourceCheck::None;
        if self.record.claim().is_none() {
            own_source = self.own_source(connection).await;
            let Desired { database, collection: name, .. } = &self.want;
            let lock = collection.as_ref().map_or_else(
                || Lock::Name(server.endpoint.clone(), database.clone(), name.clone()),
                |collection| Lock::Collection(collection.id),
            );
            let due = self.record.run.as_ref().and_then(|run| run.queued_time);
            self.context.index.join(&self.uid, &self.key, lock, due);
        }
        let taken = self.context.index.of_others(&self.uid, &jobs);
        Ok(Look { collection, jobs, taken, own_source })
    }

    /// Describes the collection before and after it lists the jobs, so that no job of another incarnation is listed for the
    /// described one.
    async fn ask(&self, server: &Server) -> milvus::Result<(Option<Collection>, Vec<Job>)> {
        let before = self.describe(server).await?;
        if before.as_ref().is_some_and(|collection| !collection.external) {
            return Ok((before, Vec::new()));
        }
        let jobs = server.milvus.list(&self.want.database, &self.want.collection).await?;
        // An ended job is never taken for a run that has no claim yet, so most looks need no second answer.
        if self.record.run.as_ref().is_none_or(|run| run.attempt == 0) && jobs.iter().all(|job| job.state.is_terminal())
        {
            return Ok((before, jobs));
        }
        let after = self.describe(server).await?;
        if before.as_ref().map(|collection| collection.id) == after.as_ref().map(|collection| collection.id) {
            return Ok((after, jobs));
        }
        let message = format!("Collection {} was replaced while it was looked at.", self.want.collection);
        Err(MilvusError::new(ErrorKind::Busy, message))
    }

    /// The collection, or `None` where the account may not describe it.
    async fn describe(&self, server: &Server) -> milvus::Result<Option<Collection>> {
        match server.milvus.describe(&self.want.database, &self.want.collection).await {
            Ok(described) => Ok(Some(described)),
            Err(error) if error.kind == ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends the start of the claim that was just written. Its outcome is kept until it is recorded, whatever happens to
    /// the write.
    pub(super) async fn submit(&self, server: &Server, connection: &Key, claiming_began: Instant) -> Submission {
        let Some(claim) = self.record.claim() else { return Submission::Withheld };
        let Desired { database, collection, .. } = &self.want;
        let left = SUBMIT_BUDGET.saturating_sub(claiming_began.elapsed());
        let outcome = if left.is_zero() || self.context.permission(&self.uid) != Permission::Granted {
            Submission::Withheld
        } else {
            self.context.memory.with(&self.uid, |remembered| remembered.sending(Instant::now()));
            match server.milvus.submit(database, collection, self.source.as_ref(), left).await {
                Ok(job) => Submission::Accepted(job),
                Err(error) => {
                    self.suspect(connection, &error);
                    Submission::Failed(error)
                }
            }
        };
        self.context.memory.with(&self.uid, |remembered| remembered.keep_outcome(claim, outcome.clone()));
        outcome
    }

    /// Has the poller follow the job and gives what Milvus last said of it.
    pub(super) async fn follow(&self, server: &Server, connection: &Key, job: JobId) -> Option<Answer> {
        let age = self.since_submit(self.context.clock.now());
        let entry = (connection.clone(), self.key.clone());
        if self.context.memory.with(&self.uid, |remembered| remembered.followed.replace(entry)).is_none() {
            self.keep_spec_secret(server).await;
        }
        let sighting = server.poller.track(self.key.clone(), job, age);
        if let Some(error) = &sighting.failing {
            self.suspect(connection, error);
        }
        sighting.answer
    }

    /// Has the connection looked at when a call failed in a way that is the connection's trouble.
    fn suspect(&self, connection: &Key, error: &MilvusError) {
        let troubles = [
            ErrorKind::NotSent,
            ErrorKind::Unreachable,
            ErrorKind::Timeout,
            ErrorKind::Unauthenticated,
            ErrorKind::Unsupported,
        ];
        if troubles.contains(&error.kind) {
            self.context.connections.wake(connection.clone());
        }
    }
}

//! The effects: what a pass asks of Milvus.

use tokio::time::Instant;

use super::{Key, index::Lock, pass::Pass, servers::Server};
use crate::{
    milvus::{self, Answer, Collection, ErrorKind, Job, JobId, Milvus, MilvusError},
    refresh::{Desired, Look, Permission, Submission, limits::SUBMIT_BUDGET},
};

impl Pass<'_> {
    /// Describes the collection, lists its jobs, and gets in line for it.
    pub(super) async fn look(&self, server: &Server, connection: &Key) -> milvus::Result<Look> {
        let asked = self.ask(server).await.inspect_err(|error| self.suspect(connection, error));
        let (collection, jobs) = asked?;
        if self.record.claim().is_none() {
            let Desired { database, collection: name, .. } = &self.want;
            let lock = collection.as_ref().map_or_else(
                || Lock::Name(server.endpoint.clone(), database.clone(), name.clone()),
                |collection| Lock::Collection(collection.id),
            );
            let due = self.record.run.as_ref().and_then(|run| run.queued_time);
            self.context.index.join(&self.uid, &self.key, lock, due);
        }
        let taken = self.context.index.of_others(&self.uid, &jobs);
        Ok(Look { collection, jobs, taken })
    }

    /// Describes before it lists, so that a job of another incarnation is never listed for the described one.
    async fn ask(&self, server: &Server) -> milvus::Result<(Option<Collection>, Vec<Job>)> {
        let Desired { database, collection, .. } = &self.want;
        let described = match server.milvus.describe(database, collection).await {
            Ok(described) if !described.external => return Ok((Some(described), Vec::new())),
            Ok(described) => Some(described),
            Err(error) if error.kind == ErrorKind::PermissionDenied => None,
            Err(error) => return Err(error),
        };
        Ok((described, server.milvus.list(database, collection).await?))
    }

    /// Sends the start of the claim that was just written. Its outcome is kept until it is recorded, whatever happens to
    /// the write.
    pub(super) async fn submit(&self, server: &Server, connection: &Key, claiming_began: Instant) -> Submission {
        let Some(claim) = self.record.claim() else { return Submission::Withheld };
        let left = SUBMIT_BUDGET.saturating_sub(claiming_began.elapsed());
        let outcome = if left.is_zero() || self.context.permission(&self.uid) != Permission::Granted {
            Submission::Withheld
        } else {
            match server.milvus.submit(&self.want.database, &self.want.collection, left).await {
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
    pub(super) fn follow(&self, server: &Server, connection: &Key, job: JobId) -> Option<Answer> {
        let age = self.since_submit(self.context.clock.now());
        self.context.memory.with(&self.uid, |remembered| {
            remembered.followed = Some((connection.clone(), self.key.clone()));
        });
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

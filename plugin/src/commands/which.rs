//! Which refreshes a command is about.

use futures::{StreamExt, stream};
use kube::Api;
use milvus_refresh_operator::{api::GROUP, object::Key};

use crate::{
    cli::{Output, Which},
    cluster::{Call, Cluster, Listing, REFRESHES, Refresh},
    exit::Exit,
    follow::Scope,
    problem::Problem,
    screen::lines,
};

/// Requests that are sent at a time.
const AT_A_TIME: usize = 8;

/// Names that are watched one by one. More of them are watched together, which needs the right to list them all.
const WATCHED_ONE_BY_ONE: usize = 16;

/// Refreshes that a command is about.
pub struct Chosen {
    /// Those that there are.
    pub refreshes: Vec<Refresh>,
    /// How the command ends at best: some that were named may not be there.
    pub exit: Exit,
    named: bool,
}

impl Chosen {
    /// Those that `which` means.
    ///
    /// # Errors
    /// None can be had.
    pub async fn find(cluster: &Cluster, which: &Which) -> Result<Self, Problem> {
        if which.names.is_empty() { Self::listed(cluster, which).await } else { Self::named(cluster, which).await }
    }

    async fn named(cluster: &Cluster, which: &Which) -> Result<Self, Problem> {
        let mut chosen = Self { refreshes: Vec::new(), exit: Exit::Ok, named: true };
        let mut asked = stream::iter(which.names.iter().map(|name| cluster.refresh(name))).buffered(AT_A_TIME);
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(refresh) if chosen.refreshes.iter().any(|known| Key::of(known) == Key::of(&refresh)) => {}
                Ok(refresh) => chosen.refreshes.push(refresh),
                Err(problem) if problem.exit == Exit::NotFound => chosen.exit = chosen.exit.worst(problem.tell()),
                Err(problem) => return Err(problem),
            }
        }
        Ok(chosen)
    }

    async fn listed(cluster: &Cluster, which: &Which) -> Result<Self, Problem> {
        let mut pages = Listing::of(cluster, which.selector.as_deref());
        let mut refreshes = Vec::new();
        while let Some(page) = pages.next().await? {
            refreshes.extend(page);
        }
        if refreshes.is_empty() {
            let labels = which.selector.as_ref().map(|labels| format!(" with the labels {labels}")).unwrap_or_default();
            let place = cluster.scope().map_or_else(|| "this cluster".to_owned(), |name| format!("namespace {name}"));
            return Err(Problem::new(Exit::NotFound, format!("There are no refreshes{labels} in {place}.")));
        }
        Ok(Self { refreshes, exit: Exit::Ok, named: false })
    }

    /// What has to be watched to see all of them.
    pub fn scopes(&self) -> Vec<Scope> {
        if self.named && self.refreshes.len() <= WATCHED_ONE_BY_ONE {
            self.refreshes.iter().map(|refresh| Scope::One(Key::of(refresh))).collect()
        } else {
            vec![Scope::All]
        }
    }

    /// Changes each of them by a merge patch, and tells `done` of each that is changed. Those that are gone meanwhile count as
    /// not found.
    ///
    /// # Errors
    /// The API server refuses one.
    pub async fn patch(
        &mut self,
        cluster: &Cluster,
        change: &serde_json::Value,
        mut done: impl FnMut(&Refresh, Refresh) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let patches =
            self.refreshes.iter().map(|refresh| async move { (refresh, patch(cluster, refresh, change).await) });
        let mut patches = stream::iter(patches).buffered(AT_A_TIME);
        while let Some((before, after)) = patches.next().await {
            match after {
                Ok(after) => done(before, after)?,
                Err(problem) if problem.exit == Exit::NotFound => self.exit = self.exit.worst(problem.tell()),
                Err(problem) => return Err(problem),
            }
        }
        Ok(())
    }
}

/// Tells what was done to a refresh: in a sentence, or by its name for another program.
///
/// # Errors
/// Nobody reads on, or the disk is full.
pub fn tell(cluster: &Cluster, output: Option<Output>, refresh: &Refresh, sentence: &str) -> Result<(), Problem> {
    let Key { namespace, name } = Key::of(refresh);
    let line = match output {
        Some(_) => format!("externalcollectionrefresh.{GROUP}/{name}"),
        None if cluster.all_namespaces => format!("{namespace}/{name}: {sentence}"),
        None => format!("{name}: {sentence}"),
    };
    Ok(lines([&line.into()])?)
}

async fn patch(cluster: &Cluster, refresh: &Refresh, change: &serde_json::Value) -> Result<Refresh, Problem> {
    let Key { namespace, name } = Key::of(refresh);
    let api: Api<Refresh> = Api::namespaced(cluster.client.clone(), &namespace);
    let call = Call { verb: "patch", resource: REFRESHES, namespace: Some(&namespace), name: Some(&name) };
    // Flux removes what others set on its objects, unless they have this name.
    let parameters =
        kube::api::PatchParams { field_manager: Some("flux-client-side-apply".to_owned()), ..Default::default() };
    cluster.ask(&call, api.patch(&name, &parameters, &kube::api::Patch::Merge(change))).await
}

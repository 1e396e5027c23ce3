//! Two replicas of the operator that compete for the lease, killed and started again.

use std::{fs, time::Duration};

use controlplane::Process;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

use crate::harness::{LONG, World};

/// The replicas; each start writes a log of its own.
pub struct Replicas<'a> {
    world: &'a World<'a>,
    leases: Api<Lease>,
    running: [Process; 2],
    /// How many processes have been started.
    started: usize,
    /// How many were killed.
    pub kills: usize,
}

impl<'a> Replicas<'a> {
    pub async fn start(world: &'a World<'a>) -> Self {
        let leases = Api::namespaced(world.client.clone(), "milvus-refresh-system");
        let running = [spawn(world, 0), spawn(world, 1)];
        let mut replicas = Self { world, leases, running, started: 2, kills: 0 };
        replicas.until_led().await;
        replicas
    }

    /// Starts again what has ended, killed or by itself.
    pub fn restart_ended(&mut self) {
        for replica in &mut self.running {
            if !replica.is_running() {
                *replica = spawn(self.world, self.started);
                self.started += 1;
            }
        }
    }

    /// Waits until a running replica leads, starting again what has ended.
    pub async fn until_led(&mut self) {
        let deadline = tokio::time::Instant::now() + LONG;
        loop {
            self.restart_ended();
            if self.leader().await.is_some() {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "nobody leads\n{}", self.log_tails());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub async fn kill_leader(&mut self) {
        let leader = self.leader().await.unwrap_or(0);
        self.kill(leader);
    }

    pub async fn kill_standby(&mut self) {
        let leader = self.leader().await.unwrap_or(0);
        self.kill(1 - leader);
    }

    pub fn kill_all(&mut self) {
        self.kill(0);
        self.kill(1);
    }

    pub fn log_tails(&self) -> String {
        self.running.each_ref().map(Process::log_tail).join("\n")
    }

    fn kill(&mut self, replica: usize) {
        self.running[replica].kill().unwrap();
        self.kills += 1;
    }

    /// Which running replica holds the lease.
    async fn leader(&mut self) -> Option<usize> {
        let holder = self.leases.get_opt("milvus-refresh-operator").await.ok()??.spec?.holder_identity?;
        let is_holder = |replica: &Process| {
            let log = fs::read_to_string(replica.log()).unwrap_or_default();
            log.lines().any(|line| line.contains("a candidate for the lease") && line.contains(&holder))
        };
        (0..2).find(|&replica| self.running[replica].is_running() && is_holder(&self.running[replica]))
    }
}

fn spawn(world: &World<'_>, number: usize) -> Process {
    world.spawn_operator(&format!("replica-{number}"), &world.cluster.operator_kubeconfig, &["--leader-elect=true"])
}

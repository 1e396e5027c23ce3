//! What the scenarios bring: rows of the one table, and curves.

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    /// Names it in [`ORDER`] and among the reasons.
    pub id: &'static str,
    /// What was measured.
    pub what: &'static str,
    /// What it is to be; empty where a figure only stands beside another.
    pub target: String,
    /// What it is.
    pub figure: String,
    /// Whether the target is met; `None` where there is none.
    pub met: Option<bool>,
}

impl Row {
    /// A figure with a target.
    pub fn new(id: &'static str, what: &'static str, target: &str, figure: String, met: bool) -> Self {
        Self { id, what, target: target.to_owned(), figure, met: Some(met) }
    }

    /// A figure beside another.
    pub fn beside(id: &'static str, what: &'static str, figure: String) -> Self {
        Self { id, what, target: String::new(), figure, met: None }
    }

    /// `met`, `missed`, or nothing.
    pub fn verdict(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        }
    }
}

/// The rows in the order of the table.
pub const ORDER: &[&str] = &[
    "writes-short",
    "writes-single",
    "writes-many",
    "polls-flat",
    "polls-lists",
    "polls-ratio",
    "crowd-polls",
    "delay-short",
    "delay-many-median",
    "delay-many-p99",
    "burst-median",
    "burst-p99",
    "burst-bare",
    "crowd-median",
    "crowd-p99",
    "created-median",
    "created-p99",
    "claimed-median",
    "claimed-p99",
    "neighbour",
    "rate",
    "put",
    "cold-start",
    "cold-start-calls",
    "cold-start-api-cpu",
    "cold-start-writes",
    "cold-start-scheduled",
    "idle-calls",
    "idle-calls-scheduled",
    "idle-wakeups",
    "idle-cpu",
    "verify-calls",
    "verify-spread",
    "verify-cpu",
    "verify-writes",
    "watch-requests",
    "watch-cpu",
    "watch-writes",
    "watch-delay",
    "watch-neighbour",
    "rss-idle",
    "rss-finished",
    "rss-most",
    "rss-object",
    "rss-history",
    "rss-active",
    "rss-crowd",
    "watch-memory",
    "large-memory",
    "large-time",
    "cpu",
    "crowd-cpu",
    "api-cpu-short",
    "api-cpu-short-bare",
    "api-cpu-many",
    "api-cpu-many-bare",
    "cost-calls",
    "cost-milvus",
    "cost-cpu",
    "binary",
    "first-pass",
];

/// Points joined by a line.
#[derive(Debug)]
pub struct Series {
    /// What it is of.
    pub name: &'static str,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// One picture.
#[derive(Debug)]
pub struct Curve {
    /// Names its file.
    pub id: &'static str,
    /// Above the picture.
    pub title: &'static str,
    /// What is to the right, and whether by powers of ten.
    pub x: (&'static str, bool),
    /// What is upwards, and whether by powers of ten.
    pub y: (&'static str, bool),
    /// What it shows.
    pub series: Vec<Series>,
}

/// What the sizing table is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The memory of an operator without refreshes, in MiB.
    IdleMemory,
    /// That of a finished refresh, in KiB.
    ObjectMemory,
    /// That of an active one, in KiB.
    ActiveMemory,
    /// The CPU for a run of 60 s, in milliseconds.
    RunCpu,
    /// The API server's CPU for it, in milliseconds.
    RunApiServerCpu,
    /// The requests to the API server for it.
    RunRequests,
    /// The Milvus calls for it, but those that follow its job.
    RunMilvusCalls,
    /// The Milvus calls a second that follow jobs, however many.
    FollowingCalls,
}

/// What one scenario has found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Its lines of the table.
    pub rows: Vec<Row>,
    /// Its pictures.
    pub curves: Vec<Curve>,
    /// What it gives to the sizing table.
    pub facts: Vec<(Fact, f64)>,
}

impl Findings {
    /// Adds those of another.
    pub fn add(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.curves.extend(other.curves);
        self.facts.extend(other.facts);
    }

    /// What was measured of it.
    pub fn fact(&self, fact: Fact) -> Option<f64> {
        self.facts.iter().find(|(known, _)| *known == fact).map(|(_, value)| *value)
    }

    /// Brings the rows into the order of the table.
    pub fn sort(&mut self) {
        self.rows.sort_by_key(|row| ORDER.iter().position(|id| *id == row.id));
    }
}

/// The value below which the share `part` of `sorted` lies; 0 of nothing.
pub fn percentile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
}

/// Bytes in MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

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
    "idle-calls",
    "polls-flat",
    "polls-lists",
    "polls-ratio",
    "delay-short",
    "delay-many-median",
    "delay-many-p99",
    "burst-median",
    "burst-p99",
    "burst-bare",
    "neighbour",
    "rate",
    "cold-start",
    "cold-start-calls",
    "cold-start-api-cpu",
    "cold-start-writes",
    "cold-start-scheduled",
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
    "rss-history",
    "rss-object",
    "rss-active",
    "watch-memory",
    "large-memory",
    "large-time",
    "cpu",
    "api-cpu-short",
    "api-cpu-many",
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

/// What one scenario has found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Its lines of the table.
    pub rows: Vec<Row>,
    /// Its pictures.
    pub curves: Vec<Curve>,
}

impl Findings {
    /// Adds those of another.
    pub fn add(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.curves.extend(other.curves);
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

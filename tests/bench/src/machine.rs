//! What the figures were measured on.

use std::fs;

use jiff::Timestamp;

/// One line each: the processor, the memory, the system, the day.
pub fn describe() -> Vec<String> {
    let value = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
        line.trim_start_matches([':', ' ', '\t']).to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = value("/proc/cpuinfo", "model name");
    let processor = if processor.is_empty() { "unknown processor".to_owned() } else { processor };
    let memory: u64 = value("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    vec![
        format!("{processor}, {cores} cores, {} GiB of memory", memory >> 20),
        format!("Linux {}", kernel.trim()),
        format!(
            "{} build, on {}",
            if cfg!(debug_assertions) { "debug" } else { "release" },
            Timestamp::now().strftime("%Y-%m-%d")
        ),
    ]
}

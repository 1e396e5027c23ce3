//! `spec.schedule` and `status.schedule`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The portable expressions, field by field; those that an earlier rule refuses are left to it.
const RANGES: &str = concat!(
    r"self.startsWith('@') || self.contains('TZ=') || !self.matches(r'^[^\s]+([ \t]+[^\s]+){4}$') || self.matches(r'(?i)^",
    r"(\*|(\*/([1-9]|[1-5][0-9])|[0-5]?[0-9](-[0-5]?[0-9](/([1-9]|[1-5][0-9]))?)?)(,(\*/([1-9]|[1-5][0-9])|[0-5]?[0-9](-[0-5]?[0-9](/([1-9]|[1-5][0-9]))?)?))*)[ \t]+",
    r"(\*|(\*/([1-9]|1[0-9]|2[0-3])|([01]?[0-9]|2[0-3])(-([01]?[0-9]|2[0-3])(/([1-9]|1[0-9]|2[0-3]))?)?)(,(\*/([1-9]|1[0-9]|2[0-3])|([01]?[0-9]|2[0-3])(-([01]?[0-9]|2[0-3])(/([1-9]|1[0-9]|2[0-3]))?)?))*)[ \t]+",
    r"(\*|(\*/([1-9]|[12][0-9]|3[01])|(0?[1-9]|[12][0-9]|3[01])(-(0?[1-9]|[12][0-9]|3[01])(/([1-9]|[12][0-9]|3[01]))?)?)(,(\*/([1-9]|[12][0-9]|3[01])|(0?[1-9]|[12][0-9]|3[01])(-(0?[1-9]|[12][0-9]|3[01])(/([1-9]|[12][0-9]|3[01]))?)?))*)[ \t]+",
    r"(\*|(\*/([1-9]|1[0-2])|(0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)(-(0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)(/([1-9]|1[0-2]))?)?)(,(\*/([1-9]|1[0-2])|(0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)(-(0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)(/([1-9]|1[0-2]))?)?))*)[ \t]+",
    r"(\*|(\*/[1-6]|([0-6]|SUN|MON|TUE|WED|THU|FRI|SAT)(-([0-6]|SUN|MON|TUE|WED|THU|FRI|SAT)(/[1-6])?)?)(,(\*/[1-6]|([0-6]|SUN|MON|TUE|WED|THU|FRI|SAT)(-([0-6]|SUN|MON|TUE|WED|THU|FRI|SAT)(/[1-6])?)?))*)$')",
);

/// When to run without being asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleSpec {
    /// Five fields: minute (0-59), hour (0-23), day of the month (1-31), month (1-12 or JAN-DEC) and weekday (0-6 or SUN-SAT,
    /// 0 is Sunday). Each is `*`, a value, a range `a-b`, a step `*/n` or `a-b/n`, or a list of these. If both the day of the
    /// month and the weekday are set, a day that matches either of them counts, as in crontab. Or one of `@hourly`, `@daily`,
    /// `@weekly`, `@monthly` and `@yearly`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("!self.contains('TZ=')").message("must not name a zone: set timeZone instead"))]
    #[x_kube(validation = Rule::new("!self.startsWith('@') || self in ['@hourly', '@daily', '@weekly', '@monthly', '@yearly']")
        .message("must be one of @hourly, @daily, @weekly, @monthly and @yearly, or have five fields, such as */30 * * * * for every 30 minutes"))]
    #[x_kube(validation = Rule::new("self.startsWith('@') || self.contains('TZ=') || self.matches(r'^[^\\s]+([ \\t]+[^\\s]+){4}$')")
        .message("must have five fields, minute, hour, day of the month, month and weekday, such as 15 2 * * * for 02:15 each day; there is no field for seconds or years"))]
    #[x_kube(validation = Rule::new("!self.matches(r'[?#]|(^|[^A-Za-z])([lLwW]|[lL][wW])([^A-Za-z]|$)')")
        .message("must not hold L, W, # or ?: write the days as numbers, and * for any"))]
    #[x_kube(validation = Rule::new(RANGES)
        .message("must hold only *, values, ranges a-b, steps */n or a-b/n and lists of these, within minute 0-59, hour 0-23, day 1-31, month 1-12 or JAN-DEC, weekday 0-6 or SUN-SAT (0 is Sunday)"))]
    #[x_kube(validation = Rule::new("self.findAll('[0-9]+-[0-9]+').all(range, int(range.split('-')[0]) <= int(range.split('-')[1]))")
        .message("must not hold a range that ends before it begins: write it as two, such as 22-23,0-4"))]
    pub cron: String,

    /// Time zone of the schedule, by its IANA name, for example `Europe/Berlin`. The operator brings the zones along. If the
    /// clock skips the time of a daily schedule, it runs right after the gap; if the clock repeats it, it runs once. A schedule
    /// with several times a day omits skipped times and runs both times when they repeat.
    #[serde(default = "default_time_zone")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$')")
        .message("must be the IANA name of a zone, such as Europe/Berlin or Etc/UTC"))]
    pub time_zone: String,

    /// Delays each run by a fixed time of up to this many seconds, which depends on the object's uid: spreads the load of
    /// objects with the same schedule. Must be less than the shortest time between two scheduled times.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3600))]
    pub jitter_seconds: i64,
}

/// Every zone data has it.
fn default_time_zone() -> String {
    "Etc/UTC".to_owned()
}

/// The state of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// The `spec.schedule.cron` that these times belong to.
    #[serde(default)]
    pub cron: String,

    /// The `spec.schedule.timeZone` that these times belong to.
    #[serde(default)]
    pub time_zone: String,

    /// When the operator first saw this schedule, or when it was last resumed; earlier times do not start a run. Absent while
    /// the object is suspended or the schedule is invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,

    /// The last scheduled time, without jitter, that started a run or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<Time>,

    /// When the next run is due, with jitter. In the past while it waits for the end of the current run. Absent while the
    /// object is suspended or the schedule is invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_schedule_time: Option<Time>,
}

//! The settings of single queues: `queues.<name>.<option>`, the same options for each.

use super::check::Reader;
use super::settings::Setting;
use super::values::{bytes, duration, list, number, rate, word};
use std::collections::BTreeMap;
use steadfast_core::queues;
use steadfast_queue::settings::{GROUP_CONCURRENCY_MAX, GroupOnDead, RetentionSettings, SettingsProblem};
use steadfast_queue::{QueueSettings, Rate, RetryPolicy};

/// Each wait of a schedule is spread by so much.
pub(super) const JITTER: f64 = 0.1;

macro_rules! option {
    ($queue:literal, $option:literal, $default:literal, $about:literal) => {
        Setting {
            key: concat!("queues.", $queue, ".", $option),
            env: &[],
            default: $default,
            secret: false,
            about: $about,
        }
    };
}

macro_rules! options {
    ($queue:literal, $retry:literal) => {
        [
            option!(
                $queue,
                "retry",
                $retry,
                "waits before the retries, e.g. 2s,4s,8s; none: no retry. Empty: as the section retry says"
            ),
            option!($queue, "max_size", "", "jobs that may wait. Empty: as queue.max_size says"),
            option!($queue, "max_bytes", "", "payload bytes of unfinished jobs. Empty: as queue.max_bytes says"),
            option!(
                $queue,
                "retain_completed",
                "",
                "completed jobs kept. Empty: as queue.retain_completed says"
            ),
            option!(
                $queue,
                "rate",
                "",
                "jobs that may begin within a time, e.g. 80/1s, evenly spaced; 80/1s burst 10: so many at once after a rest. Empty: any number"
            ),
            option!($queue, "concurrency_max", "", "jobs at a time over all workers. Empty: any number"),
            option!($queue, "group_rate", "", "as rate, of each conversation. Empty: any number"),
            option!($queue, "group_concurrency", "", "jobs of one conversation at a time, 1 to 100. Empty: 1"),
            option!(
                $queue,
                "group_on_dead",
                "",
                "continue or block: what a conversation does behind a dead job. Empty: continue"
            ),
        ]
    };
}

/// The options of every queue.
pub(super) const QUEUE_SETTINGS: [[Setting; 9]; 4] = [
    options!("whatsapp-webhooks", ""),
    options!("order-processing", ""),
    options!("reality-check", "2s,4s,8s"),
    options!("whatsapp-replies", ""),
];

/// What holds for every queue that says nothing of its own.
pub(super) struct General {
    pub(super) retry: RetryPolicy,
    pub(super) waiting_max: u64,
    pub(super) bytes_max: u64,
    pub(super) completed_max: u64,
}

impl Reader<'_> {
    /// The settings of every queue. All problems are noted.
    pub(super) fn queue_settings(&mut self, general: &General) -> BTreeMap<&'static str, QueueSettings> {
        queues::ALL.into_iter().map(|queue| (queue, self.settings_of(queue, general))).collect()
    }

    fn settings_of(&mut self, queue: &str, general: &General) -> QueueSettings {
        let key = |option: &str| format!("queues.{queue}.{option}");
        let size = |text: &str| number(text, 1, 100_000_000);
        let settings = QueueSettings {
            retry: Some(self.optional(&key("retry"), schedule).unwrap_or_else(|| general.retry.clone())),
            waiting_max: self.optional(&key("max_size"), size).or(Some(general.waiting_max)),
            bytes_max: self.optional(&key("max_bytes"), bytes).or(Some(general.bytes_max)),
            retention: RetentionSettings {
                completed_max: self
                    .optional(&key("retain_completed"), |text| number(text, 0, 1_000_000))
                    .or(Some(general.completed_max)),
                ..RetentionSettings::default()
            },
            rate: self.optional(&key("rate"), read_rate),
            concurrency_max: self.optional(&key("concurrency_max"), size),
            group_rate: self.optional(&key("group_rate"), read_rate),
            group_concurrency: self
                .optional(&key("group_concurrency"), |text| number(text, 1, u64::from(GROUP_CONCURRENCY_MAX)))
                .and_then(|max| u32::try_from(max).ok()),
            group_on_dead: self.optional(&key("group_on_dead"), |text| {
                word(text, &[("continue", GroupOnDead::Continue), ("block", GroupOnDead::Block)])
            }),
        };
        for problem in settings.check().err().map(|error| error.0).unwrap_or_default() {
            let option = match problem {
                SettingsProblem::Retry(_) | SettingsProblem::RetryDelay(_) => "retry",
                SettingsProblem::TakesNothing("bytes_max") => "max_bytes",
                SettingsProblem::TakesNothing(_) => "max_size",
                SettingsProblem::Rate(rate, _) => rate,
                SettingsProblem::GroupConcurrency => "group_concurrency",
                _ => "concurrency_max",
            };
            self.problem(&key(option), problem.to_string());
        }
        settings
    }

    /// Reads a value that may be empty; a problem is noted.
    fn optional<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if self.text(key).is_empty() { None } else { self.get(key, parse) }
    }
}

fn schedule(text: &str) -> Result<RetryPolicy, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(RetryPolicy::none());
    }
    let ms = |entry: &str| Ok(u64::try_from(duration(entry, 1)?.as_millis()).unwrap_or(u64::MAX));
    let delays: Vec<u64> = list(text).into_iter().map(ms).collect::<Result<_, String>>()?;
    RetryPolicy::new(delays, JITTER).map_err(|error| error.to_string())
}

fn read_rate(text: &str) -> Result<Rate, String> {
    let (jobs, per, burst) = rate(text)?;
    let per_ms = u64::try_from(per.as_millis()).unwrap_or(u64::MAX);
    let rate = Rate { jobs, per_ms, burst };
    rate.check().map_err(|error| error.to_string())?;
    Ok(rate)
}

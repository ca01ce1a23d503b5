//! `[retention]`: what is kept, by age, count and size. The oldest go first.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use smol::{Timer, future};

use crate::{mail::Mail, shutdown::Shutdown, store::RetentionLimits};

/// What is kept; 0 is no bound. By default nothing is deleted: a full disk is answered 452, and the
/// client keeps its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Longest age of a message, in hours.
    pub hours: u64,
    /// Most messages.
    pub messages: u64,
    /// Most octets of all messages together.
    pub bytes: u64,
    /// How often the bounds are looked at, in seconds.
    pub interval_seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { hours: 0, messages: 0, bytes: 0, interval_seconds: 10 }
    }
}

impl Options {
    /// No message is ever deleted.
    pub fn keeps_all(&self) -> bool {
        (self.hours, self.messages, self.bytes) == (0, 0, 0)
    }

    /// The bounds at this moment.
    fn keep(&self, now: SystemTime) -> RetentionLimits {
        let bound = |number: u64| (number > 0).then_some(number);
        let oldest = bound(self.hours).and_then(|hours| {
            now.checked_sub(Duration::from_secs(hours.saturating_mul(3_600)))
                .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
                .and_then(|since| i64::try_from(since.as_millis()).ok())
        });
        RetentionLimits {
            received_from_ms: oldest,
            messages: bound(self.messages),
            bytes: bound(self.bytes),
        }
    }
}

/// Prunes now and then until shutdown begins.
pub async fn run(options: Options, mail: Mail, shutdown: Shutdown) {
    let pause = Duration::from_secs(options.interval_seconds.max(1));
    loop {
        let keep = options.keep(SystemTime::now());
        if keep != RetentionLimits::default() {
            // The first time may take long, and shutting down does not wait for it.
            let pruned = async { Some(mail.prune(keep).await) };
            let ended = async {
                shutdown.begun().await;
                None
            };
            match future::or(ended, pruned).await {
                None => return,
                Some(Ok(0)) => {}
                Some(Ok(deleted)) => log::info!(deleted; "retention"),
                Some(Err(error)) => log::error!(error:% = error; "retention"),
            }
        }
        let waited = async {
            Timer::after(pause).await;
            false
        };
        let ended = async {
            shutdown.begun().await;
            true
        };
        if future::or(ended, waited).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_bound() {
        let now = UNIX_EPOCH + Duration::from_secs(7_200);
        assert_eq!(Options::default().keep(now), RetentionLimits::default());
        let options = Options { hours: 1, messages: 2, bytes: 3, interval_seconds: 1 };
        let keep = RetentionLimits {
            received_from_ms: Some(3_600_000),
            messages: Some(2),
            bytes: Some(3),
        };
        assert_eq!(options.keep(now), keep);
    }

    #[test]
    fn an_age_before_1970_is_no_bound() {
        let options = Options { hours: 1, ..Options::default() };
        assert_eq!(options.keep(UNIX_EPOCH), RetentionLimits::default());
    }
}

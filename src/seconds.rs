//! A span of time as people configure it: in whole seconds, and never none.

use std::{num::NonZeroU64, time::Duration};

use serde::{Deserialize, Serialize};

/// At least one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Seconds(NonZeroU64);

impl Seconds {
    /// So many; 0 is taken for 1.
    pub const fn new(seconds: u64) -> Self {
        match NonZeroU64::new(seconds) {
            Some(seconds) => Self(seconds),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// How many.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The same as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.get())
    }
}

impl TryFrom<u64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: u64) -> Result<Self, Self::Error> {
        NonZeroU64::new(seconds).map(Self).ok_or("expected at least 1 second")
    }
}

impl From<Seconds> for u64 {
    fn from(seconds: Seconds) -> Self {
        seconds.get()
    }
}

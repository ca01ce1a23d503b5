//! A timer that is set again and again.

use std::time::Instant;

use smol::Timer;

/// Goes off at a time that each wait names anew.
///
/// It is kept across waits, because to set a timer takes a lock and wakes the thread that looks after
/// them all. A time that only moves away costs nothing: a timer that goes off early is simply set again.
#[derive(Debug)]
pub struct DeadlineTimer {
    timer: Timer,
    /// When the timer goes off, if it is set.
    set: Option<Instant>,
}

impl Default for DeadlineTimer {
    fn default() -> Self {
        Self { timer: Timer::never(), set: None }
    }
}

impl DeadlineTimer {
    /// Waits until this time. May be dropped at any moment.
    pub async fn at(&mut self, when: Instant) {
        loop {
            if self.set.is_none_or(|set| set > when) {
                self.timer.set_at(when);
                self.set = Some(when);
            }
            (&mut self.timer).await;
            self.set = None;
            if Instant::now() >= when {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use smol::future;

    use super::*;

    /// Whether it goes off at `when` before another timer does at `other`.
    fn is_before(timer: &mut DeadlineTimer, when: Instant, other: Instant) -> bool {
        let reached = async {
            timer.at(when).await;
            true
        };
        let late = async {
            Timer::at(other).await;
            false
        };
        smol::block_on(future::or(reached, late))
    }

    #[test]
    fn it_goes_off_when_the_last_wait_said() {
        let mut timer = DeadlineTimer::default();
        let now = Instant::now();
        let after = |milliseconds| now + Duration::from_millis(milliseconds);
        assert!(!is_before(&mut timer, after(3_600_000), after(1)), "far away");
        assert!(is_before(&mut timer, after(20), after(10_000)), "nearer");
        assert!(Instant::now() >= after(20));
        // From now on, because a busy machine may be late already.
        let soon = |milliseconds| Instant::now() + Duration::from_millis(milliseconds);
        assert!(!is_before(&mut timer, soon(1_000), soon(1)), "left before it went off");
        assert!(!is_before(&mut timer, soon(3_600_000), soon(1_100)), "and moved away");
        assert!(is_before(&mut timer, now, after(10_000)), "past already");
    }
}

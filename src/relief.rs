//! Lets a thread that serves connections wait for the disk, because somebody takes its place when that
//! takes long.
//!
//! Handing a write over to another thread and back wakes two processors that sleep, which takes as long
//! as a good disk takes for the write. So where one message alone is on its way, the thread that has it
//! writes it. A disk can also take seconds, and then everybody else would wait as well: that is what the
//! stand-in is for. It sleeps while nobody waits, looks now and then while somebody does, and runs the
//! tasks of a thread that it finds waiting twice.

use std::{
    cell::RefCell,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use event_listener::Event;
use smol::Executor;

/// A stand-in for the threads of one executor.
#[derive(Clone, Debug, Default)]
pub struct Relief(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Waits that began, and those that ended.
    begun: AtomicU64,
    ended: AtomicU64,
    /// The stand-in looks by itself; otherwise it has to be woken.
    is_watching: AtomicBool,
    stand_in: OnceLock<Thread>,
    /// Rung when a wait has ended.
    bell: Event,
    is_dismissed: AtomicBool,
}

thread_local! {
    /// Who takes the place of this thread.
    static RELIEF: RefCell<Option<Relief>> = const { RefCell::new(None) };
}

/// True if this thread may [`wait`] without keeping others waiting for long.
pub fn is_at_hand() -> bool {
    RELIEF.with_borrow(Option::is_some)
}

/// Does what may take a moment or long; meanwhile others are served by the stand-in, if there is one.
/// For tasks of the executor: what runs it counts as asleep while it does something else, and would be
/// woken in place of the stand-in.
pub fn wait<T>(work: impl FnOnce() -> T) -> T {
    let _waiting = RELIEF.with_borrow(Clone::clone).map(Waiting::begin);
    work()
}

impl Relief {
    /// Does `work` on this thread, whose place is taken when it waits.
    pub fn cover<T>(&self, work: impl FnOnce() -> T) -> T {
        RELIEF.set(Some(self.clone()));
        let done = work();
        RELIEF.set(None);
        done
    }

    /// What the stand-in's thread does until it is dismissed. Nobody takes its own place.
    pub fn stand_by(&self, executor: &Executor<'_>) {
        let inner = &*self.0;
        let _ = inner.stand_in.set(thread::current());
        let (mut seen, mut looks) = (0, 0);
        while !inner.is_dismissed() {
            let begun = inner.begun.load(Ordering::SeqCst);
            if begun != seen {
                (seen, looks) = (begun, 0);
            } else if !inner.is_over() {
                smol::block_on(executor.run(inner.over()));
            } else if looks >= LOOKS {
                looks = 0;
                inner.is_watching.store(false, Ordering::SeqCst);
                // Who began before this was said does not wake us.
                if inner.begun.load(Ordering::SeqCst) == seen && !inner.is_dismissed() {
                    thread::park();
                }
                inner.is_watching.store(true, Ordering::SeqCst);
            } else {
                looks += 1;
            }
            thread::park_timeout(PATIENCE);
        }
    }

    /// Sends the stand-in home.
    pub fn dismiss(&self) {
        self.0.is_dismissed.store(true, Ordering::SeqCst);
        self.0.bell.notify(usize::MAX);
        if let Some(thread) = self.0.stand_in.get() {
            thread.unpark();
        }
    }
}

impl Inner {
    fn is_dismissed(&self) -> bool {
        self.is_dismissed.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.ended.load(Ordering::SeqCst) == self.begun.load(Ordering::SeqCst)
    }

    /// Until nobody waits any more.
    async fn over(&self) {
        loop {
            event_listener::listener!(self.bell => bell);
            if self.is_over() || self.is_dismissed() {
                return;
            }
            bell.await;
        }
    }
}

/// A wait under way. However it ends, it has ended.
struct Waiting(Relief);

impl Waiting {
    fn begin(relief: Relief) -> Self {
        let inner = &relief.0;
        inner.begun.fetch_add(1, Ordering::SeqCst);
        if !inner.is_watching.swap(true, Ordering::SeqCst)
            && let Some(thread) = inner.stand_in.get()
        {
            thread.unpark();
        }
        Self(relief)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::SeqCst);
        self.0.0.bell.notify(usize::MAX);
    }
}

/// Between two looks. Others wait for a disk twice as long at most, and it costs less than a hundredth of
/// a processor while mail comes one by one.
const PATIENCE: Duration = Duration::from_millis(5);
/// So often nobody was found waiting: then it sleeps.
const LOOKS: u32 = 100;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use smol::{Timer, channel};

    use super::*;

    /// Runs `work` as the only task of a thread, with a stand-in.
    fn relieved<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
        beside: impl Future<Output = ()> + Send + 'static,
    ) -> T {
        let (executor, relief) = (Arc::new(Executor::new()), Relief::default());
        let stand_in = thread::spawn({
            let (executor, relief) = (executor.clone(), relief.clone());
            move || relief.stand_by(&executor)
        });
        executor.spawn(beside).detach();
        let task = executor.spawn(work);
        let done = relief.cover(|| smol::block_on(executor.run(task)));
        relief.dismiss();
        stand_in.join().unwrap();
        done
    }

    #[test]
    fn others_are_served_while_a_thread_waits_for_long() {
        let (told, hears) = channel::unbounded();
        let others = async move {
            for number in 0.. {
                Timer::after(Duration::from_millis(1)).await;
                if told.send(number).await.is_err() {
                    return;
                }
            }
        };
        let (before, after) = relieved(
            async move {
                hears.recv().await.unwrap();
                let before = Instant::now();
                // Twice, for it is to end with the first and begin again with the second.
                for _ in 0..2 {
                    wait(|| (0..5).all(|_| hears.recv_blocking().is_ok()));
                    Timer::after(Duration::from_millis(20)).await;
                }
                (before, Instant::now())
            },
            others,
        );
        assert!(after - before < Duration::from_secs(5));
    }

    #[test]
    fn it_comes_again_after_it_slept() {
        let (told, hears) = channel::unbounded();
        let others = async move {
            while told.send(()).await.is_ok() {
                Timer::after(Duration::from_millis(10)).await;
            }
        };
        let begun = Instant::now();
        relieved(
            async move {
                wait(|| ());
                Timer::after(PATIENCE * (LOOKS + 50)).await;
                while hears.try_recv().is_ok() {}
                wait(|| hears.recv_blocking().unwrap());
            },
            others,
        );
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn without_one_the_work_is_done_all_the_same() {
        assert!(!is_at_hand());
        assert_eq!(wait(|| 7), 7);
        assert!(Relief::default().cover(is_at_hand));
        assert!(!is_at_hand());
    }

    #[test]
    fn a_wait_that_panics_has_ended() {
        let relief = Relief::default();
        let panicked = relief.cover(|| {
            std::panic::catch_unwind(|| wait(|| panic!("a disk that stumbles"))).is_err()
        });
        assert!(panicked && relief.0.is_over());
    }
}

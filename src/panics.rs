//! What happens when our own code is wrong: a panic ends one conversation, is told and counted, and the
//! service goes on.
//!
//! The danger is what a panic says: its text often holds what it stumbled over, a line of somebody's
//! mail. So the log is told where it was, in which session, and only such texts as stand in the
//! program. `abort` would be simpler, and would give every stranger who finds a bug a way to stop the
//! service for all.

use std::{
    cell::Cell,
    fmt,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use smol::{Timer, future::FutureExt as _};

/// Which conversation or task this is, for the log: `smtp-17`, `retention`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogScope {
    kind: &'static str,
    /// 0 where there is only one of its kind.
    number: u64,
}

/// Something ended in a panic, which the log has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

impl LogScope {
    /// One more of this kind.
    pub fn next(kind: &'static str) -> Self {
        Self { kind, number: LAST.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// The only one of this kind.
    pub const fn only(kind: &'static str) -> Self {
        Self { kind, number: 0 }
    }

    /// The one at work on this thread now, if any.
    pub fn current() -> Option<Self> {
        // A thread that is ending has none.
        CURRENT.try_with(Cell::get).ok().flatten()
    }
}

/// From now on every panic of any thread is counted, and told to the log in one line.
pub fn watch() {
    panic::set_hook(Box::new(tell));
}

/// Panics since [`watch`].
pub fn total() -> u64 {
    TOTAL.load(Ordering::Relaxed)
}

/// Does all of `future` in this scope: what it logs names it.
pub async fn within<F: Future + Unpin>(scope: LogScope, future: F) -> F::Output {
    Within { scope, future }.await
}

/// Does all of `future`, also if it panics.
pub async fn catch<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    // What is shared is whole between any two statements: every lock is taken in spite of a panic.
    AssertUnwindSafe(future).catch_unwind().await.map_err(|_| Panicked)
}

/// Does what lives as long as the service. After a panic it begins again, with a pause: such a task must
/// neither end silently nor spin.
pub async fn supervise<F: Future<Output = ()>>(name: &'static str, begin: impl Fn() -> F) {
    let scope = LogScope::only(name);
    while within(scope, Box::pin(catch(begin()))).await.is_err() {
        log::error!(task = name; "it begins again");
        Timer::after(PAUSE).await;
    }
}

/// The hook: one line, and nothing of what the panic stumbled over.
fn tell(info: &PanicHookInfo<'_>) {
    TOTAL.fetch_add(1, Ordering::Relaxed);
    // Texts that were put together are `String`s and may hold anything; these stand in the program.
    let what = info.payload().downcast_ref::<&'static str>().copied().unwrap_or_default();
    let at = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
    let thread = std::thread::current();
    log::error!(at:% = at, what:% = what, thread:% = thread.name().unwrap_or_default();
        "panic: this is a bug, please report it");
}

struct Within<F> {
    scope: LogScope,
    future: F,
}

impl<F: Future + Unpin> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = Entered(CURRENT.replace(Some(self.scope)));
        Pin::new(&mut self.future).poll(cx)
    }
}

/// Goes back to the scope before when dropped, also by a panic.
struct Entered(Option<LogScope>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

impl fmt::Display for LogScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => f.write_str(self.kind),
            number => write!(f, "{}-{number}", self.kind),
        }
    }
}

thread_local! {
    static CURRENT: Cell<Option<LogScope>> = const { Cell::new(None) };
}

static LAST: AtomicU64 = AtomicU64::new(0);
static TOTAL: AtomicU64 = AtomicU64::new(0);

/// Before a task that panicked begins again.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use smol::future::{block_on, yield_now};

    use super::*;

    #[test]
    fn a_scope_holds_while_its_future_runs() {
        let (one, two) = (LogScope::next("smtp"), LogScope::only("retention"));
        assert!(one.to_string().starts_with("smtp-"));
        assert_eq!(two.to_string(), "retention");
        block_on(within(
            one,
            Box::pin(async {
                let inner = within(two, Box::pin(catch(async { panic!("on purpose") })));
                assert_eq!(inner.await, Err::<(), _>(Panicked));
                assert_eq!(LogScope::current(), Some(one));
                yield_now().await;
                assert_eq!(LogScope::current(), Some(one));
            }),
        ));
        assert_eq!(LogScope::current(), None);
    }

    #[test]
    fn a_task_that_panics_begins_again() {
        let rounds = AtomicU64::new(0);
        block_on(supervise("test", || async {
            assert!(rounds.fetch_add(1, Ordering::SeqCst) > 0, "on purpose");
        }));
        assert_eq!(rounds.into_inner(), 2);
    }
}

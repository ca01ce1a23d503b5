// Looking at the server no more often than there is a reason to.

/** Milliseconds after which what failed is tried again, at first and at most. */
const RETRY = 500;
const LONGEST = 30_000;

/**
 * Returns a function that calls `task` soon, however often it is itself called: `first` milliseconds
 * later, at least `pause` after the call before, and never while that one runs. What is asked for
 * while it runs is looked at once more afterwards, for its answer may be older than the question. A
 * task that fails is done again, later and later, until it succeeds: the store may be away for a moment
 * while the feed hears nothing of it. Another reason to look makes that sooner.
 */
export function paced(task, first, pause) {
  let isDue = false;
  let isRunning = false;
  let failures = 0;
  let startedAt = -pause;
  let timer;
  return function ask() {
    if (isDue && failures === 0) return;
    failures = 0;
    isDue = true;
    if (!isRunning) wait();
  };
  function wait() {
    const apart = failures === 0 ? pause : Math.max(pause, Math.min(RETRY * 2 ** (failures - 1), LONGEST));
    clearTimeout(timer);
    timer = setTimeout(run, Math.max(first, startedAt + apart - performance.now()));
  }
  async function run() {
    isDue = false;
    isRunning = true;
    startedAt = performance.now();
    try {
      await task();
      failures = 0;
    } catch {
      failures += 1;
      isDue = true;
    }
    isRunning = false;
    if (isDue) wait();
  }
}

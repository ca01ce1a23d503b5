// Looking at the server no more often than there is a reason to.

/**
 * Returns a function that calls `task` soon, however often it is itself called: `first` milliseconds
 * later, at least `pause` after the call before, and never while that one runs. What is asked for
 * while it runs is looked at once more afterwards, for its answer may be older than the question. A
 * task that fails is not repeated: the feed says when the server is back.
 */
export function paced(task, first, pause) {
  let isDue = false;
  let isBusy = false;
  let startedAt = -pause;
  return function ask() {
    if (isDue) return;
    isDue = true;
    if (!isBusy) wait();
  };
  function wait() {
    isBusy = true;
    setTimeout(async () => {
      isDue = false;
      startedAt = performance.now();
      await task().catch(() => {});
      isBusy = false;
      if (isDue) wait();
    }, Math.max(first, startedAt + pause - performance.now()));
  }
}

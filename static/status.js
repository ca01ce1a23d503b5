// Keeps the status page up to date: fetches it again and takes over what changed. Nothing that has the
// focus or a selection is touched.

const EVERY = 2_000;
const stale = document.getElementById('stale');
const drawn = new Map();
let timer;

async function lookAgain() {
  clearTimeout(timer);
  if (document.visibilityState !== 'visible') return;
  try {
    const answer = await fetch(location.href, { headers: { accept: 'text/html' }, signal: AbortSignal.timeout(10_000) });
    if (answer.status === 401) {
      location.assign(`/login?to=${encodeURIComponent(location.pathname + location.search)}`);
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    take(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
  timer = setTimeout(lookAgain, EVERY);
}

function take(page) {
  const selection = getSelection();
  for (const fresh of page.querySelectorAll('[data-live]')) {
    const old = document.getElementById(fresh.id);
    const text = fresh.innerHTML;
    // Compared with what came, not with what is there: times are put into local ones.
    if (!old || drawn.get(fresh.id) === text) continue;
    const isInUse = old.contains(document.activeElement)
      || (!selection.isCollapsed && selection.containsNode(old, true));
    if (isInUse) continue;
    drawn.set(fresh.id, text);
    old.replaceChildren(...fresh.childNodes);
    old.dispatchEvent(new CustomEvent('rows', { bubbles: true }));
  }
}

document.addEventListener('visibilitychange', lookAgain);
addEventListener('pageshow', (event) => { if (event.persisted) lookAgain(); });
timer = setTimeout(lookAgain, EVERY);

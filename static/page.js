// What makes pages handier: local times, and keys. Everything works without.

document.documentElement.classList.add('scripted');

// Times: the page says UTC, people live elsewhere.
const today = { hour: '2-digit', minute: '2-digit' };
const thisYear = { day: 'numeric', month: 'short' };
const otherYear = { day: 'numeric', month: 'short', year: 'numeric' };
const long = { dateStyle: 'medium', timeStyle: 'medium' };

function localise(root) {
  const now = new Date();
  for (const time of root.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const same = at.toDateString() === now.toDateString();
    const short = same ? today : at.getFullYear() === now.getFullYear() ? thisYear : otherYear;
    time.textContent = at.toLocaleString([], 'long' in time.dataset ? long : short);
    time.title = at.toLocaleString([], { dateStyle: 'full', timeStyle: 'long' });
  }
}

localise(document);
document.addEventListener('rows', (event) => localise(event.target));

// On a phone the mailboxes would fill the screen.
if (matchMedia('(max-width: 760px)').matches) {
  document.querySelector('.boxes details')?.removeAttribute('open');
}

// Back leads to the list that led here, not to the first page of all.
const up = document.querySelector('.message [rel=up]');
const from = document.referrer && new URL(document.referrer);
if (up && from && from.origin === location.origin && from.pathname === '/') {
  up.href = from.href;
}

// Keys: j k move, Enter opens (the link has the focus), u s d act, / searches.
const rows = () => [...document.querySelectorAll('#rows > .row > a')];

function move(step) {
  const all = rows();
  if (all.length === 0) return;
  const at = all.indexOf(document.activeElement);
  const to = at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1);
  all[to].focus();
  all[to].scrollIntoView({ block: 'nearest' });
}

// The message that a key acts on: the one that has the focus, or the one that is open.
function current() {
  const row = document.activeElement?.closest?.('.row');
  const open = document.querySelector('.message');
  return { row, id: (row ?? open)?.dataset.id };
}

async function act(action) {
  const { row, id } = current();
  if (!id) return;
  const answer = await fetch(`/messages/${id}`, {
    method: 'POST',
    body: new URLSearchParams({ action }),
    redirect: 'manual',
  });
  if (answer.type !== 'opaqueredirect' && !answer.ok) return;
  if (!row) {
    location.assign(action === 'star' || action === 'unstar' ? location.pathname : '/');
  } else if (action === 'delete') {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    next?.querySelector('a').focus();
  } else if (action === 'read' || action === 'unread') {
    row.classList.toggle('unread', action === 'unread');
  } else {
    row.querySelector('.star').toggleAttribute('hidden', action === 'unstar');
  }
}

function starred() {
  const { row } = current();
  const mark = row?.querySelector('.star');
  return mark ? !mark.hasAttribute('hidden') : Boolean(document.querySelector('.toolbar .star.on'));
}

const keys = {
  j: () => (follow('.message [rel=next]') ? undefined : move(1)),
  k: () => move(-1),
  u: () => (current().row ? act(current().row.classList.contains('unread') ? 'read' : 'unread') : act('unread')),
  s: () => act(starred() ? 'unstar' : 'star'),
  d: () => act('delete'),
  '/': () => document.getElementById('search')?.select(),
  Escape: () => follow('.message [rel=up]'),
};

function follow(selector) {
  const link = document.querySelector(selector);
  link?.click();
  return link !== null;
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest('input, textarea, select, [contenteditable]')) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  const does = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
  if (!does) return;
  event.preventDefault();
  does();
});

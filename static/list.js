// The list as a window on all messages: rows are added where somebody looks and dropped far from
// there, so that a page that saw a million rows holds a few hundred.

import { number, several, words } from './words.js';
import { paced } from './pace.js';
import { ask, asked, draw, find, idOf, list, rows, show, dress } from './rows.js';

/** Most rows in the page, and how many are dropped at once. */
const MOST = 300;
const PIECE = 50;

/** Ids that the server looks up at once. */
const NAMED = 100;

/** Milliseconds between two looks at the server while much happens. */
const PAUSE = 1000;

/** The same, for the rows that are shown: marks are to be seen at once. */
const STALE_PAUSE = 250;

/** Milliseconds between two drawings of arrivals. */
const DRAWN_APART = 200;

/** So many new rows are marked as new; more of them would mark nothing. */
const FEW = 10;

const scroll = () => document.getElementById('scroll');
const older = () => document.getElementById('older');
const news = () => document.getElementById('news');

/** The first ids of the pieces that were dropped above the window, the newest first. */
let above = [];

/** Ids of messages that came while the newest rows were out of sight. */
let waiting = new Set();

/** A page that does not begin with the newest message does not know what lies above. */
let isWhole = !new URLSearchParams(location.search).has('before');

let busy = false;
let sentinel;

const isAtTop = () => isWhole && above.length === 0;

/** True while an arrival may push rows down without anybody losing their place. */
const isInSight = () => isAtTop() && scroll().scrollTop < 8 && waiting.size === 0;

// What the live feed says.

let arrivals = [];
let isFlood = false;
let drawnAt = 0;

/** A message arrived. Many at once are drawn together. */
export function arrived(message) {
  if (!list()) return;
  const box = list().dataset.mailbox.trim().toLowerCase();
  if (box !== '' && !message.mailboxes.includes(box)) return;
  if (list().dataset.live === 'search') {
    lookAtTop();
    return;
  }
  if (list().hidden) {
    again();
    return;
  }
  if (!isInSight()) {
    waiting.add(message.id);
    sayNews();
    return;
  }
  if (arrivals.push(message) === 1) {
    setTimeout(() => requestAnimationFrame(drawArrivals), Math.max(0, drawnAt + DRAWN_APART - Date.now()));
  }
  // Nobody reads a flood: its last rows are drawn, the others are found by scrolling.
  if (arrivals.length > PIECE) {
    const dropped = arrivals.shift();
    // Whoever works in the list must not see it washed away.
    if (list().contains(document.activeElement)) waiting.add(dropped.id);
    else isFlood = true;
  }
}

function drawArrivals() {
  drawnAt = Date.now();
  const fresh = arrivals.filter(({ id }) => !find(id)).reverse().map(draw);
  arrivals = [];
  if (waiting.size > 0) {
    for (const row of fresh) waiting.add(idOf(row));
    sayNews();
    return;
  }
  if (isFlood && list()) {
    list().replaceChildren();
    older().hidden = false;
  }
  isFlood = false;
  enter(fresh);
}

/** Puts new rows before all others. */
function enter(fresh) {
  if (fresh.length === 0 || !list()) return;
  if (fresh.length <= FEW) for (const row of fresh) row.classList.add('fresh');
  const piece = document.createElement('ul');
  piece.append(...fresh);
  dress(piece);
  list().prepend(...fresh);
  dispatch();
  trimBottom();
}

/** These messages are gone. */
export function removed(ids) {
  for (const id of ids) {
    waiting.delete(id);
    find(id)?.remove();
  }
  sayNews();
  if (list() && !list().hidden && list().children.length === 0) again();
}

let stale = new Set();

/** These messages changed; those that are shown are looked at again. */
export function changed(ids) {
  for (const id of ids) if (find(id)) stale.add(id);
  if (stale.size > 0) lookAtStale();
}

/** Anything may have changed. */
export function lookAgain() {
  if (!list()) return;
  if (list().hidden) again();
  changed(rows().map(idOf));
  lookAtTop();
}

const lookAtStale = paced(async () => {
  const ids = [...stale];
  stale = new Set();
  for (let start = 0; start < ids.length; start += NAMED) {
    const named = ids.slice(start, start + NAMED);
    const piece = await ask({ ids: named.join() });
    const kept = new Set(piece.rows.map(idOf));
    for (const fresh of piece.rows) replace(fresh);
    removed(named.filter((id) => !kept.has(id)));
  }
}, 60, STALE_PAUSE);

/** Takes over what can change in a row; the element stays, and with it focus and place. */
function replace(fresh) {
  const row = find(idOf(fresh));
  if (!row) return;
  show(row, 'unread', fresh.classList.contains('unread'));
  show(row, 'starred', fresh.classList.contains('starred'));
  row.querySelector('.tags').replaceWith(fresh.querySelector('.tags'));
}

/** Looks whether there is anything above the first row; at most once a second. */
const lookAtTop = paced(newest, 30, PAUSE);

async function newest() {
  if (!list() || !isWhole) return;
  if (list().hidden) {
    again();
    return;
  }
  const piece = await ask({});
  // Ids grow in the order of arrival.
  const newestKnown = above[0] ?? idOf(list().firstElementChild);
  const fresh = piece.rows.filter((row) => idOf(row) > newestKnown);
  if (fresh.length === 0) return;
  if (!isInSight()) {
    for (const row of fresh) waiting.add(idOf(row));
    sayNews();
  } else if (fresh.length === piece.rows.length) {
    fill(piece);
  } else {
    enter(fresh);
  }
}

/** Begins anew with the newest rows. */
export async function toNewest() {
  if (!list()) return;
  try {
    fill(await ask({}));
  } catch {
    location.assign(document.querySelector('#news a').href);
  }
}

function fill(piece) {
  above = [];
  waiting = new Set();
  isWhole = true;
  const container = document.createElement('ul');
  container.append(...piece.rows);
  dress(container);
  list().replaceChildren(...piece.rows);
  older().hidden = !piece.more;
  scroll().scrollTop = 0;
  place();
  sayNews();
  dispatch();
}

function sayNews() {
  const pill = news();
  if (!pill) return;
  pill.hidden = isWhole && waiting.size === 0;
  if (!pill.hidden) {
    pill.firstElementChild.textContent = waiting.size > 0 ? `↑ ${several(words.news, waiting.size)}` : `↑ ${words.newest}`;
  }
}

// The window moves with whoever scrolls.

async function loadOlder() {
  const last = list()?.lastElementChild;
  if (busy || !last || older().hidden) return;
  busy = true;
  const link = older().firstElementChild;
  const text = link.textContent;
  link.textContent = words.loading;
  try {
    const piece = await ask({ before: idOf(last) });
    append(piece.rows.filter((row) => !find(idOf(row))));
    older().hidden = !piece.more;
  } catch {
    // The link still leads there.
  } finally {
    link.textContent = text;
    busy = false;
  }
  trimTop();
  watch();
}

function append(fresh) {
  const container = document.createElement('ul');
  container.append(...fresh);
  dress(container);
  list().append(...fresh);
  dispatch();
}

function trimTop() {
  const over = list().children.length - MOST;
  if (over < PIECE) return;
  const doomed = rows().slice(0, PIECE);
  const next = doomed.at(-1).nextElementSibling;
  const before = next.getBoundingClientRect().top;
  above.push(idOf(doomed[0]));
  for (const row of doomed) row.remove();
  scroll().scrollTop += next.getBoundingClientRect().top - before;
}

function trimBottom() {
  const doomed = rows().slice(MOST);
  if (doomed.length === 0) return;
  for (const row of doomed) row.remove();
  older().hidden = false;
}

async function loadNewer() {
  if (busy || above.length === 0) return;
  busy = true;
  try {
    const first = list().firstElementChild;
    const piece = await ask({ before: after(above.at(-1)) });
    above.pop();
    const end = piece.rows.findIndex((row) => idOf(row) <= idOf(first));
    const fresh = end < 0 ? piece.rows : piece.rows.slice(0, end);
    const top = first.getBoundingClientRect().top;
    const container = document.createElement('ul');
    container.append(...fresh);
    dress(container);
    list().prepend(...fresh);
    scroll().scrollTop += first.getBoundingClientRect().top - top;
    dispatch();
  } catch {
    // Scrolling again asks again.
  } finally {
    busy = false;
  }
  trimBottom();
}

/** The least id above this one: a page below it begins with this one. */
function after(id) {
  return (BigInt(`0x${id}`) + 1n).toString(16).padStart(id.length, '0');
}

// The address says which row is the first in sight, so that a reload shows the same.

let placeTimer;

function moved() {
  if (scroll().scrollTop < 600) loadNewer();
  if (isAtTop() && waiting.size > 0 && scroll().scrollTop < 8) lookAtTop();
  clearTimeout(placeTimer);
  placeTimer = setTimeout(place, 200);
}

function place() {
  const url = new URL(location.href);
  const top = scroll().getBoundingClientRect().top;
  const first = rows().find((row) => row.getBoundingClientRect().bottom > top + 8);
  const isFirst = isAtTop() && (!first || first === list().firstElementChild);
  if (isFirst) url.searchParams.delete('before');
  else if (first) url.searchParams.set('before', after(idOf(first)));
  if (url.href !== location.href) history.replaceState(history.state, '', url);
  remember(isFirst ? undefined : first);
}

/** What lies above the first row in sight: kept for the reload, for the address cannot say it. */
function remember(first) {
  const all = rows();
  const at = first ? all.indexOf(first) : 0;
  const firsts = [...above];
  for (let start = 0; start < at; start += PIECE) firsts.push(idOf(all[start]));
  try {
    const kept = { before: first && after(idOf(first)), firsts };
    sessionStorage.setItem(`above ${asked()}`, JSON.stringify(kept));
  } catch {
    // Then a reload knows the way down only, and to the newest.
  }
}

function recall() {
  const before = new URLSearchParams(location.search).get('before');
  try {
    const kept = JSON.parse(sessionStorage.getItem(`above ${asked()}`));
    if (before && kept?.before === before) {
      above = kept.firsts;
      isWhole = true;
    }
  } catch {
    // See above.
  }
}

/** Watches for the end of the rows coming near. */
function watch() {
  sentinel?.disconnect();
  if (!older()) return;
  sentinel = new IntersectionObserver((seen) => {
    if (seen.some((it) => it.isIntersecting)) loadOlder();
  }, { root: scroll(), rootMargin: '800px 0px' });
  sentinel.observe(older());
}

/** Asks for the whole page again and takes its middle: an empty list fills, or a full one is empty. */
export const again = paced(async () => {
  const url = new URL(location.href);
  url.searchParams.delete('before');
  const answer = await fetch(url, { headers: { accept: 'text/html' } });
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const fresh = page.getElementById('main');
  if (!answer.ok || !fresh) return;
  document.getElementById('main').replaceChildren(...fresh.childNodes);
  attach();
}, 30, PAUSE);

const dispatch = () => document.dispatchEvent(new CustomEvent('list'));

/** Makes what the server drew alive. */
export function attach() {
  if (!list()) return;
  above = [];
  waiting = new Set();
  isWhole = !new URLSearchParams(location.search).has('before');
  recall();
  dress(list());
  scroll().addEventListener('scroll', moved, { passive: true });
  sayNews();
  watch();
  dispatch();
  if (above.length > 0) {
    loadNewer();
    lookAtTop();
  }
}

document.addEventListener('click', (event) => {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest('#news a, #older a');
  if (!link) return;
  event.preventDefault();
  if (link.closest('#news')) toNewest();
  else loadOlder();
});

/** Totals, wherever they are shown. */
export function totals(counts) {
  for (const place of document.querySelectorAll('[data-count], [data-number]')) {
    const { count, number: plain } = place.dataset;
    place.textContent = count ? several(words.counts[count], counts[count]) : counts[plain] ? number(counts[plain]) : '';
  }
}


// The rows in the page as a window on all messages: rows are added where somebody looks and dropped
// far from there, so that a page that saw a million of them holds a few hundred.

import { words } from './words.js';
import { paced } from './pace.js';
import { ask, dress, find, idOf, list, rows } from './rows.js';

/** Most rows in the page, and how many are dropped at once. */
const MOST = 300;
export const PIECE = 50;

/** Milliseconds between two looks at the server while much happens. */
const PAUSE = 1000;

export const scroll = () => document.getElementById('scroll');
const older = () => document.getElementById('older');

/** The first ids of the pieces that were dropped above the window, the newest first. */
let above = [];

/** A page that does not begin with the newest message does not know what lies above. */
let knowsTop = true;

let busy = false;
let sentinel;

export const isWhole = () => knowsTop;
export const isAtTop = () => knowsTop && above.length === 0;

/** The newest id that was ever in the window; ids grow in the order of arrival. */
export const newestKnown = () => above[0] ?? idOf(list().firstElementChild);

/** The first ids of the pieces above this row, by which a reload finds the way up. */
export function pathTo(row) {
  const all = rows();
  const firsts = [...above];
  for (let start = 0; start < all.indexOf(row); start += PIECE) firsts.push(idOf(all[start]));
  return firsts;
}

/** Begins with what the page has; `firsts` says what lies above, if anybody knows. */
export function look(firsts) {
  above = firsts ?? [];
  knowsTop = firsts !== undefined || !new URLSearchParams(location.search).has('before');
  dress(list());
  watch();
  dispatch();
  if (above.length > 0) loadNewer();
}

/** Shows these rows, the newest of all, in place of the others. */
export function fill(piece) {
  above = [];
  knowsTop = true;
  list().replaceChildren(...dressed(piece.rows));
  older().hidden = !piece.more;
  scroll().scrollTop = 0;
  dispatch();
}

/** Lets go of all rows: what comes next is the newest, and older ones are found by scrolling. */
export function clear() {
  list().replaceChildren();
  older().hidden = false;
}

/** Puts new rows before all others. */
export function enter(fresh) {
  if (fresh.length === 0 || !list()) return;
  list().prepend(...dressed(fresh));
  dispatch();
  trimBottom();
}

function dressed(fresh) {
  const container = document.createElement('ul');
  container.append(...fresh);
  dress(container);
  return fresh;
}

export async function loadOlder() {
  const last = list()?.lastElementChild;
  if (busy || !last || older().hidden) return;
  busy = true;
  const link = older().firstElementChild;
  const text = link.textContent;
  link.textContent = words.loading;
  try {
    const piece = await ask({ before: idOf(last) });
    list().append(...dressed(piece.rows.filter((row) => !find(idOf(row)))));
    dispatch();
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

export async function loadNewer() {
  if (busy || above.length === 0) return;
  busy = true;
  try {
    const first = list().firstElementChild;
    const piece = await ask({ before: after(above.at(-1)) });
    above.pop();
    const end = piece.rows.findIndex((row) => idOf(row) <= idOf(first));
    const fresh = end < 0 ? piece.rows : piece.rows.slice(0, end);
    const top = first.getBoundingClientRect().top;
    list().prepend(...dressed(fresh));
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
export function after(id) {
  return (BigInt(`0x${id}`) + 1n).toString(16).padStart(id.length, '0');
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
  if (!answer.ok) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const fresh = page.getElementById('main');
  if (!fresh) return;
  document.getElementById('main').replaceChildren(...fresh.childNodes);
  document.dispatchEvent(new CustomEvent('main'));
}, 30, PAUSE);

const dispatch = () => document.dispatchEvent(new CustomEvent('list'));

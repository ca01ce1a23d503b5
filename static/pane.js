// The message beside the list. `?open=` in the address names it, so that reload, back and forward
// find it again; a browser without scripts goes to its page instead.

import { words } from './words.js';
import { find, idOf, list, rows, show } from './rows.js';
import { act } from './pick.js';

const pane = document.getElementById('pane');
const title = document.title;
let asking;

/** The open message and its tab, as in the address; empty for none. */
let shown = '';

export const isOpen = () => shown !== '';
export const openId = () => shown.split('/')[0];
export const article = () => pane?.querySelector('article.message') ?? document.querySelector('main > article.message');

const ourPath = (path) => path.replace(/^\/messages\//, '');

/** Opens `{id}` or `{id}/tab`, perhaps with a query. */
export async function open(what, { history: how = 'push' } = {}) {
  const before = shown;
  shown = what;
  note(how);
  lay();
  asking?.abort();
  const mine = asking = new AbortController();
  const busy = setTimeout(() => pane.setAttribute('aria-busy', 'true'), 120);
  try {
    const answer = await fetch(`/messages/${what}`, { headers: { accept: 'text/html' }, signal: mine.signal });
    if (!answer.headers.get('content-type')?.startsWith('text/html')) {
      // A file: the browser knows what to do with it.
      mine.abort();
      shown = before;
      note('replace');
      location.assign(`/messages/${what}`);
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (asking !== mine) return;
    const fresh = page.querySelector('article.message');
    if (fresh) insert(document.adoptNode(fresh), page.title, openIdOf(before) === openId());
    else say(answer.status === 404 ? words.gone : words.failed);
  } catch (error) {
    if (error.name !== 'AbortError') say(words.unreachable);
  } finally {
    clearTimeout(busy);
    if (asking === mine) pane.removeAttribute('aria-busy');
  }
}

const openIdOf = (what) => what.split('/')[0];

function insert(fresh, name, isSame) {
  // Opening is reading; the feed says so a moment later.
  const row = find(openId());
  if (row) show(row, 'unread', false);
  const held = pane.contains(document.activeElement);
  pane.replaceChildren(fresh);
  if (!isSame) pane.scrollTop = 0;
  document.dispatchEvent(new CustomEvent('title', { detail: name }));
  fresh.dispatchEvent(new CustomEvent('article', { bubbles: true }));
  if (held || getComputedStyle(list() ?? pane).visibility === 'hidden') pane.focus({ preventScroll: true });
}

function say(text) {
  const notice = document.createElement('p');
  notice.className = 'notice';
  notice.setAttribute('role', 'alert');
  notice.textContent = text;
  pane.replaceChildren(notice);
}

/** Goes back to the list alone. */
export function close({ history: how = 'push' } = {}) {
  if (!isOpen()) return;
  const row = find(openId());
  shown = '';
  asking?.abort();
  note(how);
  lay();
  pane.replaceChildren();
  document.dispatchEvent(new CustomEvent('title', { detail: title }));
  row?.querySelector('.open').focus({ preventScroll: true });
  row?.scrollIntoView({ block: 'nearest' });
}

/** Opens the message after the open one, which is about to go, or closes. */
function openNext(id) {
  const row = find(id);
  const next = row?.nextElementSibling ?? row?.previousElementSibling;
  if (next) open(idOf(next), { history: 'replace' });
  else close({ history: 'replace' });
}

function note(how) {
  if (how === 'none') return;
  const url = new URL(location.href);
  if (shown) url.searchParams.set('open', shown);
  else url.searchParams.delete('open');
  if (url.href === location.href) return;
  if (how === 'push') history.pushState(null, '', url);
  else history.replaceState(null, '', url);
}

function lay() {
  pane.hidden = !isOpen();
  document.body.classList.toggle('reading-beside', isOpen());
  current();
}

function current() {
  for (const row of rows()) {
    const is = isOpen() && idOf(row) === openId();
    row.classList.toggle('current', is);
    if (is) row.querySelector('.open').setAttribute('aria-current', 'true');
    else row.querySelector('.open').removeAttribute('aria-current');
  }
}

function openAddressed() {
  const what = new URLSearchParams(location.search).get('open') ?? '';
  if (what) open(what, { history: 'none' });
  else close({ history: 'none' });
}

if (pane) {
  document.addEventListener('list', current);
  addEventListener('popstate', openAddressed);
  openAddressed();

  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest('a[href]');
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
    const inPane = pane.contains(link);
    if (inPane && link.rel === 'up') {
      event.preventDefault();
      close();
    } else if ((inPane || link.matches('.row .open')) && /^\/messages\/[0-9a-f]{24}/.test(link.pathname)) {
      event.preventDefault();
      open(ourPath(link.pathname) + link.search);
    }
  });

  // The buttons of the message: the same as without scripts, but the list stays.
  pane.addEventListener('submit', (event) => {
    // Not `form.action`: its buttons have that name.
    const id = ourPath(event.target.getAttribute('action') ?? '');
    if (!/^[0-9a-f]{24}$/.test(id) || event.submitter?.name !== 'action') return;
    event.preventDefault();
    doWithOpen(event.submitter.value, id);
  });

  document.addEventListener('acted', ({ detail: { action, ids } }) => {
    if (!isOpen() || !ids.includes(openId())) return;
    if (action === 'unread') close();
    else if (action === 'star' || action === 'unstar') later();
  });
}

/** Marks, stars or deletes the open message. */
export function doWithOpen(action, id = openId()) {
  if (action === 'delete') openNext(id);
  act(action, [id]);
}

/** Looks at the open message again, for its buttons may say something else now. */
function later() {
  setTimeout(() => { if (isOpen()) open(shown, { history: 'none' }); }, 150);
}

/** Another page changed or deleted messages. */
export function heard(ids, areGone) {
  if (isOpen() && areGone && ids.includes(openId())) say(words.gone);
}

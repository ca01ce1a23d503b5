// Keys, as in mutt: they act on the row with the focus, else on the open message.

import { actOn, hasPicked, isPicked, pick, pickNone, toggles } from './pick.js';
import { find, idOf, rows } from './rows.js';
import { article, close, doWithOpen, isOpen, open, openId } from './pane.js';
import { toNewest } from './news.js';
import { openHelp, openPalette } from './palette.js';
import { focusSearch } from './search.js';

/** Milliseconds that the second key of `g i` may take, and a row the focus before it is opened. */
const SECOND = 1200;
const SETTLED = 120;

const linkOf = (row) => row.querySelector('.open');

/** The row that a key acts on. */
function current() {
  return document.activeElement?.closest?.('.row') ?? (isOpen() ? find(openId()) : null);
}

let settle;

function move(step) {
  const all = rows();
  if (all.length === 0) {
    // The page of one message: its own links lead on.
    if (step > 0) article()?.querySelector('[rel=next]')?.click();
    return;
  }
  const at = all.indexOf(current());
  const to = all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)];
  linkOf(to).focus();
  to.scrollIntoView({ block: 'nearest' });
  if (!isOpen()) return;
  clearTimeout(settle);
  settle = setTimeout(() => { if (idOf(to) !== openId()) open(idOf(to), { history: 'replace' }); }, SETTLED);
}

/** Does something with what is picked, the row with the focus, or the open message. */
function act(action) {
  const row = current();
  if (hasPicked()) actOn(undefined, action);
  else if (isOpen() && (!row || idOf(row) === openId())) doWithOpen(action);
  else if (row) actOnRow(row, action);
  else article()?.querySelector(`form [name=action][value=${action}]`)?.click();
}

function actOnRow(row, action) {
  const next = row.nextElementSibling ?? row.previousElementSibling;
  actOn(row, action);
  if (action === 'delete' && next) linkOf(next).focus();
}

function star() {
  const row = current();
  if (row) act(hasPicked() ? 'star' : toggles.star(row));
  else (article()?.querySelector('[value=star]') ?? article()?.querySelector('[value=unstar]'))?.click();
}

/** Selects this row and the next, so that a range grows. */
function extend(step) {
  const row = current() ?? rows()[0];
  if (!row) return;
  linkOf(row).focus();
  pick([row], true);
  move(step);
  pick([current()], true);
}

function togglePick() {
  const row = current() ?? rows()[0];
  if (row) pick([row], !isPicked(row));
}

function leave() {
  if (hasPicked()) pickNone();
  else if (isOpen()) close();
  else article()?.querySelector('[rel=up]')?.click();
}

const go = { i: '/', u: '/?q=is%3Aunread', s: '/?q=is%3Astarred', a: '/?q=has%3Aattachment' };
let first = 0;

const keys = {
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  J: () => extend(1),
  K: () => extend(-1),
  ArrowUp: () => move(-1),
  u: () => act('unread'),
  r: () => act('read'),
  s: star,
  d: () => act('delete'),
  Delete: () => act('delete'),
  x: togglePick,
  n: () => { if (rows().length > 0) toNewest(); },
  '/': focusSearch,
  '?': openHelp,
  g: () => { first = Date.now(); },
  Escape: leave,
};

const isTyping = (place) => place.closest?.('textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])');

document.addEventListener('keydown', (event) => {
  if (event.isComposing || event.defaultPrevented) return;
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    openPalette();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector('dialog[open]')) return;
  const settings = document.getElementById('settings');
  if (event.key === 'Escape' && settings.open) {
    settings.open = false;
    settings.querySelector('summary').focus();
    return;
  }
  if (isTyping(event.target)) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  // Arrows scroll a message; elsewhere they move in the list.
  if (event.key.startsWith('Arrow') && !document.activeElement?.closest?.('.row')) return;
  const isSecond = Date.now() - first < SECOND;
  first = 0;
  if (isSecond && Object.hasOwn(go, event.key)) {
    event.preventDefault();
    location.assign(go[event.key]);
    return;
  }
  const does = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
  if (!does) return;
  event.preventDefault();
  does();
});

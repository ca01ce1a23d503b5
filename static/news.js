// What the live feed says about the list: what arrived, what changed, what is gone. Whoever reads
// further down keeps their place, and is told how many wait above.

import { number, several, words } from './words.js';
import { paced } from './pace.js';
import { ask, draw, find, idOf, list, rows, show } from './rows.js';
import { PIECE, again, clear, enter, fill, isAtTop, isWhole, newestKnown, scroll } from './window.js';
import { place } from './place.js';

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

/** Ids of messages that came while the newest rows were out of sight. */
let waiting = new Set();

/** True while an arrival may push rows down without anybody losing their place. */
const isInSight = () => isAtTop() && scroll().scrollTop < 8 && waiting.size === 0;

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
  if (isFlood && list()) clear();
  isFlood = false;
  put(fresh);
}

/** Puts new rows before all others, marked if they are few. */
function put(fresh) {
  if (fresh.length <= FEW) for (const row of fresh) row.classList.add('fresh');
  enter(fresh);
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
    const piece = await ask({ ids: named.join() }).catch((error) => {
      for (const id of ids.slice(start)) stale.add(id);
      throw error;
    });
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
export const lookAtTop = paced(newest, 30, PAUSE);

async function newest() {
  if (!list() || !isWhole()) return;
  if (list().hidden) {
    again();
    return;
  }
  const piece = await ask({});
  const known = newestKnown();
  const fresh = piece.rows.filter((row) => idOf(row) > known);
  if (fresh.length === 0) return;
  if (!isInSight()) {
    for (const row of fresh) waiting.add(idOf(row));
    sayNews();
  } else if (fresh.length === piece.rows.length) {
    begin(piece);
  } else {
    put(fresh);
  }
}

/** Begins anew with the newest rows. */
export async function toNewest() {
  if (!list()) return;
  try {
    begin(await ask({}));
  } catch {
    location.assign(document.querySelector('#news a').href);
  }
}

function begin(piece) {
  fill(piece);
  place();
  forget();
}

/** Nothing waits any more, for the list begins with the newest or is another one. */
export function forget() {
  waiting = new Set();
  sayNews();
}

/** Whoever comes back to the top sees what waited there. */
export function atTop() {
  if (isAtTop() && waiting.size > 0 && scroll().scrollTop < 8) lookAtTop();
}

function sayNews() {
  const pill = document.getElementById('news');
  if (!pill) return;
  pill.hidden = isWhole() && waiting.size === 0;
  if (!pill.hidden) {
    pill.firstElementChild.textContent = waiting.size > 0 ? `↑ ${several(words.news, waiting.size)}` : `↑ ${words.newest}`;
  }
}

/** Totals, wherever they are shown. */
export function totals(counts) {
  for (const place of document.querySelectorAll('[data-count], [data-number]')) {
    const { count, number: plain } = place.dataset;
    place.textContent = count ? several(words.counts[count], counts[count]) : counts[plain] ? number(counts[plain]) : '';
  }
}


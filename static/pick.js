// Picking messages - one, a range, all that match - and doing something with them.

import { several, toast, words } from './words.js';
import { askedAll, find, idOf, isStarred, isUnread, list, rows, show } from './rows.js';
import { changed, lookAgain, removed } from './news.js';

/** Ids that one request may name: they have to fit into a form. */
const AT_ONCE = 2000;

const picked = new Set();
let isAll = false;
let anchor;

const bulk = () => document.getElementById('bulk');
const boxOf = (row) => row.querySelector('.pick input');

export const hasPicked = () => isAll || picked.size > 0;

/** Picks or drops the messages of these rows. */
export function pick(some, on) {
  if (isAll) pickNone();
  for (const row of some) {
    if (on) picked.add(idOf(row));
    else picked.delete(idOf(row));
  }
  anchor = some.at(-1);
  refresh();
}

export function pickNone() {
  picked.clear();
  isAll = false;
  refresh();
}

export const isPicked = (row) => isAll || picked.has(idOf(row));

/** Shows what is picked, in rows that are there and in those that come. */
function refresh() {
  if (!list()) return;
  const all = rows();
  for (const row of all) {
    boxOf(row).checked = isPicked(row);
    row.classList.toggle('picked', isPicked(row));
  }
  document.body.classList.toggle('picking', hasPicked());
  const some = all.filter(isPicked).length;
  const every = document.getElementById('pick-all');
  every.checked = some > 0 && some === all.length;
  every.indeterminate = some > 0 && some < all.length;
  document.getElementById('picked').textContent = isAll ? words.all_picked : several(words.picked, picked.size);
  document.getElementById('pick-matching').hidden = isAll;
}

/** Asks the server to do something with messages; returns how many are different now. */
async function post(action, which) {
  const form = new URLSearchParams({ action, ...which });
  const answer = await fetch('/messages', { method: 'POST', body: form, headers: { accept: 'application/json' } });
  if (!answer.ok) throw new Error(String(answer.status));
  return (await answer.json()).changed;
}

/** Does something with these messages, and shows it before the server says so. */
export async function act(action, ids, more = {}) {
  for (const id of ids) {
    const row = find(id);
    if (!row) continue;
    if (action === 'read' || action === 'unread') show(row, 'unread', action === 'unread');
    if (action === 'star' || action === 'unstar') show(row, 'starred', action === 'star');
  }
  if (action === 'delete') removed(ids);
  document.dispatchEvent(new CustomEvent('acted', { detail: { action, ids } }));
  let count = 0;
  try {
    for (let start = 0; start < ids.length; start += AT_ONCE) {
      const named = ids.slice(start, start + AT_ONCE).join();
      count += await post(action, { only: 'picked', ids: named, ...more });
    }
  } catch {
    toast(words.failed);
    lookAgain();
    changed(ids);
  }
  return count;
}

async function actOnPicked(action) {
  const tag = bulk().querySelector('[name=tag]');
  const more = action === 'tag' || action === 'untag' ? { tag: tag.value } : {};
  if ('tag' in more && tag.value.trim() === '') {
    tag.focus();
    return;
  }
  if (action === 'delete') {
    if (isAll) {
      location.assign(`/delete?${askedAll()}`);
      return;
    }
    if (picked.size > 1 && !confirm(several(words.confirm_delete, picked.size))) return;
  }
  const ids = [...picked];
  const wasAll = isAll;
  if (action === 'delete') pickNone();
  try {
    const count = wasAll ? await post(action, { ...Object.fromEntries(askedAll()), ...more }) : await act(action, ids, more);
    toast(several(action === 'delete' ? words.deleted : words.changed, count));
    if (wasAll) lookAgain();
    else if (action !== 'delete') changed(ids);
  } catch {
    toast(words.failed);
  }
  tag.value = '';
}

/** Does something with what is picked, else with this row. */
export function actOn(row, action) {
  if (hasPicked()) actOnPicked(action);
  else if (row) act(action, [idOf(row)]);
}

export const toggles = {
  read: (row) => (isUnread(row) ? 'read' : 'unread'),
  star: (row) => (isStarred(row) ? 'unstar' : 'star'),
};

document.addEventListener('submit', (event) => {
  // Not `target.id`: the boxes of the rows are fields of that name.
  if (!event.target.matches('#bulk')) return;
  event.preventDefault();
  const button = event.submitter;
  if (button?.name === 'one') {
    const [action, id] = button.value.split(' ');
    act(action, [id]);
  } else if (button?.value) {
    actOnPicked(button.value);
  }
});

document.addEventListener('click', (event) => {
  const box = event.target.closest('.row .pick input');
  if (box) {
    const row = box.closest('.row');
    const all = rows();
    const [from, to] = [all.indexOf(anchor), all.indexOf(row)].sort((a, b) => a - b);
    pick(event.shiftKey && from >= 0 ? all.slice(from, to + 1) : [row], box.checked);
    anchor = row;
  } else if (event.target.id === 'pick-all') {
    if (event.target.checked) pick(rows(), true);
    else pickNone();
  } else if (event.target.closest('#pick-matching')) {
    isAll = true;
    refresh();
  } else if (event.target.closest('#pick-none')) {
    pickNone();
  }
});

document.addEventListener('list', () => { if (hasPicked()) refresh(); });


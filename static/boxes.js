// The left column: kept up to date, a drawer on a phone, and the place of saved searches. These live
// in the browser: without a login the server knows nobody whose they could be.

import { put, remember, remembered, several, toast, words } from './words.js';
import { paced } from './pace.js';
import { asked, list } from './rows.js';

/** Milliseconds between two looks while mail pours in. */
const PAUSE = 1000;

/** Most saved searches. */
const MOST_SAVED = 50;

const boxes = () => document.getElementById('boxes');
const drawer = document.getElementById('boxes-button');

/** Asks the server for the column again, at most once a second. */
export const lookAtBoxes = paced(async () => {
  if (!boxes()) return;
  const here = list() ? asked() : '';
  const answer = await fetch(`/boxes?${here}`);
  if (!answer.ok) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const fresh = page.getElementById('boxes');
  if (fresh) take(fresh);
}, 100, PAUSE);

function take(fresh) {
  const focused = boxes().contains(document.activeElement) ? document.activeElement.getAttribute('href') : undefined;
  const { scrollTop } = boxes();
  boxes().replaceChildren(...fresh.childNodes);
  showSaved();
  const here = boxes().querySelector('[data-mailbox][aria-current]');
  for (const place of here ? document.querySelectorAll('#counts [data-of]') : []) {
    place.textContent = several(words.counts[place.dataset.of], Number(here.dataset[place.dataset.of]));
  }
  boxes().scrollTop = scrollTop;
  if (focused) boxes().querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

// Saved searches.

export const saved = () => remembered('saved', []).filter((it) => typeof it?.q === 'string');

const hrefOf = ({ q, mailbox }) => `/?${new URLSearchParams({ q, ...(mailbox && { mailbox }) })}`;

function showSaved() {
  const place = document.getElementById('saved');
  if (!place) return;
  const all = saved();
  const here = list() ? `/?${asked()}` : '';
  place.hidden = all.length === 0;
  place.querySelector('ul').replaceChildren(...all.map((search) => {
    const item = document.createElement('li');
    const link = document.createElement('a');
    link.href = hrefOf(search);
    if (link.getAttribute('href') === here) link.setAttribute('aria-current', 'page');
    link.append(icon('i-saved'));
    const name = document.createElement('span');
    name.className = 'name';
    name.textContent = search.mailbox ? `${search.q} · ${search.mailbox}` : search.q;
    link.append(name);
    link.title = name.textContent;
    const forget = document.createElement('button');
    forget.type = 'button';
    forget.className = 'flat square';
    forget.setAttribute('aria-label', put(words.forget, name.textContent));
    forget.append(icon('i-close'));
    forget.onclick = () => {
      remember('saved', saved().filter((it) => hrefOf(it) !== hrefOf(search)));
      showSaved();
    };
    item.append(link, forget);
    return item;
  }));
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.classList.add('icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#${name}`);
  svg.append(use);
  return svg;
}

document.addEventListener('click', (event) => {
  if (event.target.closest('#save-search')) {
    const search = Object.fromEntries(asked());
    const others = saved().filter((it) => hrefOf(it) !== hrefOf(search));
    remember('saved', [...others, search].slice(-MOST_SAVED));
    showSaved();
    toast(words.saved);
  }
});

addEventListener('storage', (event) => { if (event.key === 'saved') showSaved(); });

// The drawer.

function slide(open) {
  document.body.classList.toggle('boxes-open', open);
  drawer.setAttribute('aria-expanded', String(open));
  if (open) boxes().focus();
}

if (boxes()) {
  showSaved();
  drawer.addEventListener('click', () => slide(!document.body.classList.contains('boxes-open')));
  document.addEventListener('click', (event) => {
    if (document.body.classList.contains('boxes-open') && !event.target.closest('#boxes, #boxes-button')) slide(false);
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && document.body.classList.contains('boxes-open')) {
      event.stopImmediatePropagation();
      slide(false);
      drawer.focus();
    }
  });
} else {
  drawer.hidden = true;
}

// Rows: where they come from and how they look. Text from mail is only ever set as text.

import { localise } from './times.js';
import { words } from './words.js';

export const list = () => document.getElementById('rows');
export const rows = () => [...(list()?.children ?? [])];
export const find = (id) => list()?.querySelector(`:scope > [data-id="${CSS.escape(id)}"]`) ?? null;
export const idOf = (row) => row.dataset.id;
export const isUnread = (row) => row.classList.contains('unread');
export const isStarred = (row) => row.classList.contains('starred');

/** The list that the page shows, as the server wants to hear it. */
export function asked(more = {}) {
  const { q, mailbox } = list().dataset;
  const all = Object.entries({ q, mailbox, ...more }).filter(([, value]) => value);
  return new URLSearchParams(all);
}

/** All messages of the list, as the server wants to hear it of who changes or deletes them: what names
 *  nothing it refuses, and all is a word of its own. */
export function askedAll() {
  const these = asked();
  return `${these}` ? these : new URLSearchParams({ all: '1' });
}

/** A piece of the list, drawn by the server: its rows, and whether older ones follow. */
export async function ask(more, signal) {
  const answer = await fetch(`/rows?${'ids' in more ? new URLSearchParams(more) : asked(more)}`, { signal });
  if (!answer.ok) throw new Error(String(answer.status));
  const piece = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('ul');
  return { rows: [...piece.children].map((row) => document.adoptNode(row)), more: piece.dataset.more === 'true' };
}

/** A row for a message that the live feed tells of. */
export function draw(message) {
  const row = document.getElementById('blank').content.firstElementChild.cloneNode(true);
  const set = (selector, text) => { row.querySelector(selector).textContent = text; };
  row.dataset.id = message.id;
  row.querySelector('.open').href = `/messages/${encodeURIComponent(message.id)}`;
  row.querySelector('.pick input').value = message.id;
  set('.from', message.from);
  set('.to .name', message.to);
  set('.subject', message.subject || words.no_subject);
  set('.snippet', message.snippet);
  set('.size', message.size);
  row.querySelector('.clip').hidden = message.attachments === 0;
  const time = row.querySelector('time');
  time.dateTime = message.received.machine;
  time.textContent = message.received.human;
  for (const tag of message.tags) {
    const mark = document.createElement('i');
    mark.className = 'tag';
    mark.textContent = tag;
    row.querySelector('.tags').append(mark);
  }
  show(row, 'unread', message.unread);
  show(row, 'starred', message.starred);
  return row;
}

/** Shows a row as unread or read, as starred or not. */
export function show(row, what, on) {
  row.classList.toggle(what, on);
  const button = row.querySelector(what === 'unread' ? '.mark.dot' : '.mark.star');
  if (what === 'unread') {
    const label = on ? words.mark_read : words.mark_unread;
    button.value = `${on ? 'read' : 'unread'} ${row.dataset.id}`;
    button.title = label;
    button.setAttribute('aria-label', label);
    row.querySelector('.state').textContent = on ? words.unread : '';
  } else {
    button.value = `${on ? 'unstar' : 'star'} ${row.dataset.id}`;
    button.setAttribute('aria-pressed', String(on));
  }
}

/** Makes the rows below this element, in the page or on their way there, look like all others. */
export function dress(root) {
  mark(root);
  localise(root);
}

// Hits. The server folds case and accents before it compares words; so do we.

function mark(root) {
  const hits = list()?.dataset.hits;
  if (!hits) return;
  const wanted = hits.split(' ');
  for (const place of root.querySelectorAll('.from, .to .name, .subject, .snippet')) {
    for (const text of [...place.childNodes].filter((it) => it.nodeType === Node.TEXT_NODE)) markIn(text, wanted);
  }
}

function markIn(text, wanted) {
  const found = [];
  for (const { index, 0: word } of text.data.matchAll(/[\p{L}\p{N}\p{M}]+/gu)) {
    const folded = word.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
    const isHit = (hit) => (hit.endsWith('*') ? folded.startsWith(hit.slice(0, -1)) : folded === hit);
    if (wanted.some(isHit)) found.push([index, word.length]);
  }
  for (const [index, length] of found.reverse()) {
    const hit = text.splitText(index);
    hit.splitText(length);
    const element = document.createElement('mark');
    hit.replaceWith(element);
    element.append(hit);
  }
}

// Ctrl-K: everything that can be done or gone to, by typing a part of its name.

import { put, words } from './words.js';
import { askedAll, list } from './rows.js';
import { Suggestions, option } from './suggest.js';
import { saved } from './boxes.js';
import { focusSearch } from './search.js';

/** Most choices that are listed. */
const MOST = 60;

const dialog = document.getElementById('palette');
const field = dialog.querySelector('input');
const suggestions = new Suggestions(field, dialog.querySelector('ul'), choices);

export function openPalette() {
  if (dialog.open) return;
  document.getElementById('settings').open = false;
  field.value = '';
  dialog.showModal();
  suggestions.show(true);
  field.focus();
}

export function openHelp() {
  const help = document.getElementById('help');
  if (!help.open) help.showModal();
}

export function setTheme(theme) {
  const root = document.documentElement;
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  for (const radio of document.querySelectorAll('[name=theme]')) radio.checked = radio.value === theme;
  try {
    if (theme) localStorage.setItem('theme', theme);
    else localStorage.removeItem('theme');
  } catch {
    // Storage may be forbidden: then it lasts as long as the page.
  }
}

const go = (href) => () => location.assign(href);

function commands() {
  const all = [
    [words.go_all, go('/')],
    [words.go_unread, go('/?q=is%3Aunread')],
    [words.go_starred, go('/?q=is%3Astarred')],
    [words.go_attachments, go('/?q=has%3Aattachment')],
    [words.go_status, go('/status')],
    [words.do_search, focusSearch],
    [words.theme_system, () => setTheme('')],
    [words.theme_light, () => setTheme('light')],
    [words.theme_dark, () => setTheme('dark')],
    [words.do_help, openHelp],
  ];
  if (list() && !list().hidden) {
    all.push([words.do_read_all, () => document.querySelector('#toolbar .all button')?.click()]);
    all.push([words.do_delete_all, go(`/delete?${askedAll()}`)]);
  }
  return all.map(([name, run]) => ({ name, kind: words.a_command, run }));
}

function places() {
  const found = [];
  for (const link of document.querySelectorAll('#boxes [data-mailbox], #boxes [data-tag]')) {
    const { mailbox, tag } = link.dataset;
    found.push({ name: mailbox ?? tag, kind: mailbox ? words.a_mailbox : words.a_tag, run: go(link.href) });
  }
  for (const { q, mailbox = '' } of saved()) {
    found.push({ name: q, kind: words.a_saved, run: go(`/?${new URLSearchParams({ q, mailbox })}`) });
  }
  return found;
}

function choices(typed) {
  const parts = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = ({ name }) => parts.every((part) => name.toLowerCase().includes(part));
  const all = [...commands(), ...places()].filter(fits).slice(0, MOST);
  if (parts.length > 0) {
    all.push({ name: put(words.search_for, typed.trim()), kind: '', run: go(`/?${new URLSearchParams({ q: typed.trim() })}`) });
  }
  return all.map(({ name, kind, run }) => option(name, kind, () => {
    dialog.close();
    run();
  }));
}

field.addEventListener('input', () => suggestions.show(true));

// A click beside a dialog closes it.
for (const sheet of document.querySelectorAll('dialog')) {
  sheet.addEventListener('click', (event) => {
    if (event.target === sheet || event.target.closest('[data-close]')) sheet.close();
  });
}

document.addEventListener('click', (event) => {
  const link = event.target.closest('#help-link, [data-command=palette]');
  if (link?.id === 'help-link' && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    openHelp();
  } else if (link?.dataset.command) {
    openPalette();
  }
  const settings = document.getElementById('settings');
  if (settings.open && !event.target.closest('#settings')) settings.open = false;
});

document.addEventListener('change', (event) => {
  if (event.target.name === 'theme') setTheme(event.target.value);
});
setTheme(document.documentElement.dataset.theme ?? '');

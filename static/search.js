// The search field: suggests operators while one types, and what may stand behind them.

import { words } from './words.js';
import { Suggestions, option } from './suggest.js';

const field = document.getElementById('search');
const list = document.getElementById('suggestions');

/** Most mailboxes or tags that are suggested. */
const FEW = 12;

field.setAttribute('role', 'combobox');
field.setAttribute('aria-expanded', 'false');
field.setAttribute('aria-controls', 'suggestions');
field.setAttribute('aria-autocomplete', 'list');

const suggestions = new Suggestions(field, list, choices);

/** Names that the left column knows. */
const known = (kind) => [...document.querySelectorAll(`#boxes [data-${kind}]`)].map((it) => it.dataset[kind]);

/** The term in which the cursor stands: where it begins, its sign and what it says. */
function term() {
  const end = field.selectionStart ?? field.value.length;
  const before = field.value.slice(0, end);
  const start = before.search(/(?:"[^"]*"?|[^\s"])*$/);
  const [, sign, text] = before.slice(start).match(/^([-!]?)(.*)$/s);
  return { start: start + sign.length, end, text };
}

function choices() {
  const { text } = term();
  const typed = text.toLowerCase();
  const [name, value] = typed.includes(':') ? [typed.slice(0, typed.indexOf(':')), typed.slice(typed.indexOf(':') + 1)] : [typed];
  if (value === undefined) {
    const examples = words.operators.filter(([example]) => example.startsWith(name) && !example.startsWith('-'));
    // With nothing typed the list would be in the way of reading it.
    return examples.map(([example, meaning]) => option(example, meaning, () => take(stem(example))));
  }
  const quoted = (it) => (/[\s"]/.test(it) ? `"${it.replaceAll('"', '""')}"` : it);
  const finish = (all) => all.filter((it) => it.includes(value.replaceAll('"', ''))).slice(0, FEW)
    .map((it) => option(`${name}:${quoted(it)}`, '', () => take(`${name}:${quoted(it)} `)));
  switch (name) {
    case 'is': return fixed('is:', value);
    case 'has': return fixed('has:', value);
    case 'tag': return finish(known('tag'));
    case 'domain': return finish(domains());
    case 'to': case 'cc': case 'bcc': case 'recipient': case 'addressed': return finish(known('mailbox'));
    default: return [];
  }
}

const domains = () => {
  const all = known('mailbox').filter((it) => it.includes('@'));
  return [...new Set(all.map((it) => it.slice(it.lastIndexOf('@') + 1)))];
};

const fixed = (name, value) => words.operators
  .filter(([example]) => example.startsWith(name) && example.slice(name.length).startsWith(value))
  .map(([example, meaning]) => option(example, meaning, () => take(`${example} `)));

/** What of an example is put into the field: `is:unread` is whole, `from:ann` only begins. */
const stem = (example) => (/^(is|has):/.test(example) ? `${example} ` : example.slice(0, example.indexOf(':') + 1));

function take(text) {
  const { start, end } = term();
  field.setRangeText(text, start, end, 'end');
  field.focus();
  if (text.endsWith(' ')) suggestions.hide();
  else suggestions.show();
}

field.addEventListener('focus', () => suggestions.show());
field.addEventListener('click', () => { if (!suggestions.isShown) suggestions.show(); });
field.addEventListener('blur', () => suggestions.hide());
field.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  event.preventDefault();
  event.stopPropagation();
  if (suggestions.isShown) suggestions.hide();
  else field.blur();
});
// An empty search is the list without one.
field.form.addEventListener('submit', (event) => {
  if (field.value.trim() !== '') return;
  event.preventDefault();
  const mailbox = field.form.elements.mailbox?.value;
  location.assign(mailbox ? `/?${new URLSearchParams({ mailbox })}` : '/');
});

export const focusSearch = () => { field.focus(); field.select(); };

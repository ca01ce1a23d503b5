// A field with a list of choices below it (the ARIA combobox): arrows choose, Enter takes. The focus
// stays in the field.

import { shown } from './words.js';

/** One choice of the list. */
export function option(code, text, take) {
  const item = document.createElement('li');
  item.setAttribute('role', 'option');
  item.setAttribute('aria-selected', 'false');
  const name = document.createElement('code');
  name.textContent = shown(code);
  const meaning = document.createElement('span');
  meaning.textContent = text;
  item.append(name, meaning);
  item.take = take;
  return item;
}

/** Makes a field and a list work together; `choices` gives the options for what is typed. */
export class Suggestions {
  #field;
  #list;
  #choices;
  #at = -1;

  constructor(field, list, choices) {
    this.#field = field;
    this.#list = list;
    this.#choices = choices;
    field.addEventListener('input', () => this.show());
    field.addEventListener('keydown', (event) => this.#key(event));
    // Before the field loses the focus.
    list.addEventListener('pointerdown', (event) => event.preventDefault());
    list.addEventListener('click', (event) => event.target.closest('[role=option]')?.take());
  }

  /** Shows the choices for what is typed now; `first` chooses the first of them. */
  show(first = false) {
    const options = this.#choices(this.#field.value);
    options.forEach((item, at) => { item.id = `${this.#list.id}-${at}`; });
    this.#list.replaceChildren(...options);
    this.#list.hidden = options.length === 0;
    this.#field.setAttribute('aria-expanded', String(options.length > 0));
    this.#choose(first && options.length > 0 ? 0 : -1);
  }

  hide() {
    this.#list.hidden = true;
    this.#list.replaceChildren();
    this.#field.setAttribute('aria-expanded', 'false');
    this.#choose(-1);
  }

  get isShown() {
    return !this.#list.hidden;
  }

  #choose(at) {
    this.#list.children[this.#at]?.setAttribute('aria-selected', 'false');
    this.#at = at;
    const item = this.#list.children[at];
    if (!item) {
      this.#field.removeAttribute('aria-activedescendant');
      return;
    }
    item.setAttribute('aria-selected', 'true');
    item.scrollIntoView({ block: 'nearest' });
    this.#field.setAttribute('aria-activedescendant', item.id);
  }

  #key(event) {
    const many = this.#list.children.length;
    if (event.isComposing || !this.isShown || many === 0) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      this.#choose(this.#at < 0 ? (step > 0 ? 0 : many - 1) : (this.#at + step + many) % many);
    } else if ((event.key === 'Enter' || (event.key === 'Tab' && !event.shiftKey)) && this.#at >= 0) {
      event.preventDefault();
      this.#list.children[this.#at].take();
    }
  }
}

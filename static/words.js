// What the scripts say, and what they remember.

export const words = JSON.parse(document.getElementById('words').textContent);

const lang = document.documentElement.lang;
const plurals = new Intl.PluralRules(lang);
const numbers = new Intl.NumberFormat(lang);

export const put = (text, value) => text.replace('{}', () => value);
export const number = (count) => numbers.format(count);
export const several = (forms, count) => put(forms[plurals.select(count)] ?? forms.other, number(count));

/** What a stranger wrote with what hides in it or turns it around spelled out, as the server does. */
export const shown = (text) => text.replace(/[\u00ad\u200b\u2028-\u202e\u2060-\u206f\ufeff]/g, (hidden) => `[U+${hidden.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`);

/** Shows a sentence for a moment, and tells it to screen readers. */
export function toast(text) {
  const place = document.getElementById('toast');
  place.textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { place.textContent = ''; }, 4000);
}

// A browser may forbid storage; then nothing is remembered.

export function remembered(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // See above.
  }
}

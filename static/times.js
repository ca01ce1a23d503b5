// Times: the page says UTC, people live elsewhere and think in "five minutes ago".

import { words } from './words.js';

const lang = document.documentElement.lang;
const relative = new Intl.RelativeTimeFormat(lang, { numeric: 'always', style: 'narrow' });
const day = new Intl.DateTimeFormat(lang, { day: 'numeric', month: 'short' });
const dayAndYear = new Intl.DateTimeFormat(lang, { day: 'numeric', month: 'short', year: 'numeric' });
const long = new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeStyle: 'medium' });
const full = new Intl.DateTimeFormat(lang, { dateStyle: 'full', timeStyle: 'long' });

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function said(at, now) {
  const age = now - at;
  if (age < -MINUTE || age >= 7 * DAY) {
    return (at.getFullYear() === now.getFullYear() ? day : dayAndYear).format(at);
  }
  if (age < MINUTE) return words.now;
  if (age < HOUR) return relative.format(-Math.floor(age / MINUTE), 'minute');
  if (age < DAY) return relative.format(-Math.floor(age / HOUR), 'hour');
  return relative.format(-Math.floor(age / DAY), 'day');
}

/** Says the times below this element as people here say them. */
export function localise(root) {
  const now = new Date();
  for (const time of root.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const text = 'long' in time.dataset ? long.format(at) : said(at, now);
    if (time.textContent !== text) time.textContent = text;
    if (!time.title) time.title = full.format(at);
  }
}

localise(document);
document.addEventListener('article', (event) => localise(event.target));
setInterval(() => { if (!document.hidden) localise(document); }, 20_000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) localise(document); });

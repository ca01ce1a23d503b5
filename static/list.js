// The list: what the server drew is made alive, and follows whoever scrolls.

import { list } from './rows.js';
import { isAtTop, loadNewer, loadOlder, look, scroll } from './window.js';
import { atTop, forget, lookAtTop, toNewest } from './news.js';
import { place, recall } from './place.js';

/** Milliseconds after the last movement until the address is changed. */
const SETTLED = 200;

let settling;

/** Makes what the server drew alive. */
export function attach() {
  if (!list()) return;
  scroll().addEventListener('scroll', moved, { passive: true });
  look(recall());
  forget();
  if (!isAtTop()) lookAtTop();
}

function moved() {
  if (scroll().scrollTop < 600) loadNewer();
  atTop();
  clearTimeout(settling);
  settling = setTimeout(place, SETTLED);
}

document.addEventListener('main', attach);

document.addEventListener('click', (event) => {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest('#news a, #older a');
  if (!link) return;
  event.preventDefault();
  if (link.closest('#news')) toNewest();
  else loadOlder();
});

// The address says which row is the first in sight, so that a reload shows the same.

import { asked, idOf, list, rows } from './rows.js';
import { after, isAtTop, pathTo, scroll } from './window.js';

/** Notes the place in the address. */
export function place() {
  const url = new URL(location.href);
  const top = scroll().getBoundingClientRect().top;
  const first = rows().find((row) => row.getBoundingClientRect().bottom > top + 8);
  const isFirst = isAtTop() && (!first || first === list().firstElementChild);
  if (isFirst) url.searchParams.delete('before');
  else if (first) url.searchParams.set('before', after(idOf(first)));
  if (url.href !== location.href) history.replaceState(history.state, '', url);
  remember(isFirst ? undefined : first);
}

/** What lies above the first row in sight: kept for the reload, for the address cannot say it. */
function remember(first) {
  try {
    const kept = { before: first && after(idOf(first)), firsts: pathTo(first) };
    sessionStorage.setItem(`above ${asked()}`, JSON.stringify(kept));
  } catch {
    // Then a reload knows the way down only, and to the newest.
  }
}

/** The first ids of what lies above, if this is the place that was noted last. */
export function recall() {
  const before = new URLSearchParams(location.search).get('before');
  try {
    const kept = JSON.parse(sessionStorage.getItem(`above ${asked()}`));
    return before && kept?.before === before ? kept.firsts : undefined;
  } catch {
    return undefined;
  }
}

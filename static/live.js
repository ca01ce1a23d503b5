// The live feed: rows appear as mail arrives. Text from mail is only ever set as textContent.

const MOST_ROWS = 200;
const LONGEST_PAUSE = 30_000;
const STABLE_AFTER = 10_000;
const ASLEEP = 75_000;

const words = JSON.parse(document.getElementById('words').textContent);

const body = document.body;
const state = document.getElementById('live');
let epoch = body.dataset.epoch;
let seen = Number(body.dataset.seen);
let socket;
let attempts = 0;
let timer;

const rows = () => document.getElementById('rows');

// Connection.

function connect() {
  clearTimeout(timer);
  if (socket && socket.readyState <= WebSocket.OPEN) return;
  show(attempts === 0 ? 'connecting' : 'reconnecting');
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const asked = new URLSearchParams({ epoch, after: String(seen) });
  const mine = new WebSocket(`${scheme}//${location.host}/ws?${asked}`);
  socket = mine;
  let stable;
  mine.onopen = () => {
    stable = setTimeout(() => { attempts = 0; }, STABLE_AFTER);
  };
  mine.onmessage = (event) => {
    hear(JSON.parse(event.data));
  };
  mine.onclose = () => {
    clearTimeout(stable);
    if (socket !== mine) return;
    socket = undefined;
    later();
  };
}

function later() {
  attempts += 1;
  const pause = Math.min(500 * 2 ** Math.min(attempts, 8), LONGEST_PAUSE) * (0.5 + Math.random() / 2);
  show(navigator.onLine === false ? 'offline' : attempts > 3 ? 'offline' : 'reconnecting');
  clearTimeout(timer);
  timer = setTimeout(connect, pause);
}

function now() {
  if (document.visibilityState !== 'visible') return;
  // After a sleep a socket may look open and be dead.
  if (socket && Date.now() - lastTick > ASLEEP) {
    const old = socket;
    socket = undefined;
    old.close();
  }
  if (!socket) connect();
}

// Stands still while the machine sleeps. Hidden pages tick once a minute at worst.
let lastTick = Date.now();
setInterval(() => { lastTick = Date.now(); }, 10_000);

document.addEventListener('visibilitychange', now);
addEventListener('online', now);
addEventListener('pageshow', (event) => { if (event.persisted) { refresh(); now(); } });
addEventListener('pagehide', () => { const old = socket; socket = undefined; clearTimeout(timer); old?.close(); });

function show(what) {
  state.hidden = false;
  state.dataset.state = what;
  if (state.lastElementChild.textContent !== words[what]) state.lastElementChild.textContent = words[what];
}

// What is heard.

function hear(frame) {
  switch (frame.type) {
    case 'hello':
      show('connected');
      totals(frame.counts);
      if (frame.epoch === epoch) break;
      epoch = frame.epoch;
      seen = frame.next - 1;
      break;
    case 'events':
      frame.events.forEach((event, at) => { if (frame.first + at > seen) happened(event); });
      seen = Math.max(seen, frame.first + frame.events.length - 1);
      break;
    case 'stats':
      totals(frame.counts);
      break;
    case 'missed':
      seen = frame.next - 1;
      refresh();
      break;
  }
}

function happened(event) {
  switch (event.type) {
    case 'new':
      arrived(event.message);
      break;
    case 'deleted':
      for (const id of event.ids) find(id)?.remove();
      refresh();
      break;
    default:
      refresh();
  }
}

function arrived(message) {
  for (const name of message.mailboxes) countOneMore(name);
  const list = rows();
  if (!list || find(message.id)) return;
  const box = list.dataset.mailbox.trim().toLowerCase();
  if (list.dataset.live !== 'rows') {
    document.getElementById('news').hidden = false;
  } else if (box === '' || message.mailboxes.includes(box)) {
    if (list.hidden) { refresh(); return; }
    list.prepend(draw(message));
    while (list.children.length > MOST_ROWS) list.lastElementChild.remove();
  }
}

const find = (id) => rows()?.querySelector(`[data-id="${CSS.escape(id)}"]`);

function countOneMore(name) {
  const link = document.querySelector(`#boxes [data-mailbox="${CSS.escape(name)}"] .unread-count`);
  if (link) link.textContent = String(Number(link.textContent) + 1);
  else if (rows()) refresh();
}

function draw(message) {
  const row = document.getElementById('blank').content.firstElementChild.cloneNode(true);
  const set = (selector, text) => { row.querySelector(selector).textContent = text; };
  row.dataset.id = message.id;
  row.classList.add('fresh');
  row.classList.toggle('unread', message.unread);
  row.querySelector('a').href = `/messages/${encodeURIComponent(message.id)}`;
  set('.dot', '');
  set('.from', message.from);
  set('.to .name', message.to);
  set('.subject', message.subject || words.no_subject);
  set('.snippet', message.snippet);
  set('.size', message.size);
  row.querySelector('.clip').toggleAttribute('hidden', message.attachments === 0);
  row.querySelector('.star').toggleAttribute('hidden', !message.starred);
  const time = row.querySelector('time');
  time.dateTime = message.received.machine;
  time.textContent = message.received.human;
  if (message.unread) {
    const mark = document.createElement('span');
    mark.className = 'hidden';
    mark.textContent = words.unread;
    row.querySelector('.dot').append(mark);
  }
  for (const tag of message.tags) {
    const mark = document.createElement('i');
    mark.className = 'tag';
    mark.textContent = tag;
    row.querySelector('.tags').append(mark);
  }
  // The event bubbles to the page only once the row is in it.
  queueMicrotask(() => row.dispatchEvent(new CustomEvent('rows', { bubbles: true })));
  return row;
}

// Totals.

const plurals = new Intl.PluralRules(document.documentElement.lang);
const several = (forms, count) =>
  (forms[plurals.select(count)] ?? forms.other).replace('{}', count.toLocaleString(document.documentElement.lang));

const title = document.title;

function totals(counts) {
  for (const place of document.querySelectorAll('[data-count], [data-number]')) {
    const { count, number } = place.dataset;
    const text = count ? several(words.counts[count], counts[count]) : counts[number] || '';
    place.textContent = text;
  }
  document.title = counts.unread > 0 ? `(${counts.unread}) ${title}` : title;
}

// Looking again: the same page from the server, at most once a second.

let refreshing;
let lastRefresh = 0;

function refresh() {
  if (!rows() || refreshing) return;
  const wait = Math.max(50, lastRefresh + 1000 - Date.now());
  refreshing = setTimeout(lookAgain, wait);
}

async function lookAgain() {
  try {
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
    // From here on, what happens is not in that page.
    refreshing = undefined;
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const focused = document.activeElement?.closest?.('.row')?.dataset.id;
    const scrolled = document.querySelector('#boxes details')?.scrollTop ?? 0;
    for (const id of ['boxes', 'main']) {
      const fresh = page.getElementById(id);
      const stale = document.getElementById(id);
      if (!fresh || !stale) continue;
      if (id === 'boxes') {
        fresh.firstElementChild.toggleAttribute('open', stale.firstElementChild.open);
      }
      stale.replaceChildren(...fresh.childNodes);
      stale.dispatchEvent(new CustomEvent('rows', { bubbles: true }));
    }
    const boxes = document.querySelector('#boxes details');
    if (boxes) boxes.scrollTop = scrolled;
    if (focused) find(focused)?.querySelector('a').focus({ preventScroll: true });
  } catch {
    // The connection is gone; the feed comes back with "missed" and asks again.
  } finally {
    refreshing = undefined;
    lastRefresh = Date.now();
  }
}

connect();

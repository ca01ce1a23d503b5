// The live feed: what happens to the messages, as it happens, and whether we still hear it.

import { words } from './words.js';
import { arrived, changed, lookAgain, removed, totals } from './news.js';
import { lookAtBoxes } from './boxes.js';
import { alertTo, unread } from './alerts.js';
import { heard } from './pane.js';

const LONGEST_PAUSE = 30_000;
const STABLE_AFTER = 10_000;
const ASLEEP = 75_000;

const body = document.body;
const state = document.getElementById('live');
let epoch = body.dataset.epoch;
let seen = Number(body.dataset.seen);
let socket;
let attempts = 0;
let timer;

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

/* Whoever is logged out elsewhere is to see the login, not a page that stands still. */
async function askWho() {
  if (!('login' in body.dataset)) return;
  const answer = await fetch('/status', { headers: { accept: 'application/json' } }).catch(() => undefined);
  if (answer?.status === 401) location.assign(`/login?to=${encodeURIComponent(location.pathname + location.search)}`);
}

function later() {
  askWho();
  attempts += 1;
  const pause = Math.min(500 * 2 ** Math.min(attempts, 8), LONGEST_PAUSE) * (0.5 + Math.random() / 2);
  show(navigator.onLine === false || attempts > 3 ? 'offline' : 'reconnecting');
  clearTimeout(timer);
  timer = setTimeout(connect, pause);
}

function now() {
  tick();
  if (!socket && document.visibilityState === 'visible') connect();
}

// The clock jumps while the machine sleeps, and a socket from before may look open and be dead: it is
// replaced, whoever notices first. Hidden pages tick once a minute at worst.
let lastTick = Date.now();

function tick() {
  const hasSlept = Date.now() - lastTick > ASLEEP;
  lastTick = Date.now();
  if (!hasSlept) return;
  drop();
  connect();
}

function drop() {
  const old = socket;
  socket = undefined;
  old?.close();
}

setInterval(tick, 10_000);
document.addEventListener('visibilitychange', now);
addEventListener('online', now);
addEventListener('offline', () => { if (!socket || socket.readyState > WebSocket.OPEN) show('offline'); });
addEventListener('pageshow', (event) => { if (event.persisted) { lookAgain(); now(); } });
addEventListener('pagehide', () => { clearTimeout(timer); drop(); });

function show(what) {
  const said = { connecting: words.connecting, connected: words.connected, reconnecting: words.reconnecting, offline: words.offline };
  state.hidden = false;
  state.dataset.state = what;
  state.title = said[what];
  if (state.lastElementChild.textContent !== said[what]) state.lastElementChild.textContent = said[what];
  const broken = document.getElementById('broken');
  if (broken) broken.hidden = what !== 'offline';
}

// What is heard.

function hear(frame) {
  switch (frame.type) {
    case 'hello':
      show('connected');
      counted(frame.counts);
      if (frame.epoch === epoch) break;
      epoch = frame.epoch;
      seen = frame.next - 1;
      break;
    case 'events':
      frame.events.forEach((event, at) => { if (frame.first + at > seen) happened(event); });
      seen = Math.max(seen, frame.first + frame.events.length - 1);
      lookAtBoxes();
      break;
    case 'stats':
      counted(frame.counts);
      break;
    case 'missed':
      seen = frame.next - 1;
      lookAgain();
      lookAtBoxes();
      break;
  }
}

function counted(counts) {
  totals(counts);
  unread(counts.unread);
}

function happened(event) {
  switch (event.type) {
    case 'new':
      arrived(event.message);
      alertTo(event.message);
      break;
    case 'deleted':
      removed(event.ids);
      heard(event.ids, true);
      break;
    case 'changed':
      changed(event.ids);
      break;
    default:
      lookAgain();
  }
}

connect();

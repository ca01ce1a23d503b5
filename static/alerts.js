// How the page calls for attention: its title and icon, and if wanted a notification and a sound.

import { number, remember, remembered, several, words } from './words.js';

/** Milliseconds in which arrivals are told together. */
const TOGETHER = 1500;

const favicon = document.getElementById('favicon');
const plain = favicon.getAttribute('href');
let title = document.title;
let count = 0;

/** Shows how many messages are unread. */
export function unread(now) {
  count = now;
  const text = count > 0 ? `(${number(count)}) ${title}` : title;
  if (document.title !== text) document.title = text;
  const icon = count > 0 ? favicon.dataset.unread : plain;
  if (favicon.getAttribute('href') !== icon) favicon.setAttribute('href', icon);
}

document.addEventListener('title', (event) => {
  title = event.detail;
  unread(count);
});

const notify = document.getElementById('notify');
const sound = document.getElementById('sound');
const note = document.getElementById('notify-note');

let fresh = [];

/** A message arrived. */
export function alertTo(message) {
  if (!notify.checked && !sound.checked) return;
  if (fresh.push({ id: message.id, from: message.from, subject: message.subject }) === 1) setTimeout(tell, TOGETHER);
  // Only how many, and the last one, will be told.
  if (fresh.length > 1000) fresh.shift();
}

function tell() {
  const [last] = fresh.slice(-1);
  const many = fresh.length;
  fresh = [];
  if (sound.checked) beep();
  if (!notify.checked || !document.hidden || Notification.permission !== 'granted') return;
  const text = many === 1 ? last.from : several(words.news, many);
  const told = new Notification(text, { body: many === 1 ? last.subject || words.no_subject : '', tag: 'smtpd', icon: plain });
  told.onclick = () => {
    window.focus();
    if (many === 1) location.assign(`/?open=${last.id}`);
    told.close();
  };
}

let audio;

/** Two soft notes. */
function beep() {
  audio ??= new AudioContext();
  const start = audio.currentTime + 0.02;
  for (const [at, pitch] of [[0, 660], [0.12, 880]]) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0, start + at);
    volume.gain.linearRampToValueAtTime(0.08, start + at + 0.015);
    volume.gain.exponentialRampToValueAtTime(0.0005, start + at + 0.22);
    tone.connect(volume).connect(audio.destination);
    tone.start(start + at);
    tone.stop(start + at + 0.25);
  }
}

const canNotify = 'Notification' in window && window.isSecureContext;
notify.checked = canNotify && remembered('notify', false) && Notification.permission === 'granted';
notify.disabled = !canNotify;
sound.checked = remembered('sound', false);

notify.addEventListener('change', async () => {
  note.hidden = true;
  if (notify.checked && (await Notification.requestPermission()) !== 'granted') {
    notify.checked = false;
    note.textContent = words.notify_denied;
    note.hidden = false;
  }
  remember('notify', notify.checked);
});

sound.addEventListener('change', () => {
  remember('sound', sound.checked);
  if (sound.checked) beep();
});

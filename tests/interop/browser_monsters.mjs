// Messages too large or too strange for any reader, in a real browser: each page shows something
// sensible, and soon, and the browser asks nobody for anything. Prints how soon.
import { base, browse, check, sendRaw, until } from "./browser.mjs";

/** Milliseconds until a view is drawn: of a debug build on a busy machine. docs/view.md has those of a release. */
const SOON = 20_000;

const row = '<tr><td style="color:red"><a href="https://a.example/x">word</a> <img src="http://b.example/open.gif" width=1></td></tr>\r\n';
const part = (body) => `--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename="../../etc/passwd"\r\n\r\n${body}\r\n`;
const mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
const file = `${"QUJD".repeat(19)}\r\n`.repeat(512_000);
const monsters = {
  parts: `${mixed}${part("x").repeat(10_000)}--b--\r\n`,
  header: `${Array.from({ length: 12_500 }, (_, number) => `X-Field-${number}: ${"value ".repeat(12)}\r\n`).join("")}\r\nThe body.\r\n`,
  html: `MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>The beginning.<table>${row.repeat(450_000)}`,
  file: `${mixed}--b\r\nContent-Type: text/html\r\n\r\n<p>See the file.\r\n--b\r\nContent-Type: application/zip; name=big.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n${file}--b--\r\n`,
  deep: `${"Content-Type: message/rfc822\r\n\r\n".repeat(500)}Content-Type: text/html\r\n\r\n<p>x`,
};
for (const [name, raw] of Object.entries(monsters)) await sendRaw(`Subject: monster ${name}\r\n${raw}`);

await browse({ viewport: { width: 1440, height: 900 } }, async (page, seen) => {
  const answer = await fetch(`${base}/api/messages?wait=20&q=subject:monster`);
  const ids = Object.fromEntries((await answer.json()).messages.map(({ subject, id }) => [subject.split(" ")[1], id]));
  check(Object.keys(ids).length === Object.keys(monsters).length, "all were taken");
  const frame = page.frameLocator(".stage iframe");
  const views = [
    ["parts", "", () => page.getByText("999 attachments").first()],
    ["parts", "/parts", () => page.getByText("There are more parts than are listed here")],
    ["header", "", () => page.getByText("The body.")],
    ["header", "/headers", () => page.getByText("The header is longer than this")],
    ["html", "", () => frame.getByText("The beginning.")],
    ["html", "", () => page.getByText("only its first 2.1 MB are shown")],
    ["html", "/markup", () => page.getByText("Only the first 2.1 MB are shown").or(page.getByText("only its first 2.1 MB are shown"))],
    ["html", "/links", () => page.getByText("https://a.example/x").first()],
    ["html", "/source", () => page.getByText("The beginning.")],
    ["file", "", () => frame.getByText("See the file.")],
    ["file", "/parts", () => page.getByText("big.zip")],
    ["deep", "/parts", () => page.locator(".explained", { hasText: "too-deep" })],
  ];
  for (const [name, tail, seenBy] of views) {
    const began = Date.now();
    await page.goto(`${base}/messages/${ids[name]}${tail}`, { waitUntil: "commit" });
    await seenBy().waitFor({ timeout: SOON });
    console.log(`${name}${tail}, ms: ${Date.now() - began}`);
    // The page is not only drawn, it answers.
    await page.evaluate(() => 1);
  }
  // In the list each is a row like any other, and opens beside it.
  await page.goto(`${base}/?open=${ids.html}`);
  await page.locator("#pane").getByText("only its first 2.1 MB are shown").waitFor({ timeout: SOON });
  await until("five rows", async () => (await page.locator("#rows .row").count()) === 5);
  check(seen.errors.length === 0 && seen.dialogs.length === 0, `nothing runs: ${seen.errors} ${seen.dialogs}`);
  check(seen.foreign.length === 0, `nothing is asked of others: ${seen.foreign}`);
});

// Each view of a message at three widths, in light and dark: nothing sticks out, axe-core finds nothing
// of level A or AA, and all can be read without scripts.
import { readFile } from "node:fs/promises";
import { base, browse, check, send, sendRaw, until } from "./browser.mjs";

const axe = await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const long = "a-very-long-name-without-any-place-to-break-it-".repeat(4);

await Promise.all([
  send({
    from: `${long} <${"x".repeat(60)}@${"y".repeat(60)}.example>`, cc: "Dora <dora@example.org>",
    subject: `Everything ${long}`, text: `Plain ${long}\n> one\n> two\n> three\n> four\n> five\nhttps://a.example/${long}\nYour code is 493 207\n`,
    html: `<p>Rich words</p><a href="https://evil.example/${long}">https://bank.example</a><img src="http://a.example/open.gif" width=1>`,
    attachments: [
      { filename: `${long}.pdf`, content: "%PDF-1.4" }, { filename: "a.txt", content: `text ${long}` },
      { filename: "b.html", content: "<p>attached words</p>" },
      { filename: "inner.eml", contentType: "message/rfc822", content: "Subject: inner\r\nContent-Type: text/plain\r\n\r\nInner words" },
    ],
  }),
  sendRaw(`Subject: Broken ${long}\r\nno colon\r\n\r\n${"long line ".repeat(60_000)}\r\n`),
]);
const found = async (q) => (await (await fetch(`${base}/api/messages?wait=10&q=${q}`)).json()).messages[0].id;
const [whole, broken] = [await found("subject:everything"), await found("subject:broken")];
const views = [
  [whole, "html"], [whole, "text"], [whole, "markup"], [whole, "headers"], [whole, "headers?raw=1"], [whole, "parts"],
  [whole, "links"], [whole, "source"], [whole, "parts/5/view"], [whole, "parts/7/view"], [whole, "html?width=375&scheme=dark"], [broken, "source"], [broken, ""],
];

await browse({}, async (page, seen, context) => {
  for (const [width, colorScheme] of [[1440, "light"], [900, "light"], [390, "dark"]]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    for (const [id, view] of views) {
      const where = `${view} at ${width} in ${colorScheme}`;
      await page.goto(`${base}/messages/${id}/${view}`.replace(/\/$/, ""), { waitUntil: "domcontentloaded" });
      await page.evaluate(() => document.querySelectorAll("article details").forEach((it) => { it.open = true; }));
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      check(excess <= 0, `${where}: ${excess} pixels stick out`);
      // The same markup in another place has the same faults: each view is judged once a scheme.
      if (width === 900) continue;
      await page.evaluate(axe);
      const said = await page.evaluate(async (rules) => {
        const result = await axe.run(document, { runOnly: rules, iframes: false, resultTypes: ["violations"] });
        return result.violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
      }, rules);
      check(said.length === 0, `${where}: ${said.join("\n")}`);
    }
  }
  check(seen.foreign.length === 0 && seen.errors.length === 0, `${seen.foreign} ${seen.errors}`);

  const plain = await context.browser().newContext({ javaScriptEnabled: false, viewport: { width: 390, height: 844 } });
  const quiet = await plain.newPage();
  quiet.setDefaultTimeout(15_000);
  const visit = async (view, text) => {
    await quiet.goto(`${base}/messages/${whole}/${view}`);
    await quiet.getByText(text).first().waitFor();
  };
  await quiet.goto(`${base}/messages/${whole}`);
  await quiet.frameLocator(".stage iframe").getByText("Rich words").waitFor();
  await quiet.locator(".codes code", { hasText: "493207" }).waitFor();
  check((await quiet.getByRole("button", { name: "Copy" }).count()) === 0, "no button that would do nothing");
  await quiet.getByText("Envelope and session").click();
  await quiet.getByText("RCPT TO").first().waitFor();
  await quiet.getByRole("link", { name: "375", exact: true }).click();
  await quiet.waitForURL(/width=375/);
  await until("looks are links", async () => (await quiet.locator(".stage.w375 iframe").count()) === 1);
  await visit("text", "Plain a-very-long");
  await quiet.getByText("5 quoted lines").click();
  await quiet.getByText("three").waitFor();
  await visit("headers", "MIME-Version");
  await quiet.getByRole("searchbox", { name: "Filter fields" }).fill("mime");
  await quiet.getByRole("button", { name: "Filter" }).click();
  await quiet.waitForURL(/filter=mime/);
  await until("a filter is a form", async () => (await quiet.locator(".headers tbody tr").count()) === 1);
  await visit("parts/5/view", "text a-very-long");
  await visit("parts/7/view", "Inner words");
  await visit("links", "leads to evil.example");
  await quiet.goto(`${base}/messages/${broken}/source`);
  await quiet.getByRole("link", { name: "Next" }).first().click();
  await quiet.waitForURL(/page=2/);
  await quiet.getByText("Page 2 of 3").first().waitFor();
});

// The main job: a message appears by itself in an open page, is opened and read in each view, and its
// attachment is downloaded. Then the same without JavaScript.
import { readFile } from "node:fs/promises";
import { base, browse, check, send, until } from "./browser.mjs";

const pixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const attached = Buffer.from([...Array(100_000).keys()].map((n) => n % 251));
const mail = (subject) => ({
  subject,
  text: `Plain words of ${subject}, see https://example.org/a?b=1`,
  html: `<p>Rich words of <b>${subject}</b> <img id="inline" src="cid:dot@example.org" alt="dot">
    <img src="http://tracker.example/pixel.gif" alt="tracker"></p>`,
  attachments: [
    { filename: "dot.png", content: pixel, cid: "dot@example.org" },
    { filename: "Überblick 1.bin", content: attached },
  ],
});

await browse({}, async (page, seen) => {
  await page.goto(base);
  await page.getByText("No mail yet").waitFor();
  await page.locator("#live", { hasText: "Live" }).waitFor();

  // It arrives by itself, within a blink of its 250.
  const row = page.locator("#rows li.row", { hasText: "First live" });
  await send(mail("First live"));
  const acknowledged = Date.now();
  await row.waitFor();
  check(Date.now() - acknowledged < 2_000, "the row comes within 2 s, even here");
  await until("it is marked as unread", () => row.evaluate((it) => it.classList.contains("unread")));
  for (let number = 0; number < 5; number++) await send({ subject: `More ${number}`, text: "x" });
  await page.locator("#rows li.row", { hasText: "More 4" }).waitFor();
  const subjects = await page.locator("#rows li.row .subject").allTextContents();
  check(subjects.join() === "More 4,More 3,More 2,More 1,More 0,First live", `newest first: ${subjects}`);
  await page.locator("#counts [data-count=messages]", { hasText: "6 messages" }).waitFor();

  // Open it: HTML in a frame, remote content blocked, the inline image shown.
  await row.locator(".open").click();
  await page.getByRole("heading", { name: "First live" }).waitFor();
  const frame = page.frameLocator("iframe");
  await frame.getByText("Rich words").waitFor();
  const width = await frame.locator("img").first().evaluate(async (image) => {
    await image.decode().catch(() => {});
    return image.naturalWidth;
  });
  check(width === 1, "the cid: image is shown");
  check(seen.foreign.length === 0, `nothing was asked of others: ${seen.foreign}`);

  // The other views, each at its own address.
  for (const [tab, text] of [["Text", "Plain words of First live"], ["Source", "Content-Type: multipart/"], ["Headers", "MIME-Version"], ["MIME", "application/octet-stream"]]) {
    await page.getByRole("link", { name: tab, exact: true }).click();
    await page.getByText(text).first().waitFor();
    check(/^[0-9a-f]{24}\/\w+$/.test(new URL(page.url()).searchParams.get("open")), `${tab} has an address`);
  }

  // The attachment comes out as it went in.
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: /Überblick 1\.bin/ }).first().click();
  const file = await download;
  check(file.suggestedFilename() === "Überblick 1.bin", `its name is ${file.suggestedFilename()}`);
  await until("its octets are the same", async () => (await readFile(await file.path())).equals(attached));

  // Remote content only when asked for.
  await page.getByRole("link", { name: "HTML", exact: true }).click();
  await page.getByRole("link", { name: "Load images" }).click();
  await page.frameLocator("iframe").getByText("Rich words").waitFor();
  const isLoaded = () => seen.foreign.some((url) => url.includes("tracker.example"));
  for (let tries = 0; tries < 100 && !isLoaded(); tries++) await page.waitForTimeout(100);
  check(isLoaded(), "asked for, it is loaded");

  // Back in the list it is read; a search finds it by a phrase of its text.
  await page.goto(base);
  await until("it is marked as read", async () => !(await row.evaluate((it) => it.classList.contains("unread"))));
  await page.getByLabel("Search mail").fill("\"plain words\" subject:live");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Search:" }).waitFor();
  await until("one message matches", async () => (await page.locator("#rows li.row").count()) === 1);

  // Deleted here, it goes away in an open page, too.
  await row.locator(".open").click();
  await page.locator("#pane").getByRole("button", { name: "Delete" }).click();
  await row.waitFor({ state: "detached" });
  await page.goto(base);
  await page.locator("#rows li.row", { hasText: "More 4" }).waitFor();
  await until("it is gone", async () => (await row.count()) === 0);
  check(seen.errors.length === 0, `no script failed: ${seen.errors}`);

  // Without scripts everything can still be read.
  const plain = await page.context().browser().newContext({ javaScriptEnabled: false });
  const quiet = await plain.newPage();
  quiet.setDefaultTimeout(15_000);
  await send(mail("No scripts"));
  await quiet.goto(base);
  await quiet.locator("#rows .open", { hasText: "No scripts" }).click();
  await quiet.frameLocator("iframe").getByText("Rich words").waitFor();
  await quiet.getByRole("link", { name: "Text", exact: true }).click();
  await quiet.getByText("Plain words of No scripts").first().waitFor();
  await quiet.goto(base);
  await quiet.getByRole("searchbox").fill("scripts");
  await quiet.keyboard.press("Enter");
  await quiet.getByRole("heading", { name: "Search: scripts" }).waitFor();
  await until("the search works without scripts", async () => (await quiet.locator("#rows li.row").count()) === 1);
});

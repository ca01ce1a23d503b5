// What paper shows: the list or the open message without what is around it, dark on white whatever the
// screen is; and that a page of one message asks to be printed.
import { base, browse, check, send, until } from "./browser.mjs";

await browse({ viewport: { width: 1440, height: 900 }, colorScheme: "dark" }, async (page, seen) => {
  for (let number = 0; number < 60; number++) await send({ subject: `Letter ${number}`, text: "Words to keep" });
  await page.addInitScript(() => localStorage.setItem("theme", "dark"));
  const isShown = (selector) => page.locator(selector).first().isVisible();
  const brightness = (what) => page.evaluate((what) => {
    const [, ...parts] = getComputedStyle(document.body)[what].match(/(\d+), (\d+), (\d+)/);
    return parts.reduce((sum, part) => sum + Number(part), 0) / 3;
  }, what);

  await page.goto(base);
  await page.locator("#rows .row", { hasText: "Letter 59" }).waitFor();
  await until("the screen is dark", async () => (await brightness("color")) > 200);
  await page.emulateMedia({ media: "print" });
  await until("paper is white", async () => (await brightness("color")) < 60 && (await brightness("backgroundColor")) === 255);
  for (const part of [".bar", "#boxes", "#toolbar", "#older"]) await until(`${part} is not printed`, async () => !(await isShown(part)));
  const last = page.locator("#rows .row").last();
  const { y, height } = await last.boundingBox();
  const whole = await page.evaluate(() => document.documentElement.scrollHeight);
  check(y + height > 1500 && whole >= y + height, `all rows are, not those in sight: ${y + height} of ${whole}`);

  await page.emulateMedia({ media: "screen" });
  await page.locator("#rows .open", { hasText: "Letter 57" }).first().click();
  await page.locator("#pane").getByRole("heading", { name: "Letter 57" }).waitFor();
  await page.emulateMedia({ media: "print" });
  await until("beside the list only the message is", async () => !(await isShown("#main")) && !(await isShown("#pane .toolbar")) && !(await isShown("#pane .tabs")));
  await until("with its text", () => page.locator("#pane").getByText("Words to keep").isVisible());
  check(seen.errors.length === 0, `no script failed: ${seen.errors}`);
});

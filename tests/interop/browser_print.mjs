// What paper shows: the list or the open message without what is around it, dark on white whatever the
// screen is; and that a page of one message asks to be printed.
import { base, browse, check, send } from "./browser.mjs";

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
  check((await brightness("color")) > 200, "the screen is dark");
  await page.emulateMedia({ media: "print" });
  check((await brightness("color")) < 60 && (await brightness("backgroundColor")) === 255, "paper is white");
  for (const part of [".bar", "#boxes", "#toolbar", "#older"]) check(!(await isShown(part)), `${part} is not printed`);
  const last = page.locator("#rows .row").last();
  const { y, height } = await last.boundingBox();
  const whole = await page.evaluate(() => document.documentElement.scrollHeight);
  check(y + height > 1500 && whole >= y + height, `all rows are, not those in sight: ${y + height} of ${whole}`);

  await page.emulateMedia({ media: "screen" });
  await page.locator("#rows .open", { hasText: "Letter 57" }).first().click();
  await page.locator("#pane").getByRole("heading", { name: "Letter 57" }).waitFor();
  await page.emulateMedia({ media: "print" });
  check(!(await isShown("#main")) && !(await isShown("#pane .toolbar")) && !(await isShown("#pane .tabs")), "beside the list only the message is");
  check(await page.locator("#pane").getByText("Words to keep").isVisible(), "with its text");
  check(seen.errors.length === 0, `no script failed: ${seen.errors}`);
});

// Without scripts: read, mark, star, tag, delete and help, at three widths.
import { base, browse, check, send, until } from "./browser.mjs";

await browse({ javaScriptEnabled: false }, async (page) => {
  await send({ to: "bob@b.example", subject: "Another", text: "Words" });
  await send({ to: "carl@c.example", subject: "Without", text: "Words" });
  page.setDefaultTimeout(10_000);
  const row = page.locator("#rows .row", { hasText: "Without" });
  for (const width of [1440, 900, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await page.goto(base);
    await row.locator(".mark.star").click();
    await page.locator("#rows .row.starred", { hasText: "Without" }).waitFor();
    await row.locator(".mark.star").click();
    await page.locator("#rows .row:not(.starred)", { hasText: "Without" }).waitFor();
    await row.locator(".pick input").check();
    await page.locator("#bulk [name=tag]").fill(`w${width}`);
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await row.locator(".tag", { hasText: `w${width}` }).waitFor();
    await page.waitForLoadState();
    // Enter presses the first button of a form, which is to be the one of the field.
    await row.locator(".pick input").check();
    await page.locator("#bulk [name=tag]").fill(`e${width}`);
    await page.keyboard.press("Enter");
    await row.locator(".tag", { hasText: `e${width}` }).waitFor();
    if (width === 1440) await page.locator("#rows .row.unread", { hasText: "Without" }).waitFor();
    await until("what needs scripts is not shown", async () => !(await page.locator("#settings").isVisible()));
    await page.locator("#boxes").getByRole("link", { name: "carl" }).click();
    await page.getByRole("heading", { name: "carl@c.example" }).waitFor();
    await row.locator(".open").click();
    await page.getByRole("heading", { name: "Without" }).waitFor();
    await page.goto(`${base}/help`);
    await page.locator("main").getByText("domain:example.org").waitFor();
    await page.goto(base);
    const box = await page.locator("#main").boundingBox();
    check(box.x >= 0 && box.x + box.width <= width, `the list fits ${width}: ${JSON.stringify(box)}`);
  }
  await row.locator(".pick input").check();
  await page.locator("#bulk").getByRole("button", { name: "Delete" }).click();
  await row.waitFor({ state: "detached" });
  await page.getByLabel("Search mail").fill("subject:another");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Search: subject:another" }).waitFor();
  await until("the search works", async () => (await page.locator("#rows .row").count()) === 1);
});

// Everything from the keyboard: moving, marking, the search with its suggestions and hits, the palette,
// help, saved searches, the switch of colours.
import { base, browse, check, send, until } from "./browser.mjs";

const mails = [
  { to: "bob@b.example", subject: "Alpha plan", text: "The crème brûlée of plans" },
  { to: "bob@b.example", subject: "Beta report", text: "Numbers" },
  { to: "carl@c.example", subject: "Gamma report", text: "More numbers" },
  { to: "carl@c.example", subject: "Delta", text: "x", from: "Dora <dora@example.org>" },
];

await browse({ viewport: { width: 1440, height: 900 } }, async (page, seen) => {
  for (const mail of mails) await send(mail);
  const ready = () => page.locator("#live[data-state=connected]").waitFor();
  await page.goto(base);
  await ready();
  const focused = () => page.evaluate(() => document.activeElement.closest(".row")?.querySelector(".subject").textContent);
  const row = (text) => page.locator("#rows .row", { hasText: text });
  const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());

  // Rows.
  await press("j");
  await until(async () => `j begins at the top: ${await focused()}`, async () => (await focused()) === "Delta");
  await press("j", "j", "k");
  await until(async () => `j and k move: ${await focused()}`, async () => (await focused()) === "Gamma report");
  await press("s");
  await page.locator("#rows .row.starred", { hasText: "Gamma" }).waitFor();
  await press("s");
  await page.locator("#rows .row:not(.starred)", { hasText: "Gamma" }).waitFor();
  await press("r");
  await page.locator("#rows .row:not(.unread)", { hasText: "Gamma" }).waitFor();
  await press("u");
  await page.locator("#rows .row.unread", { hasText: "Gamma" }).waitFor();
  await press("x", "j", "x");
  await page.locator("#picked", { hasText: "2 selected" }).waitFor();
  await press("Escape");
  await until("Escape selects none", async () => !(await page.locator("#bulk").isVisible()));
  await press("Shift+K");
  await page.locator("#picked", { hasText: "2 selected" }).waitFor();
  await press("Escape", "j");
  await press("k", "Enter");
  await page.locator("#pane").getByRole("heading", { name: "Gamma report" }).waitFor();
  await page.locator("#rows .row:not(.unread)", { hasText: "Gamma" }).waitFor();
  await press("j");
  await page.locator("#pane").getByRole("heading", { name: "Beta report" }).waitFor();
  await press("d");
  await row("Beta report").waitFor({ state: "detached" });
  await page.locator("#pane").getByRole("heading", { name: "Alpha plan" }).waitFor();
  await press("u");
  await page.locator("#pane").waitFor({ state: "hidden" });
  await page.locator("#rows .row.unread", { hasText: "Alpha" }).waitFor();
  await until("the focus is where it was", async () => (await focused()) === "Alpha plan");

  // Tab reaches everything in a row.
  await press("j", "k", "k", "k");
  const reached = [];
  for (let steps = 0; steps < 4; steps++) {
    await press("Tab");
    reached.push(await page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.className));
  }
  check(reached.join() === "Select,Mark unread,Star,open", `Tab goes through the row: ${reached}`);

  // Search: suggestions of operators, of their values, of what there is.
  await press("/");
  const field = page.getByRole("combobox", { name: "Search mail" });
  await page.keyboard.type("is:");
  const options = page.locator("#suggestions [role=option]");
  await until(async () => `is: has four: ${await options.allTextContents()}`, async () => (await options.count()) === 4);
  await page.keyboard.type("un");
  await press("ArrowDown");
  await until("the choice is told to screen readers", async () => (await field.getAttribute("aria-activedescendant")) === "suggestions-0");
  await press("Enter");
  await until(async () => `taken: ${await field.inputValue()}`, async () => (await field.inputValue()) === "is:unread ");
  await page.keyboard.type("recipient:car");
  await page.locator("#suggestions", { hasText: "carl@c.example" }).waitFor();
  await press("ArrowDown", "Tab");
  await until(async () => `taken: ${await field.inputValue()}`, async () => (await field.inputValue()) === "is:unread recipient:carl@c.example ");
  await press("Enter");
  await page.getByRole("heading", { name: "Search: is:unread recipient:carl@c.example" }).waitFor();
  await until("one is found", async () => (await page.locator("#rows .row").count()) === 1);

  // Hits are marked, whatever their case and accents; a search can be saved.
  await page.goto(`${base}/?q=${encodeURIComponent("CREME pla*")}`);
  await ready();
  const marks = await page.locator("#rows mark").allTextContents();
  check(marks.join() === "plan,crème,plans", `marked: ${marks}`);
  await page.getByRole("button", { name: "Save search" }).click();
  await page.locator("#saved a[aria-current]", { hasText: "CREME pla*" }).waitFor();
  await page.reload();
  await page.locator("#saved a", { hasText: "CREME pla*" }).waitFor();
  await page.getByRole("button", { name: "Forget CREME pla*" }).click();
  await page.locator("#saved").waitFor({ state: "hidden" });

  // What cannot be understood is named.
  await page.goto(`${base}/?q=${encodeURIComponent("plan larger:big is:unread")}`);
  await until("the term is marked", async () => (await page.locator(".query mark").textContent()) === "larger:big");
  await until("and the trouble told", async () => (await page.getByRole("alert").textContent()).startsWith("larger: needs a size"));

  // The palette and help.
  await page.goto(base);
  await ready();
  await press("Control+k");
  const palette = page.getByRole("dialog", { name: "Commands" });
  await palette.waitFor();
  await page.keyboard.type("carl");
  await press("Enter");
  await page.waitForURL(/mailbox=carl/);
  await ready();
  await press("Control+k");
  await page.keyboard.type("appearance dark");
  await press("Enter");
  await palette.waitFor({ state: "hidden" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await until(async () => `dark: ${await ground()}`, async () => (await ground()) === "rgb(15, 17, 23)");
  await page.reload();
  await ready();
  await until("a reload is dark, too", async () => (await ground()) === "rgb(15, 17, 23)");
  await page.locator("#settings summary").click();
  await page.getByRole("radio", { name: "Light" }).check();
  await until(async () => `light: ${await ground()}`, async () => (await ground()) === "rgb(245, 246, 248)");
  await page.getByRole("radio", { name: "System" }).check();
  await page.emulateMedia({ colorScheme: "dark" });
  await until("as the system is", async () => (await ground()) === "rgb(15, 17, 23)");
  await press("Escape");
  await press("?");
  const help = page.getByRole("dialog", { name: "Help" });
  await help.getByText("domain:example.org").waitFor();
  await press("Escape");
  await help.waitFor({ state: "hidden" });
  await press("g", "u");
  await page.getByRole("heading", { name: "Search: is:unread" }).waitFor();
  await ready();
  await press("g", "i");
  await page.getByRole("heading", { name: "All mail" }).waitFor();
  check(seen.errors.length === 0, `no script failed: ${seen.errors}`);
});

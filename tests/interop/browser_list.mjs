// The list and what stands around it: panes at three widths, live rows, marks, selections, places.
import { base, browse, check, flood, send, until } from "./browser.mjs";

const ids = (page) => page.locator("#rows > .row").evaluateAll((all) => all.map((row) => row.dataset.id));
const isSeen = (page, selector) => page.locator(selector).first().isVisible();
const api = async (path) => (await fetch(`${base}/api/messages${path}`)).json();

await browse({ viewport: { width: 1440, height: 900 } }, async (page, seen) => {
  await page.goto(base);
  await page.getByText("No mail yet").waitFor();
  await page.locator("#live[data-state=connected]").waitFor();
  await until("the title of an empty store", async () => (await page.title()) === "smtpd");

  // Mailboxes and domains appear as mail arrives, with what is unread in them.
  await send({ to: "ann@one.example", subject: "The first" });
  await page.locator('#boxes [data-mailbox="ann@one.example"] .unread-count', { hasText: /^1$/ }).waitFor();
  await send({ to: "ann@one.example, carl@two.example", subject: "The second", attachments: [{ filename: "a.bin", content: Buffer.alloc(2_000) }] });
  await page.locator('#boxes [data-mailbox="ann@one.example"] .unread-count', { hasText: /^2$/ }).waitFor();
  await page.locator('#boxes [data-mailbox="carl@two.example"]').waitFor();
  await until("domains", async () => (await page.locator("#boxes .domain .name").allTextContents()).join() === "one.example,two.example");
  await page.locator("#counts", { hasText: "2 messages 2 unread" }).waitFor();
  await until(async () => `the title counts: ${await page.title()}`, async () => (await page.title()) === "(2) smtpd");
  await until("the icon says it, too", async () => (await page.locator("#favicon").getAttribute("href")).includes("unread"));
  const second = page.locator("#rows .row", { hasText: "The second" });
  await until("attachments are marked", () => second.locator(".clip").isVisible());
  await until("times are relative", async () => (await second.locator("time").textContent()) === "now");
  await until("and absolute on hover", async () => /\d{4}/.test(await second.locator("time").getAttribute("title")));
  await until("sizes are for people", async () => (await second.locator(".size").textContent()).endsWith("KB"));

  // Marks of a row, here and in another page.
  const other = await page.context().newPage();
  await other.goto(base);
  await second.locator(".mark.star").click();
  await other.locator("#rows .row.starred", { hasText: "The second" }).waitFor();
  await second.locator(".mark.dot").click();
  await other.locator("#rows .row:not(.unread)", { hasText: "The second" }).waitFor();
  await page.locator('#boxes [data-mailbox="carl@two.example"] .unread-count', { hasText: /^$/ }).waitFor({ state: "attached" });
  check((await api("?q=is:starred+is:read")).messages.length === 1, "the server knows both");
  await second.locator(".mark.dot").click();
  await page.locator('#boxes [data-mailbox="carl@two.example"] .unread-count', { hasText: /^1$/ }).waitFor();

  // What changes while the column is being asked for is not forgotten.
  let release;
  const held = new Promise((done) => { release = done; });
  const asking = page.waitForRequest("**/boxes?*");
  await page.route("**/boxes?*", async (route) => {
    const response = await route.fetch();
    await held;
    await route.fulfill({ response });
  }, { times: 1 });
  await second.locator(".mark.star").click();
  await asking;
  await second.locator(".mark.dot").click();
  await other.locator("#rows .row:not(.unread):not(.starred)", { hasText: "The second" }).waitFor();
  release();
  await page.locator('#boxes [data-mailbox="carl@two.example"] .unread-count', { hasText: /^$/ }).waitFor({ state: "attached" });
  await second.locator(".mark.dot").click();
  await second.locator(".mark.star").click();

  // A question that was not answered is asked again, without anything new to hear.
  await other.locator("#rows .row.unread.starred", { hasText: "The second" }).waitFor();
  let refused = 0;
  await other.route(/\/(rows|boxes)\?/, (route) => { refused += 1; return route.fulfill({ status: 503, body: "" }); }, { times: 4 });
  await second.locator(".mark.star").click();
  await other.locator("#rows .row:not(.starred)", { hasText: "The second" }).waitFor();
  check(refused >= 2, `the page was refused ${refused} times`);
  await second.locator(".mark.star").click();
  await other.close();

  // The message opens beside the list, at an address of its own.
  await second.locator(".open").click();
  await page.locator("#pane").getByRole("heading", { name: "The second" }).waitFor();
  check(/open=[0-9a-f]{24}/.test(page.url()), "the address names it");
  for (const part of ["#boxes", "#main", "#pane"]) await until(`${part} is seen on a wide screen`, () => isSeen(page, part));
  await page.reload();
  await page.locator("#pane").getByRole("heading", { name: "The second" }).waitFor();
  await page.locator("#rows .row.current", { hasText: "The second" }).waitFor();
  await page.goBack();
  await page.locator("#pane").waitFor({ state: "hidden" });
  await page.goForward();
  await page.locator("#pane").getByRole("heading", { name: "The second" }).waitFor();
  await page.setViewportSize({ width: 900, height: 1000 });
  await until("two panes on a tablet", async () => !(await isSeen(page, "#boxes")) && (await isSeen(page, "#main")) && (await isSeen(page, "#pane")));
  await page.setViewportSize({ width: 390, height: 780 });
  await until("one on a phone", async () => !(await isSeen(page, "#boxes")) && !(await isSeen(page, "#main")) && (await isSeen(page, "#pane")));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  check(wide <= 390, `nothing is wider than a phone: ${wide}`);
  await page.locator("#pane [rel=up]").click();
  await until("and back", () => isSeen(page, "#main"));
  await page.locator("#boxes-button").click();
  await until("mailboxes slide in", () => isSeen(page, "#boxes"));
  await page.locator('#boxes [data-mailbox="carl@two.example"]').click();
  await page.getByRole("heading", { name: "carl@two.example" }).waitFor();
  await until("a mailbox has its own list", async () => (await page.locator("#rows .row").count()) === 1);
  await page.locator("#live[data-state=connected]").waitFor();
  await send({ to: "carl@two.example", subject: "The third" });
  await page.locator("#counts", { hasText: "2 messages" }).waitFor();
  await page.setViewportSize({ width: 1440, height: 900 });

  // What opens slowly says so, and so does what does not open.
  await page.goto(base);
  const slow = page.locator("#rows .row", { hasText: "The first" }).locator(".open");
  let goOn;
  const waits = new Promise((done) => { goOn = done; });
  await page.route("**/messages/*", async (route) => { await waits; await route.continue(); }, { times: 1 });
  await slow.click();
  await page.locator("#pane[aria-busy=true]").waitFor();
  goOn();
  await page.locator("#pane").getByRole("heading", { name: "The first" }).waitFor();
  await page.locator("#pane:not([aria-busy])").waitFor();
  for (const [answer, said] of [[{ status: 500, contentType: "text/html", body: "<p>x" }, "That did not work."], [undefined, "The server does not answer."]]) {
    await page.keyboard.press("Escape");
    await page.route("**/messages/*", (route) => (answer ? route.fulfill(answer) : route.abort()), { times: 1 });
    await slow.click();
    await page.getByRole("alert").getByText(said).waitFor();
  }

  // Selecting: one, a range, all that match; across pages.
  await flood(120, { subject: (number) => `Flood ${number}` });
  await page.goto(`${base}/?q=flood`);
  await page.locator("#live[data-state=connected]").waitFor();
  const box = (at) => page.locator("#rows .row .pick input").nth(at);
  await box(1).click();
  await box(4).click({ modifiers: ["Shift"] });
  await page.locator("#picked", { hasText: "4 selected" }).waitFor();
  await page.locator("#bulk").getByRole("button", { name: "Star", exact: true }).click();
  await until("four are starred", async () => (await api("?q=is:starred+flood")).messages.length === 4);
  await until("the box above says some", () => page.locator("#pick-all").evaluate((it) => it.indeterminate));

  await page.locator("#pick-matching").click();
  await page.locator("#picked", { hasText: "All are selected" }).waitFor();
  await page.locator("#bulk [name=tag]").fill("Wet");
  await page.keyboard.press("Enter");
  await page.locator("#toast", { hasText: "120 messages changed" }).waitFor();
  await page.locator('#boxes [data-tag="wet"]').waitFor();
  await page.locator("#rows .row .tag", { hasText: "wet" }).first().waitFor();
  await page.locator("#bulk [name=tag]").fill("wet");
  await page.locator("#bulk").getByRole("button", { name: "Remove", exact: true }).click();
  await page.locator('#boxes [data-tag="wet"]').waitFor({ state: "detached" });
  check((await api("?q=tag:wet")).messages.length === 0, "a tag is taken off again");
  await page.locator("#bulk").getByRole("button", { name: "Mark read" }).click();
  await until("all are read", async () => (await api("?q=flood+is:unread")).messages.length === 0);
  await page.locator("#pick-none").click();
  page.once("dialog", (dialog) => dialog.accept().catch(() => {}));
  const [doomed] = await ids(page);
  await box(0).click();
  await page.locator("#bulk").getByRole("button", { name: "Delete" }).click();
  await page.locator("#toast", { hasText: "1 message deleted" }).waitFor();
  await until("it is gone from the list", async () => !(await ids(page)).includes(doomed));

  // Far down: a reload shows the same place, new mail waits above, back and forward keep it.
  await page.goto(base);
  await page.locator("#live[data-state=connected]").waitFor();
  const scroll = page.locator("#scroll");
  await scroll.evaluate((it) => { it.scrollTop = 40 * 70; });
  await until("older rows come by themselves", async () => (await page.locator("#rows .row").count()) > 90);
  await until("the address follows", () => page.url().includes("before="));
  const firstSeen = () => scroll.evaluate((it) => {
    const top = it.getBoundingClientRect().top;
    return [...it.querySelectorAll(".row")].find((row) => row.getBoundingClientRect().bottom > top + 8)?.dataset.id;
  });
  const place = await firstSeen();
  await send({ to: "ann@one.example", subject: "While away" });
  await page.locator("#news a", { hasText: "1 new message" }).waitFor();
  check((await firstSeen()) === place, "what is read stays where it is");
  await page.reload();
  await page.locator("#news a").waitFor();
  await until("a reload keeps the place", async () => (await firstSeen()) === place);
  await until("the way up is known", async () => (await ids(page)).indexOf(place) > 0);
  check((await firstSeen()) === place, "rows that come above move nothing");
  await page.locator('#boxes [data-mailbox="ann@one.example"]').click();
  await page.getByRole("heading", { name: "ann@one.example" }).waitFor();
  await page.goBack();
  await page.locator("#news a").waitFor();
  await until("back is where one was", async () => (await firstSeen()) === place && (await ids(page)).indexOf(place) > 0);
  await page.locator("#news a").click();
  await page.locator("#rows .row:first-child", { hasText: "While away" }).waitFor();
  check(!page.url().includes("before="), "the newest list has the plain address");

  // An open search hears of new mail, too.
  await page.goto(`${base}/?q=subject:late`);
  await page.getByText("Nothing matches").waitFor();
  await page.locator("#live[data-state=connected]").waitFor();
  await send({ to: "ann@one.example", subject: "Too late" });
  await page.locator("#rows .row", { hasText: "Too late" }).waitFor();

  // Without a connection the page says so, and catches up when it is back.
  await page.goto(base);
  await page.locator("#live[data-state=connected]").waitFor();
  await page.context().setOffline(true);
  await page.evaluate(() => dispatchEvent(new Event("pagehide")));
  await page.evaluate(() => dispatchEvent(new Event("offline")));
  await page.locator("#broken").waitFor();
  await send({ to: "ann@one.example", subject: "Missed at first" });
  check((await page.getByText("Missed at first").count()) === 0, "offline is offline");
  await page.context().setOffline(false);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await page.locator("#rows .row", { hasText: "Missed at first" }).waitFor();
  await page.locator("#broken").waitFor({ state: "hidden" });

  // What another page deletes vanishes here; when all is gone, the page says how to begin.
  await page.locator("#rows .row", { hasText: "Missed at first" }).locator(".open").click();
  await page.locator("#pane .message").waitFor();
  const id = await page.locator("#pane .message").getAttribute("data-id");
  await fetch(`${base}/api/messages/${id}`, { method: "DELETE" });
  await page.locator("#pane", { hasText: "This message was deleted." }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Delete all…" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByText("No mail yet").waitFor();
  await page.locator("#live[data-state=connected]").waitFor();
  await send({ to: "ann@one.example", subject: "Anew" });
  await page.locator("#rows .row", { hasText: "Anew" }).waitFor();
  check(seen.errors.length === 0, `no script failed: ${seen.errors}`);
  check(seen.foreign.length === 0, `nothing was asked of others: ${seen.foreign}`);
});

// Many messages: ten thousand arrive before the eyes of an open page, which stays small and quick;
// then its list is scrolled down and up again, and searched. Prints what it measures.
import { base, browse, check, flood, send } from "./browser.mjs";

const MANY = Number(process.env.MESSAGES ?? 10_000);

await browse({ viewport: { width: 1440, height: 900 } }, async (page, seen, context) => {
  const say = (what, value) => console.log(`${what}: ${value}`);
  await send({ subject: "The first" });
  await page.goto(base);
  await page.locator("#live[data-state=connected]").waitFor();
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  say("first contentful paint, ms", Math.round(paint));

  // From the 250 to the row on the screen.
  await page.evaluate(() => {
    window.drawn = new Promise((done) => {
      new MutationObserver(() => {
        if (document.querySelector("#rows .row .subject")?.textContent === "Stopwatch") requestAnimationFrame(() => done(Date.now()));
      }).observe(document.getElementById("rows"), { childList: true });
    });
  });
  await send({ subject: "Stopwatch" });
  const acknowledged = Date.now();
  say("from the 250 to the row on the screen, ms", (await page.evaluate(() => window.drawn)) - acknowledged);

  const session = await context.newCDPSession(page);
  const heap = async () => {
    await session.send("HeapProfiler.collectGarbage");
    return (await session.send("Runtime.getHeapUsage")).usedSize;
  };
  const before = await heap();
  await flood(MANY, { subject: (number) => `Report ${number} on ${["orders", "builds", "logins"][number % 3]}`, to: (number) => `user${number % 40}@d${number % 7}.example` });
  await page.locator("#counts", { hasText: (MANY + 2).toLocaleString("en") }).waitFor();
  await page.waitForTimeout(500);
  const [nodes, after] = [await page.evaluate(() => document.querySelectorAll("*").length), await heap()];
  say(`elements after ${MANY} arrivals`, nodes);
  say("heap before and after, KB", `${Math.round(before / 1000)}, ${Math.round(after / 1000)}`);
  check(nodes < 12_000 && after < before + 8_000_000, "what came is not kept");
  check((await page.locator("#rows .row").count()) <= 300, "the list is a window");

  // Down for many pages, and all the way up again; no row twice, none missing.
  await page.goto(base);
  const met = await page.evaluate(async () => {
    const scroll = document.getElementById("scroll");
    const all = () => [...document.querySelectorAll("#rows > .row")].map((row) => row.dataset.id);
    const met = new Set(all());
    const slowest = { down: 0, up: 0 };
    const step = async (way, where) => {
      const edge = () => all().at(way === "down" ? -1 : 0);
      const was = edge();
      const started = performance.now();
      scroll.scrollTop = where();
      while (edge() === was && performance.now() - started < 5_000) await new Promise((done) => { setTimeout(done, 5); });
      slowest[way] = Math.max(slowest[way], performance.now() - started);
      for (const id of all()) met.add(id);
    };
    for (let pages = 0; pages < 20; pages++) await step("down", () => scroll.scrollHeight);
    const rows = all().length;
    const top = [...met].sort().at(-1);
    for (let pages = 0; pages < 60 && all()[0] !== top; pages++) await step("up", () => 0);
    const ordered = all().every((id, at, list) => at === 0 || list[at - 1] > id);
    return { ids: [...met], rows, isBack: all()[0] === top, ordered, slowest };
  });
  const { rows, isBack, ordered } = met;
  check(rows <= 350 && isBack && ordered, `a window that comes back: ${JSON.stringify({ rows, isBack, ordered })}`);
  const first = await (await fetch(`${base}/api/messages?limit=500`)).json();
  const next = await (await fetch(`${base}/api/messages?limit=500&before=${first.next}`)).json();
  const missing = [...first.messages, ...next.messages].filter(({ id }) => !met.ids.includes(id));
  check(missing.length === 0, `nothing is left out: ${missing.length} are`);
  say("slowest page down and up, ms", `${Math.round(met.slowest.down)}, ${Math.round(met.slowest.up)}`);

  for (const q of ["orders", "report from:flood -builds", "is:unread recipient:@d3.example"]) {
    const started = Date.now();
    await page.goto(`${base}/?q=${encodeURIComponent(q)}`);
    await page.locator("#rows .row").nth(49).waitFor();
    say(`search ${q}, ms`, Date.now() - started);
  }
  check(seen.errors.length === 0, `no script failed: ${seen.errors}`);
});

// What calls for attention: marks of what is new, notifications and a sound; and that nothing is missed
// when the machine slept. Notifications and sounds leave the browser, so the page is given others that
// write down what they are asked for.
import { base, browse, check, send, until } from "./browser.mjs";

const ready = (page) => page.locator("#live[data-state=connected]").waitFor();
const row = (page, text) => page.locator("#rows .row", { hasText: text });

function writeDown() {
  window.told = [];
  window.tones = [];
  const permission = () => JSON.parse(localStorage.getItem("test-permission")) ?? "default";
  window.Notification = class {
    static get permission() { return permission(); }
    static async requestPermission() { return permission(); }
    constructor(title, options) { Object.assign(this, { title, ...options }); window.told.push(this); }
    close() { this.isClosed = true; }
  };
  const ramp = { setValueAtTime() {}, linearRampToValueAtTime() {}, exponentialRampToValueAtTime() {} };
  const node = () => ({ gain: ramp, frequency: {}, connect: (to) => to, start() { window.tones.push(this.frequency.value); }, stop() {} });
  window.AudioContext = class { currentTime = 0; createOscillator = node; createGain = node; };
}

await browse({ viewport: { width: 1440, height: 900 } }, async (page, seen, context) => {
  await context.addInitScript(writeDown);
  await send({ subject: "Before" });
  await page.goto(base);
  await ready(page);
  const allow = (permission) => page.evaluate((it) => localStorage.setItem("test-permission", JSON.stringify(it)), permission);
  const lookAway = (isAway) => page.evaluate((it) => Object.defineProperty(document, "hidden", { get: () => it, configurable: true }), isAway);
  const told = () => page.evaluate(() => window.told.map(({ title, body }) => `${title}: ${body}`).join());
  const tones = () => page.evaluate(() => window.tones.join());
  const notify = page.getByLabel("Notify me of new mail");
  const sound = page.getByLabel("Play a sound");
  const settings = page.locator("#settings summary");

  // Nobody asked: nothing but a mark in the list.
  await lookAway(true);
  await send({ subject: "Nobody asked" });
  await page.locator("#rows .row.fresh", { hasText: "Nobody asked" }).waitFor();

  // What the browser forbids is said, and not kept.
  await settings.click();
  await allow("denied");
  await notify.click();
  await page.getByText("The browser does not allow notifications from here.").waitFor();
  check(!(await notify.isChecked()), "it is off again");
  await allow("granted");
  await notify.check();
  check(!(await page.locator("#notify-note").isVisible()), "and no more is said");

  // One is named, several are counted; whoever looks at the page is told nothing.
  await send({ subject: "Ring" });
  await page.waitForFunction(() => window.told.length === 1);
  await until(async () => `of the one that was wanted: ${await told()}`, async () => (await told()) === "Ann: Ring");
  check((await tones()) === "", "without a sound");
  await Promise.all(["One", "Two", "Three"].map((subject) => send({ subject })));
  await page.waitForFunction(() => window.told.length > 1);
  await until(async () => `together: ${await told()}`, async () => (await told()) === "Ann: Ring,3 new messages: ");

  // A click on it leads to the message, and the choice outlives the page.
  await page.evaluate(() => window.told[0].onclick());
  await page.locator("#pane").getByRole("heading", { name: "Ring" }).waitFor();
  await until("the choice is remembered", () => notify.isChecked());

  // The sound is played when it is switched on, and then once for what comes together.
  await lookAway(false);
  await settings.click();
  await sound.check();
  await until(async () => `two notes: ${await tones()}`, async () => (await tones()) === "660,880");
  await Promise.all(["Four", "Five"].map((subject) => send({ subject })));
  await page.waitForFunction(() => window.tones.length > 2);
  await until(async () => `and again: ${await tones()}`, async () => (await tones()) === "660,880,660,880");
  check((await told()) === "", "no notification for who looks");
  await sound.uncheck();
  await notify.uncheck();
  await page.reload();
  check(!(await notify.isChecked()) && !(await sound.isChecked()), "off is remembered, too");

  // After a sleep the connection looks open and is dead: the page notices by the clock alone, and
  // catches up.
  const sleeper = await context.newPage();
  sleeper.on("pageerror", (error) => seen.errors.push(String(error)));
  let isDead = false;
  let connections = 0;
  await sleeper.routeWebSocket("**/ws?*", (socket) => {
    connections += 1;
    const mine = connections;
    const server = socket.connectToServer();
    server.onMessage((message) => { if (!isDead || mine > 1) socket.send(message); });
  });
  await sleeper.clock.install();
  await sleeper.goto(base);
  await ready(sleeper);
  isDead = true;
  await send({ subject: "While it slept" });
  await row(page, "While it slept").waitFor();
  check((await row(sleeper, "While it slept").count()) === 0 && connections === 1, "it heard nothing");
  await sleeper.clock.fastForward("08:00:00");
  await row(sleeper, "While it slept").waitFor();
  check(connections === 2, `by a new connection: ${connections}`);
  check(seen.errors.length === 0, `no script failed: ${seen.errors}`);
});

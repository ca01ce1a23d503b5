// The status page: it fills by itself, says why a mail did not arrive, and can be read without scripts.
import { base, browse, check, send, sendRaw, until } from "./browser.mjs";
import { looksRight } from "./browser_axe.mjs";

const refused = async (mail) => {
  const error = await send(mail).then(() => undefined, (error) => error);
  check(error?.responseCode >= 400, `refused: ${error}`);
};

await browse({}, async (page, seen, context) => {
  await page.goto(base);
  await page.locator(".places").getByRole("link", { name: "Status" }).click();
  await page.getByRole("heading", { name: "Status" }).waitFor();
  await page.getByText("Nothing was refused since the start.").waitFor();
  await page.getByText("Nothing in the last two hours").waitFor();
  await looksRight(page, "an empty status page");
  await page.setViewportSize({ width: 1280, height: 900 });

  // What happens appears by itself.
  await page.evaluate(() => { window.stillHere = true; });
  for (let number = 0; number < 3; number++) await send({ subject: `Mail ${number}`, text: "x" });
  await page.locator("#fact-stored b", { hasText: /^3$/ }).waitFor();
  await page.locator("#chart rect.received").first().waitFor();
  await page.locator("#chart .legend", { hasText: "3 received" }).waitFor();
  await refused({ to: "carol@elsewhere.example", text: "x" });
  const row = page.locator("#refusals tbody tr", { hasText: "carol@elsewhere.example" });
  await row.getByText("550 5.7.1 Relay access denied").waitFor();
  await row.getByText("The domain of the recipient is not in policy.local_domains").waitFor();
  await until("with its client", async () => /^127\.0\.0\.1$/.test(await row.locator(".client").innerText()));
  await page.locator("#chart rect.refused").first().waitFor();
  await until("the page was not loaded again", () => page.evaluate(() => window.stillHere));
  const listeners = await page.locator("#listeners").innerText();
  check(/smtp:\/\/127\.0\.0\.1:\d+\s+\d+\s+[1-9]/.test(listeners), `the listener counts: ${listeners}`);

  // Finding one, and still live.
  const hostile = '"<img src=x onerror=alert(1)>"@elsewhere.example';
  await sendRaw("Subject: fine\r\n\r\nx");
  await refused({ envelope: { from: "ann@example.org", to: [hostile] }, raw: "x" });
  const find = page.getByRole("searchbox", { name: "Find a client" });
  await find.fill("CAROL");
  await page.keyboard.press("Enter");
  await page.getByText("1 found").waitFor();
  await until("only hers", async () => (await page.locator("#refusals tbody tr").count()) === 1);
  await refused({ to: "carol@other.example", text: "x" });
  await page.getByText("2 found").waitFor();
  await page.getByRole("link", { name: "Show all" }).click();
  await page.locator("#refusals").getByText("onerror").waitFor();
  check(seen.dialogs.length === 0, "what a client says stays text");
  await looksRight(page, "a full status page");

  // A server that does not answer is noticed, and that it answers again.
  await page.route("**/status", (route) => route.abort());
  await page.getByText("Not up to date").waitFor();
  await page.unroute("**/status");
  await page.getByText("Not up to date").waitFor({ state: "hidden" });

  // Loaded again, the chart is there at once; without scripts, too.
  const plain = await context.browser().newContext({ javaScriptEnabled: false });
  const quiet = await plain.newPage();
  await quiet.goto(`${base}/status?find=carol`);
  await until("the bars are there", async () => (await quiet.locator("#chart rect.received").count()) > 0);
  await until("and the refusals", async () => (await quiet.locator("#refusals tbody tr").count()) === 2);
  check(seen.errors.length === 0 && seen.foreign.length === 0, `${seen.errors} ${seen.foreign}`);
});

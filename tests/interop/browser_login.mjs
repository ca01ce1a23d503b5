// The login in a browser: the way in and back to what was wanted, pictures in the sandboxed frame, the
// way out in all pages at once, and all of it without scripts.
import { base, browse, check, send, until } from "./browser.mjs";
import { looksRight } from "./browser_axe.mjs";

const pixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

async function logIn(page, password) {
  await page.getByLabel("Name").fill("ann");
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
}

await browse({ ignoreHTTPSErrors: true }, async (page, seen, context) => {
  await send({
    subject: "For ann only",
    html: '<p>Inside</p><img src="cid:dot@example.org" alt="dot">',
    attachments: [{ filename: "dot.png", content: pixel, cid: "dot@example.org" }],
  });

  // Who is nobody sees the login, and nothing else.
  await page.goto(`${base}/?q=subject%3Aonly`);
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  check(!(await page.content()).includes("ann only"), "nothing of the mail is said");
  await looksRight(page, "the login");
  await logIn(page, "falsch");
  await page.getByRole("alert").getByText("The name or the password is wrong.").waitFor();
  check((await page.getByLabel("Password").inputValue()) === "", "the password is not said again");
  await until("the name is", async () => (await page.getByLabel("Name").inputValue()) === "ann");
  await until("and one can go on typing", () => page.getByLabel("Password").evaluate((it) => it === document.activeElement));
  await looksRight(page, "a failed login");
  await page.setViewportSize({ width: 1280, height: 900 });

  // The user comes to what was wanted.
  await logIn(page, "geheim");
  await page.waitForURL(`${base}/?q=subject%3Aonly`);
  const link = page.locator("#rows .row a", { hasText: "For ann only" }).first();
  await link.waitFor();
  const [cookie] = await context.cookies();
  const isSecure = base.startsWith("https");
  check(cookie.httpOnly && cookie.sameSite === "Lax" && cookie.secure === isSecure, JSON.stringify(cookie));
  check(cookie.name.startsWith("__Host-") === isSecure, cookie.name);
  check((await page.evaluate(() => document.cookie)) === "", "no script sees it");

  // Pictures in the frame, whose origin is nobody's, are shown all the same.
  const { messages } = await page.evaluate(() => fetch("/api/messages").then((it) => it.json()));
  await page.goto(`${base}/messages/${messages[0].id}/html`);
  const frame = page.frameLocator("iframe");
  await frame.getByText("Inside").waitFor();
  const width = await frame.locator("img").first().evaluate(async (image) => {
    await image.decode().catch(() => {});
    return image.naturalWidth;
  });
  check(width === 1, "the cid: image is shown");

  // The feed is live, and forms work.
  await page.goto(base);
  await send({ subject: "Live behind the login", text: "x" });
  await page.locator("#rows .row", { hasText: "Live behind the login" }).waitFor();
  await page.getByRole("button", { name: "Mark all read" }).click();
  await page.locator("#rows .row.unread").first().waitFor({ state: "detached" });

  // Out here is out everywhere, also in a page that stands open, and Back brings nothing back.
  const other = await context.newPage();
  await other.goto(`${base}/status`);
  await other.locator(".places").getByRole("button", { name: "Log out" }).click();
  await other.waitForURL(`${base}/login`);
  await send({ subject: "After the logout", text: "x" });
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  check(new URL(page.url()).pathname === "/login", page.url());
  await other.goBack().catch(() => {});
  await other.getByRole("heading", { name: "Log in" }).waitFor();
  check((await context.cookies()).length === 0, "the cookie is gone");
  const cookies = [{ ...cookie, value: cookie.value }];
  await context.addCookies(cookies);
  await other.goto(base);
  await other.getByRole("heading", { name: "Log in" }).waitFor();
  check(seen.errors.length === 0, `no script failed: ${seen.errors}`);

  // Without scripts.
  const plain = await context.browser().newContext({ javaScriptEnabled: false, ignoreHTTPSErrors: true });
  const quiet = await plain.newPage();
  await quiet.goto(base);
  await logIn(quiet, "geheim");
  await quiet.getByText("For ann only").first().waitFor();
  await quiet.locator(".places").getByRole("button", { name: "Log out" }).click();
  await quiet.waitForURL(`${base}/login`);
});

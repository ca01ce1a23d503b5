// Makes the pictures of docs/ from a fresh smtpd.
// Usage: node screenshots.mjs http://HOST:PORT SMTP_HOST SMTP_PORT FOLDER
import { base, browse, send } from "./browser.mjs";

const folder = process.argv[5];
const newsletter = `<table width="100%" cellpadding="0" cellspacing="0" style="font-family:Georgia,serif;background:#f4f1ea"><tr><td align="center" style="padding:28px">
  <table width="560" style="background:#fff;border-radius:6px"><tr><td style="padding:32px">
  <h1 style="color:#1d4e4a;margin:0 0 12px">The week in mail</h1>
  <p style="font-size:17px;line-height:1.5">Five things to test before you ship, from subject lines with emoji to what happens when the images do not load.</p>
  <p><a href="https://letters.example/5" style="background:#1d4e4a;color:#fff;padding:10px 18px;border-radius:4px;text-decoration:none">Read it</a></p>
  <img src="https://letters.example/open.gif" width="1" height="1" alt=""></td></tr></table></td></tr></table>`;
const mails = [
  ["Monitoring <alerts@ops.example>", "oncall@ops.example", "[resolved] Disk usage on db-2 below 80 %", "The alert of 09:12 is over. Usage fell to 71 % after the old logs were removed."],
  ["Carol Diaz <carol@example.org>", "bob@example.org", "Lunch on Thursday?", "There is a new place round the corner with good soups. Half past twelve?"],
  ["Billing <billing@shop.example>", "accounting@example.org", "Invoice 2026-3391", "Please find your invoice attached. It will be charged to your card on the first of the month.", ["invoice-2026-3391.pdf"]],
  ["Accounts <no-reply@app.example>", "new.user+test@customers.example", "Confirm your address", "Welcome! Please confirm your address within 24 hours: https://app.example/confirm/8f2k1"],
  ["CI <ci@build.example>", "team@example.org", "Build 4811 failed on feature/quota", "2 of 1,204 tests failed: store::quota::full_disk_is_452, store::quota::room_is_given_back"],
  ["Dave <dave@example.org>", "team@example.org", "Re: Names for the release", "I like Heron best. Nobody has used birds for two years."],
  ["Support <help@shop.example>", "erin@customers.example", "We got your request #55213", "Thank you for writing. A human being will answer within one working day."],
  ["Calendar <calendar@example.org>", "bob@example.org", "Invitation: Planning, Mon 10:00", "Ann Becker invites you. Room 4.12, and by video.", ["invite.ics"]],
  ["Accounts <no-reply@app.example>", "frank@customers.example", "Reset your password", "Somebody asked for a new password. If it was not you, do nothing."],
  ["Shop <orders@shop.example>", "carol@customers.example", "Your order 2026-1187 is on its way", "Thank you! Your parcel left our warehouse this morning."],
  ["Ann Becker <ann@example.org>", "bob@example.org", "Protokoll der Besprechung ✉ Übersicht", "Anbei das Protokoll von gestern, mit den offenen Punkten.", ["Protokoll.pdf"]],
  ["CI <ci@build.example>", "team@example.org", "Build 4812 passed on main", "All 1,204 tests passed in 3 min 12 s. Artifacts are attached.", ["report.html"]],
  ["Accounts <no-reply@app.example>", "dave@example.org", "Your sign-in code is 493 207", "Enter 493 207 to sign in. It is good for ten minutes."],
  ["Newsletter <news@letters.example>", "carol@customers.example", "The week in mail: five things to test before you ship", "Five things to test before you ship.", ["checklist.pdf"], newsletter],
];

await browse({ viewport: { width: 1440, height: 900 } }, async (page) => {
  for (const [from, to, subject, text, files = [], html] of mails) {
    const attachments = files.map((filename, at) => ({ filename, content: Buffer.alloc(48_213 + 9_871 * at) }));
    await send({ from, to, subject, text, html, attachments });
  }
  const { messages } = await (await fetch(`${base}/api/messages`)).json();
  const mark = (at, what) => fetch(`${base}/api/messages/${messages[at].id}`, { method: "PATCH", body: JSON.stringify(what) });
  for (const at of [3, 5, 7, 8, 9, 12, 13]) await mark(at, { read: true });
  await mark(3, { starred: true, tags: ["meeting"] });
  await mark(11, { tags: ["billing"] });
  await mark(9, { tags: ["release"] });
  for (const to of ["frank@gone.example", "erin@gone.example"]) await send({ to, text: "x" }).catch(() => {});
  const open = `/?open=${messages[0].id}`;
  const shots = [
    ["list", "/", 1440, "light"], ["message", open, 1440, "light"], ["dark", open, 1440, "dark"],
    ["phone", "/", 390, "light"], ["status", "/status", 1440, "light"],
  ];
  for (const [name, path, width, colorScheme] of shots) {
    await page.setViewportSize({ width, height: width < 500 ? 780 : 900 });
    await page.emulateMedia({ colorScheme });
    await page.goto(base + path);
    await page.locator("#live[data-state=connected]").waitFor();
    if (path === open) await page.locator("#pane .message").waitFor();
    await page.waitForTimeout(500);
    await page.screenshot({ path: `${folder}/${name}.png`, fullPage: name === "status" });
    // The newest is read now; every picture shows it unread.
    await mark(0, { read: false });
  }
});

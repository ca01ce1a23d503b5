// Makes the pictures of docs/ from a fresh smtpd.
// Usage: node screenshots.mjs http://HOST:PORT SMTP_HOST SMTP_PORT FOLDER
import { base, browse, send } from "./browser.mjs";

const folder = process.argv[5];
const mails = [
  { from: "Release Bot <ci@build.example>", to: "team@example.org", subject: "Build 4812 passed on main", text: "All 1,204 tests passed in 3 min 12 s. Artifacts are attached.", attachments: [{ filename: "report.html", content: "<h1>ok</h1>" }] },
  { from: "Shop <orders@shop.example>", to: "carol@example.org", subject: "Your order 2026-1187 is on its way", text: "Thank you! Your parcel left our warehouse this morning.", html: "<h1>On its way</h1>" },
  { from: "Ann Becker <ann@example.org>", to: "bob@example.org", cc: "team@example.org", subject: "Protokoll der Besprechung ✉ Übersicht", text: "Anbei das Protokoll von gestern, mit den offenen Punkten.", attachments: [{ filename: "Protokoll.pdf", content: Buffer.alloc(48_213) }] },
  { from: "Accounts <no-reply@app.example>", to: "dave@example.org", subject: "Your sign-in code is 493 207", text: "Enter 493 207 to sign in. It is good for ten minutes." },
  { from: "Newsletter <news@letters.example>", to: "carol@example.org", subject: "The week in mail: five things to test before you ship",
    html: `<table width="100%" cellpadding="0" cellspacing="0" style="font-family:Georgia,serif;background:#f4f1ea"><tr><td align="center" style="padding:28px">
      <table width="560" style="background:#fff;border-radius:6px"><tr><td style="padding:32px">
      <h1 style="color:#1d4e4a;margin:0 0 12px">The week in mail</h1>
      <p style="font-size:17px;line-height:1.5">Five things to test before you ship, from subject lines with emoji to what happens when the images do not load.</p>
      <p><a href="https://letters.example/5" style="background:#1d4e4a;color:#fff;padding:10px 18px;border-radius:4px;text-decoration:none">Read it</a></p>
      <img src="https://letters.example/open.gif" width="1" height="1" alt=""></td></tr></table></td></tr></table>`,
    text: "Five things to test before you ship.", attachments: [{ filename: "checklist.pdf", content: Buffer.alloc(120_400) }] },
];

await browse({ viewport: { width: 1280, height: 760 }, deviceScaleFactor: 1 }, async (page, seen, context) => {
  for (const mail of mails) await send(mail);
  const shots = [
    ["list", "/", 1280, "light"], ["dark", "/", 1280, "dark"],
    ["message", null, 1280, "light"],
    ["phone", "/", 390, "light"],
  ];
  await page.goto(base);
  const newest = await page.locator("#rows li.row a").first().getAttribute("href");
  for (const [name, path, width, colorScheme] of shots) {
    await page.setViewportSize({ width, height: width < 500 ? 780 : 760 });
    await page.emulateMedia({ colorScheme });
    await page.goto(`${base}${path ?? newest}`);
    await page.waitForTimeout(600);
    await page.screenshot({ path: `${folder}/${name}.png` });
  }
});

// What the browser scripts share: a Chromium without any network but ours, and a sender.
import nodemailer from "nodemailer";
import { chromium } from "playwright-core";

const [url, host, port] = process.argv.slice(2);
export const base = url;

const transport = nodemailer.createTransport({ host, port: Number(port), secure: false, ignoreTLS: true });
export const send = (mail) =>
  transport.sendMail({ from: "Ann <ann@example.org>", to: "bob@example.org", ...mail });
export const sendRaw = (raw) =>
  transport.sendMail({ envelope: { from: "ann@example.org", to: ["bob@example.org"] }, raw });

export function check(holds, what) {
  if (!holds) throw new Error(`not so: ${what}`);
}

/** Runs `test` with a page; every request that leaves our server and every script error is collected. */
export async function browse(options, test) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
  const seen = { foreign: [], errors: [], dialogs: [] };
  try {
    const context = await browser.newContext({ acceptDownloads: true, ...options });
    await context.route("**/*", (route) => {
      // The viewer of PDF is a part of the browser.
      const ours = [base, "data:", "chrome:", "chrome-extension:"];
      if (ours.some((start) => route.request().url().startsWith(start))) return route.continue();
      seen.foreign.push(route.request().url());
      return route.abort();
    });
    const page = await context.newPage();
    page.on("pageerror", (error) => seen.errors.push(String(error)));
    page.on("dialog", (dialog) => {
      seen.dialogs.push(dialog.message());
      dialog.dismiss();
    });
    page.setDefaultTimeout(15_000);
    await test(page, seen, context);
  } finally {
    await browser.close();
    transport.close();
  }
  console.log("all seen");
}

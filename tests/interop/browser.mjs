// What the browser scripts share: a Chromium without any network but ours, and a sender.
import { once } from "node:events";
import { connect } from "node:net";
import nodemailer from "nodemailer";
import { chromium } from "playwright-core";

/** How long a page may take, in milliseconds, beside whatever else a machine does. */
const PATIENCE = 15_000;

const [url, host, port] = process.argv.slice(2);
export const base = url;

const transport = nodemailer.createTransport({ host, port: Number(port), secure: false, ignoreTLS: true });
export const send = (mail) =>
  transport.sendMail({ from: "Ann <ann@example.org>", to: "bob@example.org", ...mail });
export const sendRaw = (raw) =>
  transport.sendMail({ envelope: { from: "ann@example.org", to: ["bob@example.org"] }, raw });

/** Sends many small messages over a few connections, each with all its commands at once (RFC 2920). */
export async function flood(count, { connections = 8, subject = (number) => `Flood ${number}`, to = () => "flood@example.org" } = {}) {
  const each = [...Array(connections).keys()].map((first) =>
    [...Array(count).keys()].filter((number) => number % connections === first));
  await Promise.all(each.map(async (numbers) => {
    const socket = connect(Number(port), host);
    let answers = "";
    socket.on("data", (piece) => { answers += piece; });
    socket.write("EHLO flood.example\r\n");
    for (const number of numbers) {
      const body = `From: Flood <flood@example.org>\r\nSubject: ${subject(number)}\r\n\r\nNumber ${number} of many, with a few words.\r\n`;
      socket.write(`MAIL FROM:<flood@example.org>\r\nRCPT TO:<${to(number)}>\r\nBDAT ${body.length} LAST\r\n${body}`);
    }
    socket.end("QUIT\r\n");
    await once(socket, "close");
    const taken = answers.match(/^250 2\.6\.0|^250 2\.0\.0/gm)?.length ?? 0;
    check(taken >= numbers.length, `${numbers.length} messages are taken: ${answers.slice(-300)}`);
  }));
}

export function check(holds, what) {
  if (!holds) throw new Error(`not so: ${what}`);
}

/**
 * Waits until something is so: a page may be slower than the script that looks at it. What must not be, or must
 * stay as it is, is for `check`, which does not wait.
 */
export async function until(what, holds) {
  for (const end = Date.now() + PATIENCE; Date.now() < end;) {
    if (await holds()) return;
    await new Promise((done) => { setTimeout(done, 50); });
  }
  throw new Error(`not so, even after a while: ${typeof what === "function" ? await what() : what}`);
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
    page.setDefaultTimeout(PATIENCE);
    await test(page, seen, context);
  } finally {
    await browser.close();
    transport.close();
  }
  console.log("all seen");
}

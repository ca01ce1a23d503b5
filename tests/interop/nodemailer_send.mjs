// Sends mail with nodemailer: Unicode, HTML with an inline image, attachments, AUTH.
// Usage: node nodemailer_send.mjs HOST PORT
import nodemailer from "nodemailer";

const [host, port] = process.argv.slice(2);
const transport = nodemailer.createTransport({
  host,
  port: Number(port),
  secure: false,
  ignoreTLS: true,
  auth: { user: "ann", pass: "geheim" },
});

const pixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

const info = await transport.sendMail({
  from: '"Änn" <ann@example.org>',
  to: "bob@example.org, Cäcilie <caecilie@example.org>",
  bcc: "hidden@example.org",
  subject: "nodemailer ✉ mit Umlaut",
  text: "Grüße aus nodemailer",
  html: '<p>Grüße aus <b>nodemailer</b> <img src="cid:pixel@example.org" alt="dot"></p>',
  attachments: [
    { filename: "Übersicht.txt", content: "ein Anhang" },
    { filename: "pixel.png", content: pixel, cid: "pixel@example.org" },
    { filename: "big.bin", content: Buffer.alloc(3_000_000, 7) },
  ],
});
if (!info.response.startsWith("250 2.0.0")) {
  throw new Error(`unexpected reply: ${info.response}`);
}
transport.close();

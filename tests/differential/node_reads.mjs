// What npm's mailparser and postal-mime make of the mails on standard input (see mails.py): facts of
// each as JSON. The packages are those of tests/interop.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../interop/package.json", import.meta.url));
const { simpleParser } = require("mailparser");
const { default: PostalMime } = await import(pathToFileURL(require.resolve("postal-mime")));

const when = (date) => {
  const time = date ? new Date(date).getTime() : NaN;
  return Number.isNaN(time) ? "" : String(Math.floor(time / 1000));
};
const people = (list) =>
  (list ?? []).flatMap((it) => (it.group ? people(it.group) : [`${it.name ?? ""} <${it.address ?? ""}>`]));

// A reader that fails says nothing.
const attempt = async (read) => {
  try {
    return await read();
  } catch {
    return null;
  }
};

async function mailparser(octets) {
  const mail = await simpleParser(octets, { skipHtmlToText: true, skipTextToHtml: true });
  return {
    subject: mail.subject ?? "",
    from: people(mail.from?.value),
    to: people([mail.to ?? []].flat().flatMap((it) => it.value ?? [])),
    // It puts the present time where it reads none.
    date: when(mail.headers.get("date") instanceof Date ? mail.date : null),
    text: mail.text ?? "",
    files: mail.attachments.map((it) => it.filename ?? ""),
  };
}

async function postalMime(octets) {
  const mail = await PostalMime.parse(octets);
  return {
    subject: mail.subject ?? "",
    from: people(mail.from ? [mail.from] : []),
    to: people(mail.to),
    date: when(mail.date),
    text: mail.text ?? "",
    files: mail.attachments.map((it) => it.filename ?? ""),
  };
}

const facts = { mailparser: {}, "postal-mime": {} };
for (const { name, octets } of JSON.parse(readFileSync(0, "utf8"))) {
  const mail = Buffer.from(octets, "base64");
  facts.mailparser[name] = (await attempt(() => mailparser(mail))) ?? {};
  facts["postal-mime"][name] = (await attempt(() => postalMime(mail))) ?? {};
}
console.log(JSON.stringify(facts));

// The mails that are looked at: our own, each for one question, and public templates from npm packages,
// which are fetched by name (package.json) and not kept here.
import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";

const here = (path) => new URL(path, import.meta.url);
const read = (path) => readFile(here(path), "utf8");
const names = async (folder) => (await readdir(here(folder))).filter((name) => name.endsWith(".html")).sort();

// Ten for the gate: one each of what was wrong once.
const SMOKE = ["import", "charset", "mso", "body-text", "spacer", "hidden", "backslash-classes", "background-shorthand", "rtl", "dark"];

// What differs, and why that is so.
export const REASONS = {
};

export async function own() {
  return Promise.all((await names("mails/")).map(async (file) => ({ name: file.slice(0, -5), html: await read(`mails/${file}`) })));
}

export async function smoke() {
  return (await own()).filter(({ name }) => SMOKE.includes(name));
}

export async function all() {
  return [...(await own()), ...(await foundation()), ...(await generated()), ...(await responsive()), ...(await mjml())];
}

// Their style sheet is a file beside them; here it has an address, as where it is sent from.
const sheet = (html) => html
  .replace(/<link rel="stylesheet" type="text\/css" href="[^"]*">|<link rel="stylesheet" href="[^"]*">/, '<link rel="stylesheet" href="http://styles.example/foundation.css">')
  .replace(/\{\{[^}]*\}\}/g, "");

async function foundation() {
  const folder = "node_modules/foundation-emails/";
  const found = [];
  for (const part of ["templates/", "test/visual/pages/"]) {
    for (const file of await names(folder + part)) {
      found.push({ name: `foundation-${file.slice(0, -5)}`, html: sheet(await read(folder + part + file)) });
    }
  }
  return found;
}

async function generated() {
  const Mailgen = createRequire(here("node_modules/"))("mailgen");
  const product = { name: "Shop", link: "https://shop.example/", logo: "http://pictures.example/logo-120x40.png" };
  const bodies = {
    reset: { name: "Ann", intro: "Someone asked for a new password.", action: { instructions: "Follow the button:", button: { color: "#dc4d2f", text: "Reset", link: "https://shop.example/reset" } }, outro: "Else ignore this." },
    receipt: { name: "Bob", intro: "Your order:", table: { data: [{ item: "Book", price: "9.99" }, { item: "Lamp", price: "20.00" }], columns: { customWidth: { price: "15%" }, customAlignment: { price: "right" } } } },
    welcome: { name: "Zoë", intro: ["Welcome.", "It is good to have you."], dictionary: { date: "June 11", address: "123 Park Avenue" } },
  };
  return ["default", "neopolitan", "salted", "cerberus"].flatMap((theme) =>
    Object.entries(bodies).map(([kind, body]) => ({ name: `mailgen-${theme}-${kind}`, html: new Mailgen({ theme, product }).generate({ body }) })));
}

async function responsive() {
  const folder = "node_modules/responsive-html-email-template/";
  return Promise.all((await names(folder)).map(async (file) => ({ name: `responsive-${file.slice(0, -5)}`, html: await read(folder + file) })));
}

const picture = '<mj-image width="200px" src="http://pictures.example/shot-400x200.png" alt="A shot"/>';
const MJML = {
  columns: `<mj-section background-color="#f0f0f0"><mj-column><mj-text>Left</mj-text>${picture}</mj-column><mj-column><mj-text>Right</mj-text><mj-button background-color="#1a73e8">Go</mj-button></mj-column></mj-section>`,
  hero: '<mj-hero mode="fixed-height" height="200px" background-width="600px" background-height="200px" background-url="http://pictures.example/hero-600x200.png" background-color="#2a3448"><mj-text color="#ffffff" font-size="28px">Hero</mj-text></mj-hero>',
  table: '<mj-section><mj-column><mj-table><tr style="border-bottom:1px solid #ecedee"><th>Year</th><th>Language</th></tr><tr><td>1995</td><td>PHP</td></tr></mj-table><mj-divider border-color="#F45E43"/><mj-spacer height="30px"/></mj-column></mj-section>',
  accordion: '<mj-section><mj-column><mj-accordion><mj-accordion-element><mj-accordion-title>Why?</mj-accordion-title><mj-accordion-text>Because.</mj-accordion-text></mj-accordion-element></mj-accordion></mj-column></mj-section>',
  social: '<mj-section><mj-column><mj-social mode="horizontal"><mj-social-element name="facebook" href="https://f.example/">Facebook</mj-social-element><mj-social-element name="twitter" href="https://t.example/">Twitter</mj-social-element></mj-social><mj-navbar base-url="https://n.example" hamburger="hamburger"><mj-navbar-link href="/a">One</mj-navbar-link><mj-navbar-link href="/b">Two</mj-navbar-link></mj-navbar></mj-column></mj-section>',
  carousel: '<mj-section><mj-column><mj-carousel><mj-carousel-image src="http://pictures.example/a-300x100.png"/><mj-carousel-image src="http://pictures.example/b-300x100.png"/></mj-carousel></mj-column></mj-section>',
  wrapper: `<mj-wrapper border="1px solid #000" padding="20px"><mj-section background-url="http://pictures.example/tile-20x20.png"><mj-group><mj-column><mj-text>One</mj-text></mj-column><mj-column><mj-text>Two</mj-text></mj-column></mj-group></mj-section></mj-wrapper>`,
};

async function mjml() {
  const required = createRequire(here("node_modules/"))("mjml");
  const make = required.default ?? required;
  return Promise.all(Object.entries(MJML).map(async ([name, body]) => {
    const head = '<mj-head><mj-font name="Raleway" href="http://styles.example/fonts.css"/><mj-preview>A preview</mj-preview><mj-style>@media (prefers-color-scheme:dark){body{background:#111 !important}}</mj-style></mj-head>';
    const { html } = await make(`<mjml>${head}<mj-body>${body}</mj-body></mjml>`);
    return { name: `mjml-${name}`, html };
  }));
}

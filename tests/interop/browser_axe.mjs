// Looks at a page with axe-core, for violations of WCAG 2 of level A and AA.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { check } from "./browser.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** axe-core finds nothing of level A or AA in the page as it is now. */
export async function isForEverybody(page, where, runOnly = rules) {
  // Our pages allow no script that is not a file of ours, and axe is none: the browser puts it in.
  await page.evaluate(axe);
  const { violations } = await page.evaluate((only) => window.axe.run({ runOnly: only }), runOnly);
  const found = violations.map((it) => `${it.id}: ${it.nodes.map((node) => `${node.html} ${node.any[0]?.message ?? ""}`).join(" ")}`);
  check(found.length === 0, `${where}: ${found.join("\n")}`);
}

/** The same at three widths, light and dark; and nothing sticks out to the side. */
export async function looksRight(page, what) {
  for (const [width, height] of [[1280, 900], [800, 1000], [390, 800]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      const where = `${what}, ${width} wide, ${colorScheme}`;
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      check(wide <= width, `${where}: it is ${wide} wide`);
      await isForEverybody(page, where);
    }
  }
}

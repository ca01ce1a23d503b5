// axe-core finds no violation of WCAG 2 A or AA, in light and dark, at three widths.
import { base, browse, check, send } from "./browser.mjs";
import { isForEverybody } from "./browser_axe.mjs";

await browse({ viewport: { width: 1440, height: 900 } }, async (page, seen) => {
  const look = (what, only) => isForEverybody(page, what, only);
  await page.goto(base);
  await look("the empty page");
  await send({ to: "bob@b.example", subject: "With a file", text: "And words", attachments: [{ filename: "a.bin", content: Buffer.alloc(20) }] });
  await send({ to: "carl@c.example", subject: "Without", text: "Words" });
  const { messages: [{ id }] } = await (await fetch(`${base}/api/messages`)).json();
  await fetch(`${base}/api/messages/${id}`, { method: "PATCH", body: JSON.stringify({ starred: true, tags: ["red"], read: true }) });

  const states = [
    ["the list", "/"],
    ["a search with hits", "/?q=words"],
    ["a search that cannot be read", "/?q=is%3Agreen"],
    ["a search without hits", "/?q=nowhere"],
    ["the question", "/delete?all=1"],
    ["help as a page", "/help"],
    ["an error", "/nothing"],
    ["a selection", "/", () => page.locator("#rows .pick input").first().click()],
    ["help", "/", () => page.keyboard.press("?")],
    ["the palette", "/", () => page.keyboard.press("Control+k")],
    ["suggestions", "/", () => page.locator("#search").click()],
    ["settings", "/", () => page.locator("#settings summary").click()],
    ["the message beside the list", `/?open=${id}`, () => page.locator("#pane .message").waitFor()],
  ];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const [what, path, act] of states) {
      await page.goto(base + path);
      if (act) {
        await page.locator("#live[data-state=connected]").waitFor();
        await act();
      }
      // Only colours are different in the dark.
      const only = colorScheme === "dark" ? ["color-contrast", "link-in-text-block"] : undefined;
      await look(`${what}, ${colorScheme},`, only);
    }
  }
  for (const width of [900, 390]) {
    await page.setViewportSize({ width, height: 800 });
    await page.goto(base);
    await look(`the list ${width} wide`);
    if (width < 500) {
      await page.locator("#live[data-state=connected]").waitFor();
      await page.locator("#boxes-button").click();
      await look("the mailboxes on a phone");
    }
  }
  check(seen.errors.length === 0, `no script failed: ${seen.errors}`);
});

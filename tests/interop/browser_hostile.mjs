// HTML that tries everything: no script runs, no request leaves while remote content is blocked.
import { base, browse, check, sendRaw } from "./browser.mjs";

const evil = "http://evil.example";
const payloads = [
  `<script>parent.document.title="owned";fetch("${evil}/script")</script>`,
  `<img src="${evil}/pixel.gif" onerror="fetch('${evil}/onerror')">`,
  `<img src=x onerror=alert(1)>`,
  `<svg onload=alert(1)><script>alert(1)</script></svg>`,
  `<math><mtext><table><mglyph><style><img src onerror=alert(1)></style></mglyph></table></mtext></math>`,
  `<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>`,
  `<style>@import url(${evil}/import.css); body{background:url(${evil}/bg)} a{color:red}</style>`,
  `<style>@\\69mport "${evil}/escaped.css"; p{background:u\\72l(${evil}/escaped)}</style>`,
  `<style></style><script>alert(2)</script>`,
  `<div style="background:url('${evil}/inline')">x</div><table background="${evil}/table"><tr><td>y</td></tr></table>`,
  `<link rel=stylesheet href="${evil}/link.css"><link rel=prefetch href="${evil}/prefetch">`,
  `<meta http-equiv=refresh content="0;url=${evil}/refresh">`,
  `<base href="${evil}/"><img src="relative.png"><a href="relative">a</a>`,
  `<iframe src="${evil}/frame"></iframe><iframe srcdoc="<script>alert(3)</script>"></iframe>`,
  `<object data="${evil}/object"></object><embed src="${evil}/embed">`,
  `<video src="${evil}/video" poster="${evil}/poster" autoplay></video><audio src="${evil}/audio" autoplay></audio>`,
  `<img srcset="${evil}/srcset 1x"><picture><source srcset="${evil}/source"><img></picture>`,
  `<form action="${evil}/form"><input name=a autofocus onfocus=alert(4)><button>go</button></form>`,
  `<a href="javascript:alert(5)">js</a><a href="data:text/html,<script>alert(6)</script>">data</a>`,
  `<body onload=alert(7) background="${evil}/body"></div></div></iframe></main><h1>outside?</h1>`,
  `<details open ontoggle=alert(8)><summary>s</summary></details><marquee onstart=alert(9)>m</marquee>`,
  `<textarea></textarea><img src=x onerror=alert(10)><title></title><xmp><img src=x onerror=alert(11)></xmp>`,
  `<p style="position:fixed;top:0;left:0;width:100vw;height:100vh;background:red">over everything</p>`,
  `<input type=image src="${evil}/input"><svg><image href="${evil}/svgimage"/><use href="${evil}/use#x"/></svg>`,
];

await browse({}, async (page, seen) => {
  for (const [number, payload] of payloads.entries()) {
    await sendRaw(
      `From: ann@example.org\r\nTo: bob@example.org\r\nSubject: payload ${number}\r\n` +
        `MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>visible ${number}</p>${payload}\r\n`,
    );
  }
  await page.goto(`${base}/?q=payload`);
  const links = await page.locator('a[href^="/messages/"]').evaluateAll((all) => [...new Set(all.map((a) => a.getAttribute("href")))]);
  const ids = [...new Set(links.map((link) => link.split("/")[2].split("?")[0]))];
  check(ids.length === payloads.length, `${payloads.length} messages are listed, not ${ids.length}`);
  for (const id of ids) {
    await page.goto(`${base}/messages/${id}/html`);
    const frame = page.frameLocator("iframe");
    await frame.locator("text=/visible \\d+/").first().waitFor();
    await page.waitForTimeout(150);
    check(page.url().startsWith(base), "the page stayed where it was");
    check(!(await page.title()).includes("owned"), "the title is ours");
  }
  check(seen.foreign.length === 0, `requests left: ${seen.foreign.join(", ")}`);
  check(seen.dialogs.length === 0, `dialogs opened: ${seen.dialogs.join(", ")}`);
  // A page of the mail itself, opened outside of its frame, is as tame.
  for (const id of ids) {
    await page.goto(`${base}/messages/${id}/frame`);
    await page.waitForTimeout(30);
  }
  check(seen.foreign.length === 0, `requests left: ${seen.foreign.join(", ")}`);
  check(seen.dialogs.length === 0, `dialogs opened: ${seen.dialogs.join(", ")}`);
});

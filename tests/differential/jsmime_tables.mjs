// The tables in jsmime's tests of header fields as JSON: function, arguments, and what is expected. Its
// functions are recorded instead of called. Argument: the folder of jsmime.
import { readFileSync } from "node:fs";
import vm from "node:vm";

const rows = [];
let last;
const record = (name) => (...args) => {
  last = { name, args };
  return last;
};
const convert8BitHeader = (value, charset) => ({ value, charset });
const headerparser = new Proxy({}, {
  get: (_, name) => (name === "convert8BitHeader" ? convert8BitHeader : record(name)),
});

// A map of parameters with its value in front; what else there is, is JSON already.
const plain = (it) =>
  it instanceof Map ? { value: it.preSemi ?? it.type, parameters: Object.fromEntries(it) } : it;
const keep = (_, expected) => rows.push({ ...last, expected: plain(expected) });

const sandbox = {
  define: (body) => body((name) => (name === "assert" ? { equal: keep, deepEqual: keep } : { headerparser })),
  suite: (_, body) => body(),
  test: (_, body) => body(),
  Map,
  // The tests compare dates by their text.
  Date: class extends Date {
    toString() {
      return Number.isNaN(this.getTime()) ? "" : String(this.getTime() / 1000);
    }

    toJSON() {
      return this.toString();
    }
  },
};
for (const file of ["test_header.js", "test_structured_headers.js"]) {
  const text = readFileSync(`${process.argv[2]}/test/${file}`, "utf8")
    // A form of comprehension that no engine has any more.
    .replace(/\[(\w) for \(\w of (\w+)\.entries\(\)\)\]/g, "[...$2.entries()]")
    .replace(/if \(actual instanceof Map[\s\S]*?\n  \}\n/, "");
  vm.runInNewContext(text, sandbox);
}
console.log(JSON.stringify(rows));

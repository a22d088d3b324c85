// Makes stringify_vectors.json: bodies, and what JSON.stringify(JSON.parse(body)) makes of them in Node.
//     node make_stringify_vectors.js > stringify_vectors.json
// The dice are seeded, so that the same Node makes the same file.
const MANY = 2400;
let state = 0x5eed;

function dice(sides) {
  state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
  return (state >>> 0) % sides;
}
const one = (list) => list[dice(list.length)];

const EDGES = [
  "0", "-0", "0.0", "-0.0", "0e0", "-0E+5", "12.0", "1e0", "1E+2", "100", "1e20", "1e21", "-1e21", "123456789012345680000",
  "999999999999999999999", "1000000000000000000000", "12345678901234567890", "9007199254740991", "9007199254740993",
  "0.1", "0.000001", "0.0000001", "1e-6", "1e-7", "1.5e-7", "-1.25e-7", "0.00000123", "5e-324", "4.9e-324", "2e-324",
  "1.7976931348623157e308", "1.7976931348623159e308", "1e309", "-1e400", "1e999999", "1e-999999", "0.30000000000000004",
  "30.2672", "-97.7431", "3.0", "2.50", "1.10e1", "4.35", "0.1e1", "123e-20", "123e20", "17e18", "1.0e+21", "5e-7", "33e-7",
];
const KEYS = [
  "event", "data", "0", "1", "2", "10", "9", "01", "00", "-1", "-0", "1.0", "1e3", "4294967294", "4294967295", "4294967296",
  "9007199254740992", "99999999999", "", " ", "__proto__", "constructor", "é", "\\u00e9", "\\u0031", "\\ud83d\\ude00",
  "\\ud83d", "b", "a", "length", "toString", "1a", "٣",
];
const TEXTS = [
  "plain", "", "\\u00e9", "é", "\\u2028\\u2029", "\u2028\u2029", "\\u007f", "\u007f", "\\b\\f\\n\\r\\t", "\\u0000", "\\u001f",
  "\\u0008", "\\/", "/", "\\\\", "\\\"", "\\ud83d\\ude00", "😀", "\\ud83d", "\\ude00", "\\ude00\\ud83d", "\\ud83dx", "\\ud83d😀",
  "\\uD83D\\uD83D\\uDE00", "\\uDFFF", "\\ud800", "\\ufeff", "\\uffff", "</script>", "आनंद", "\\u0041\\u00df", "\\\\u00e9", "'",
];
const SPACES = ["", "", "", " ", "\n", "\t", "\r\n", "  "];

function number() {
  const kind = dice(6);
  if (kind === 0) return one(EDGES);
  if (kind === 1) return String(dice(100000));
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, dice(0x100000000)); view.setUint32(4, dice(0x100000000));
  const value = view.getFloat64(0);
  if (kind === 2 && Number.isFinite(value)) return value.toPrecision(1 + dice(21));
  if (kind === 3) return `${dice(2) ? "-" : ""}${dice(1000)}.${dice(1e9)}`;
  if (kind === 4) return `${1 + dice(9)}.${dice(1e6)}e${dice(2) ? "-" : "+"}${dice(30)}`;
  return `${1 + dice(9)}${"0".repeat(dice(24))}`;
}
const text = () => `"${one(TEXTS)}${dice(3) ? "" : one(TEXTS)}"`;

function value(depth) {
  const gap = () => one(SPACES);
  const kind = dice(depth > 3 ? 5 : 8);
  if (kind < 2) return number();
  if (kind < 4) return text();
  if (kind === 4) return one(["null", "true", "false"]);
  const parts = [];
  for (let left = dice(6); left > 0; left--) {
    parts.push(gap() + (kind === 5 ? "" : `"${one(KEYS)}"${gap()}:${gap()}`) + value(depth + 1) + gap());
  }
  return kind === 5 ? `[${parts.join(",")}]` : `{${parts.join(",")}}`;
}

const bodies = new Set([...EDGES, ...EDGES.map((digits) => `{"n": ${digits} }`), ...TEXTS.map((said) => `["${said}"]`)]);
for (const first of KEYS) for (const second of KEYS.slice(0, 16)) bodies.add(`{"z":1,"${first}":2,"${second}":3,"z":4}`);
while (bodies.size < MANY) bodies.add(one(SPACES) + value(0) + one(SPACES));

const ascii = (said) => JSON.stringify(said).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
const lines = [...bodies].map((body) => `[${ascii(body)}, ${ascii(JSON.stringify(JSON.parse(body)))}]`);
process.stdout.write(`[\n${lines.join(",\n")}\n]\n`);

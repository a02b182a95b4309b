// Dissects captures with Wireshark 4.4 compiled to WebAssembly and keeps what it numbers: one JSON file a capture.
//
//   node tests/oracle/wireshark.mjs DIR_OR_FILE... --out CACHE [--module DIR] [--jobs 2] [--timeout 120] [--force]
//
// Needs the npm package @goodtools/wiregasm; --module names the folder that holds its node_modules.
// A capture runs in a worker process; one that it cannot read, or that takes longer than the timeout, is recorded as an
// error and costs nothing else.

import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import * as fs from "node:fs";
import * as path from "node:path";
import * as zlib from "node:zlib";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(import.meta.url);
/** Raised whenever the shape of a cached answer changes. */
const SCHEMA = 3;

/** Protocols between the link layer and TCP that do not make a frame "tunnelled". */
const PLAIN = new Set([
  "frame", "eth", "sll", "vlan", "ip", "ipv6", "tcp", "null", "raw", "ppp", "fr", "llc", "wlan", "radiotap", "fddi",
  "tr", "pktap", "nflog", "wtap", "ethertype", "ppi", "prism",
]);

/** The fields of Wireshark's sequence analysis; `tcp.analysis.NAME` is kept as NAME. */
const ANALYSIS = "tcp.analysis.";

/** How many IP headers stand before the first TCP header. */
function ipLayers(protocols) {
  return protocols.slice(0, protocols.indexOf("tcp")).filter((name) => name === "ip" || name === "ipv6").length;
}

function vectorEach(vector, visit) {
  for (let index = 0; index < vector.size(); index++) visit(vector.get(index));
}

/** What one frame's tree says of its TCP layers. */
function readFrame(frame) {
  const layers = [];
  const protocols = [];
  const length = {};
  const visit = (node, inQuote) => {
    const filter = node.filter || "";
    if (node.type === "proto") protocols.push(filter);
    const icmp = inQuote || (node.type === "proto" && (filter === "icmp" || filter === "icmpv6"));
    let match;
    if ((match = /^tcp\.stream == (\d+)/.exec(filter))) {
      layers.push({ stream: Number(match[1]), completeness: null, flags: [], quoted: icmp });
    } else if ((match = /^frame\.(len|cap_len) == (\d+)/.exec(filter))) {
      length[match[1]] = Number(match[2]);
    } else if (layers.length && (match = /^tcp\.completeness == (\d+)/.exec(filter))) {
      layers.at(-1).completeness = Number(match[1]);
    } else if (layers.length && filter.startsWith(ANALYSIS) && !filter.includes("==")) {
      const name = filter.slice(ANALYSIS.length);
      if (name !== "flags" && !layers.at(-1).flags.includes(name)) layers.at(-1).flags.push(name);
    }
    if (node.tree) vectorEach(node.tree, (child) => visit(child, icmp));
  };
  vectorEach(frame.tree, (node) => visit(node, false));
  return { layers, protocols, cut: length.cap_len < length.len };
}

/** Random access into a gzip stream is slow; as much as unpacks is read. */
function unzipped(bytes) {
  return zlib.gunzipSync(bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH });
}

/** Folds a whole capture into streams. */
function dissect(wg, file) {
  const inside = "/uploads/capture";
  const bytes = fs.readFileSync(file);
  wg.FS.writeFile(inside, bytes[0] === 0x1f && bytes[1] === 0x8b ? unzipped(bytes) : bytes);
  const session = new wg.DissectSession(inside);
  try {
    const loaded = session.load();
    const result = { schema: SCHEMA, code: loaded.code, error: loaded.error || null, frames: 0, streams: [], frame_streams: [] };
    const total = loaded.summary ? loaded.summary.packet_count : 0;
    result.frames = total;
    const streams = new Map();
    for (let number = 1; number <= total; number++) {
      const frame = session.getFrame(number);
      const { layers, protocols, cut } = readFrame(frame);
      const between = protocols.slice(0, Math.max(protocols.indexOf("tcp"), 0)).filter((name) => !PLAIN.has(name) && !name.startsWith("_ws"));
      result.frame_streams.push(layers.length === 0 ? null : layers.length === 1 ? layers[0].stream : layers.map((l) => l.stream));
      for (const layer of layers) {
        let stream = streams.get(layer.stream);
        if (!stream) {
          stream = {
            stream: layer.stream, first_frame: number, last_frame: number, frames: 0, quoted_frames: 0,
            completeness: 0, analysis: {}, between: [], cut: false,
          };
          streams.set(layer.stream, stream);
        }
        if (!layer.quoted) for (const name of between) if (!stream.between.includes(name)) stream.between.push(name);
        if (ipLayers(protocols) > 1 && !layer.quoted && !stream.between.includes("ip-in-ip")) stream.between.push("ip-in-ip");
        if (cut) stream.cut = true;
        stream.last_frame = number;
        if (layer.quoted) stream.quoted_frames++;
        else stream.frames++;
        if (layer.completeness !== null) stream.completeness = layer.completeness;
        for (const flag of layer.flags) stream.analysis[flag] = (stream.analysis[flag] || 0) + 1;
      }
    }
    result.streams = [...streams.values()].sort((a, b) => a.stream - b.stream);
    return result;
  } finally {
    session.delete();
    try { wg.FS.unlink(inside); } catch { /* the session may keep it */ }
  }
}

async function worker(moduleDir) {
  const require = createRequire(path.join(path.resolve(moduleDir), "package.json"));
  const dist = path.dirname(require.resolve("@goodtools/wiregasm"));
  const load = require(path.join(dist, "wiregasm.js"));
  const wg = await load({
    locateFile: (name, prefix) => (/\.(data|wasm)$/.test(name) ? path.join(dist, name) : prefix + name),
    print: () => {}, printErr: () => {},
    handleStatus: () => {},
  });
  wg.init();
  process.send({ ready: true });
  process.on("message", ({ file }) => {
    try {
      process.send({ file, result: dissect(wg, file) });
    } catch (error) {
      process.send({ file, result: { schema: SCHEMA, code: -1, error: String(error), frames: 0, streams: [], frame_streams: [] }, poisoned: true });
    }
  });
}

function* captures(root) {
  const stat = fs.statSync(root);
  if (stat.isFile()) { yield root; return; }
  for (const entry of fs.readdirSync(root).sort()) {
    const full = path.join(root, entry);
    const info = fs.lstatSync(full);
    if (info.isDirectory()) yield* captures(full);
    else if (info.isFile()) yield full;
  }
}

/** The cache's file name for a capture: its content decides. */
export function cacheName(file) {
  return createHash("sha256").update(fs.readFileSync(file)).digest("hex").slice(0, 32) + ".json";
}

async function main() {
  const argv = process.argv.slice(2);
  const options = { out: null, jobs: 2, timeout: 120, module: process.cwd(), force: false };
  const roots = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index];
    if (word === "--force") options.force = true;
    else if (word.startsWith("--")) options[word.slice(2)] = argv[++index];
    else roots.push(word);
  }
  if (!options.out || roots.length === 0) {
    console.error("usage: node wireshark.mjs DIR_OR_FILE... --out CACHE [--module DIR] [--jobs 2] [--timeout 120] [--force]");
    process.exit(2);
  }
  fs.mkdirSync(options.out, { recursive: true });
  const index = {};
  const indexFile = path.join(options.out, "index.json");
  if (fs.existsSync(indexFile)) Object.assign(index, JSON.parse(fs.readFileSync(indexFile, "utf8")));
  const queue = [];
  for (const root of roots) {
    for (const file of captures(path.resolve(root))) {
      const name = cacheName(file);
      index[file] = name;
      if (options.force || !fs.existsSync(path.join(options.out, name))) queue.push({ file, name });
    }
  }
  fs.writeFileSync(indexFile, JSON.stringify(index, null, 0));
  console.error(`${queue.length} captures to dissect`);
  let done = 0;
  const run = () => new Promise((resolve) => {
    let child, timer, current;
    const next = () => {
      current = queue.shift();
      if (!current) { child.kill(); resolve(); return; }
      timer = setTimeout(() => {
        store({ schema: SCHEMA, code: -2, error: `no answer within ${options.timeout} s`, frames: 0, streams: [], frame_streams: [] });
        current = null;
        child.removeAllListeners();
        child.kill("SIGKILL");
        start();
      }, options.timeout * 1000);
      child.send({ file: current.file });
    };
    const store = (result) => {
      clearTimeout(timer);
      fs.writeFileSync(path.join(options.out, current.name), JSON.stringify(result));
      if (++done % 100 === 0) console.error(`${done} done, ${queue.length} to go`);
    };
    const start = () => {
      child = fork(HERE, ["--worker", options.module], { stdio: ["ignore", "ignore", "ignore", "ipc"] });
      child.on("message", (message) => {
        if (message.ready) { next(); return; }
        store(message.result);
        if (message.poisoned) { current = null; child.removeAllListeners(); child.kill("SIGKILL"); start(); } else next();
      });
      child.on("exit", () => {
        if (!current) return;
        store({ schema: SCHEMA, code: -3, error: "the dissector died", frames: 0, streams: [], frame_streams: [] });
        current = null;
        start();
      });
    };
    start();
  });
  await Promise.all(Array.from({ length: Number(options.jobs) }, run));
  process.exit(0);
}

if (process.argv[2] === "--worker") await worker(process.argv[3]);
else await main();

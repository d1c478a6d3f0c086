// Python, away from the page's own thread. Every message is { id, kind, ... }; what comes back has
// the same id, and either a value or an error in words.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const WHERE = "/hfkv";
const BEGUN = performance.now();

async function unpacked(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  const plain = answer.body.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

// A table of places as JSON, behind its length; then the files one after another.
function lay(FS, pack) {
  const length = new DataView(pack.buffer).getUint32(0, true);
  const table = JSON.parse(new TextDecoder().decode(pack.subarray(4, 4 + length)));
  const made = new Set();
  for (const [name, [begin, size]] of Object.entries(table)) {
    const path = `${WHERE}/${name}`;
    const folder = path.slice(0, path.lastIndexOf("/"));
    if (!made.has(folder)) FS.mkdirTree(folder), made.add(folder);
    const at = 4 + length + begin;
    FS.writeFile(path, pack.subarray(at, at + size), { canOwn: true });
  }
}

async function start() {
  const offers = fetch("offers.json").then((answer) => answer.json());
  const [python, pack] = await Promise.all([
    loadPyodide({ env: { HOME: "/home/page", PYTHONDONTWRITEBYTECODE: "1" } }),
    unpacked("hfkv.pack"),
  ]);
  lay(python.FS, pack);
  python.runPython(`import sys; sys.path.insert(0, "${WHERE}")`);
  const answers = python.pyimport("answers");
  answers.endpoint((await offers).endpoint);
  answers.listen((text) => postMessage({ told: text }));
  postMessage({ ready: performance.now() - BEGUN });
  return { python, answers };
}

const ready = start();
ready.catch((error) => postMessage({ failed: String(error) }));

// Files that were dropped, each group a folder; only what is read of them is ever read.
function drop(python, name, files) {
  const { FS } = python;
  FS.mkdirTree(`/dropped/${name}`);
  const blobs = files.map((file) => ({ name: file.as, data: file.data }));
  FS.mount(FS.filesystems.WORKERFS, { blobs }, `/dropped/${name}`);
}

const KINDS = {
  answer: ({ answers }, message) => answers.answer(JSON.stringify(message.question)),
  charts: ({ answers }, message) => answers.charts(JSON.stringify(message.question)),
  copy: ({ answers }, message) => answers.copied(JSON.stringify(message.question), message.how),
  token: ({ answers }, message) => answers.token(message.token),
  forget: ({ answers }, message) => answers.forget(message.name),
  drop: ({ python }, message) => drop(python, message.name, message.files),
};

// One after another: Python has one thread, and a later question is the newer one.
let last = Promise.resolve();
onmessage = ({ data: message }) => {
  last = last.then(async () => {
    try {
      const value = await KINDS[message.kind](await ready, message);
      postMessage({ id: message.id, value: value ?? null });
    } catch (error) {
      // Python's own last line says what it was; the rest is for whoever mends it.
      console.error(error);
      const line = String(error.message ?? error).trim().split("\n").pop();
      postMessage({ id: message.id, error: line });
    }
  });
};

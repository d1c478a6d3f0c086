// The page: what is asked, and what came back. All figures come from the worker as they are.
import * as charts from "./charts.js";
import { DEFAULTS, count, near, read, slid, step, within, write } from "./state.js";

const find = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const EMBEDDED = new URLSearchParams(location.search).has("embed");
const DTYPES = { auto: "the model’s own", bf16: "bf16", fp16: "fp16", fp32: "fp32", fp8: "fp8", int8: "int8", int4: "int4" };
const FIRST = "meta-llama/Meta-Llama-3-70B";

let state = structuredClone(DEFAULTS);
let offers = { models: [], engines: {}, version: "" };
let shown = null; // the latest answer
let groups = 0; // of dropped files
const opened = new Set(); // explanations that are folded out

// -- the worker -----------------------------------------------------------------------------------

const worker = new Worker("worker.js", { type: "module" });
const waiting = new Map();
let number = 0;

function ask(kind, more) {
  return new Promise((resolve, reject) => {
    waiting.set(++number, { resolve, reject });
    worker.postMessage({ id: number, kind, ...more });
  });
}

worker.onmessage = ({ data }) => {
  if ("told" in data) return say(data.told);
  if ("ready" in data) {
    running = true;
    return performance.mark("hfkv-python", { detail: data.ready });
  }
  if ("failed" in data) return say(`Python could not be started here: ${data.failed}. A current browser is needed.`, true);
  const { resolve, reject } = waiting.get(data.id);
  waiting.delete(data.id);
  if ("error" in data) reject(new Error(data.error));
  else resolve(data.value);
};
worker.onerror = (event) => say(`The page could not be started: ${event.message ?? "its files are not there"}`, true);

// One question at a time; of those that come meanwhile only the last is asked.
let busy = false;
let again = false;

async function refresh() {
  if (busy) return void (again = true);
  busy = true;
  do {
    again = false;
    await answer();
  } while (again);
  busy = false;
}

async function answer() {
  remember();
  if (!state.models.length) return render(null);
  const asked = question();
  const unread = state.models.filter((name) => !shown?.models.some((item) => item.name === name));
  if (unread.length) say(`Reading ${unread.join(", ")} …`);
  document.body.setAttribute("aria-busy", "true");
  first(asked);
  const begun = performance.now();
  try {
    const text = await ask("answer", { question: asked });
    const value = JSON.parse(text);
    performance.measure("hfkv-answer", { start: begun, end: performance.now() });
    if (text !== seen) render(value);
    seen = "";
    if (again) return;
    if (value.error || !value.models.some((item) => item.json)) return void drawCharts(null);
    const both = JSON.parse(await ask("charts", { question: asked }));
    if (again) return;
    await charts.ready();
    drawCharts((shown.charts = both));
    performance.mark("hfkv-drawn");
  } catch (error) {
    say(`Something went wrong that is not your doing: ${error.message}`, true);
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

// Python takes a moment to start. What it will say of a bundled model was computed, by itself, when
// the page was built, and stands here until then.
let seen = "";
let running = false;

async function first(asked) {
  const [name, more] = state.models;
  const usual = JSON.stringify({ ...state, models: [] }) === JSON.stringify(DEFAULTS);
  if (running || !usual || more || asked.explain || asked.sources[name] !== "snapshot") return;
  const answer = await fetch(`first/${name.replaceAll("/", "--")}.json`);
  const text = answer.ok ? await answer.text() : "";
  if (!text || running || state.models.join() !== name) return;
  seen = text;
  render(JSON.parse(text));
}

function question() {
  const sources = {};
  for (const name of state.models) {
    const ours = offers.models.some((model) => model.toLowerCase() === name.toLowerCase());
    sources[name] = !name.includes("/") ? "directory" : ours && !state.hub.includes(name) ? "snapshot" : "auto";
    if (!name.includes("/") && !name.startsWith("dropped-")) sources[name] = "auto";
  }
  const flags = Object.fromEntries((offers.engines[state.engine] ?? []).map((flag) => [flag.field, flag.flag]));
  const options = state.engine ? state.engine_options : {};
  return { ...state, engine_options: options, sources, flags, explain: opened.size > 0 };
}

// -- state and address ----------------------------------------------------------------------------

function remember() {
  const hash = write(state);
  if (hash !== location.hash) history.replaceState(null, "", hash || location.pathname + location.search);
}

function change(more, push = false) {
  if (push) history.pushState(null, "", location.href);
  Object.assign(state, more);
  controls();
  refresh();
}

function follow() {
  const { state: asked, unread } = read(location.hash);
  state = asked;
  if (!location.hash && !EMBEDDED) state.models = [FIRST];
  controls();
  find("#unread").textContent = unread.length ? `Not understood in the address, and left out: ${unread.join(", ")}` : "";
  refresh();
}

function add(text) {
  const names = text.split(/[\s,]+/).filter(Boolean);
  const known = names.map((name) => offers.models.find((model) => model.toLowerCase() === name.toLowerCase()) ?? name);
  const fresh = known.filter((name) => !state.models.includes(name));
  if (fresh.length) change({ models: [...state.models, ...fresh] }, true);
  find("#model").value = "";
  suggest();
}

function remove(name) {
  opened.delete(name);
  const without = (names) => names.filter((other) => other !== name);
  change({ models: without(state.models), hub: without(state.hub) }, true);
  find("#model").focus();
}

// -- controls -------------------------------------------------------------------------------------

function controls() {
  for (const input of all("[data-of]")) {
    const value = state[input.dataset.of];
    if (document.activeElement !== input) input.value = typeof value === "number" ? value.toLocaleString("en") : value;
  }
  for (const slider of all("[data-slide]")) {
    const name = slider.dataset.slide;
    if (document.activeElement !== slider) slider.value = step(name, state[name]);
    slider.setAttribute("aria-valuetext", state[name].toLocaleString("en"));
  }
  const engine = find('[data-of="engine"]').value;
  if (find("#engine-options").dataset.engine !== engine) engineOptions(engine);
}

function prepare() {
  const option = (value, text) => element("option", { value }, text);
  for (const name of ["kv_dtype", "lora_dtype"]) {
    find(`[data-of="${name}"]`).append(...Object.entries(DTYPES).map(([value, text]) => option(value, text)));
  }
  find('[data-of="engine"]').append(option("", "transformers (its cache object)"));
  find('[data-of="engine"]').append(...Object.keys(offers.engines).map((name) => option(name, name === "transformers" ? "transformers, of another kind" : name)));
  find("#version").textContent = offers.version;

  for (const slider of all("[data-slide]")) {
    slider.addEventListener("input", () => change({ [slider.dataset.slide]: slid(slider.dataset.slide, Number(slider.value)) }));
  }
  for (const input of all("[data-of]")) {
    const name = input.dataset.of;
    input.addEventListener("change", () => {
      if (typeof DEFAULTS[name] === "number") {
        const value = within(name, count(input.value));
        input.toggleAttribute("aria-invalid", value === null);
        if (value === null) return say(`“${input.value}” is no number; such as 100000, 100k, 1M or 128Ki`, true);
        change({ [name]: value });
        input.value = value.toLocaleString("en");
      } else if (name === "engine") change({ engine: input.value, engine_options: {} });
      else change({ [name]: input.value.trim() || DEFAULTS[name] });
    });
  }
  find("#settings").addEventListener("submit", (event) => event.preventDefault());
  find("#ask").addEventListener("submit", (event) => {
    event.preventDefault();
    add(find("#model").value);
  });
  find("#model").addEventListener("input", suggest);
  find("#token").addEventListener("change", async (event) => {
    await ask("token", { token: event.target.value.trim() });
    refresh();
  });
  find("#choose").addEventListener("click", () => find("#files").click());
  find("#files").addEventListener("change", (event) => drop([...event.target.files]));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      document.body.classList.toggle("over", kind === "dragover");
      if (kind === "drop") drop([...event.dataTransfer.files]);
    });
  }
  for (const button of all("[data-copy]")) button.addEventListener("click", () => take(button.dataset.copy));
  window.addEventListener("hashchange", follow);
  window.addEventListener("popstate", follow);
  let width = innerWidth;
  window.addEventListener("resize", () => {
    if (innerWidth !== width && shown) drawCharts(shown.charts);
    width = innerWidth;
  });
}

function engineOptions(engine) {
  const place = find("#engine-options");
  place.dataset.engine = engine;
  place.replaceChildren(
    ...(offers.engines[engine] ?? []).map((flag) => {
      const id = `option-${flag.field}`;
      const set = state.engine_options[flag.field];
      let input;
      if (flag.choices.length || flag.takes.startsWith("on")) {
        const choices = flag.choices.length ? flag.choices : ["true", "false"];
        input = element("select", { id }, element("option", { value: "" }, "unless said"), ...choices.map((value) => element("option", { value }, { true: "yes", false: "no" }[value] ?? value)));
      } else input = element("input", { id, type: "text", spellcheck: "false", placeholder: "unless said" });
      input.value = set === undefined ? "" : String(set);
      input.addEventListener("change", () => {
        const options = { ...state.engine_options };
        delete options[flag.field];
        const value = typed(flag, input.value.trim());
        input.toggleAttribute("aria-invalid", value === null);
        if (value === null) return say(`“${input.value}” is no value of ${flag.flag}`, true);
        if (value !== undefined) options[flag.field] = value;
        change({ engine_options: options });
      });
      return element("label", { title: flag.help }, element("code", {}, flag.flag), input, element("small", {}, flag.help));
    }),
  );
}

// undefined: not said; null: no such value.
function typed(flag, text) {
  if (!text) return undefined;
  if (flag.takes.startsWith("on")) return text === "true";
  if (flag.takes === "int") return /^-?[0-9]+$/.test(text) ? Number(text) : null;
  if (flag.takes === "tokens" || flag.takes === "bytes") return count(text);
  if (flag.takes === "number") return Number.isFinite(Number(text)) ? Number(text) : null;
  return text;
}

function suggest() {
  const typed = find("#model").value;
  const names = near(typed, offers.models).filter((name) => !state.models.includes(name));
  find("#near").replaceChildren(
    ...names.map((name) => {
      const button = element("button", { type: "button" }, name);
      button.addEventListener("click", () => add(name));
      return element("li", {}, button);
    }),
  );
}

// -- dropped files --------------------------------------------------------------------------------

async function drop(files) {
  if (!files.length) return;
  const named = [];
  for (const file of files) named.push({ as: await nameOf(file), data: file });
  const name = `dropped-${++groups}`;
  try {
    await ask("drop", { name, files: named });
  } catch (error) {
    return say(`These files could not be read: ${error.message}`, true);
  }
  labels.set(name, files.map((file) => file.name).slice(0, 3).join(", ") + (files.length > 3 ? ` and ${files.length - 3} more` : ""));
  change({ models: [...state.models, name] }, true);
}

// A browser saves a second config.json as "config (1).json"; what is in it says which file it is.
async function nameOf(file) {
  if (!/\.json$/i.test(file.name) || file.size > 2 ** 25) return file.name;
  if (/^(config|adapter_config|generation_config|quantize_config|hf_quant_config|model\.safetensors\.index)\.json$/.test(file.name)) return file.name;
  try {
    const value = JSON.parse(await file.text());
    if ("peft_type" in value) return "adapter_config.json";
    if ("model_type" in value || "architectures" in value) return "config.json";
  } catch {
    // Not JSON: read under its own name, and refused there in words.
  }
  return file.name;
}

const labels = new Map(); // dropped groups to what they are

function label(name) {
  return labels.get(name) ?? name;
}

// -- what came back -------------------------------------------------------------------------------

function say(text, wrong = false) {
  const place = find("#status");
  place.textContent = text;
  place.classList.toggle("wrong", wrong);
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function render(value) {
  shown = value;
  const place = find("#answers");
  find("#take").hidden = !value || EMBEDDED;
  if (!value) {
    place.replaceChildren();
    find("#overview").replaceChildren();
    find("#charts").hidden = true;
    return say("Name a model to begin with.");
  }
  if (value.error) {
    say(value.error.message, true);
    return;
  }
  const focused = document.activeElement?.id;
  const several = value.models.length > 1;
  const overviews = (value.table ?? []).map((sheet) => overview(sheet));
  find("#overview").replaceChildren(...overviews);
  // Of several models the charts say most, so they come before what is said of each.
  if (several) place.before(find("#charts"));
  else place.after(find("#charts"));
  place.classList.toggle("several", several);
  const cards = value.models.map((item, at) => card(item, at, several));
  place.replaceChildren(...cards);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  const failed = value.models.filter((item) => item.error);
  const said = value.models.filter((item) => item.sheets).map((item) => titled(item, item.sheets[0].title));
  say(failed.length ? `${failed.length} of ${value.models.length} could not be answered: ${failed.map((item) => label(item.name)).join(", ")}` : "", failed.length > 0);
  find("#status").append(element("span", { class: "heard" }, said.slice(0, 1).join("")));
  const name = value.models.length === 1 ? label(value.models[0].name) : `${value.models.length} models`;
  document.title = `${name} · hfkv`;
  performance.mark("hfkv-shown");
}

function titled(item, text) {
  return text.replaceAll(`/dropped/${item.name}`, label(item.name));
}

// The name stands above it already.
function sentence(item, text) {
  const said = titled(item, text).replace(`${titled(item, item.json.model)}: `, "");
  return said[0].toUpperCase() + said.slice(1);
}

function overview(sheet) {
  return element("section", { class: "card", "aria-label": "Side by side" }, element("h2", {}, sheet.title), table(sheet), notes(sheet.notes.filter((note) => !note.startsWith("hfkv compare"))));
}

function card(item, at, several) {
  const id = `model-${at}`;
  const close = element("button", { type: "button", class: "plain", "aria-label": `Remove ${label(item.name)}`, id: `remove-${at}` }, "×");
  close.addEventListener("click", () => remove(item.name));
  const dot = element("span", { class: "dot", "aria-hidden": "true" });
  dot.style.background = charts.COLOURS[at % charts.COLOURS.length];
  const head = element("header", {}, element("h2", { id }, ...(several ? [dot] : []), label(item.name)), close);
  const made = element("section", { class: "card", "aria-labelledby": id, "data-model": item.name }, head);
  if (item.error) made.append(...refusal(item));
  else made.append(...figures(item, at));
  return made;
}

function refusal({ name, error }) {
  const parts = [element("p", { class: "wrong" }, `${error.what}${error.expected ? `; expected ${error.expected}` : ""}`)];
  if (error.where && error.where !== name) parts.push(element("p", { class: "quiet" }, `in ${error.where}`));
  const hint = advice(error);
  if (hint) parts.push(element("p", {}, hint));
  const retry = element("button", { type: "button" }, "Try again");
  retry.addEventListener("click", async () => {
    await ask("forget", { name });
    refresh();
  });
  if (/Network|Gated|NotFound/.test(error.type)) parts.push(retry);
  return parts;
}

// What to do here: the command's own hints are of a terminal.
function advice(error) {
  if (error.type === "GatedError") {
    return "Its conditions have to be accepted on its page on the Hub; then give your token under “Types, targets, engine, login”.";
  }
  if (error.type === "NetworkError" && !navigator.onLine) return "This browser is offline. Bundled models are answered all the same.";
  if (error.type === "NotFoundError") {
    return `${error.hint.replace("run hf auth login", "give your token under “Types, targets, engine, login”")}`;
  }
  return error.hint.replace("run hf auth login", "give your token");
}

function figures(item, at) {
  const [sheet] = item.sheets;
  const parts = [element("p", { class: "sentence" }, sentence(item, sheet.title)), table(sheet)];
  for (const reason of item.refused) parts.push(element("p", { class: "wrong" }, titled(item, reason)));
  const facts = element("dl");
  let last = null;
  for (const [name, text] of sheet.facts) {
    if (item.quotes.length && text.startsWith('"')) continue;
    if (name || !last) facts.append(element("dt", {}, name), (last = element("dd", {}, titled(item, text))));
    else last.append(element("br"), text);
  }
  parts.push(facts);
  for (const said of item.quotes.slice(0, 2)) {
    const where = `${said.file ?? ""}${said.line ? `, line ${said.line}` : ""}`;
    const link = said.link ?? /https:\/\/[^\s)]+/.exec(said.file ?? "")?.[0];
    const source = link ? element("a", { href: link, rel: "noopener", target: "_blank" }, where) : where;
    parts.push(element("blockquote", {}, element("p", {}, `“${said.quote}”`), element("footer", {}, source)));
  }
  parts.push(notes(sheet.notes.map((note) => titled(item, note))));
  if (item.json.source === "snapshot") {
    const button = element("button", { type: "button", class: "link", id: `hub-${at}` }, "Read it from the Hub");
    button.addEventListener("click", () => change({ hub: [...state.hub, item.name] }));
    parts.push(element("p", { class: "quiet" }, "These are the shapes that ship with hfkv. ", button));
  }
  const fold = element("details", {}, element("summary", { id: `explain-${at}` }, "How these figures are computed"), element("pre", { tabindex: "0" }, titled(item, (item.explain ?? []).join("\n"))));
  fold.open = opened.has(item.name);
  fold.addEventListener("toggle", () => {
    if (fold.open === opened.has(item.name)) return;
    if (fold.open) opened.add(item.name);
    else opened.delete(item.name);
    if (fold.open && !item.explain) refresh();
  });
  parts.push(fold);
  return parts;
}

function table({ columns, rows, left, drop }) {
  const dropped = (at) => (drop.includes(at) ? " wide" : "");
  const aligned = (at) => (at === 0 || left.includes(at) ? { class: `words${dropped(at)}` } : { class: `right${dropped(at)}` });
  // The roles are said, since on a phone the rows are laid out as no table is.
  const head = element("tr", { role: "row" }, ...columns.map((name, at) => element("th", { scope: "col", role: "columnheader", ...aligned(at) }, name)));
  const body = rows.map((cells) =>
    element("tr", { role: "row" }, ...cells.map((cell, at) => {
      const basis = columns[at] === "basis" ? { class: `basis ${cell}` } : aligned(at);
      return at === 0 ? element("th", { scope: "row", role: "rowheader" }, cell) : element("td", { role: "cell", ...basis }, cell);
    })),
  );
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures" }, element("table", { role: "table" }, element("thead", { role: "rowgroup" }, head), element("tbody", { role: "rowgroup" }, ...body)));
}

function notes(texts) {
  return element("ul", { class: "notes" }, ...texts.map((text) => element("li", {}, text)));
}

function drawCharts(both) {
  const place = find("#charts");
  const found = [];
  for (const [name, draw] of [["tokens", charts.overTokens], ["rank", charts.overRank]]) {
    const chart = both?.[name];
    if (!chart) continue;
    if (chart.error) {
      found.push(element("p", { class: "card wrong" }, chart.error.message));
      continue;
    }
    found.push(chartFigure(name, chart, draw));
  }
  place.hidden = !found.length;
  place.replaceChildren();
  place.append(...found.map((item) => item.node ?? item));
  for (const item of found) item.fill?.();
}

function chartFigure(name, chart, draw) {
  const one = chart.models.length === 1;
  const heading = one ? `${chart.models[0].name}: ${chart.title}` : chart.title[0].toUpperCase() + chart.title.slice(1);
  const key = charts.legend(chart);
  const mark = (kind, stroke) => {
    const line = element("i", { class: `line ${kind}`, "aria-hidden": "true" });
    if (stroke) line.style.borderColor = stroke;
    return line;
  };
  const legend = element("ul", { class: "legend" },
    ...(one ? [] : key.models.map(([stroke, text]) => element("li", {}, mark("solid", stroke), text))),
    ...key.lines.map(([kind, text]) => element("li", {}, mark(kind, one ? key.models[0][0] : null), text)),
  );
  const drawn = element("div", { class: "drawn" });
  const save = (kind) => {
    const button = element("button", { type: "button", class: "small", "data-save": `${name}-${kind}` }, kind.toUpperCase());
    button.addEventListener("click", async () => {
      const text = charts.standalone(drawn.querySelector("svg"), heading, key);
      const blob = kind === "svg" ? new Blob([text], { type: "image/svg+xml" }) : await charts.png(text);
      download(blob, `hfkv-over-${name}.${kind}`);
    });
    return button;
  };
  const caption = element("figcaption", {}, element("h2", {}, heading), element("span", { class: "saves" }, save("svg"), save("png")));
  const node = element("figure", { class: "card", id: `over-${name}` }, caption, legend, drawn);
  return {
    node,
    fill() {
      const svg = draw(chart, Math.max(280, drawn.clientWidth));
      if (svg) drawn.append(svg);
      const spot = name === "rank" && one ? chart.models[0].sweet_spot : null;
      if (spot) node.append(element("p", { class: "quiet" }, `Shaded: ranks ${spot.first} to ${spot.last}, the ${chart.rule.label}. A convention for the eye, not an exact figure.`));
    },
  };
}

// -- taking it away -------------------------------------------------------------------------------

function download(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function take(how) {
  const named = state.models.filter((name) => !labels.has(name));
  const page = location.href;
  let text;
  if (how === "link") text = page;
  else if (how === "embed") {
    const url = new URL(page);
    url.searchParams.set("embed", "1");
    text = `<iframe src="${url.href.replaceAll('"', "%22").replaceAll("&", "&amp;")}" title="hfkv" width="100%" height="900" style="border:0"></iframe>`;
  } else if (how === "badge") {
    const ratio = shown.models.find((item) => item.json)?.json.compression.kv_over_lora;
    if (!ratio) return void (find("#copied").textContent = "No ratio to put on a badge.");
    const value = `${charts.figure(ratio)}x`;
    download(new Blob([charts.badge("KV cache / LoRA", value)], { type: "image/svg+xml" }), "hfkv-badge.svg");
    text = `[![KV cache / LoRA: ${value}](hfkv-badge.svg)](${page})`;
  } else {
    const sources = Object.fromEntries(Object.entries(question().sources));
    text = await ask("copy", { how, question: { ...question(), sources, models: how === "command" || how === "python" ? named : state.models } });
  }
  try {
    await navigator.clipboard.writeText(text);
    find("#copied").textContent = `Copied: ${{ link: "the link", embed: "the HTML", badge: "the Markdown for the badge, whose image was saved", markdown: "Markdown", latex: "LaTeX", json: "JSON", python: "Python", command: "the command" }[how]}.`;
  } catch {
    find("#copied").textContent = "The browser does not allow copying here:";
    find("#copied").append(element("textarea", { readonly: "", rows: "4", "aria-label": "To copy" }, text));
  }
  find("#take").dataset.copied = text;
}

// -- begin ----------------------------------------------------------------------------------------

async function begin() {
  offers = await (await fetch("offers.json")).json();
  if (document.readyState === "loading") await new Promise((done) => document.addEventListener("DOMContentLoaded", done));
  document.body.classList.toggle("embed", EMBEDDED);
  find("#open a").href = `./${location.hash}`;
  prepare();
  follow();
  if ("serviceWorker" in navigator && location.protocol !== "file:") {
    // Once the first answer is there, so that it does not fetch the same files meanwhile.
    const kept = () => navigator.serviceWorker.register("sw.js").catch(() => {});
    const drawn = () => performance.getEntriesByName("hfkv-drawn").length;
    const look = setInterval(() => drawn() && (clearInterval(look), kept()), 200);
  }
}

begin().catch((error) => say(`The page could not be started: ${error.message}`, true));

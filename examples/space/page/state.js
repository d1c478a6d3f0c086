// What is asked, as a value; and the same in the address, so that a link reproduces the view.

export const DEFAULTS = {
  models: [],
  hub: [],
  tokens: 100000,
  rank: 32,
  batch: 1,
  targets: "all-linear",
  kv_dtype: "auto",
  lora_dtype: "auto",
  engine: "",
  engine_options: {},
};

const MOST = { tokens: 1e12, rank: 1e6, batch: 1e9 };
const LISTS = ["models", "hub"];

// "100k", "1M", "128Ki": as the command takes them. null where it is no such number.
export function count(text) {
  const found = /^\s*([0-9][0-9_, ]*(?:\.[0-9]+)?)\s*(k|m|b|g|t|ki|mi|gi)?\s*$/i.exec(text);
  if (!found) return null;
  const scale = { k: 1e3, m: 1e6, b: 1e9, g: 1e9, t: 1e12, ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30 };
  const value = Number(found[1].replace(/[_, ]/g, "")) * (scale[(found[2] ?? "").toLowerCase()] ?? 1);
  return Number.isSafeInteger(value) && value >= 1 ? value : null;
}

export function within(name, value) {
  return value === null ? null : Math.min(value, MOST[name]);
}

// The state that an address names, and what in it was not understood.
export function read(hash) {
  const state = structuredClone(DEFAULTS);
  const unread = [];
  for (const [key, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (LISTS.includes(key)) state[key] = [...new Set(text.split(",").map((name) => name.trim()).filter(Boolean))];
    else if (key in MOST) {
      const value = within(key, count(text));
      if (value === null) unread.push(`${key}=${text}`);
      else state[key] = value;
    } else if (key.startsWith("engine.")) state.engine_options[key.slice(7)] = plain(text);
    else if (key in DEFAULTS) state[key] = text;
    else unread.push(`${key}=${text}`);
  }
  return { state, unread };
}

export function write(state) {
  const words = [];
  const add = (key, text) => words.push(`${key}=${encodeURIComponent(text).replace(/%2F/g, "/").replace(/%2C/g, ",").replace(/%3A/g, ":")}`);
  for (const [key, usual] of Object.entries(DEFAULTS)) {
    const value = state[key];
    if (LISTS.includes(key)) value.length && add(key, value.join(","));
    else if (key === "engine_options") {
      for (const [field, set] of Object.entries(value)) add(`engine.${field}`, String(set));
    } else if (value !== usual) add(key, String(value));
  }
  return words.length ? `#${words.join("&")}` : "";
}

function plain(text) {
  if (text === "true" || text === "false") return text === "true";
  return /^-?[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : text;
}

// Names much like what was typed, the nearest first: letters in pairs, as a person would see it.
export function near(typed, names, most = 6) {
  const wanted = pairs(typed);
  if (!typed.trim()) return [];
  const scored = names.map((name) => {
    const low = name.toLowerCase();
    const has = low.includes(typed.toLowerCase().trim()) ? 1 : 0;
    const other = pairs(name);
    let same = 0;
    for (const pair of wanted) if (other.has(pair)) same++;
    return [has + same / Math.max(wanted.size, 1) + same / (10 * other.size), name];
  });
  return scored
    .filter(([score]) => score > 0.55)
    .sort((one, other) => other[0] - one[0])
    .slice(0, most)
    .map(([, name]) => name);
}

function pairs(text) {
  const plain = text.toLowerCase().replace(/[^a-z0-9]/g, "");
  const found = new Set();
  for (let at = 0; at + 1 < plain.length; at++) found.add(plain.slice(at, at + 2));
  return found;
}

// Sliders are even in the logarithm; 0 is 1, and each `per` steps are one power of `base`.
const SCALES = { tokens: [10, 40], rank: [2, 4], batch: [2, 4] };

export function slid(name, step) {
  const [base, per] = SCALES[name];
  const value = base ** (step / per);
  if (name !== "tokens") return Math.max(1, Math.round(value));
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.round(value / digits) * digits;
}

export function step(name, value) {
  const [base, per] = SCALES[name];
  return Math.round((per * Math.log(value)) / Math.log(base));
}

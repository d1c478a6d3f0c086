// Both charts by Observable Plot, from the numbers that hfkv's own matplotlib charts draw.
/* global Plot */

export const COLOURS = ["#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#0891b2"];
const TICKS = ["B", "kB", "MB", "GB"];
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

// The library is fetched once the figures are there, which need it not.
let loading = null;

export function ready() {
  const script = (src) =>
    new Promise((done, failed) => {
      document.head.append(Object.assign(document.createElement("script"), { src, onload: done, onerror: failed }));
    });
  return (loading ??= script("d3.min.js").then(() => script("plot.min.js")));
}

export function short(value) {
  return value >= 1 ? SHORT.format(value) : Number(value.toPrecision(2)).toString();
}

export function figure(value, digits = 4) {
  return value >= 1000
    ? Math.round(value).toLocaleString("en")
    : String(Number(value.toPrecision(digits)));
}

function colour(number) {
  return COLOURS[number % COLOURS.length];
}

function bytes(value) {
  if (value < 1) return `${Number(value.toPrecision(2))} B`;
  const power = Math.min(Math.floor(Math.log10(value) / 3), TICKS.length - 1);
  return `${short(value / 1000 ** power)} ${TICKS[power]}`;
}

function frame(width, more) {
  return {
    width,
    height: Math.max(300, Math.min(430, width * 0.62)),
    marginLeft: 62,
    marginRight: 18,
    marginBottom: 42,
    style: { background: "transparent", fontSize: "12px", fontFamily: "inherit", overflow: "visible" },
    ...more,
  };
}

// Only whole powers carry a label; a phone has room for every other one.
function powers(base, [first, last], most) {
  const low = Math.ceil(Math.log(first) / Math.log(base) - 1e-9);
  const high = Math.floor(Math.log(last) / Math.log(base) + 1e-9);
  const every = Math.max(1, Math.ceil((high - low + 1) / most));
  const found = [];
  for (let power = low; power <= high; power += every) found.push(base ** power);
  return found;
}

function extent(values) {
  const there = values.filter((value) => value > 0);
  return [Math.min(...there) / 2.5, Math.max(...there) * 2.5];
}

export function overTokens(chart, width) {
  const marks = [];
  const heights = [];
  const [first, last] = chart.x.domain;
  chart.models.forEach((model, number) => {
    const stroke = colour(number);
    const line = (points, more) =>
      Plot.line(points, { x: "tokens", y: "bytes_per_token", stroke, strokeWidth: 2.2, ...more });
    heights.push(...model.context.points.map((point) => point.bytes_per_token));
    marks.push(line(model.context.points, {}));
    for (const adapter of model.adapters) {
      heights.push(...adapter.points.map((point) => point.bytes_per_token));
      marks.push(line(adapter.points, { strokeDasharray: "7 4" }));
      const cross = adapter.break_even;
      if (cross && cross.tokens <= last) {
        marks.push(
          Plot.dot([cross], { x: "tokens", y: "bytes_per_token", fill: stroke, stroke: "var(--paper)", r: 5 }),
        );
        if (chart.models.length === 1) {
          marks.push(
            Plot.text([cross], {
              x: "tokens",
              y: "bytes_per_token",
              text: (point) => `break-even: ${point.tokens.toLocaleString("en")} tokens`,
              // Above the level line and right of the falling one, where there is room.
              dy: cross.tokens > last / 100 ? 16 : -14,
              dx: cross.tokens > last / 100 ? -8 : 8,
              textAnchor: cross.tokens > last / 100 ? "end" : "start",
              fill: "currentColor",
              stroke: "var(--paper)",
              strokeWidth: 4,
            }),
          );
        }
      }
    }
    if (model.pretraining) {
      heights.push(model.pretraining.bytes_per_token);
      marks.push(Plot.ruleY([model.pretraining.bytes_per_token], { stroke, strokeWidth: 2.2, strokeDasharray: "1 4", strokeLinecap: "round" }));
    }
    const there = [model.context.at_tokens, ...model.adapters.map((adapter) => adapter.at_tokens)];
    marks.push(Plot.dot(there, { x: "tokens", y: "bytes_per_token", fill: "var(--paper)", stroke, strokeWidth: 2, r: 3.5 }));
  });
  const domain = extent(heights);
  return Plot.plot(
    frame(width, {
      ariaLabel: chart.title,
      ariaDescription: described(chart),
      x: { type: "log", domain: [first, last], label: "tokens", ticks: powers(10, [first, last], width / 70), tickFormat: short },
      y: { type: "log", domain, label: "bytes per token", ticks: powers(10, domain, 8), tickFormat: bytes, grid: true },
      marks: [Plot.ruleX([chart.tokens], { stroke: "currentColor", strokeOpacity: 0.35 }), ...marks],
    }),
  );
}

export function overRank(chart, width) {
  const marks = [];
  const heights = [];
  const [first, last] = chart.x.domain;
  chart.models.forEach((model, number) => {
    const stroke = colour(number);
    const band = model.sweet_spot;
    if (band && chart.models.length === 1) {
      marks.push(Plot.rectX([band], { x1: (at) => at.first / 1.02, x2: (at) => at.last * 1.02, fill: stroke, fillOpacity: 0.12 }));
    }
    for (const [field, more] of [
      ["compression", {}],
      ["share_of_weights", { strokeDasharray: "7 4" }],
    ]) {
      const points = model.points.filter((point) => point[field] > 0);
      heights.push(...points.map((point) => point[field]));
      marks.push(Plot.line(points, { x: "r", y: field, stroke, strokeWidth: 2.2, ...more }));
      if (model.asked[field] > 0) {
        marks.push(Plot.dot([model.asked], { x: "r", y: field, fill: "var(--paper)", stroke, strokeWidth: 2, r: 3.5 }));
      }
    }
  });
  if (!heights.length) return null;
  const domain = extent(heights);
  const asked = chart.models[0].asked.r;
  const within = asked >= first && asked <= last;
  return Plot.plot(
    frame(width, {
      ariaLabel: chart.title,
      ariaDescription: described(chart),
      x: { type: "log", base: 2, domain: [first, last], label: "LoRA rank", ticks: powers(2, [first, last], width / 40), tickFormat: String },
      y: { type: "log", domain, label: "ratio", ticks: powers(10, domain, 8), tickFormat: short, grid: true },
      marks: [
        Plot.ruleY([1], { stroke: "currentColor", strokeOpacity: 0.35 }),
        within ? Plot.ruleX([asked], { stroke: "currentColor", strokeOpacity: 0.35 }) : null,
        ...marks,
      ].filter(Boolean),
    }),
  );
}

// The same in words, for who does not see it.
export function described(chart) {
  if (chart.over === "tokens") {
    return chart.models
      .map((model) => {
        const parts = [`${model.name}: ${figure(model.context.at_tokens.bytes_per_token)} bytes per token in context`];
        for (const line of model.adapters) {
          parts.push(`${figure(line.at_tokens.bytes_per_token)} in a ${line.label}`);
          if (line.break_even) parts.push(`break-even at ${line.break_even.tokens.toLocaleString("en")} tokens`);
        }
        if (model.pretraining) parts.push(`${figure(model.pretraining.bytes_per_token)} in pretraining`);
        return parts.join(", ");
      })
      .join("; ");
  }
  return chart.models
    .map((model) => {
      const spot = model.sweet_spot;
      const said = spot ? `, sweet spot from rank ${spot.first} to ${spot.last}` : "";
      return `${model.name}: at rank ${model.asked.r} the cache is ${figure(model.asked.compression)} times the adapter${said}`;
    })
    .join("; ");
}

export function legend(chart) {
  const lines =
    chart.over === "tokens"
      ? [
          ["solid", "in context"],
          ["dashed", `LoRA, rank ${chart.models[0].adapters.map((line) => line.r).join(", ")}`],
          ["dotted", "pretraining"],
        ]
      : [
          ["solid", "KV cache / adapter"],
          ["dashed", "adapter / weights"],
        ];
  if (chart.over === "tokens" && !chart.models.some((model) => model.pretraining)) lines.pop();
  return { lines, models: chart.models.map((model, number) => [colour(number), model.name]) };
}

// -- saving -------------------------------------------------------------------------------------

// A chart as a file of its own: the colours of the page as it looks now, its title and its legend.
export function standalone(svg, heading, { lines, models }) {
  const style = getComputedStyle(document.documentElement);
  const paper = style.getPropertyValue("--paper").trim();
  const ink = style.getPropertyValue("--ink").trim();
  const copy = svg.cloneNode(true);
  const width = Number(svg.getAttribute("width"));
  const height = Number(svg.getAttribute("height"));
  const rows = [...models.map(([stroke, name]) => [stroke, "", name]), ...lines.map(([kind, name]) => ["currentColor", DASHES[kind], name])];
  const above = 30 + 18 * rows.length;
  copy.setAttribute("viewBox", `0 ${-above} ${width} ${height + above}`);
  copy.setAttribute("height", height + above);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("color", ink);
  copy.style.fontFamily = "system-ui, sans-serif";
  const parts = [
    `<rect x="0" y="${-above}" width="${width}" height="${height + above}" fill="${paper}"/>`,
    `<g text-anchor="start">`,
    `<text x="12" y="${-above + 20}" font-size="14" font-weight="600" fill="${ink}">${escaped(heading)}</text>`,
    ...rows.map(
      ([stroke, dash, name], row) =>
        `<g transform="translate(12 ${-above + 38 + 18 * row})"><line x2="26" stroke="${stroke}" stroke-width="2.2" stroke-dasharray="${dash}"/><text x="34" dy="0.32em" font-size="12" fill="${ink}">${escaped(name)}</text></g>`,
    ),
    "</g>",
  ];
  const head = new DOMParser().parseFromString(`<svg xmlns="http://www.w3.org/2000/svg">${parts.join("")}</svg>`, "image/svg+xml");
  copy.prepend(...[...head.documentElement.childNodes].map((node) => document.importNode(node, true)));
  return new XMLSerializer().serializeToString(copy).replaceAll("var(--paper)", paper);
}

const DASHES = { solid: "", dashed: "7 4", dotted: "1 4" };

function escaped(text) {
  return text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);
}

export async function png(text, scale = 2) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), {
    width: image.width * scale,
    height: image.height * scale,
  });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

export function badge(label, value) {
  const [left, right] = [label, value].map((text) => 10 + Math.ceil(text.length * 6.6));
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + right}" height="20" role="img" aria-label="${escaped(label)}: ${escaped(value)}">` +
    `<rect width="${left + right}" height="20" rx="3" fill="#3f3f46"/><path d="M${left} 0h${right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-${right - 3}z" fill="#1d4ed8"/>` +
    `<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle"><text x="${left / 2}" y="14" textLength="${left - 10}">${escaped(label)}</text><text x="${left + right / 2}" y="14" textLength="${right - 10}">${escaped(value)}</text></g></svg>`
  );
}

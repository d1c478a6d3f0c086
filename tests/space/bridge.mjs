// Drives Chromium for the tests: each line that comes in is code, with `page` and `context` in scope
// and `it` for what the test hands over; each line that goes out is what the code returned.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, chromium] = process.argv.slice(2);
const { chromium: driver } = await import(pathToFileURL(`${modules}/playwright-core/index.mjs`).href);
const browser = await driver.launch({
  executablePath: chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const AsyncFunction = (async () => {}).constructor;
let context = null;
let page = null;
let said = [];

async function fresh(options) {
  await context?.close();
  context = await browser.newContext(options);
  page = await context.newPage();
  page.setDefaultTimeout(30000);
  said = [];
  const note = (text) => said.push(text);
  page.on("pageerror", (error) => note(String(error)));
  page.on("console", (message) => message.type() === "error" && note(message.text()));
}

for await (const line of createInterface({ input: process.stdin })) {
  const { code, it } = JSON.parse(line);
  let answer;
  try {
    const run = new AsyncFunction("page", "context", "fresh", "said", "it", code);
    answer = { value: (await run(page, context, fresh, said, it)) ?? null };
  } catch (error) {
    answer = { error: String(error.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();

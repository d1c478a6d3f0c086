// Runs compile/compile.py in the very Python that the page has: bytecode is of one version.
import { readFileSync } from "node:fs";
import { loadPyodide } from "pyodide";

const [stage, out, endpoint] = process.argv.slice(2);
const python = await loadPyodide();
python.mountNodeFS("/stage", stage);
python.mountNodeFS("/out", out);
python.FS.mkdirTree("/home/page");
python.globals.set("ENDPOINT", endpoint);
await python.runPythonAsync(readFileSync(new URL("compile.py", import.meta.url), "utf8"));

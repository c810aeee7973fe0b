// Opens the page in a real Chromium and has it call. tests/browser.rs starts this, with the folder
// of the npm packages and Chromium's path, in the repository's root.
//
// It prints one line, the two origins that the page is served from; then each line that it reads is
// a visit, `{origin, server, key, calls}`, and each line that it prints is what the visit gave. It
// ends with its standard input.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { delimiter, join, resolve } from "node:path";
import { createInterface } from "node:readline";

const [packages, chromium] = process.argv.slice(2).map((it) => resolve(it));
const need = createRequire(join(packages, "package.json"));
const programs = join(packages, "node_modules", ".bin");
const folder = mkdtempSync(join(packages, "run-"));

/** Longer than any call takes on a busy machine. */
const PATIENCE_MS = 60_000;

/** The page's program in one file, from the protocol as it is now. */
async function bundled() {
  const generated = join(folder, "generated");
  execFileSync(
    join(programs, "buf"),
    ["generate", "--template", "tests/browser/buf.gen.yaml", "--output", generated],
    { env: { ...process.env, PATH: [programs, process.env.PATH].join(delimiter) }, stdio: "inherit" },
  );
  // What docs/rest.md shows runs as it stands there.
  const [, documented] = readFileSync("docs/rest.md", "utf8").match(/```js\n(.*?)```/s);
  writeFileSync(join(folder, "documented.js"), documented);
  const built = await need("esbuild").build({
    entryPoints: ["tests/browser/page.js"],
    alias: { generated, documented: join(folder, "documented.js") },
    nodePaths: [join(packages, "node_modules")],
    bundle: true,
    format: "iife",
    write: false,
  });
  return built.outputFiles[0].text;
}

/** The page on a port of its own, and so of an origin of its own. */
async function served(program) {
  const page = `<!doctype html><meta charset="utf-8"><title>Threadline</title><script>${program.replaceAll("</script", "<\\/script")}</script>`;
  const server = createServer((_, answer) => {
    answer.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    answer.end(page);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  server.unref();
  return `http://127.0.0.1:${server.address().port}`;
}

async function opened() {
  return need("playwright-core").chromium.launchPersistentContext(join(folder, "profile"), {
    executablePath: chromium,
    headless: true,
    // Certificates of a test's own authority.
    ignoreHTTPSErrors: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // The page and the servers are on this machine.
      "--no-proxy-server",
    ],
  });
}

/** What the page was told, and what the browser itself said of it. */
async function visit(browser, { origin, server, key, calls }) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  await page.goto(origin);
  const network = await browser.newCDPSession(page);
  const spoken = new Set();
  network.on("Network.responseReceived", ({ response }) => {
    // The browser may still ask the page's own server for an icon.
    if (response.url.startsWith(server)) {
      spoken.add(response.protocol);
    }
  });
  await network.send("Network.enable");
  const given = await page.evaluate((all) => window.run(all), { server, key, calls });
  await page.close();
  return { given, said, spoken: [...spoken] };
}

function print(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

let browser;
try {
  const program = await bundled();
  const origins = [await served(program), await served(program)];
  browser = await opened();
  print(origins);
  for await (const line of createInterface({ input: process.stdin })) {
    print(await visit(browser, JSON.parse(line)));
  }
} finally {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
}

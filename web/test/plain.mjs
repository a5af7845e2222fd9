// The page behind a server that sends no header but a type: isolated by its own service worker, with threads; nothing leaves the origin;
// and open without its server.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { answered, expect, facts, fill, hash, opened, text } from "./browser.mjs";

const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };

/** A server of a folder, like any other; its address, and what ends it. */
async function served(folder) {
  const server = createServer(async ({ url }, answer) => {
    const path = normalize(new URL(url ?? "/", "http://x").pathname).replace(/\/$/, "/index.html");
    try {
      const bytes = await readFile(join(folder, path));
      answer.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" }).end(bytes);
    } catch {
      answer.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
  const end = () => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve(null))));
  return { address: `http://127.0.0.1:${/** @type {any} */ (server.address()).port}/`, end };
}

/** A run of the practice patient on the processor. */
async function ran(page) {
  await page.locator("#practice").click();
  await page.locator("#found table").waitFor();
  await fill(page, { engine: "cpu", histories: "1000" });
  await page.locator("#start").click();
  await answered(page);
  return { said: await text(page, "#facts", "#refusal"), hash: await hash(page) };
}

/** Such a server, with the service worker and without. */
export async function plain(folder) {
  const server = await served(folder);
  // without the service worker one thread, and the page says why
  const alone = await opened(server.address, { serviceWorkers: "block" });
  expect(!(await alone.evaluate(() => crossOriginIsolated)), "a server without headers isolates the page: this test proves nothing");
  const one = await ran(alone);
  expect(/one thread|1 thread/.test(one.said), `without isolation a run has: ${one.said}`);
  await alone.context().close();
  // with it the page opens once more by itself
  const page = await opened(server.address);
  await page.waitForFunction(() => crossOriginIsolated);
  const both = await ran(page);
  facts.plain = { alone: one.said, isolated: both.said };
  const threads = await page.evaluate(() => navigator.hardwareConcurrency);
  expect(threads < 2 || both.said.includes(`${Math.min(threads, 16)} threads`), `isolated by its service worker a run has: ${both.said}`);
  expect(both.hash === one.hash, "threads change the hash");
  // without its server
  await server.end();
  await page.reload();
  expect(await page.evaluate(() => crossOriginIsolated), "without its server the page is not isolated");
  const kept = await ran(page);
  expect(kept.hash === one.hash, `without its server the page has the hash ${kept.hash}, else ${one.hash}`);
  await page.context().close();
}

// What the tests of the page share: a headless Chromium with WebGPU on SwiftShader, findings, and a person's hands.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const require = createRequire(join(resolve(process.env.LUTRA_BROWSER_PACKAGES ?? "."), "package.json"));

/** Ends the test where a part is not there. @param {string} what */
function missing(what) {
  console.log(JSON.stringify({ skipped: what }));
  process.exit(3);
}

let chromium;
let axe;
try {
  ({ chromium } = require("playwright-core"));
  axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
} catch (error) {
  missing(`the packages of tests/browser are not installed (npm ci there): ${error.code}`);
}
const places = [process.env.LUTRA_BROWSER, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = places.find((place) => place && existsSync(place));
if (!executablePath) missing("no Chromium found (apt-get install chromium, or set LUTRA_BROWSER)");

/** Each a sentence; none when all is well. @type {string[]} */
export const findings = [];
/** What was seen. @type {Record<string, any>} */
export const facts = {};
export const expect = (holds, sentence) => holds || findings.push(sentence);

export const browser = await chromium.launch({
  executablePath,
  // WebGPU without a graphics card: SwiftShader, which comes with Chromium
  args: ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"],
});

/** Notes every task of the page's own thread that is longer than 50 ms, from its beginning. */
const TASKS = `window.longTasks = [];
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map(({ duration }) => duration)))
  .observe({ type: "longtask", buffered: true });`;

/** A page that tells of every error, as do those opened beside it, and of every request to another place. */
export async function opened(address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  await context.addInitScript(TASKS);
  context.on("page", (page) => {
    page.setDefaultTimeout(100_000);
    page.on("console", (message) => {
      // without its service worker where a test asks for that
      if (message.text() === "Service Worker registration blocked by Playwright") return;
      if (["error", "warning"].includes(message.type())) findings.push(`console ${message.type()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => findings.push(`script error: ${error.message}`));
  });
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !/^(data|blob|about):/.test(url)) findings.push(`request to another place: ${url}`);
  });
  const page = await context.newPage();
  await page.goto(address);
  return page;
}

export const state = (page) => page.locator("#state").innerText();
export const settled = (page) => page.locator("#cancel").waitFor({ state: "hidden" });
/** Until there is a result or a refusal. */
export const answered = (page) => page.locator("#made[data-hash], #refusal:not([hidden])").first().waitFor();
export const hash = (page) => page.locator("#made").getAttribute("data-hash");
export const text = async (page, ...ids) => (await Promise.all(ids.map((id) => page.locator(id).innerText()))).join(" ").replaceAll(/\s+/g, " ");

/** Enters values into the form. */
export async function fill(page, values) {
  for (const [name, value] of Object.entries(values)) {
    const input = page.locator(`#field-${name}`);
    if (typeof value === "boolean") await input.setChecked(value);
    else if (await input.evaluate((element) => element.tagName === "SELECT")) await input.selectOption(value);
    else await input.fill(value);
  }
}

/** Asks once more, with other values: the hash, or null where it is refused. */
export async function again(page, values) {
  await page.evaluate(() => delete document.getElementById("made").dataset.hash);
  await fill(page, values);
  await page.locator("#start").click();
  await answered(page);
  return hash(page);
}

/** The longest task of the page's own thread so far, ms; 0: none above 50. */
export const longestTask = (page) => page.evaluate(() => Math.round(Math.max(0, ...window.longTasks)));

/** Nothing serious for who cannot see, or has no mouse; nothing wider than the window. */
export async function usable(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { iframes: false }));
  for (const { id, impact, nodes } of violations.filter(({ impact }) => ["serious", "critical"].includes(impact))) {
    findings.push(`${what}: accessibility: ${id} (${impact}): ${nodes[0].html.slice(0, 160)}`);
  }
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(over <= 1, `${what}: the page is ${over} px wider than the window`);
}

const photos = process.argv.includes("--photos") ? process.argv[process.argv.indexOf("--photos") + 1] : null;
if (photos) mkdirSync(photos, { recursive: true });

/** A photograph; of the whole page where its name ends so. */
export async function photo(page, name) {
  if (photos) await page.screenshot({ path: join(photos, `${name}.png`), fullPage: name.endsWith("-all") });
}

/** Prints what was found, and ends the test. */
export async function told() {
  await browser.close();
  console.log(JSON.stringify({ findings, facts }));
  process.exit(findings.length ? 1 : 0);
}

// Opens reports in a browser that has no network and checks them as a reader would use them.
//
//   node check.mjs [--light] [--photos FOLDER] [--sheets N] REPORT.html ...
//
// Prints one line of JSON a report and mode (light, dark): findings, each a sentence; empty when all is well. Sliders and
// switches are tried in light; the same script moves them in dark. --light leaves dark out. --sheets: most sheets of A4 that a
// print may take; the summary must end on the first.
// Exit code 0: no findings; 1: findings; 3: no browser here (the line says so).
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);

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
const browserPath = places.find((place) => place && existsSync(place));
if (!browserPath) missing("no Chromium found (apt-get install chromium, or set LUTRA_BROWSER)");

const words = process.argv.slice(2);
const schemes = words[0] === "--light" ? ["light"] : ["light", "dark"];
if (words[0] === "--light") words.shift();
let photos = null;
if (words[0] === "--photos") {
  photos = words[1];
  words.splice(0, 2);
  mkdirSync(photos, { recursive: true });
}
let most = Infinity;
if (words[0] === "--sheets") {
  most = Number(words[1]);
  words.splice(0, 2);
}

const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-gpu"] });
let bad = false;

/** A digest of what a canvas shows, and how much of a picture it is. */
const shown = (page, plane) => page.evaluate((name) => {
  const text = document.querySelector(`canvas[data-plane="${name}"]`).toDataURL("image/png");
  let sum = 0;
  for (let n = 0; n < text.length; n += 1) sum = (sum * 31 + text.charCodeAt(n)) >>> 0;
  return { sum, bytes: text.length };
}, plane);

/** Tables that are wider than their place, folded ones opened. */
const cut = (page) => page.evaluate(() => {
  const folds = Array.from(document.querySelectorAll("details:not([open])"));
  folds.forEach((fold) => { fold.open = true; });
  const wide = Array.from(document.querySelectorAll(".scroll")).filter((place) => place.scrollWidth > place.clientWidth + 1);
  const said = wide.map((place) => `${place.scrollWidth - place.clientWidth} px of "${place.innerText.slice(0, 60)}"`);
  folds.forEach((fold) => { fold.open = false; });
  return said;
});

/** The print: its sheets, summary and signature on the first, the planes side by side, what is cut at the width of A4. */
async function print(page, findings) {
  const pdf = (await page.pdf({ preferCSSPageSize: true, printBackground: false })).toString("latin1");
  const sheets = (pdf.match(/\/Type\s*\/Page[^s]/g) || []).length;
  if (sheets > most) findings.push(`the print takes ${sheets} sheets, at most ${most} are allowed`);
  const [width, height] = [188, 276].map((mm) => (mm * 96) / 25.4);
  await page.emulateMedia({ media: "print" });
  await page.setViewportSize({ width: Math.floor(width), height: Math.floor(height) });
  const { ends, tops, wide } = await page.evaluate(() => ({
    ends: ["summary", "signature"].map((id) => [id, document.querySelector(`section#${id}`).getBoundingClientRect().bottom + window.scrollY]),
    tops: Array.from(document.querySelectorAll(".viewer .plane")).map((plane) => Math.round(plane.getBoundingClientRect().top)),
    wide: Array.from(document.querySelectorAll(".scroll")).filter((place) => place.scrollWidth > place.clientWidth + 1).length,
  }));
  ends.filter(([, end]) => end > height).forEach(([id, end]) =>
    findings.push(`the ${id} ends ${Math.round((end * 25.4) / 96)} mm down the print, beyond the first sheet`));
  if (new Set(tops).size > 1) findings.push("the planes of the slices are not side by side in print");
  if (wide) findings.push(`${wide} tables are cut on A4`);
  await page.emulateMedia({ media: null });
  await page.setViewportSize({ width: 1200, height: 900 });
  return sheets;
}

async function check(file, scheme) {
  const findings = [];
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width: 1200, height: 900 }, offline: true });
  const page = await context.newPage();
  const address = pathToFileURL(resolve(file)).href;
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) findings.push(`console ${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => findings.push(`script error: ${error.message}`));
  page.on("request", (request) => {
    const url = request.url();
    if (url.split("#")[0] !== address && !url.startsWith("data:") && !url.startsWith("blob:")) {
      findings.push(`request to another place: ${url}`);
    }
  });
  await page.goto(address);
  if (!(await page.title())) findings.push("no title");
  for (const wanted of ["summary", "warnings", "unknown", "run-facts", "signature"]) {
    if (!(await page.locator(`section#${wanted}`).count())) findings.push(`no section ${wanted}`);
  }
  const empty = await page.evaluate(() =>
    Array.from(document.querySelectorAll("main section")).filter((part) => part.innerText.trim().length < 15).map((part) => part.id));
  empty.forEach((id) => findings.push(`section ${id} is empty`));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 1) findings.push(`the page is ${wide} px wider than the window`);
  (await cut(page)).forEach((table) => findings.push(`at 1200 px a table is cut: ${table}`));
  const broken = await page.evaluate(() =>
    Array.from(document.querySelectorAll("a[href^='#']")).map((a) => a.getAttribute("href").slice(1)).filter((id) => !document.getElementById(id)));
  broken.forEach((id) => findings.push(`link to #${id}, which is not there`));

  let slices = 0;
  if (await page.locator("#volumes").count()) {
    await page.waitForFunction(() => document.documentElement.dataset.ready === "slices", null, { timeout: 30000 });
  }
  if (scheme === "light" && (await page.locator("#volumes").count())) {
    for (const plane of ["axial", "coronal", "sagittal"]) {
      const slider = page.locator(`input[type=range][data-plane=${plane}]`);
      // from the middle there is room on both sides
      await slider.evaluate((input) => {
        input.value = String(Math.round((Number(input.min) + Number(input.max)) / 2));
        input.dispatchEvent(new Event("input", { bubbles: true }));
      });
      const before = await shown(page, plane);
      if (before.bytes < 4000) findings.push(`${plane}: the slice is blank`);
      const text = await page.locator(`#place-${plane}`).innerText();
      await slider.focus();
      for (let n = 0; n < 4; n += 1) await page.keyboard.press(n < 2 ? "ArrowRight" : "ArrowLeft");
      await page.keyboard.press("ArrowLeft");
      await page.keyboard.press("ArrowLeft");
      const after = await shown(page, plane);
      if (after.sum === before.sum) findings.push(`${plane}: the slider does not move the slice`);
      if ((await page.locator(`#place-${plane}`).innerText()) === text) findings.push(`${plane}: the slice's place is not said`);
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowRight");
      if ((await shown(page, plane)).sum !== before.sum) findings.push(`${plane}: moving back gives another slice`);
      slices += 1;
    }
    const canvas = page.locator("canvas[data-plane=axial]");
    await canvas.hover();
    if (!/Gy|%/.test(await page.locator(".readout").innerText())) findings.push("pointing at a slice reads nothing");
    const layers = page.locator("input[name=layer]");
    if ((await layers.count()) > 1) {
      const before = await shown(page, "axial");
      await layers.nth(1).check();
      if ((await shown(page, "axial")).sum === before.sum) findings.push("the other layer looks the same");
      await layers.nth(0).check();
    }
    const before = await shown(page, "axial");
    await page.locator("#contours").uncheck();
    const regions = await page.locator("input[data-region]").count();
    if (regions && (await shown(page, "axial")).sum === before.sum) findings.push("outlines cannot be turned off");
    await page.locator("#contours").check();
  }
  const box = page.locator("input[data-region]:checked").first();
  if (await box.count()) {
    const number = await box.getAttribute("data-region");
    const series = page.locator(`.series[data-region="${number}"]`).first();
    if (await series.count()) {
      await box.uncheck();
      if (await series.isVisible()) findings.push("a region's curve cannot be hidden");
      await page.locator(`input[data-region="${number}"]`).first().check();
    }
  }

  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = result.violations.filter((violation) => ["serious", "critical"].includes(violation.impact));
  serious.forEach((violation) => findings.push(
    `accessibility, ${violation.impact}: ${violation.id}: ${violation.help} (${violation.nodes.length} places, first ${violation.nodes[0].html.slice(0, 120)})`));
  const lesser = result.violations.filter((violation) => !serious.includes(violation)).map((violation) => violation.id);

  const sheets = scheme === "light" ? await print(page, findings) : undefined;
  if (photos) {
    const name = basename(dirname(resolve(file)));
    await page.mouse.move(0, 0);
    await page.evaluate(() => { document.activeElement?.blur(); window.scrollTo(0, 0); });
    await page.screenshot({ path: join(photos, `${name}-${scheme}.png`), fullPage: true });
    if (scheme === "light") writeFileSync(join(photos, `${name}-print.pdf`), await page.pdf({ preferCSSPageSize: true, printBackground: false }));
  }
  await context.close();
  if (findings.length) bad = true;
  console.log(JSON.stringify({ report: basename(file), scheme, slices, sheets, passed: result.passes?.length, lesser, findings }));
}

for (const file of words) {
  for (const scheme of schemes) {
    try {
      await check(file, scheme);
    } catch (error) {
      bad = true;
      console.log(JSON.stringify({ report: basename(file), scheme, findings: [`the check itself failed: ${error.message.split("\n")[0]}`] }));
    }
  }
}
await browser.close();
process.exit(bad ? 1 : 0);

// The page in headless Chromium, as a person uses it: files chosen, form filled, run, cancelled, reloaded, refused; and nothing
// asked of any other place.
//
//   node page.mjs ADDRESS PAGE LUTRA HOME [--photos FOLDER]
//
// ADDRESS: of `lutra serve PAGE`; LUTRA: the program; HOME: an empty folder. Prints one line of JSON: findings, empty when all is
// well. Exit code 0: none; 1: findings; 3: no browser here.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CONVOLVED, FITTED, apart, seen } from "./apart.mjs";
import { again, answered, expect, facts, fill, findings, hash, longestTask, opened, photo, settled, state, text, told, usable } from "./browser.mjs";
import { undated } from "./dicom.mjs";
import { HOSTILE, SERIES } from "./hostile.mjs";
import { known } from "./known.mjs";
import { lent } from "./lent.mjs";
import { plain } from "./plain.mjs";

const [address, folder, program, home] = process.argv.slice(2, 6);
const line = known(resolve(program), resolve(home));

/** Bytes of a file of the result. */
async function taken(page, name) {
  const [made] = await Promise.all([page.waitForEvent("download"), page.locator("#downloads a", { hasText: name }).first().click()]);
  return readFileSync(await made.path());
}
const json = async (page, name) => JSON.parse((await taken(page, name)).toString());
const rtdose = async (page) => createHash("sha256").update(undated(await taken(page, "dose_gy.dcm"))).digest("hex");
/** Until a run tells how far it is. */
const under_way = (page) => page.locator("#state", { hasText: /: \d+ %/ }).waitFor();

/** The study: chosen as a folder, looked at, refused, run on the processor and on the graphics card. */
async function dose(page) {
  expect((await page.title()) === "Lutra in the browser", "no title");
  await photo(page, "opened");
  await usable(page, "opened");
  await page.locator("#start").click();
  await page.locator("#refusal").waitFor();
  expect((await page.locator("#refusal").innerText()).includes("ct: found none"), "an empty form is not refused by its field");
  await page.locator("#folder").setInputFiles(line.study);
  await page.locator("#found table").waitFor();
  expect((await page.locator("#field-ct").inputValue()) === "ct.nii.gz", "the CT that was found is not put into the form");
  await photo(page, "study");
  await fill(page, { activity: "tia.nii.gz", administered_mbq: "7400", grid: "6", histories: "20000", dicom: true });
  await page.locator("#start").click();
  await page.locator("#refusal").waitFor();
  const unit = await page.locator("#refusal").innerText();
  expect(unit.includes("activity_unit") && unit.includes("bq_ml_h"), `a missing unit is refused as: ${unit}`);
  expect((await page.locator("#field-activity_unit").getAttribute("aria-invalid")) === "true", "the field is not marked");
  await photo(page, "refused");
  facts.hash = await again(page, { activity_unit: "bq_ml_h" });
  facts.state = await state(page);
  expect(facts.hash === line.dose.hash, `the tally hash is ${facts.hash}, the command line's ${line.dose.hash}`);
  const names = await page.locator("#downloads a").allInnerTexts();
  for (const name of ["lutra-dose.zip", "dose_gy.nii.gz", "dose_gy.dcm", "labels.dcm", "organs.csv", "run.json", "report.html"]) {
    expect(names.includes(name), `${name} is not among the downloads: ${names.join(" ")}`);
  }
  expect((await taken(page, "lutra-dose.zip")).readUInt32LE(0) === 0x04034b50, "the zip is none");
  expect((await rtdose(page)) === line.dose.rtdose, "the RT Dose differs from the command line's");
  facts.device = await text(page, "#facts");
  expect(facts.device.includes("Processor"), `a software adapter was taken by itself: ${facts.device}`);
  const said = await page.locator("#notes").innerText();
  expect(said.includes("which auto does not take"), `the page does not say why the processor was used: ${said}`);
  const by_card = await again(page, { engine: "gpu" });
  facts.gpu = [await text(page, "#facts"), await state(page)];
  expect(facts.gpu[0].toLowerCase().includes("graphics card"), `no graphics card carried the run: ${facts.gpu[0]}`);
  expect(by_card === line.dose.hash, `on the graphics card the tally hash is ${by_card}, the command line's ${line.dose.hash}`);
  expect((await rtdose(page)) === line.dose.rtdose, "the RT Dose of the graphics card differs from the command line's");
  await fill(page, { engine: "" });
}

/** The report within the page, and the page with a result. */
async function report(page) {
  const report = page.frameLocator("#report");
  await report.locator("section#summary").waitFor();
  expect(await report.locator("svg.chart").count(), "the report shows no histogram");
  expect(await report.locator("canvas").count(), "the report shows no slices");
  await page.locator("#report").scrollIntoViewIfNeeded();
  await page.waitForTimeout(500);
  await photo(page, "report");
  await page.locator("#result-head").scrollIntoViewIfNeeded();
  await photo(page, "result");
  await photo(page, "result-all");
  await usable(page, "result");
}

/** Audit and course on the graphics card: hashes and verdicts of the command line. */
async function audit_and_course(page) {
  await page.locator("input[value=audit]").check();
  const by_audit = await again(page, { activity: "tia.nii.gz", activity_unit: "bq_ml_h", administered_mbq: "7400", grid: "6", engine: "gpu", histories: "1000" });
  facts.audit = [await text(page, "#facts"), await state(page)];
  expect(facts.audit[0].toLowerCase().includes("graphics card"), `no graphics card carried the audit: ${facts.audit[0]}`);
  expect(by_audit === line.audit.hash, `the audit's tally hash is ${by_audit}, the command line's ${line.audit.hash}`);
  const rows = apart(await json(page, "audit.json"), line.audit.rows, CONVOLVED);
  expect(rows === null, `the audit differs: ${rows}`);
  await page.locator("#folder").setInputFiles(line.patient);
  await page.waitForFunction(() => document.querySelector("#found").textContent.includes("ct.nii.gz"));
  await page.locator("input[value=course]").check();
  const by_course = await again(page, { course: "COURSE.toml", engine: "gpu", histories: "1000" });
  facts.course = [await text(page, "#facts"), await state(page)];
  expect(facts.course[0].toLowerCase().includes("graphics card") && !facts.course[0].includes("Processor"), `the course was carried by: ${facts.course[0]}`);
  const words = line.course.verdict.state.replaceAll("_", " ");
  expect(facts.course[0].includes(`Verdict ${words}`), `the verdict is ${words}, the page shows: ${facts.course[0]}`);
  expect(by_course === line.course.hash, `the course's tally hashes are ${by_course}, the command line's ${line.course.hash}`);
  const verdict = apart((await json(page, "verdict.json")).verdict, line.course.verdict, FITTED);
  expect(verdict === null, `the course's verdict differs: ${verdict}`);
  facts.largest_difference = seen.largest;
  await photo(page, "course-all");
  await usable(page, "course");
}

/** Ended by the person, by another page in its place, and by closing it: nothing half-made is left, and the next page says what is lost. */
async function ended(page) {
  await page.locator("input[value=dose]").check();
  await fill(page, { activity: "tia.nii.gz", activity_unit: "bq_ml_h", administered_mbq: "7400", grid: "6", engine: "", histories: "5000000" });
  await page.locator("#start").click();
  await under_way(page);
  await page.locator("#cancel").click();
  await settled(page);
  expect((await state(page)).startsWith("Cancelled"), `a cancelled run says: ${await state(page)}`);
  const after = await again(page, { histories: "20000" });
  expect(after === line.dose.hash, `after a cancelled run the tally hash is ${after}`);
  await fill(page, { histories: "5000000" });
  await page.locator("#start").click();
  await under_way(page);
  page.once("dialog", (dialog) => dialog.accept());
  await page.reload();
  await told_of(page, "reloaded");
  await page.locator("#practice").click();
  await page.locator("#found table").waitFor();
  await fill(page, { histories: "5000000" });
  await page.locator("#start").click();
  await under_way(page);
  // a second page beside one that runs says nothing of it; a tab that is killed asks nobody
  const next = await page.context().newPage();
  await next.goto(address);
  await next.waitForTimeout(2500);
  expect(await next.locator("#lost").isHidden(), "a page beside one that runs says that its run is lost");
  await page.close({ runBeforeUnload: false });
  await next.reload();
  await told_of(next, "closed");
  const left = await next.evaluate(async () => [Object.keys(localStorage), (await indexedDB.databases()).length, (await caches.keys()).filter((name) => !name.startsWith("lutra-"))]);
  expect(JSON.stringify(left) === '[[],0,[]]', `a page that was closed leaves ${JSON.stringify(left)}`);
  return next;
}

async function told_of(page, what) {
  await page.locator("#lost").waitFor();
  const said = await page.locator("#lost").innerText();
  const { y } = await page.locator("#lost").boundingBox();
  expect(y >= 0 && y < 720, `a page ${what} in the middle says so at ${y} px, out of sight`);
  expect(said.includes("That run is lost") && said.includes("Open the files again"), `a page ${what} in the middle says: ${said}`);
  await usable(page, `${what} in the middle`);
  await photo(page, `${what}-in-the-middle`);
}

/** What a page of 32 bits says otherwise: the size of this image is no number there. */
const OTHERWISE = { "vast.nii": "vast.nii: dimensions: found 32767 x 32767 x 32767 voxels; allowed: a number of voxels that memory can address\nThe header is damaged: export the image again." };

/** Hostile files: each refused in the words of the command line, and the page never frozen. */
async function hostile(page) {
  const files = Object.entries(HOSTILE).map(([name, buffer]) => ({ name, mimeType: "application/octet-stream", buffer }));
  await page.locator("#single").setInputFiles([...files, { name: "SERIES.toml", mimeType: "text/plain", buffer: SERIES }]);
  await page.locator("#found table, #found .refusal").first().waitFor();
  facts.hostile_ms = {};
  const asked = async (name, values, lines) => {
    const began = Date.now();
    const answer = await again(page, values);
    facts.hostile_ms[name] = Date.now() - began;
    const said = (await page.locator("#refusal").innerText()).split("\n").filter(Boolean);
    expect(answer === null && (lines ? said.join("\n") === (OTHERWISE[name] ?? lines.join("\n")) : said[0].startsWith(name)), `${name}: refused as ${said.join(" ")}, by the command line as ${lines?.join(" ")}`);
  };
  await page.locator("input[value=dose]").check();
  for (const [name, lines] of Object.entries(line.refused)) {
    await asked(name, { ct: name, activity: name, activity_unit: name.endsWith(".dcm") ? "" : "bq_ml_h", administered_mbq: "7400" }, lines);
  }
  await page.locator("input[value=tia]").check();
  await asked("SERIES.toml", { series: "SERIES.toml" });
  facts.longest_task_ms = await longestTask(page);
  expect(facts.longest_task_ms < 2000, `the page was frozen for ${facts.longest_task_ms} ms by hostile files`);
}

/** The comparison in the dark; a tablet, in both lights. */
async function dark_and_tablet() {
  const dark = await opened(address, { colorScheme: "dark" });
  await dark.locator("#compare").click();
  await dark.locator("#compared table").waitFor();
  facts.parity = await text(dark, "#compared");
  expect((await dark.locator("#compared").getAttribute("data-agrees")) === "true", `parity: ${facts.parity}`);
  expect(facts.parity.includes("computes as the kernel needs it"), `the probe of the graphics card: ${facts.parity}`);
  expect(facts.parity.includes("webgpu"), `the comparison has no run on the graphics card: ${facts.parity}`);
  await photo(dark, "dark");
  await usable(dark, "dark");
  await dark.locator("#practice").click();
  await dark.locator("#found table").waitFor();
  await again(dark, { histories: "1000" });
  await photo(dark, "dark-all");
  await usable(dark, "dark with a result");
  await dark.context().close();
  for (const colorScheme of /** @type {("light" | "dark")[]} */ (["dark", "light"])) {
    const tablet = await opened(address, { viewport: { width: 820, height: 1180 }, hasTouch: true, colorScheme });
    await tablet.locator("#practice").tap();
    await tablet.locator("#found table").waitFor();
    expect((await tablet.locator("#field-activity_unit").inputValue()) === "bq_ml_h", "the practice patient does not fill the form");
    await again(tablet, { histories: "1000" });
    await photo(tablet, `tablet-${colorScheme}-all`);
    await usable(tablet, `tablet, ${colorScheme}`);
    expect((await longestTask(tablet)) < 2000, `the page was frozen for ${await longestTask(tablet)} ms by a result`);
    await tablet.context().close();
  }
}

/** The policy itself: what the page must not do it cannot do. */
async function policy(page) {
  const held = await page.evaluate(async () => {
    const refused = [];
    document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
    await fetch("http://127.0.0.2:9/leak").catch(() => {});
    const image = new Image();
    image.src = "http://127.0.0.2:9/leak.png";
    await new Promise((resolve) => setTimeout(resolve, 300));
    return refused;
  });
  expect(held.includes("connect-src") && held.includes("img-src"), `the policy let something through: ${held.join(" ")}`);
}

/** Each check of this test rings: faults are planted into the page, and what they are found as is taken out of the findings. */
async function alarms(page) {
  const before = findings.length;
  await policy(page);
  await page.evaluate(() => {
    console.error("planted");
    const [field, wide] = ["input", "div"].map((tag) => document.body.appendChild(document.createElement(tag)));
    field.setAttribute("type", "text");
    wide.textContent = "wide".repeat(1000);
  });
  await usable(page, "planted");
  await page.evaluate(() => setTimeout(() => {
    const began = performance.now();
    while (performance.now() - began < 2200);
  }));
  await page.waitForFunction(() => Math.max(0, ...window.longTasks) >= 2000, null, { timeout: 5000 }).catch(() => findings.push("a frozen page is not found"));
  const found = findings.splice(before).join("; ");
  for (const words of ["console error: planted", "planted: accessibility: label", "wider than the window", "127.0.0.2:9"]) {
    expect(found.includes(words), `a planted fault is not found as "${words}": ${found}`);
  }
  if (/let something through|is not found/.test(found)) findings.push(found);
}

try {
  const page = await opened(address);
  await dose(page);
  await report(page);
  await audit_and_course(page);
  await page.locator("#folder").setInputFiles(line.study);
  await page.waitForFunction(() => !document.querySelector("#names").innerHTML.includes("COURSE.toml"));
  const next = await ended(page);
  await hostile(next);
  await dark_and_tablet();
  await lent(address);
  await plain(resolve(folder));
  await alarms(next);
} catch (error) {
  findings.push(`stopped: ${error.stack}`);
}
await told();

// The page: takes files, asks the engine in its worker, shows what comes out.
// @ts-check
import { FIELDS, requestOf } from "./fields.js";
import { probed } from "./probe.js";

/** @param {string} id @returns {any} */
const at = (id) => document.getElementById(id);

/** An element with attributes and children. @returns {any} */
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Why a page that is not isolated borrows no worker. */
const ALONE = "no graphics card and no second thread, since the page is not isolated from others: open it once more, by HTTPS or from this machine, or have its server send Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy";
/** Most workers that carry histories: each has the scene and a tally of its own. */
const MOST_HANDS = 16;

/** The engine in a worker; a worker that is ended is replaced by a new one that gets the same files. */
class Engine {
  /** @type {{ name: string, file: Blob }[]} */
  dropped = [];
  #next = 0;
  #waiting = new Map();
  /** Why this worker answers nothing, if it does not. */
  #broken = "";
  /** Workers that the engine borrows. @type {Worker[]} */
  #carriers = [];
  /** What a run may use. @type {Promise<any> | undefined} */
  #devices;
  #worker = this.#begun();
  onProgress = (/** @type {any} */ _) => {};
  onNote = (/** @type {any} */ _) => {};

  #begun() {
    const worker = new Worker("worker.js", { type: "module" });
    worker.addEventListener("message", ({ data }) => {
      if (data.progress) return this.onProgress(data.progress);
      if (data.note) return this.onNote(data.note);
      const { resolve, reject } = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      return data.refused ? reject(data.refused) : resolve(data.answer);
    });
    this.#broken = "";
    worker.addEventListener("error", (event) => this.#break(`the engine did not start: ${event.message ?? "no module"}`));
    return worker;
  }

  #break(message) {
    this.#broken = message;
    this.#lose(message);
  }

  #lose(message, kind = "crash") {
    for (const { reject } of this.#waiting.values()) reject({ kind, message });
    this.#waiting.clear();
  }

  /** Asks; the answer, or what is refused. */
  ask(ask, more = {}, lent = []) {
    const id = this.#next++;
    if (this.#broken) return Promise.reject({ kind: "crash", message: this.#broken });
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ask, ...more }, lent);
    });
  }

  /** Lends the engine other workers, once: one for the graphics card, the others for threads. What a run may use then. */
  devices() {
    this.#devices ??= this.#lend();
    return this.#devices;
  }

  #lend() {
    if (!crossOriginIsolated) return this.ask("lend", { reason: ALONE });
    const ports = Array.from({ length: 1 + Math.min(navigator.hardwareConcurrency || 1, MOST_HANDS) }, () => {
      const { port1, port2 } = new MessageChannel();
      const worker = new Worker("carrier.js", { type: "module" });
      worker.addEventListener("error", (event) => this.#break(`a worker beside the engine did not start: ${event.message ?? "no module"}`));
      worker.postMessage(null, [port1]);
      this.#carriers.push(worker);
      return port2;
    });
    return this.ask("lend", { ports }, ports);
  }

  /** Hands files over. */
  async take(dropped) {
    this.dropped = dropped;
    await this.ask("files", { dropped });
  }

  /** Ends what runs. */
  async end() {
    for (const worker of [this.#worker, ...this.#carriers]) worker.terminate();
    [this.#carriers, this.#devices] = [[], undefined];
    this.#lose("ended by you; nothing was kept", "ended");
    this.#worker = this.#begun();
    if (this.dropped.length) await this.take(this.dropped);
  }
}

const engine = new Engine();
/** How the names begin beneath which pages note that something runs: the next one can say that one was closed in the middle. */
const NOTES = "lutra.running.";
/** The name of this page; a lock of that name is held while something runs, and goes with the page. */
const RUNNING = NOTES + Math.random().toString(36).slice(2);
/** Gives the lock back. */
let release = () => {};

// ---- files

/** The files of a dropped entry, by their paths. */
async function entries(entry, prefix = "") {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ name: prefix + entry.name, file }];
  }
  const reader = entry.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    for (const one of some) all.push(...await entries(one, `${prefix}${entry.name}/`));
  }
}

/** Paths below the one folder that holds all files, if there is one. */
function below(dropped) {
  const first = dropped[0]?.name.split("/")[0];
  const one = dropped.length && dropped.every(({ name }) => name.startsWith(`${first}/`));
  return one ? dropped.map(({ name, file }) => ({ name: name.slice(first.length + 1), file })) : dropped;
}

/** @param {{ name: string, file: Blob }[]} dropped */
async function opened(dropped, handed = true) {
  const mib = dropped.reduce((sum, { file }) => sum + file.size, 0) / 1048576;
  at("count").textContent = `${dropped.length} ${dropped.length === 1 ? "file" : "files"}, ${mib.toFixed(1)} MiB`;
  try {
    if (handed) await engine.take(dropped);
    const names = new Set([".", ...dropped.map(({ name }) => name)]);
    dropped.forEach(({ name }) => name.split("/").slice(0, -1).reduce((path, part) => (names.add(path + part), `${path}${part}/`), ""));
    at("names").replaceChildren(...Array.from(names).slice(0, 500).map((value) => make("option", { value })));
    const found = await engine.ask("inspect", { path: "." });
    at("found").replaceChildren(...shownFound(found));
    filled(found);
  } catch (refused) {
    at("found").replaceChildren(refusalOf(refused));
  }
}

/** A path among the files, without what leads to where it begins. */
const tidy = (path) => path.replace(/^\.\//, "");

/** What lies in the files, with every doubt. */
function shownFound(found) {
  const rows = found.images
    ? found.images.map((image) => [tidy(image.path), image.role, [image.why, ...image.doubts].filter(Boolean).join("; ")])
    : found.series.map((series) => [series.path, series.kind, [series.title, ...(series.doubts ?? []), series.refusal].filter(Boolean).join("; ")]);
  const lines = found.images ? [...(found.not_used ?? []), ...(found.label_names ?? []).map((path) => `${tidy(path)}: names of labels`)] : found.verdict;
  const head = make("tr", {}, ...["File", "What it seems to be", "Why, and doubts"].map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map(([path, what, why]) => make("tr", {}, make("th", { scope: "row" }, path), make("td", {}, what), make("td", {}, why)));
  const table = make("table", {}, make("caption", {}, "What lies in the files"), make("thead", {}, head), make("tbody", {}, ...body));
  return [make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What lies in the files" }, table), make("ul", {}, ...lines.map((line) => make("li", {}, line)))];
}

/** Puts what was found into the form; a guess is only put where there is one candidate. */
function filled(found) {
  const only = (role) => {
    const of = (found.images ?? []).filter((image) => image.role === role);
    return of.length === 1 ? tidy(of[0].path) : "";
  };
  const dicom = Boolean(found.series);
  const has = (name) => engine.dropped.some((one) => one.name === name);
  const guesses = dicom
    ? { ct: ".", activity: ".", labels: found.series.some((series) => /rtstruct|seg|structure|segmentation/i.test(series.kind)) ? "." : "", series: ".", course: "." }
    : {
      ct: only("a CT"), labels: only("labels"), activity: only("time-integrated activity"),
      label_names: found.label_names?.length === 1 ? tidy(found.label_names[0]) : "",
      course: has("COURSE.toml") ? "COURSE.toml" : "", series: has("SERIES.toml") ? "SERIES.toml" : "",
    };
  for (const [name, value] of Object.entries(guesses)) guess.set(name, value);
  form();
}

/** What the form suggests, and what was entered, by field. */
const guess = new Map();

// ---- form

const kind = () => /** @type {any} */ (document.querySelector("input[name=kind]:checked")).value;

function field({ name, label, note, kind, choices, empty = "not stated" }) {
  const id = `field-${name}`;
  const help = note ? [make("p", { class: "note", id: `${id}-note` }, note)] : [];
  const described = note ? { "aria-describedby": `${id}-note` } : {};
  if (kind === "check") {
    const box = make("input", { type: "checkbox", id, ...described });
    box.checked = guess.get(name) === true;
    return make("div", { class: "field check" }, make("label", { for: id }, box, label), ...help);
  }
  const input = choices
    ? make("select", { id, ...described }, ...choices.map((value) => make("option", { value }, value || empty)))
    : make("input", { id, autocomplete: "off", spellcheck: "false", ...described, ...(kind === "number" ? { inputmode: "decimal" } : {}), ...(kind?.startsWith("file") ? { list: "names" } : {}) });
  input.value = guess.get(name) ?? "";
  return make("div", { class: "field" }, make("label", { for: id }, label), input, ...help);
}

function form() {
  at("fields").replaceChildren(...FIELDS[kind()].map(({ title, fields }) => make("fieldset", {}, make("legend", {}, title), ...fields.map(field))));
}

const entered = ({ name, kind }) => (kind === "check" ? at(`field-${name}`).checked : at(`field-${name}`).value.trim());

/** What is refused, in the words of the command line. */
function refusalOf({ message, next }) {
  return make("div", { class: "refusal" }, make("p", {}, make("strong", {}, message)), ...(next ? [make("p", {}, next)] : []));
}

function refuse(refused) {
  const place = at("refusal");
  place.replaceChildren(...refusalOf(refused).children);
  place.hidden = false;
  const input = refused.field && at(`field-${refused.field}`);
  if (input) {
    // beside the field, too: what is below it may be out of sight
    input.setAttribute("aria-invalid", "true");
    input.closest(".field").append(make("p", { class: "why" }, refused.message));
  }
  (input ?? place).focus();
}

// ---- run

let began = 0;

function left(done) {
  const seconds = (performance.now() - began) / 1000;
  if (done < 0.02 || seconds < 2) return "";
  const rest = seconds / done - seconds;
  return rest > 90 ? `, about ${Math.round(rest / 60)} min left` : `, about ${Math.ceil(rest)} s left`;
}

engine.onProgress = ({ done, sigma, what }) => {
  // of a run that was ended
  if (at("cancel").hidden) return;
  at("progress").value = done;
  const known = sigma === null ? "" : `, uncertainty ${(100 * sigma).toFixed(1)} %`;
  at("state").textContent = `${what}: ${Math.round(100 * done)} %${known}${left(done)}`;
  running(done);
};
engine.onNote = ({ weight, text }) => {
  at("notes").append(make("li", weight === "warning" ? {} : { class: "info" }, text));
  if (weight !== "warning") at("state").textContent = text;
};

/** Notes how far a run is, for a page that is closed in the middle of it. */
const running = (/** @type {number} */ done) => localStorage.setItem(RUNNING, JSON.stringify({ what: kind(), done, at: Date.now() }));

function busy(on) {
  for (const id of ["start", "demo", "practice", "compare"]) at(id).disabled = on;
  at("cancel").hidden = !on;
  at("progress").hidden = !on;
  at("progress").value = 0;
  release();
  if (on) navigator.locks?.request(RUNNING, () => new Promise((resolve) => (release = () => resolve(null))));
  else localStorage.removeItem(RUNNING);
}

/** Says of pages that were closed in the middle what is lost; one that still runs holds its lock. */
async function lost() {
  const held = (await navigator.locks?.query())?.held?.map(({ name }) => name) ?? [];
  const closed = Object.keys(localStorage).filter((name) => name.startsWith(NOTES) && !held.includes(name));
  for (const name of closed) {
    const { what, done } = JSON.parse(localStorage.getItem(name) ?? "{}");
    localStorage.removeItem(name);
    const words = `The page was closed while a ${what} ran, at ${Math.round(100 * (done ?? 0))} %. That run is lost; nothing half-made was kept. Open the files again.`;
    at("lost").querySelector(".verdict").textContent = words;
    at("lost").hidden = false;
    // a page that is opened anew would begin where it was left
    history.scrollRestoration = "manual";
    at("lost").scrollIntoView({ block: "center" });
  }
}

/** Runs something of the engine to its end, or to its refusal. */
async function run(ask, more, show) {
  at("refusal").hidden = true;
  document.querySelectorAll("[aria-invalid]").forEach((input) => input.removeAttribute("aria-invalid"));
  document.querySelectorAll(".field .why").forEach((words) => words.remove());
  at("notes").replaceChildren();
  busy(true);
  began = performance.now();
  at("state").textContent = "Reading.";
  running(0);
  try {
    await engine.devices();
    const made = await engine.ask(ask, more);
    at("state").textContent = `Done in ${((performance.now() - began) / 1000).toFixed(1)} s.`;
    show(made);
  } catch (refused) {
    at("state").textContent = refused.kind === "ended" ? "Cancelled. Nothing was kept." : "Refused: see above.";
    if (refused.kind !== "ended") refuse(refused);
    // an engine that has stopped by a fault of its own is begun anew
    if (refused.kind === "crash") await engine.end().catch(() => {});
  } finally {
    busy(false);
  }
}

// ---- result

const significant = (value) => (value === null || value === undefined ? "" : typeof value === "number" ? Number(value.toPrecision(4)).toString() : String(value));

/** The columns of each kind of row. */
const COLUMNS = {
  dose: [["name", "Region"], ["mass_g", "Mass, g"], ["dose_gy", "Dose, Gy"], ["dose_se_gy", "± transport only, Gy"], ["d98_gy", "D98, Gy"], ["d50_gy", "D50, Gy"], ["d2_gy", "D2, Gy"], ["gy_per_gbq", "Gy/GBq"]],
  tia: [["name", "Region"], ["tia_mbq_h", "TIA, MBq h"], ["effective_half_life_h", "Effective half-life, h"], ["rel_sigma", "Relative uncertainty"], ["flags", "Flags"]],
  course: [["region", "Region"], ["cycles", "Cycles"], ["dose_gy", "Dose, Gy"], ["bed_gy", "BED, Gy"], ["eqd2_gy", "EQD2, Gy"]],
};

function table(kind, rows, caption) {
  const columns = (COLUMNS[kind] ?? COLUMNS.dose).filter(([key]) => rows.some((row) => row[key] !== undefined && row[key] !== null));
  const head = make("tr", {}, ...columns.map(([, title], n) => make("th", { scope: "col", ...(n ? { class: "num" } : {}) }, title)));
  const cell = (row, [key], n) => (n ? make("td", { class: "num" }, significant(row[key])) : make("th", { scope: "row" }, significant(row[key])));
  const body = rows.map((row) => make("tr", {}, ...columns.map((column, n) => cell(row, column, n))));
  return make("table", {}, make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, ...body));
}

const types = { nii: "application/octet-stream", gz: "application/gzip", dcm: "application/dicom", csv: "text/csv", json: "application/json", html: "text/html", png: "image/png", txt: "text/plain", zip: "application/zip" };
/** Addresses of the last result's files, given back with the next. */
let addresses = [];

function download(name, bytes) {
  const address = URL.createObjectURL(new Blob([bytes], { type: types[name.split(".").pop()] ?? "application/octet-stream" }));
  addresses.push(address);
  return make("li", {}, make("a", { href: address, download: name }, name), ` ${bytes.length >= 1e5 ? `${(bytes.length / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes.length / 1e3)} kB`}`);
}

/** A verdict in a word: alone, or with its reason beside it. */
const stateOf = ({ state }) => (typeof state === "string" ? state : state?.state ?? Object.keys(state ?? {})[0] ?? "none").replaceAll("_", " ");

/** What carried a run, or the runs of a course, each once. */
function devicesOf({ device, devices = device ? [device] : [] }) {
  return Array.from(new Map(devices.map((one) => [`${one.engine} ${one.name}`, one])).values());
}

async function shown(what, { summary, files }) {
  addresses.forEach((address) => URL.revokeObjectURL(address));
  addresses = [];
  const fact = (name, value, note = "") => make("div", {}, make("dt", {}, name), make("dd", {}, make("span", { class: "value" }, value), make("span", { class: "note" }, note)));
  const hash = Array.isArray(summary.tally_sha256) ? summary.tally_sha256.join(" ") : summary.tally_sha256;
  const facts = [
    ...(summary.verdict ? [fact("Verdict", stateOf(summary.verdict))] : []),
    ...(hash ? [fact("Tally hash", hash.slice(0, 16), hash)] : []),
    ...devicesOf(summary).map(({ engine, name, driver, backend }) => (engine === "gpu" ? fact("Graphics card", name, `${driver} (${backend})`) : fact("Processor", name))),
    ...(summary.histories ? [fact("Histories", summary.histories[0].toLocaleString("en"), "electrons")] : []),
  ];
  at("facts").replaceChildren(...facts);
  // what was not said while it ran
  const more = (summary.notes ?? []).filter((note) => !summary.heard.includes(note));
  at("notes").append(...more.map((note) => make("li", {}, note)));
  at("words").hidden = !summary.words;
  at("words").textContent = summary.words ?? "";
  const rows = summary.regions ?? summary.totals ?? [];
  at("table").replaceChildren(table(what, rows, summary.words ? "All cycles" : "Regions"));
  const zip = await engine.ask("zip", { named: files });
  at("downloads").replaceChildren(download(`lutra-${what}.zip`, zip), ...files.map(([name, bytes]) => download(name, bytes)));
  const report = files.find(([name]) => name === "report.html");
  at("report").hidden = !report;
  if (report) at("report").srcdoc = new TextDecoder().decode(report[1]);
  at("nothing").hidden = true;
  at("made").hidden = false;
  at("made").dataset.hash = hash ?? "";
  at("result-head").scrollIntoView({ block: "start" });
}

// ---- parity

/** What the demo gives in one way of the engine; a card that is refused is a finding, too. */
async function counted(way, histories) {
  try {
    return (await engine.ask("demo", { run: { engine: way, histories } })).summary;
  } catch (refused) {
    if (way !== "gpu" || ["ended", "crash"].includes(refused.kind)) throw refused;
    return { refusal: refused.message };
  }
}

async function compare() {
  busy(true);
  const found = /** @type {any} */ ({ schema: 1, agent: navigator.userAgent, devices: [] });
  try {
    // what the command line has for the same run
    const known = await (await fetch("known.json")).json();
    Object.assign(found, { program: await engine.ask("program"), known });
    found.run = await engine.ask("identity");
    found.graphics = await probed((ask, more) => engine.ask(ask, more));
    const { ways, card } = await engine.devices();
    for (const way of [...ways, ...(card && found.graphics.sound ? ["gpu"] : [])]) {
      began = performance.now();
      const { device, tally_sha256, refusal } = await counted(way, known.histories);
      const seconds = (performance.now() - began) / 1000;
      found.devices.push({ device: way === "gpu" ? `webgpu ${device?.name ?? card}` : `wasm ${way}: ${device.name}`, tally_sha256, refusal, agrees: tally_sha256 === known.tally_sha256, seconds });
    }
    const row = ({ device, tally_sha256, refusal, agrees, seconds }) => make("tr", {}, make("th", { scope: "row" }, device), make("td", {}, tally_sha256?.slice(0, 16) ?? "none"), make("td", {}, agrees ? "the known hash" : refusal ?? "DIFFERS"), make("td", { class: "num" }, seconds.toFixed(1)));
    const { device, sound, words } = found.graphics;
    const verdict = device ? `${device} ${sound ? "computes as the kernel needs it" : `does not compute as the kernel needs it: ${words}`}.` : `There is none: ${words}.`;
    const head = make("tr", {}, ...["Device", "Tally hash", "Verdict", "Seconds"].map((text, n) => make("th", { scope: "col", ...(n === 3 ? { class: "num" } : {}) }, text)));
    const text = JSON.stringify(found, null, 2);
    at("compared").replaceChildren(
      make("div", { class: "scroll" }, make("table", {}, make("caption", {}, `Demo, ${known.histories} histories`), make("thead", {}, head), make("tbody", {}, ...found.devices.map(row)))),
      make("p", {}, `Graphics card: ${verdict}`),
      make("ul", {}, download("lutra-parity.json", new TextEncoder().encode(text))),
    );
    at("compared").dataset.agrees = String(found.devices.every((device) => device.agrees));
    at("state").textContent = "Compared.";
  } catch (refused) {
    at("compared").replaceChildren(refusalOf(refused));
    at("state").textContent = refused.kind === "ended" ? "Cancelled. Nothing was kept." : "Not compared: see below.";
    if (refused.kind === "crash") await engine.end().catch(() => {});
  } finally {
    busy(false);
  }
}

// ---- what a person does

document.querySelectorAll("input[name=kind]").forEach((radio) => radio.addEventListener("change", form));
at("fields").addEventListener("change", ({ target }) => guess.set(target.id.slice("field-".length), target.type === "checkbox" ? target.checked : target.value));
at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const what = kind();
  run(what, { request: requestOf(what, entered) }, (made) => shown(what, made));
});
at("cancel").addEventListener("click", () => engine.end().catch(refuse));
at("demo").addEventListener("click", () => run("demo", { run: { histories: 40000 } }, (made) => shown("demo", made)));
at("compare").addEventListener("click", compare);
at("practice").addEventListener("click", async () => {
  const named = await engine.ask("practice").catch(refuse);
  if (!named) return;
  engine.dropped = named.map(([name, bytes]) => ({ name, file: new Blob([bytes]) }));
  guess.set("activity", "tia.nii.gz").set("activity_unit", "bq_ml_h").set("administered_mbq", "7400").set("grid", "6").set("histories", "200000");
  await opened(engine.dropped, false);
});
for (const id of ["folder", "single"]) {
  at(id).addEventListener("change", ({ target }) => {
    const dropped = Array.from(target.files, (/** @type {any} */ file) => ({ name: file.webkitRelativePath || file.name, file }));
    if (dropped.length) opened(below(dropped));
  });
}
const drop = at("drop");
drop.addEventListener("dragover", (event) => (event.preventDefault(), drop.classList.add("over")));
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const dropped = Array.from(event.dataTransfer.items, (/** @type {any} */ item) => item.webkitGetAsEntry()).filter(Boolean);
  opened(below((await Promise.all(dropped.map((entry) => entries(entry)))).flat()));
});
addEventListener("beforeunload", (event) => {
  if (localStorage.getItem(RUNNING)) event.preventDefault();
});

form();
lost();
// the lock of a page that ends just now
setTimeout(lost, 2000);
if ("serviceWorker" in navigator && location.protocol.startsWith("http")) {
  // the first visit to a server that does not isolate the page: the service worker does, once the page is opened anew
  const untouched = () => !engine.dropped.length && !guess.size && at("cancel").hidden && at("made").hidden;
  const again = () => untouched() && location.reload();
  if (!crossOriginIsolated) navigator.serviceWorker.addEventListener("controllerchange", again, { once: true });
  navigator.serviceWorker.register("offline.js").catch(() => {});
}

// The engine in Node.js beside the command line: the same requests, the same integers, the same files.
//
//   node engine.mjs NODE_FOLDER LUTRA [STUDY]
//
// NODE_FOLDER: target/web/node; LUTRA: the program; STUDY: the shared study in DICOM (cases/liver-ct-dicom). Prints one line of JSON: findings, each a sentence, empty when all is well.
// Exit code 0: no findings; 1: findings.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { EXACT, FITTED, apart, seen } from "./apart.mjs";
import { drafted } from "./course.mjs";
import { doseOf, undated } from "./dicom.mjs";

const [nodeFolder, program, study] = process.argv.slice(2).map((path) => resolve(path));
const engine = createRequire(import.meta.url)(join(nodeFolder, "lutra_web.js"));
const findings = [];
const facts = {};
const home = mkdtempSync(join(tmpdir(), "lutra-web-"));
const lutra = (...words) => execFileSync(program, words, { cwd: home, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const quiet = () => true;

function expect(holds, sentence) {
  if (!holds) findings.push(sentence);
}

/** Every file below a folder, by its path from there. */
function* below(folder, prefix = "") {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* below(path, `${prefix}${name}/`);
    else yield [prefix + name, path];
  }
}

/** A folder of the disk as dropped files. */
function dropped(folder, under = "") {
  const files = new engine.Files();
  for (const [name, path] of below(folder)) files.add(under + name, readFileSync(path));
  return files;
}

const plain = (name, bytes) => (name.endsWith(".gz") ? gunzipSync(bytes) : name.endsWith(".dcm") ? undated(bytes) : Buffer.from(bytes));
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");

const cells = (text) => text.toString().split("\n").map((line) => line.split(",").map((cell) => (cell === "" || Number.isNaN(Number(cell)) ? cell : Number(cell))));
/** A NIfTI volume of single precision: its head as text, its voxels. */
const volume = (bytes) => [bytes.toString("latin1", 0, 352), Array.from({ length: (bytes.length - 352) / 4 }, (_, n) => bytes.readFloatLE(352 + 4 * n))];

/** Where a file differs from the command line's, within bounds; null: nowhere. Of tables and JSON the numbers count, not their text. */
function differs(name, one, other, within) {
  if (sha(one) === sha(other)) return null;
  const share = name.startsWith("dvh.") ? Math.max(within.share, within.curves) : within.share;
  if (name.endsWith(".json")) return apart(JSON.parse(one), JSON.parse(other), { ...within, share });
  if (within === EXACT) return "other bytes";
  if (name.endsWith(".csv")) return apart(cells(one), cells(other), { ...within, share });
  if (name.endsWith(".nii.gz")) return apart(volume(one), volume(other), { ...within, share: within.voxels });
  if (name === "dose_gy.dcm") {
    // a stored value may fall to either side of half a step
    const [here, there] = [doseOf(one), doseOf(other)];
    return apart(here, there, { ...within, share: within.voxels, floor: Math.max(within.floor, 1.001 * there.step) });
  }
  return "other bytes";
}

/** Names the files that differ; those with the time or the paths of a run are left out, and the folder's own list. */
function sameFiles(what, made, folder, within) {
  const timed = /^(run\.json|verdict\.json|report\.html|lutra\.sha256)$/;
  const here = new Map(made.names().map((name) => [name, made.take(name)]));
  const there = new Map(Array.from(below(folder)));
  for (const name of new Set([...here.keys(), ...there.keys()])) {
    if (timed.test(name)) continue;
    if (!here.has(name) || !there.has(name)) {
      expect(false, `${what}: ${name} is only ${here.has(name) ? "in memory" : "on the disk"}`);
      continue;
    }
    const found = differs(name, plain(name, here.get(name)), plain(name, readFileSync(there.get(name))), within);
    expect(found === null, `${what}: ${name} differs from the command line's: ${found}`);
  }
  return here;
}

/** What is thrown by a call. */
function refusal(call) {
  try {
    call();
    return null;
  } catch (error) {
    return error.lutra ?? { kind: "crash", message: String(error) };
  }
}

try {
  // the demo
  const run = { engine: "cpu", histories: 40000, seed: 7 };
  let told = 0;
  const began = Date.now();
  const demo = engine.demo(JSON.stringify(run), began, (done) => ((told += done === null ? 0 : 1), true));
  facts.demo_seconds = (Date.now() - began) / 1000;
  lutra("demo", "--out", "demo", "--engine", "cpu:scalar", "--histories", "40000", "--seed", "7");
  const native = JSON.parse(readFileSync(join(home, "demo/run.json"), "utf8"));
  const summary = JSON.parse(demo.summary());
  facts.demo = { wasm: summary.tally_sha256, native: native.tally_sha256 };
  expect(summary.tally_sha256 === native.tally_sha256, "demo: the tally hash differs from the command line's");
  expect(told > 2, "demo: no progress was told");
  expect(demo.names().includes("report.html") && demo.names().includes("run.json"), "demo: no report or record");

  // what both stand on, part by part: it says where a difference of hashes comes from
  lutra("parity", "--histories", "2000", "--devices", "cpu:1");
  const stands = JSON.parse(readFileSync(join(home, "parity.json"), "utf8")).run;
  const here = JSON.parse(engine.identity());
  for (const name of ["version", "scene", "activity", "emissions", "physics settings and tables"]) {
    expect(here[name] === stands[name], `${name}: ${here[name]}, the command line's ${stands[name]}`);
  }

  // what the page's comparison knows
  const known = JSON.parse(readFileSync(new URL("../page/known.json", import.meta.url), "utf8"));
  lutra("demo", "--out", "known", "--engine", "cpu", "--histories", String(known.histories));
  const hash = JSON.parse(readFileSync(join(home, "known/run.json"), "utf8")).tally_sha256;
  expect(hash === known.tally_sha256, `web/page/known.json is not the command line's: ${hash}`);
  for (const way of engine.ways()) {
    const clock = process.hrtime.bigint();
    const made = engine.demo(JSON.stringify({ engine: way, histories: known.histories }), began, quiet);
    facts[`seconds ${way}`] = Number(process.hrtime.bigint() - clock) / 1e9;
    expect(JSON.parse(made.summary()).tally_sha256 === hash, `${way}: the tally hash differs from the command line's`);
  }

  // a worker that carries histories has the ways of the engine, and no other
  const carrier = new engine.Carrier();
  const odd = JSON.parse(await carrier.load([], "sse9")).Err?.Device?.message;
  expect(odd === `way of carrying histories: found "sse9"; allowed: ${engine.ways().map((way) => way.slice(4)).join(", ")}`,
    `a way that there is not: ${odd}`);

  // the practice patient: files, a dose with DICOM, ended, refused
  lutra("demo", "--practice", "--out", "practice");
  const practice = engine.practice();
  for (const [name, path] of below(join(home, "practice"))) {
    const same = practice.bytes(name) && sha(plain(name, practice.bytes(name))) === sha(plain(name, readFileSync(path)));
    expect(same, `practice: ${name} differs from the command line's`);
  }
  const asked = {
    ct: "ct.nii.gz", activity: ["tia.nii.gz"], activity_unit: "bq_ml_h", administered_mbq: 7400,
    labels: "labels.nii.gz", label_names: "label_names.csv", grid: "6", dicom: true,
    run: { engine: "cpu", histories: 20000 },
  };
  const dose = engine.dose(practice, JSON.stringify(asked), began, quiet);
  lutra("dose", "--ct", "practice/ct.nii.gz", "--activity", "practice/tia.nii.gz", "--activity-unit", "bq_ml_h",
    "--administered-mbq", "7400", "--labels", "practice/labels.nii.gz", "--label-names", "practice/label_names.csv",
    "--grid", "6", "--dicom", "--engine", "cpu", "--histories", "20000", "--out", "dose");
  const record = JSON.parse(readFileSync(join(home, "dose/run.json"), "utf8"));
  facts.dose = { wasm: JSON.parse(dose.summary()).tally_sha256, native: record.tally_sha256 };
  expect(facts.dose.wasm === facts.dose.native, "dose: the tally hash differs from the command line's");
  const files = sameFiles("dose", dose, join(home, "dose"), EXACT);
  const own = JSON.parse(Buffer.from(files.get("run.json")).toString());
  for (const field of ["schema", "seed", "scene", "passes", "energy_balance", "tally_sha256", "regions"]) {
    expect(JSON.stringify(own[field]) === JSON.stringify(record[field]), `dose: ${field} of run.json differs`);
  }
  expect(sha(files.get("organs.csv")) === own.outputs["organs.csv"], "dose: run.json states another hash of organs.csv");

  const ended = refusal(() => engine.dose(practice, JSON.stringify(asked), began, () => false));
  expect(ended?.kind === "run" && /ended/.test(ended.message), `a run that is ended says: ${JSON.stringify(ended)}`);
  for (const [request, part] of [
    ["{", "EOF"],
    [JSON.stringify({ ...asked, ct: "other.nii" }), "other.nii"],
    [JSON.stringify({ ...asked, activity_unit: undefined }), "activity_unit: found none"],
    [JSON.stringify({ ...asked, administered_mbq: 7.4e9 }), "administered_mbq: found 7400000000"],
    [JSON.stringify({ ...asked, ct: "label_names.csv" }), "label_names.csv"],
    [JSON.stringify({ ...asked, labels: "../labels.nii.gz" }), "labels.nii.gz"],
  ]) {
    const refused = refusal(() => engine.dose(practice, request, began, quiet));
    expect(refused?.kind === "user" && refused.message.includes(part), `${part}: refused as ${JSON.stringify(refused)}`);
  }
  const twice = new engine.Files();
  twice.add("../a", Buffer.from("x"));
  expect(refusal(() => engine.inspect(twice, ".", "{}"))?.kind === "user", "a name that leads out is taken");
  const found = JSON.parse(engine.inspect(practice, ".", "{}"));
  expect(found.images.some((image) => image.role && image.path.includes("ct")), "inspect: the CT is not found");

  // the course of the tutorial: drafted by the program, filled in, dropped as a folder
  drafted(lutra, join(home, "practice"));
  lutra("course", "practice/COURSE.toml", "--histories", "5000", "--engine", "cpu", "--out", "course");
  const course = engine.course(dropped(join(home, "practice")),
    JSON.stringify({ course: "COURSE.toml", run: { engine: "cpu", histories: 5000 } }), began, quiet);
  const verdict = JSON.parse(readFileSync(join(home, "course/verdict.json"), "utf8"));
  const figures = JSON.parse(course.summary());
  facts.course = { state: figures.verdict.state, hashes: figures.tally_sha256 };
  const other = apart(figures.verdict, verdict.verdict, FITTED);
  expect(other === null, `course: the verdict differs: ${other}`);
  expect(JSON.stringify(figures.tally_sha256) === JSON.stringify(verdict.cycles.map((one) => one.tally_sha256)),
    "course: the tally hashes differ");
  sameFiles("course", course, join(home, "course"), FITTED);
  // a study in DICOM, where there is one
  if (study) {
    const images = ["pt_t004", "pt_t024", "pt_t072", "pt_t168"];
    const files = new engine.Files();
    for (const folder of ["ct", ...images]) for (const [name, path] of below(join(study, folder))) files.add(`${folder}/${name}`, readFileSync(path));
    files.add("seg_binary.dcm", readFileSync(join(study, "seg_binary.dcm")));
    const request = { ct: "ct", activity: images, labels: "seg_binary.dcm", grid: "activity", dicom: true, run: { engine: "cpu", histories: 20000 } };
    const made = engine.dose(files, JSON.stringify(request), began, quiet);
    const at = (name) => join(study, name);
    lutra("dose", "--ct", at("ct"), "--activity", ...images.map(at), "--labels", at("seg_binary.dcm"), "--grid", "activity", "--dicom",
      "--engine", "cpu", "--histories", "20000", "--out", "dicom");
    const record = JSON.parse(readFileSync(join(home, "dicom/run.json"), "utf8"));
    facts.dicom = { wasm: JSON.parse(made.summary()).tally_sha256, native: record.tally_sha256 };
    expect(facts.dicom.wasm === facts.dicom.native, "DICOM: the tally hash differs from the command line's");
    sameFiles("DICOM", made, join(home, "dicom"), FITTED);
    const inspected = JSON.parse(engine.inspect(files, ".", "{}"));
    expect(inspected.series.length >= 6, `DICOM: inspect finds ${inspected.series.length} series`);
  }
} catch (error) {
  findings.push(`stopped: ${error.lutra ? JSON.stringify(error.lutra) : error.stack}${error.stderr ? `\n${error.stderr}` : ""}`);
} finally {
  rmSync(home, { recursive: true, force: true });
}
facts.largest_difference = seen.largest;
console.log(JSON.stringify({ findings, facts }));
process.exit(findings.length ? 1 : 0);

// What the command line makes of the requests that the test of the page asks in a browser.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drafted } from "./course.mjs";
import { undated } from "./dicom.mjs";
import { HOSTILE } from "./hostile.mjs";

/** Runs the requests in a folder: the practice patient's dose, course and audit, and what is refused. */
export function known(program, home) {
  const lutra = (...words) => execFileSync(program, words, { cwd: home, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const json = (name) => JSON.parse(readFileSync(join(home, name), "utf8"));
  lutra("demo", "--practice", "--out", "study");
  cpSync(join(home, "study"), join(home, "patient"), { recursive: true });
  drafted(lutra, join(home, "patient"));
  const images = ["--ct", "study/ct.nii.gz", "--activity", "study/tia.nii.gz", "--activity-unit", "bq_ml_h", "--administered-mbq", "7400",
    "--labels", "study/labels.nii.gz", "--label-names", "study/label_names.csv", "--grid", "6", "--engine", "cpu"];
  lutra("dose", ...images, "--histories", "20000", "--dicom", "--out", "dose");
  lutra("audit", ...images, "--histories", "1000", "--out", "audit");
  lutra("course", "patient/COURSE.toml", "--engine", "cpu", "--histories", "1000", "--out", "course");
  const { verdict, cycles } = json("course/verdict.json");
  return {
    study: join(home, "study"),
    patient: join(home, "patient"),
    dose: { hash: json("dose/run.json").tally_sha256, rtdose: createHash("sha256").update(undated(readFileSync(join(home, "dose/dose_gy.dcm")))).digest("hex") },
    audit: { hash: json("audit/run.json").tally_sha256, rows: json("audit/audit.json") },
    course: { hash: cycles.map((one) => one.tally_sha256).join(" "), verdict },
    refused: refused(program, home),
  };
}

/** The refusal of each hostile file as CT and activity, line by line. */
function refused(program, home) {
  const folder = join(home, "hostile");
  mkdirSync(folder);
  return Object.fromEntries(Object.entries(HOSTILE).map(([name, bytes]) => {
    writeFileSync(join(folder, name), bytes);
    const unit = name.endsWith(".dcm") ? [] : ["--activity-unit", "bq_ml_h"];
    const { stderr } = spawnSync(program, ["dose", "--ct", name, "--activity", name, ...unit, "--administered-mbq", "7400", "--out", "none"], { cwd: folder, encoding: "utf8" });
    return [name, stderr.split("\n").filter(Boolean).map((line) => line.replace(/^(error|hint): /, ""))];
  }));
}

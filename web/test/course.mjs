// The course of the practice patient as the tutorial has it: drafted by the program, filled in.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Drafts it into the patient's folder. @param {(...words: string[]) => string} lutra the program @param {string} patient */
export function drafted(lutra, patient) {
  lutra("init", "course", patient, "--out", patient);
  const edit = (name, ...changes) => {
    const path = join(patient, name);
    writeFileSync(path, changes.reduce((text, [from, to]) => text.replace(from, to), readFileSync(path, "utf8")));
  };
  for (const cycle of [1, 2, 3]) {
    edit(`SERIES-${cycle}.toml`, [/^unit = "\?"/m, 'unit = "bq_ml"'], [/^decay_correction = "\?"/m, 'decay_correction = "none"'],
      ...[24, 72, 168].map((h) => [new RegExp(`(suggests ${h}\\.[^\n]*\n[^\n]*)"\\?"`), `$1${h}`]));
  }
  edit("COURSE.toml", [/^protocol = "\?"/m, 'protocol = "iluminet"'], [/^administered_mbq = "\?"/gm, "administered_mbq = 7400"],
    ...["2025-01-14", "2025-03-25", "2025-06-03"].map((day, n) =>
      [new RegExp(`(^# Cycle ${n + 1}:[^]*?^date = )"\\?"`, "m"), `$1${day}`]), [/^# grid = "activity"/m, 'grid = "6"']);
}

// The fields of each request: as those of a configuration file, so that one name is asked, refused and documented everywhere.
// @ts-check

/** @typedef {{ name: string, label: string, note?: string, kind?: string, choices?: string[], empty?: string, group?: string }} Field */

const units = ["", "decays", "mbq_h", "bq_ml_h"];
const corrections = ["", "none", "start", "admin"];

/** @type {Field[]} */
const images = [
  { name: "effective_half_life_h", label: "Effective half-life, h", note: "For a single image.", kind: "number" },
  { name: "injection_time", label: "Injection time", note: "As in 2026-03-02T10:00+01:00, where the images do not state it." },
  { name: "time_zone", label: "Time zone of the scanner", note: "As in +01:00." },
  { name: "decay_correction", label: "Decay correction", note: "Where the images do not state it.", choices: corrections },
  { name: "half_life_h", label: "Half-life that the scanner used, h", kind: "number" },
  { name: "assume_bq_ml", label: "An image without a unit is in Bq/mL", kind: "check" },
].map((field) => ({ ...field, group: "images" }));

/** @type {Field[]} */
const run = [
  { name: "histories", label: "Electron histories", note: "Empty: 8 million, or an uncertainty.", kind: "number" },
  { name: "target_sigma", label: "Uncertainty aimed at", note: "Relative, 0.02 for 2 %.", kind: "number" },
  { name: "seed", label: "Seed", kind: "number" },
  { name: "engine", label: "Runs on", note: "Automatic: the graphics card where there is one that computes as the kernel needs it, else the processor.", choices: ["", "gpu", "cpu"], empty: "automatic" },
].map((field) => ({ ...field, group: "run" }));

/** @type {Field[]} */
const patient = [
  { name: "administered_mbq", label: "Administered activity, MBq", note: "7.4 GBq is 7400.", kind: "number" },
  { name: "nuclide", label: "Nuclide", note: "Empty: lu177." },
];

/** @type {Field[]} */
const scene = [
  { name: "ct", label: "CT", note: "A file, or a folder of DICOM.", kind: "file" },
  { name: "activity", label: "Activity", note: "A map of time-integrated activity, or DICOM images; several with a comma between.", kind: "files" },
  { name: "activity_unit", label: "Unit of the map", note: "DICOM states its own.", choices: units },
  { name: "labels", label: "Regions", note: "A label map, or DICOM outlines.", kind: "file" },
  { name: "label_names", label: "Names of the regions", kind: "file" },
  ...patient,
  { name: "grid", label: "Grid of the dose", note: "ct, activity, or an edge length in mm." },
];

/** @type {Record<string, { title: string, fields: Field[] }[]>} */
export const FIELDS = {
  dose: [
    { title: "Patient", fields: [...scene, { name: "dicom", label: "Write DICOM (RT Dose, SEG) too", kind: "check" }, { name: "deidentify", label: "Without the patient's identity", kind: "check" }] },
    { title: "DICOM images: what they do not state", fields: images },
    { title: "Run", fields: run },
  ],
  audit: [
    { title: "Patient", fields: scene },
    { title: "Audit", fields: [{ name: "tolerance_rel", label: "Largest acceptable deviation", note: "Relative; empty: 0.05.", kind: "number", group: "audit" }] },
    { title: "DICOM images: what they do not state", fields: images },
    { title: "Run", fields: run },
  ],
  tia: [
    {
      title: "Series",
      fields: [
        { name: "series", label: "Series", note: "A SERIES.toml, or DICOM images; several with a comma between.", kind: "files" },
        { name: "labels", label: "Regions", note: "Of DICOM images; a SERIES.toml names its own.", kind: "file" },
        { name: "label_names", label: "Names of the regions", kind: "file" },
        { name: "ct", label: "CT", note: "That DICOM outlines are put on.", kind: "file" },
        ...patient,
      ],
    },
    { title: "DICOM images: what they do not state", fields: images },
  ],
  course: [
    {
      title: "Course",
      fields: [
        { name: "course", label: "Course", note: "A COURSE.toml, or . for a folder of DICOM.", kind: "file" },
        { name: "ct", label: "CT", note: "Where a folder of DICOM has several.", kind: "file" },
        { name: "labels", label: "Regions", note: "Where a folder of DICOM has several.", kind: "file" },
        { name: "label_names", label: "Names of the regions", kind: "file" },
        { name: "protocol", label: "Protocol", note: "Of a folder of DICOM; empty: iluminet." },
        ...patient,
      ],
    },
    { title: "DICOM images: what they do not state", fields: images },
    { title: "Run", fields: run },
  ],
};

/** The request that a form states. A field that is empty is not stated; a number that is none goes as it is, to be refused. */
export function requestOf(kind, value) {
  const dose = {};
  const request = kind === "audit" ? { dose } : dose;
  for (const field of FIELDS[kind].flatMap((group) => group.fields)) {
    const stated = value(field);
    if (stated === "" || stated === false) continue;
    const number = typeof stated === "string" ? Number(stated.replace(",", ".")) : NaN;
    const typed = field.kind === "files" ? stated.split(",").map((part) => part.trim()).filter(Boolean)
      : field.kind === "number" && Number.isFinite(number) ? number : stated;
    if (field.group === "audit") request[field.name] = typed;
    else if (field.group) (dose[field.group] ??= {})[field.name] = typed;
    else dose[field.name] = typed;
  }
  return request;
}

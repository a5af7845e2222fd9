// What the tests compare of a DICOM file that Lutra writes: everything but the moment at which it was made.
//
//   node dicom.mjs FILE    prints the SHA-256 of that
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The same bytes with zeros for the dates and times of making and of the content: (0008,0012), (0008,0013), (0008,0023), (0008,0033). */
export function undated(bytes) {
  const blank = Buffer.from(bytes);
  for (const [element, type, size] of [[0x12, "DA", 8], [0x13, "TM", 6], [0x23, "DA", 8], [0x33, "TM", 6]]) {
    const head = Buffer.from([0x08, 0, element, 0, type.charCodeAt(0), type.charCodeAt(1), size, 0]);
    const at = blank.indexOf(head);
    if (at >= 0) blank.fill(0, at + head.length, at + head.length + size);
  }
  return blank;
}

/** An RT Dose as what it is without identifiers, which are made from its contents: the bytes before the voxels, and the voxels in Gy. */
export function doseOf(bytes) {
  const [pixels, scaling] = [Buffer.from("e07f10004f570000", "hex"), Buffer.from("04300e004453", "hex")];
  const [at, stated] = [bytes.lastIndexOf(pixels), bytes.indexOf(scaling)];
  const begins = stated + 8;
  const ends = begins + bytes.readUInt16LE(begins - 2);
  const step = Number(bytes.toString("latin1", begins, ends));
  const wide = bytes.indexOf(Buffer.from("28000001555302002000", "hex")) >= 0;
  const voxels = bytes.subarray(at + 12, at + 12 + bytes.readUInt32LE(at + 8));
  const size = wide ? 4 : 2;
  const stored = (n) => (wide ? voxels.readUInt32LE(4 * n) : voxels.readUInt16LE(2 * n));
  const dose = Array.from({ length: voxels.length / size }, (_, n) => step * stored(n));
  const head = bytes.toString("latin1", 0, begins) + bytes.toString("latin1", ends, at);
  return { head: head.replaceAll(/UI..2\.25\.[0-9]+\0?/gs, ""), step, size, dose };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(createHash("sha256").update(undated(readFileSync(process.argv[2]))).digest("hex"));
}

// Files that are none, or claim more than they hold: what the page and the command line must both refuse in words.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** A NIfTI head of so many voxels of single precision. */
function head(dims) {
  const bytes = Buffer.alloc(352);
  bytes.writeInt32LE(348, 0);
  [3, ...dims, 1, 1, 1, 1].forEach((size, n) => bytes.writeInt16LE(size, 40 + 2 * n));
  bytes.writeInt16LE(16, 70);
  bytes.writeInt16LE(32, 72);
  [1, 2, 2, 2].forEach((size, n) => bytes.writeFloatLE(size, 76 + 4 * n));
  bytes.writeFloatLE(352, 108);
  bytes.write("n+1\0", 344, "latin1");
  return bytes;
}

const preamble = Buffer.concat([Buffer.alloc(128), Buffer.from("DICM")]);
/** (0002,0010), explicit little endian. */
const syntax = Buffer.concat([Buffer.from("020010005549", "hex"), Buffer.from([20, 0]), Buffer.from("1.2.840.10008.1.2.1\0")]);
/** A sequence of no stated length in one of no stated length, and so on. */
const nested = Buffer.concat(Array.from({ length: 20000 }, () => Buffer.from("0800401153510000fffffffffeff00e0ffffffff", "hex")));

/** By name. @type {Record<string, Buffer>} */
export const HOSTILE = {
  "noise.nii": Buffer.alloc(352, 0xff),
  "short.nii": head([64, 64, 64]),
  "vast.nii": head([32767, 32767, 32767]),
  "bomb.nii.gz": gzipSync(Buffer.concat([head([8, 8, 8]), Buffer.alloc(256 << 20)]), { level: 9 }),
  "torn.nii.gz": gzipSync(Buffer.concat([head([8, 8, 8]), Buffer.alloc(2048)])).subarray(0, 40),
  "noise.dcm": Buffer.concat([preamble, Buffer.alloc(4096, 0xee)]),
  "nested.dcm": Buffer.concat([preamble, syntax, nested]),
  "crash.dcm": readFileSync(new URL("../../tests/crashes/ul-of-ten-bytes.dcm", import.meta.url)),
};
/** Text where a series is meant. */
export const SERIES = Buffer.alloc(1 << 20, "[");

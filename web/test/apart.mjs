// Where two results differ, within what the last digits of a platform's elementary functions allow.

/** How far two numbers may lie apart, relative to the larger; below the floor they are the same. Tallies are integers and equal;
 * floating point stands on `exp` and the like of the platform, which differ in the last digit. */
export const EXACT = { share: 1e-12, floor: 0, voxels: 0, curves: 0 };
/** After a fit over time: its iterations end within the last digits. Voxels are of single precision; a voxel on the edge of a bin of a
 * histogram may fall to either side. */
export const FITTED = { share: 1e-9, floor: 1e-12, voxels: 1e-6, curves: 2e-6 };

/** After a convolution: its Fourier transforms are summed in the order of the instruction set. The effects of an audit are differences of
 * doses as a share of one, so that what differs is small beside 1 and not beside the effect. */
export const CONVOLVED = { ...FITTED, share: 1e-6, floor: 1e-8 };

/** The largest relative difference so far. */
export const seen = { largest: 0 };

const close = (one, other, share, floor) => {
  const [off, size] = [Math.abs(one - other), Math.max(Math.abs(one), Math.abs(other))];
  if (off > floor) seen.largest = Math.max(seen.largest, off / size);
  return off <= share * size || off <= floor;
};

/** Where two values differ: other text, other keys, numbers too far apart; null: nowhere. */
export function apart(one, other, within, path = "") {
  if (typeof one === "number" && typeof other === "number") {
    return close(one, other, within.share, within.floor) ? null : `${path}: ${one}, the command line's ${other}`;
  }
  if (one === null || other === null || typeof one !== "object" || typeof other !== "object") {
    return one === other ? null : `${path}: ${JSON.stringify(one)}, the command line's ${JSON.stringify(other)}`;
  }
  const [here, there] = [Object.keys(one), Object.keys(other)];
  if (here.join() !== there.join()) return `${path}: other keys`;
  for (const key of here) {
    const found = apart(one[key], other[key], within, `${path}/${key}`);
    if (found) return found;
  }
  return null;
}

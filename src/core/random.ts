/** Uniform in [0, 1). The only source of chance in `core/`: the same seed gives the same decisions. */
export type Random = () => number;

/**
 * sfc32 (Chris Doty-Humphrey's PractRand): 128 bits of state, passes BigCrush, only 32-bit integer operations, so that every machine draws the same numbers.
 * `seed` is any integer; different `stream`s of one seed are independent of each other.
 */
export function seededRandom(seed: number, stream = 0): Random {
  let a = seed | 0;
  let b = Math.floor(seed / 2 ** 32) | 0;
  let c = stream | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  // Seeds that differ in one bit give alike first numbers; twelve rounds are what the generator's author takes.
  for (let round = 0; round < 12; round++) next();
  return () => next() / 2 ** 32;
}

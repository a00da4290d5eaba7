/**
 * The records that `NativeTegrastatsReader` writes, as native/tegrastats/records.h has them: a kind, and the fields that it has. NaN = not said; text is a begin and a length.
 */

/** Of the line; all before it are its records. */
export const END = 0;
/** The line is none of tegrastats: text. */
export const FOREIGN = 1;
/** A name that later records have by its number: number, text. */
export const NAME = 2;
/** Text. */
export const DATE = 3;
/** Used, total, largest free blocks, size of one. */
export const RAM = 4;
/** Used, total, cached. */
export const SWAP = 5;
/** As RAM. */
export const IRAM = 6;
/** Name, then as RAM. */
export const MEMORY = 7;
/** Count, then for each core: load, MHz. */
export const CPUS = 8;
/** Load, count, then for each cluster: MHz. */
export const EMC = 9;
/** As EMC. */
export const GPU = 10;
/** Name, then as EMC. */
export const ENGINE = 11;
/** Name, °C, highest °C, 1 = a constant. */
export const TEMPERATURE = 12;
/** Name, now, average, peak. */
export const RAIL = 13;
/** MHz. */
export const EDP_LIMIT = 14;
/** Text. */
export const UNKNOWN = 15;
/** No record follows. */
export const STOP = 16;

/** As a load: switched off. */
export const OFF = -1;

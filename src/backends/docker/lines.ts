import type { Readable } from 'node:stream';

/** A line is one JSON object of a few hundred bytes; more without an end is not the daemon. */
const LONGEST = 1024 * 1024;

/** The lines of an answer that goes on, as they come; empty ones left out. Throws an Error for one without an end. */
export async function* lines(source: Readable): AsyncGenerator<string> {
  let rest = '';
  source.setEncoding('utf8');
  for await (const chunk of source) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() as string;
    for (const line of parts) if (line.trim() !== '') yield line;
    if (rest.length > LONGEST) throw new Error(`a line of more than ${LONGEST} bytes`);
  }
  if (rest.trim() !== '') yield rest;
}

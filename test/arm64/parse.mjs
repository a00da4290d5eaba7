import { readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { pathToFileURL } from 'node:url';

/** Run by an arm64 Node: `parse.mjs DIST FILE` reads the lines of a file with the addon that this Node loads, and prints what machine it is and the samples. */
const [dist, file] = process.argv.slice(2);
const { TegrastatsParser } = await import(pathToFileURL(`${dist}/telemetry/jetson/tegrastats-parser.js`).href);
const parser = new TegrastatsParser();
const samples = [...parser.push(readFileSync(file)), ...parser.end()];
process.stdout.write(JSON.stringify({ arch: arch(), samples, counters: parser.counters }));

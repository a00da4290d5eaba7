import { readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { TegrastatsParser } from '../../src/telemetry/jetson/tegrastats-parser.js';

/** Run by an arm64 Node: reads the lines of the file that it is given with the addon that this Node loads, and prints what machine it is and the samples. */
const parser = new TegrastatsParser();
const samples = [...parser.push(readFileSync(process.argv[2] as string)), ...parser.end()];
process.stdout.write(JSON.stringify({ arch: arch(), samples, counters: parser.counters }));

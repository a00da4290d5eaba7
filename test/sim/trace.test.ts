import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CsvRecords } from '../../src/traces/csv-records.js';
import { NameTable } from '../../src/traces/name-table.js';
import { openTrace } from '../../src/traces/open-trace.js';
import { arrivalsOf, refusal, TestFolder } from './support/files.js';

const folder = new TestFolder();
const FUNCTIONS = folder.write(
  'functions.csv',
  'func_name,mem_mb,warm_dur_ms,cold_dur_ms\na,128,10,100\nb,64,2.5,40\n',
);
let files = 0;

const trace = (text: string | Uint8Array, ending = 'csv'): string => folder.write(`trace-${++files}.${ending}`, text);
const read = async (text: string | Uint8Array, ending?: string) =>
  arrivalsOf(await openTrace({ trace: trace(text, ending), functions: FUNCTIONS }));
const whyNot = (text: string | Uint8Array): Promise<string> => refusal(() => read(text));
const functionsOf = async (text: string, more: object = {}) => {
  const functions = folder.write(`functions-${++files}.csv`, text);
  return (await openTrace({ trace: trace('func_name,invoke_time_ms\n'), functions, ...more })).functions;
};

describe('records of a CSV file', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', '7', ',', '"', '\n', '\r', ' ', 'é', '-') });
  const table = fc.array(fc.array(cell, { minLength: 1, maxLength: 5 }), { maxLength: 8 });
  const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;

  test('are what was written, wherever the chunks end', () => {
    fc.assert(
      fc.property(
        table,
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        fc.integer({ min: 1, max: 9 }),
        (rows, eol, bom, size) => {
          const lines = rows.map((cells) =>
            cells.map((text, i) => (/[",\r\n]/.test(text) || (i === 0 && text === '') ? quote(text) : text)).join(','),
          );
          const bytes = Buffer.from(`${bom ? '\uFEFF' : ''}${lines.join(eol)}`);
          const records = new CsvRecords('f.csv');
          const found: string[][] = [];
          const take = (): void => {
            while (records.next()) found.push(Array.from({ length: records.cells }, (_, i) => records.text(i)));
          };
          // The mark is recognised when all of it is there, as it is in the first chunk of any file.
          for (let at = 0; at < bytes.length; at += at === 0 ? Math.max(size, 4) : size) {
            records.push(bytes.subarray(at, at === 0 ? Math.max(size, 4) : at + size));
            take();
          }
          records.end();
          take();
          expect(found).toEqual(rows);
        },
      ),
    );
  });

  test('know the line they begin on, with newlines in cells and empty lines between', () => {
    const records = new CsvRecords('f.csv');
    records.push(Buffer.from('x,y\n\n"a\nb",1\r\n\r\nc,2'));
    records.end();
    const lines: [number, string][] = [];
    while (records.next()) lines.push([records.line, records.text(0)]);
    expect(lines).toEqual([
      [1, 'x'],
      [3, 'a\nb'],
      [6, 'c'],
    ]);
  });

  test('numbers are those that a reader of decimals finds, and nothing else', () => {
    const parse = (text: string): number => {
      const records = new CsvRecords('f.csv');
      records.push(Buffer.from(`${text}\n`));
      expect(records.next()).toBe(true);
      return records.number(0);
    };
    fc.assert(fc.property(fc.nat(), (value) => parse(String(value)) === value));
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e20, noNaN: true }), (value) => parse(String(value)) === Math.abs(value)),
    );
    for (const text of ['-1', '+1', '1 ', '0x10', 'NaN', 'Infinity', '1e', '.', '1_0', '']) {
      expect(parse(`${text},`)).toBe(-1);
    }
  });
});

test('a name table finds every name by its bytes and no other', () => {
  const name = fc.string({ minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 300 }), fc.array(name), (names, others) => {
      const table = new NameTable(names);
      const find = (text: string): number => {
        const bytes = Buffer.from(`<${text}>`);
        return table.find(bytes, 1, bytes.length - 1);
      };
      for (const [i, known] of names.entries()) expect(find(known)).toBe(i);
      for (const other of others) expect(find(other)).toBe(names.indexOf(other));
    }),
  );
});

describe('a trace of rows', () => {
  const TWO = [
    [1000, 'a'],
    [2500, 'b'],
  ];

  test('columns count by name, others are ignored, fractions of a millisecond are kept', async () => {
    expect(await read('func_name,invoke_time_ms\na,1\nb,2.5\n')).toEqual(TWO);
    expect(await read('note,invoke_time_ms,func_name\nx,1,a\n"y, z",2.5,b')).toEqual(TWO);
  });

  test('CRLF, a byte order mark, quotes, empty lines, gzip', async () => {
    expect(await read('\uFEFF"func_name","invoke_time_ms"\r\n"a","1"\r\n\r\nb,2.5\r\n')).toEqual(TWO);
    expect(await read(gzipSync('func_name,invoke_time_ms\na,1\nb,2.5\n'), 'csv.gz')).toEqual(TWO);
  });

  test('no rows are no arrivals', async () => {
    expect(await read('func_name,invoke_time_ms\n')).toEqual([]);
  });

  test('batches of a long trace are in order and complete', async () => {
    const rows = Array.from({ length: 20_001 }, (_, i) => `${i % 3 === 0 ? 'a' : 'b'},${i * 2}\n`);
    const all = await read(`func_name,invoke_time_ms\n${rows.join('')}`);
    expect(all).toHaveLength(20_001);
    expect(all.every(([us, name], i) => us === i * 2000 && name === (i % 3 === 0 ? 'a' : 'b'))).toBe(true);
  });

  test('repeated, one time after the other, a mean gap apart', async () => {
    const file = trace('func_name,invoke_time_ms\na,0\nb,10\na,20\n');
    const source = await openTrace({ trace: file, functions: FUNCTIONS, repeat: 3 });
    const times = (await arrivalsOf(source)).map(([us]) => us / 1000);
    expect(times).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80]);
    // From the beginning, each time.
    expect(await arrivalsOf(source)).toHaveLength(9);
    expect(await refusal(() => openTrace({ trace: file, functions: FUNCTIONS, repeat: 0.5 }))).toContain('0.5');
  });

  test.each([
    [
      'a missing column',
      'func_name\na\n',
      'line 1, column 2: there is no column "invoke_time_ms"; there are: func_name',
    ],
    [
      'a column twice',
      'func_name,func_name,invoke_time_ms\n',
      'line 1, column 2: there is a second column "func_name"',
    ],
    ['an empty file', '', 'line 1, column 1: the file is empty'],
    [
      'an unknown function',
      'func_name,invoke_time_ms\na,1\nc,2\n',
      'line 3, column 1: the function "c" is not described',
    ],
    [
      'a negative time',
      'func_name,invoke_time_ms\na,-1\n',
      'line 2, column 2: "-1" is not a time in ms: it is negative',
    ],
    ['no number', 'invoke_time_ms,func_name\nsoon,a\n', 'line 2, column 1: "soon" is not a time in ms'],
    ['no time', 'func_name,invoke_time_ms\na\n', 'line 2, column 2: there is no time'],
    [
      'going back',
      'func_name,invoke_time_ms\na,5\n\nb,4.5\n',
      'line 4, column 2: the trace is not sorted: 4.5 ms comes after 5 ms',
    ],
    ['a time beyond all whole numbers', 'func_name,invoke_time_ms\na,1e30\n', 'line 2, column 2: 1e+30 ms is too late'],
    ['a quote never closed', 'func_name,invoke_time_ms\n"a,1\n', 'line 2, column 1: the quoted cell is never closed'],
    ['text after a quote', 'func_name,invoke_time_ms\n"a"b,1\n', 'line 2, column 1: text after the closing quote'],
  ])('%s is refused with file, line and column', async (_, text, message) => {
    expect(await whyNot(text)).toMatch(/^.*trace-\d+\.csv, /);
    expect(await whyNot(text)).toContain(message);
  });

  test('files that cannot be read are refused', async () => {
    expect(await refusal(() => openTrace({ trace: folder.at('none.csv'), functions: FUNCTIONS }))).toContain(
      'none.csv',
    );
    const broken = trace('this is not gzip', 'csv.gz');
    const source = await openTrace({ trace: broken, functions: FUNCTIONS });
    expect(await refusal(() => arrivalsOf(source))).toContain('cannot be read');
    expect(await refusal(() => openTrace({ trace: broken }))).toContain('a CSV that describes them is needed');
  });
});

describe('the functions of a trace', () => {
  test('two columns are enough when the benchmarks know the rest', async () => {
    const benchmark = folder.write(
      'few.json',
      JSON.stringify({
        data: {
          a: {
            resource_data: {
              CPU: { warm_results_sec: [0.01, 0.03], cold_results_sec: [0.05], cold_worker_duration_us: [90_000] },
            },
          },
        },
      }),
    );
    const [fn] = await functionsOf('func_name,mem_mb\na,128\n', { benchmark });
    expect(fn).toMatchObject({
      name: 'a',
      version: '1',
      memoryMb: 128,
      warmUs: 20_000,
      coldUs: 90_000,
      meanIatUs: null,
    });
    expect(fn).toMatchObject({ devices: ['cpu'], prewarms: 0, gpuWarmUs: null, gpuColdUs: null });
    expect(fn?.timings?.cpu).toEqual({
      warmRunUs: [10_000, 30_000],
      coldRunUs: [50_000],
      warmTotalUs: [],
      coldTotalUs: [90_000],
    });
  });

  test('every column that is known', async () => {
    const [a, b] = await functionsOf(
      'compute,mem_mb,func_name,prewarms,mean_iat,cold_dur_ms,warm_dur_ms,unknown\nCPU|GPU,10.2,a,3,500,100,10,x\n,64,b,,,,2.5,\n',
    );
    expect(a).toMatchObject({
      memoryMb: 11,
      warmUs: 10_000,
      coldUs: 100_000,
      meanIatUs: 500_000,
      devices: ['cpu', 'gpu'],
      prewarms: 3,
    });
    expect(b).toMatchObject({ warmUs: 2500, coldUs: 2500, meanIatUs: null, devices: ['cpu'], prewarms: 0 });
  });

  test('as many containers are prewarmed as run at once at the mean rate, no more than asked for', async () => {
    const table =
      'func_name,mem_mb,warm_dur_ms,cold_dur_ms,mean_iat\na,1,10,2500,1000\nb,1,10,90000,1000\nc,1,10,90000,\n';
    const prewarms = async (more: object) => (await functionsOf(table, more)).map((fn) => fn.prewarms);
    expect(await prewarms({})).toEqual([0, 0, 0]);
    expect(await prewarms({ prewarms: 10 })).toEqual([3, 5, 10]);
    expect(await prewarms({ prewarms: 10, maxPrewarms: 100 })).toEqual([3, 10, 10]);
  });

  const timed = (warmMs: number, device = 'CPU') => ({
    resource_data: {
      [device]: {
        warm_results_sec: [warmMs / 1000],
        warm_worker_duration_us: [warmMs * 1000],
        cold_results_sec: [warmMs / 1000],
        cold_worker_duration_us: [warmMs * 5000],
        // Stored the wrong way round, as a run through a controller does.
        cold_invoke_duration_us: [warmMs * 4000],
      },
    },
  });
  const benchmark = folder.write(
    'many.json',
    JSON.stringify({ data: { short: timed(5), middle: timed(50), long: timed(500), gpu: timed(20, 'GPU') } }),
  );

  test.each([
    ['its own name', 'short,1,77,', 77_000, 5000],
    ['its name without the last part, with an image', 'middle-3,1,,some/image', 50_000, 50_000],
    ['the longest that is not longer', 'x,1,499,', 50_000, 50_000],
    ['the shortest when all are longer', 'x,1,1,', 5000, 5000],
    ['the shortest when nothing is known', 'x,1,,', 5000, 5000],
  ])('times come from the benchmark of %s', async (_, row, warmUs, measuredUs) => {
    const [fn] = await functionsOf(`func_name,mem_mb,warm_dur_ms,image_name\n${row}\n`, { benchmark });
    expect(fn?.warmUs).toBe(warmUs);
    expect(fn?.timings?.cpu?.warmTotalUs).toEqual([measuredUs]);
    expect(fn?.timings?.cpu?.coldTotalUs).toEqual([measuredUs * 4]);
    // The shortest one's cold time is not its warm time.
    expect(fn?.coldUs).toBe(measuredUs * 4);
  });

  test('a function with an image of its own keeps its own times', async () => {
    const [fn] = await functionsOf('func_name,mem_mb,warm_dur_ms,image_name\nx,1,60,some/image\n', { benchmark });
    expect(fn).toMatchObject({ warmUs: 60_000, coldUs: 60_000, timings: null });
  });

  test('one for a GPU is found by a benchmark on a GPU', async () => {
    const [fn] = await functionsOf('func_name,mem_mb,warm_dur_ms,compute\nx,1,60,GPU\n', { benchmark });
    expect(fn).toMatchObject({ devices: ['gpu'], gpuWarmUs: 20_000, gpuColdUs: 80_000 });
  });

  test.each([
    ['no memory column', 'func_name\na\n', 'line 1, column 2: there is no column "mem_mb"'],
    ['no memory', 'func_name,mem_mb,warm_dur_ms\na,,1\n', 'line 2, column 2: a has no memory'],
    ['bad memory', 'func_name,mem_mb,warm_dur_ms\na,much,1\n', 'line 2, column 2: "much" is not a number of MiB'],
    ['a negative time', 'func_name,mem_mb,warm_dur_ms\na,1,-2\n', 'line 2, column 3: "-2" is not a number of ms'],
    ['no time', 'func_name,mem_mb\na,1\n', 'line 2, column 3: a has no warm_dur_ms'],
    [
      'an unknown device',
      'func_name,mem_mb,warm_dur_ms,compute\na,1,1,TPU\n',
      'line 2, column 4: "TPU" is not a compute',
    ],
    [
      'a name that is none',
      'func_name,mem_mb,warm_dur_ms\na b,1,1\n',
      'line 2, column 1: "a b" is not a function name',
    ],
    ['one twice', 'func_name,mem_mb,warm_dur_ms\na,1,1\na,1,1\n', 'line 3, column 1: "a" is described twice'],
    ['none', 'func_name,mem_mb\n', 'line 2, column 1: it describes no function'],
  ])('%s is refused with file, line and column', async (_, text, message) => {
    const said = await refusal(() => functionsOf(text));
    expect(said).toMatch(/functions-\d+\.csv, /);
    expect(said).toContain(message);
  });

  test.each([
    ['no JSON', '{', 'cannot be read as JSON'],
    ['no data', '{}', 'data: must be an object'],
    ['no functions', '{"data":{}}', 'data: has no function'],
    [
      'a list that is none',
      '{"data":{"a":{"resource_data":{"CPU":{"warm_results_sec":7}}}}}',
      'data.a.resource_data.CPU.warm_results_sec: must be a list',
    ],
    [
      'a negative duration',
      '{"data":{"a":{"resource_data":{"CPU":{"warm_results_sec":[1,-7]}}}}}',
      'warm_results_sec[1]: -7 is not a duration',
    ],
    [
      'another device',
      '{"data":{"a":{"resource_data":{"FPGA":{}}}}}',
      'data.a.resource_data.FPGA: is neither CPU nor GPU',
    ],
  ])('benchmarks with %s are refused', async (_, text, message) => {
    const file = folder.write(`bench-${++files}.json`, text);
    const said = await refusal(() => functionsOf('func_name,mem_mb\na,1\n', { benchmark: file }));
    expect(said).toContain(file);
    expect(said).toContain(message);
  });
});

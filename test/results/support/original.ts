import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files as the original's load generator writes them, by the name they have in `folder`. */

const invocation = (name: string, start: string, latencyUs: number, cold: boolean, success = true) => ({
  worker_response: {
    json_result: success ? '{"body":{}}' : 'Traceback: no such colour',
    success,
    duration_us: latencyUs - 900,
    compute: 1,
    container_state: cold ? 2 : 4,
  },
  function_output: { body: success ? { cold, start: 0, end: 0, latency: (latencyUs - 2000) / 1e6 } : null },
  client_latency_us: latencyUs,
  function_name: name,
  function_version: '0.0.1',
  tid: `${name}-${latencyUs}`,
  invoke_start: start,
});

const lists = (scale: number) => ({
  warm_results_sec: [0.01 * scale, 0.02 * scale],
  warm_over_results_us: [900, 900],
  cold_results_sec: [0.05 * scale],
  cold_over_results_us: [90_000],
  warm_worker_duration_us: [10_500 * scale, 20_500 * scale],
  cold_worker_duration_us: [130_000 * scale],
  warm_invoke_duration_us: [11_000 * scale, 21_000 * scale],
  cold_invoke_duration_us: [140_000 * scale],
});

export function writeOriginal(folder: string): void {
  mkdirSync(join(folder, 'scaling'), { recursive: true });
  const write = (name: string, content: unknown): void =>
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  write(
    'output-trace.csv',
    [
      'success,function_name,was_cold,worker_duration_us,code_duration_sec,e2e_duration_us,tid',
      'true,hello,true,120000,0.05,121000,1e5',
      'true,hello,false,2000,0.001,2500,007',
      'false,"odd,name",false,10,0,30,c',
      '',
    ].join('\n'),
  );
  write('output-full-trace.json', [
    invocation('hello', '2023-05-01 12:34:56.500000123', 121_000, true),
    invocation('hello', '2023-05-01 12:34:57.750000', 2500, false),
    invocation('json', '2023-05-01 12:34:58', 4000, false, false),
  ]);
  write('worker_function_benchmarks.json', {
    data: {
      'a.b': { function_name: 'a.b', image_name: 'x', resource_data: { CPU: lists(1), GPU: lists(2) } },
    },
  });
  for (const clients of [1, 2]) {
    write(
      `scaling/${clients}.json`,
      Array.from({ length: clients }, (_, thread) => ({
        thread_id: thread,
        registration: { duration_us: 5, result: '' },
        errors: 0,
        data: [0, 1, 2].map((i) =>
          invocation('scaling', `2023-05-01 12:00:0${clients}.${i}`, 10_000 + 100 * clients + i, i === 0),
        ),
      })),
    );
  }
}

import { existsSync, rmSync } from 'node:fs';

/** Collects this thread's garbage whenever its data folder has a file `collect-<thread>`, and takes the file away when that is done. Needs `--expose-gc`. */
export function collectWhenAsked(dataDir: string, thread: string): void {
  const file = `${dataDir}/collect-${thread}`;
  const timer = setInterval(() => {
    if (!existsSync(file)) return;
    for (let i = 0; i < 3; i++) globalThis.gc?.();
    rmSync(file);
  }, 200);
  timer.unref();
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { native } from '../../src/native.js';
import { floorProgram } from './floor.js';
import type { Maker } from './netns-others.js';

/** The bare system calls in C (`bench/floor/netns.c`): what the kernel takes, whoever asks. */
export async function bareCalls(): Promise<Maker> {
  const bridge = `iltfl${process.pid % 10_000}`;
  await native().netlink.createBridge(bridge, '02:00:00:00:0e:01', '10.187.0.1/21');
  const child = spawn(floorProgram('netns'), [bridge, '10.187.0.0'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    name: 'the bare calls',
    async make() {
      child.stdin.write('\n');
      const { value, done } = await lines.next();
      if (done === true) throw new Error('bench/floor/netns.c ended before it was asked to');
      return Number(value);
    },
    async close() {
      const exited = once(child, 'exit');
      child.stdin.end();
      await exited;
      await native().netlink.removeNamespaces([], [bridge]);
    },
  };
}

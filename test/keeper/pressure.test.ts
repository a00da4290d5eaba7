import { chmodSync, closeSync, openSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native, nativeFile } from '../../src/native.js';
import { describeWith } from '../support/requirement.js';
import { describeHeld, Stage } from './stage.js';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.dispose());

describe('a keeper with too much to do', () => {
  it('that stands still is told everything in its order once it goes on, of files closed meanwhile', async () => {
    const keeper = await stage.open();
    await keeper.list();
    const [pid] = stage.pids();
    process.kill(pid as number, 'SIGSTOP');
    try {
      const before = openSync('/dev/null', 'r');
      closeSync(before);
      for (let i = 0; i < 2000; i++) {
        const file = openSync('/dev/null', 'r');
        keeper.hold(`k${i}`, 'first', [file]);
        closeSync(file);
      }
      for (let i = 0; i < 2000; i += 2) keeper.drop(`k${i}`);
      for (let i = 0; i < 2000; i += 4) keeper.hold(`k${i}`, 'second', []);
      // Refused while others wait: in its place, and what comes after it counts.
      keeper.hold('k1', 'x'.repeat(40_000), []);
      keeper.hold('k1', 'third', []);
      keeper.hold('k3', '', [999_999]);
    } finally {
      process.kill(pid as number, 'SIGCONT');
    }
    await keeper.flush();
    const held = describeHeld(await keeper.list());
    const expected = Array.from({ length: 2000 }, (_, i) => i);
    const odd = expected.filter((i) => i % 2 === 1 && i !== 1 && i !== 3).map((i) => `k${i}=first+1`);
    const fourth = expected.filter((i) => i % 4 === 0).map((i) => `k${i}=second+0`);
    expect(held).toEqual([...odd, ...fourth, 'k1=third+0']);
  });

  it('is full at 16,384 things, says so, and goes on', async () => {
    const keeper = await stage.open();
    const refused: string[] = [];
    keeper.onRefused = (key) => refused.push(key);
    for (let i = 0; i < 16_386; i++) keeper.hold(`k${i}`, '', []);
    keeper.hold('k5', 'replaced', []);
    expect(describeHeld(await keeper.list())).toHaveLength(16_384);
    expect(refused).toEqual(['k16384', 'k16385']);
    keeper.drop('k0');
    keeper.hold('k16384', '', []);
    const held = describeHeld(await keeper.list());
    expect(held).toHaveLength(16_384);
    expect([held[4], held.at(-1)]).toEqual(['k5=replaced+0', 'k16384=+0']);
  });

  it('is full at its limit of open files', async () => {
    const program = `${stage.folder}/limited`;
    writeFileSync(program, `#!/bin/sh\nulimit -n 160\nexec ${nativeFile('iluvatar-keeper')} "$@"\n`);
    chmodSync(program, 0o700);
    native().keeper.start(stage.path, 60_000, program);
    const keeper = await stage.open();
    const refused: string[] = [];
    keeper.onRefused = (key) => refused.push(key);
    const file = stage.file();
    const sixteen = new Array<number>(16).fill(file);
    for (const key of ['a', 'b', 'c', 'd']) keeper.hold(key, '', sixteen);
    // Clients come in all the same.
    const other = await stage.open();
    expect(describeHeld(await other.list())).toEqual(['a=+16', 'b=+16']);
    await keeper.list().then(describeHeld);
    expect(refused).toEqual(['c', 'd']);
    keeper.hold('a', 'fewer', [file]);
    keeper.hold('c', '', sixteen.slice(1));
    expect(describeHeld(await keeper.list())).toEqual(['a=fewer+1', 'b=+16', 'c=+15']);
  });

  it('does not wait for a client that asks for 5,000 things and does not read', async () => {
    const keeper = await stage.open();
    const file = stage.file();
    for (let i = 0; i < 5000; i++) keeper.hold(`k${i}`, 'x'.repeat(300), [file]);
    await keeper.flush();
    await keeper.list().then(describeHeld);
    const slow = stage.child(`
      let client = keeper.connect(${JSON.stringify(stage.path)}, { ...silent, onListed(items) {
        say([items.length, items.every(({ fds }) => fstatSync(fds[0]).isCharacterDevice())]);
      } });
      client.list();
      say('asked');
      process.kill(process.pid, 'SIGSTOP');
    `);
    expect(await slow.said()).toBe('asked');
    for (let i = 4000; i < 5000; i++) keeper.drop(`k${i}`);
    keeper.hold('later', '', []);
    expect(describeHeld(await keeper.list())).toHaveLength(4001);
    slow.signal('SIGCONT');
    expect(await slow.said()).toEqual([4000, true]);
    expect(describeHeld(await keeper.list())).toHaveLength(4001);
  });
});

describeWith({ root: true }, 'a stranger', () => {
  it('is closed, whatever the mode of the socket is', async () => {
    const keeper = await stage.open();
    keeper.hold('secret', '', [stage.file()]);
    await keeper.flush();
    chmodSync(stage.folder, 0o755);
    chmodSync(stage.path, 0o666);
    const stranger = stage.child(`
      process.seteuid(65534);
      const client = keeper.connect(${JSON.stringify(stage.path)}, {
        ...silent,
        onListed: () => say('listed'),
        onEnd: () => say('closed'),
      });
      try {
        client.list();
        client.hold('mine', '', []);
      } catch {
        // It may be closed already.
      }
      setInterval(() => {}, 1000);
    `);
    expect(await stranger.said()).toBe('closed');
    expect(describeHeld(await keeper.list())).toEqual(['secret=+1']);
  });
});

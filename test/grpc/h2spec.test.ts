import { beforeAll, expect, it } from 'vitest';
import { fieldsText, HTTP2_END, Http2Event } from '../../src/transport/http2.js';
import { command } from '../support/command.js';
import { describeWith } from '../support/requirement.js';
import { needsGo } from '../support/toolchain.js';
import { startHttp2Server } from '../transport/http2-support.js';
import { goProgram } from './tools/go-program.js';

const BUILD_MS = 900_000;
const HEADERS = fieldsText({ ':status': 200, 'content-type': 'text/plain' });
/** Longer than the windows that it is held to. */
const BODY = Buffer.from('hello, h2spec: this is more than a few bytes');

/** The rules of RFC 9113 and RFC 7541, by a program that breaks each of them. */
describeWith({ condition: needsGo() }, 'h2spec', () => {
  let program = '';
  beforeAll(async () => {
    program = await goProgram('h2spec');
  }, BUILD_MS);

  it('finds nothing', async () => {
    await using server = await startHttp2Server((connection, frame) => {
      if (frame.type === Http2Event.reset || (frame.flags & HTTP2_END) === 0) return;
      connection.respond(frame.requestId, HEADERS, BODY, '', true);
    });
    const printed = await command(program, ['-h', '127.0.0.1', '-p', `${server.port}`, '-o', '5']);
    // The last line; what it found is before it.
    expect(printed, printed).toMatch(/\n1\d\d tests, 1\d\d passed, 0 skipped, 0 failed\s*$/);
  }, 120_000);
});

/**
 * The entry point of an image with a Node function: connects to the worker and starts the agent with the two descriptors of docs/protocol.md. Node cannot give a
 * process of its own other descriptors, so the agent is a child, whose end is this one's end.
 *
 * Environment: ILUVATAR_AGENTS_SOCKET, the worker's socket; ILUVATAR_CONTAINER and ILUVATAR_TOKEN for the agent's HELLO; ILUVATAR_ASSIGN, JSON whose
 * fields take the place of those in /iluvatar/assign.json, which the image holds.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Exit, encodeAssign } from './wire.mjs';

const SOCKET = '/iluvatar/sockets/agents.sock';
const ASSIGN_FILE = '/iluvatar/assign.json';
/** What is meant for the agent and reaches this process. */
const PASSED_ON = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'];

const { ILUVATAR_AGENTS_SOCKET: path = SOCKET, ILUVATAR_ASSIGN: further = '{}', ...env } = process.env;

function assign() {
  const known = existsSync(ASSIGN_FILE) ? JSON.parse(readFileSync(ASSIGN_FILE, 'utf8')) : {};
  return encodeAssign(JSON.stringify({ ...known, ...JSON.parse(further) }));
}

const frame = assign();
const socket = new Socket();
// Paused before it is connected: the first bytes are the agent's to read.
socket.pause();
socket.on('error', (error) => {
  process.stderr.write(`iluvatar: the worker cannot be reached at ${path}: ${error.message}\n`);
  process.exit(Exit.startFailed);
});
socket.connect({ path }, () => {
  const agent = fileURLToPath(new URL('./agent.mjs', import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, agent], {
    env,
    stdio: ['ignore', 'inherit', 'inherit', socket, 'pipe'],
  });
  child.on('error', (error) => {
    process.stderr.write(`iluvatar: the agent cannot be started: ${error.message}\n`);
    process.exit(Exit.internal);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
  for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal));
  child.stdio[4].on('error', () => {}); // an agent that is gone says so by its exit
  child.stdio[4].end(frame);
  // Ours alone would keep the connection open after the agent's end.
  socket.destroy();
});

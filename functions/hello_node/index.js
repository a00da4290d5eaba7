// Says hello, in Node.

let cold = true;

export async function handler(args) {
  const wasCold = cold;
  cold = false;
  const start = Date.now() / 1000;
  const greeting = `Hello, ${args.name ?? 'world'}!`;
  const end = Date.now() / 1000;
  return { body: { greeting, cold: wasCold, start, end, latency: end - start } };
}

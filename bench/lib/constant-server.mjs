// The floor of the HTTP bench: a bare node:http server that answers every request with the same bytes and looks at nothing. Prints its port.
import { createServer } from 'node:http';

const BODY = Buffer.from(process.argv[2] ?? 'null');
const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': BODY.length });
  response.end(BODY);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.once('close', () => process.exit(0));

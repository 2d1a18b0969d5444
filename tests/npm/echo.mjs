// Sends text and binary messages of 0 to 1 MiB with the npm package ws and checks what comes back.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';

const SIZES = [0, 1, 2, 124, 125, 126, 127, 1000, 65534, 65535, 65536, 1 << 20];

const socket = new WebSocket(process.argv[2], { perMessageDeflate: false });
await once(socket, 'open');

let count = 0;
async function echo(message, options) {
  const answer = once(socket, 'message');
  socket.send(message, options);
  const [data, isBinary] = await answer;
  assert.equal(isBinary, typeof message !== 'string');
  assert.ok(data.equals(Buffer.from(message)), `${data.length} bytes for ${message.length}`);
  count += 1;
}

for (const size of SIZES) {
  await echo('ä'.repeat(size >> 1) + 'x'.repeat(size & 1));
  await echo(Buffer.alloc(size, 'any bytes \xff\x00', 'latin1'));
  await echo('masked '.repeat(size / 7), { mask: true });
  await echo(new Uint8Array(size), { binary: true });
}

const pong = once(socket, 'pong');
socket.ping('are you there?');
assert.equal((await pong)[0].toString(), 'are you there?');

socket.close(1000, 'done');
const [code, reason] = await once(socket, 'close');
assert.equal(reason.toString(), 'done');
console.log(`${count} messages came back, close ${code}`);

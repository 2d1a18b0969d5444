// The npm package ws: `peer.mjs serve [PORT]` echoes in random fragments, `peer.mjs drive URL SEED COUNT [--deflate]`
// sends random messages, checks that they come back, and prints how many.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { deflateSync } from 'node:zlib';
import { WebSocket, WebSocketServer } from 'ws';

const LARGEST = 16 << 20;
const MESSAGE_BYTES_MAX = 64 << 20;
const DRIVE_SECONDS_MAX = 50;
const EDGES = [0, 1, 125, 126, 127, 65535, 65536, 65537];
const WORDS = ['alpha', ' ', '\n', 'Grüße', '€', '𝄞', '漢字', '\0', '{"id":1}', '\u{10ffff}'];

class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  // Mulberry32.
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** 0 to `end` - 1. */
  below(end) {
    return this.next() % end;
  }

  between(first, last) {
    return first + this.below(last - first + 1);
  }

  one(list) {
    return list[this.below(list.length)];
  }

  chance(percent) {
    return this.below(100) < percent;
  }

  bytes(length) {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let at = 0; at < words.length; at += 1) words[at] = this.next();
    return Buffer.from(words.buffer, 0, length);
  }
}

/** Exactly `length` bytes of UTF-8, the same again after some 200 KB, which is beyond what deflate looks back. */
function text(random, length, more) {
  const parts = [];
  for (let size = 0; size < Math.min(length, 200_000); size += 3) parts.push(more());
  const block = Buffer.from(parts.join('') || 'x');
  const whole = Buffer.alloc(length, block);
  let end = length;
  while (end > 0 && end > length - 4 && !isBoundary(whole, block, end)) end -= 1;
  return whole.fill('x', end);
}

/** Whether a character may end before `at`. */
function isBoundary(whole, block, at) {
  return at % block.length === 0 || (block[at % block.length] & 0xc0) !== 0x80;
}

function words(random, length) {
  return text(random, length, () => random.one(WORDS));
}

/** Characters of one to four bytes. */
function characters(random, length) {
  const last = [0x7f, 0x7ff, 0xd7ff, 0x10ffff];
  return text(random, length, () => {
    const code = random.below(random.one(last) + 1);
    return String.fromCodePoint(code >= 0xd800 && code < 0xe000 ? 0x20ac : code);
  });
}

/** Mostly short. */
function size(random) {
  const dice = random.below(100);
  if (dice < 40) return random.below(300);
  if (dice < 65) return random.one(EDGES);
  if (dice < 90) return random.below(10_000);
  if (dice < 97) return random.below(200_000);
  return (1 << 20) - 3 + random.below(6);
}

function message(random, length) {
  const dice = random.below(10);
  if (dice < 3) return { data: words(random, length), binary: false };
  if (dice < 5) return { data: characters(random, length), binary: false };
  if (dice < 6) return { data: Buffer.alloc(length, random.below(256)), binary: true };
  if (dice < 7) return { data: words(random, length), binary: true };
  const noise = random.bytes(length);
  return { data: dice < 8 ? deflateSync(noise).subarray(0, length) : noise, binary: true };
}

/** Sends a message in random fragments, with pings in between; `pinged` is told of each. */
function send(socket, random, { data, binary }, pinged = () => {}) {
  const compress = random.chance(75);
  const ends = [data.length];
  if (random.chance(40)) {
    // Some cuts are the same, and some at the ends: these make empty fragments.
    for (let count = random.between(1, random.chance(20) ? 40 : 7); count > 0; count -= 1) {
      ends.push(random.one([0, data.length, ...Array(4).fill(random.below(data.length + 1))]));
    }
    ends.sort((one, other) => one - other);
  }
  let start = 0;
  ends.forEach((end, number) => {
    socket.send(data.subarray(start, end), { binary, compress, fin: number === ends.length - 1 });
    start = end;
    if (random.chance(10)) {
      const payload = random.bytes(random.between(0, 125));
      pinged(payload);
      socket.ping(payload);
    }
  });
}

async function drive(url, seed, count, deflate) {
  const random = new Random(seed);
  const bits = () => (random.chance(50) ? random.between(9, 15) : undefined);
  const offer = {
    serverNoContextTakeover: random.chance(50),
    // Not false: then ws fails the connection if the server answers with it, which any server may.
    clientNoContextTakeover: random.chance(50) || undefined,
    serverMaxWindowBits: bits(),
    clientMaxWindowBits: bits() ?? true,
    threshold: random.one([0, 1024]),
  };
  const socket = new WebSocket(url, { perMessageDeflate: deflate && offer, maxPayload: MESSAGE_BYTES_MAX });
  const closed = once(socket, 'close');
  const failed = new Promise((_, reject) => socket.on('error', reject));
  const opened = Promise.all([once(socket, 'upgrade'), once(socket, 'open')]);
  const [[response]] = await Promise.race([opened, failed]);
  const extensions = response.headers['sec-websocket-extensions'] ?? '';
  assert.equal(extensions !== '', deflate, `the server answers '${extensions}'`);

  const pings = [];
  // RFC 6455, section 5.5.3: only the last of several pings needs an answer.
  socket.on('pong', (payload) => {
    const at = pings.findIndex((ping) => ping.equals(payload));
    assert.ok(at >= 0, `a pong of ${payload.length} bytes that no ping asked for`);
    pings.splice(0, at + 1);
  });
  let sent = [];
  let came = 0;
  let allCame;
  socket.on('message', (data, isBinary) => {
    const expected = sent.shift();
    assert.ok(expected, `${data.length} bytes more than asked for`);
    const place = `message ${came + 1} (${expected.binary ? 'binary' : 'text'}, ${expected.data.length} bytes)`;
    assert.equal(isBinary, expected.binary, `${place} came back as the other kind`);
    assert.ok(data.equals(expected.data), `${place} came back different, with ${data.length} bytes`);
    came += 1;
    if (sent.length === 0) allCame();
  });

  const longest = random.below(count);
  for (let number = 0; number < count; ) {
    const batch = [];
    for (let left = random.chance(33) ? random.between(2, 8) : 1; left > 0 && number < count; left -= 1) {
      batch.push(message(random, number === longest ? LARGEST : size(random)));
      number += 1;
    }
    const done = new Promise((resolve) => (allCame = resolve));
    sent = [...batch];
    for (const each of batch) send(socket, random, each, (payload) => pings.push(payload));
    const early = closed.then(([code, reason]) => assert.fail(`closed too early: ${code} ${reason}`));
    await Promise.race([done, failed, early]);
  }
  socket.close(1000, 'done');
  const [code] = await Promise.race([closed, failed]);
  assert.equal(code, 1000, `closed with ${code}, not 1000, after ${came} messages`);
  assert.equal(pings.length, 0, 'closed without a pong for the last ping');
  console.log(`${came} messages came back, close ${code}, ${extensions || 'no extension'}`);
}

async function serve(port) {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port,
    perMessageDeflate: { threshold: 0 },
    maxPayload: MESSAGE_BYTES_MAX,
  });
  await once(server, 'listening');
  console.log(`listening on 127.0.0.1:${server.address().port}`);
  server.on('connection', (socket) => {
    const random = new Random(1);
    socket.on('message', (data, binary) => send(socket, random, { data, binary }));
    socket.on('error', (error) => console.error(error.message));
  });
}

process.on('uncaughtException', (error) => {
  console.error(error.message);
  process.exit(1);
});
const [role, ...rest] = process.argv.slice(2);
if (role === 'serve') {
  await serve(Number(rest[0] ?? 0));
} else {
  assert.ok(role === 'drive' && rest.length >= 3, 'usage: peer.mjs serve [PORT] | drive URL SEED COUNT [--deflate]');
  const overdue = setTimeout(() => {
    console.error(`not done after ${DRIVE_SECONDS_MAX} s`);
    process.exit(1);
  }, DRIVE_SECONDS_MAX * 1000);
  await drive(rest[0], Number(rest[1]), Number(rest[2]), rest.includes('--deflate'));
  clearTimeout(overdue);
}

// A peer: the npm package ws. `node bench/peers/ws.mjs PORT echo|broadcast|deflate`
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(new URL("../../tests/package.json", import.meta.url))("ws");

const [port, job] = process.argv.slice(2);
const deflate = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  threshold: 0,
  zlibDeflateOptions: { level: 1 },
};
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(port),
  perMessageDeflate: job === "deflate" ? deflate : false,
});

server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data, binary) => {
    if (job !== "broadcast") {
      socket.send(data, { binary });
      return;
    }
    for (const client of server.clients) {
      client.send(data, { binary });
    }
  });
});

// Kamailio's decider: JSON in netstrings over evapi's TCP connection.
//
//   EVAPI_PORT=8448 GATEWAYS=127.0.0.1:5080,127.0.0.1:5081 node decider.js
//
// One gateway is a serial route; several are a parallel fork.
"use strict";

const net = require("node:net");

const gateways = process.env.GATEWAYS.split(",");
const routing = gateways.length > 1 ? "parallel" : "serial";
let waiting = "";

const socket = net.connect(Number(process.env.EVAPI_PORT), "127.0.0.1", () => console.log("connected"));
socket.setNoDelay(true);
socket.on("data", (data) => {
  waiting += data.toString("latin1");
  let answers = "";
  for (;;) {
    const colon = waiting.indexOf(":");
    const end = colon + 1 + Number(waiting.slice(0, Math.max(colon, 0)));
    if (colon < 0 || waiting.length < end + 1) break;
    const query = JSON.parse(waiting.slice(colon + 1, end));
    waiting = waiting.slice(end + 1);
    const routes = gateways.map((gateway) => ({
      uri: `sip:${query.callee}@${gateway}`,
      headers: { extra: "X-Hdr-A: abc\r\n" },
    }));
    const answer = JSON.stringify({
      event: "sip-routing",
      tindex: query.tindex,
      tlabel: query.tlabel,
      rtjson: { version: "1.0", routing, routes },
    });
    answers += `${Buffer.byteLength(answer)}:${answer},`;
  }
  if (answers) socket.write(answers);
});
socket.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
socket.on("close", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));

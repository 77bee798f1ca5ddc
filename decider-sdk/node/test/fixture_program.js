/** A decider program as somebody would write it; program.test.js runs it. */
import { decider, route } from "../dist/index.js";

decider("fixture", "1.0.0")
  .on("invite", async (call) => {
    if (call.requestUri.user !== "slow") return route("sip:192.0.2.20");
    process.stdout.write("deciding\n");
    await new Promise((resolve) => process.stdin.once("data", resolve));
    return route("sip:192.0.2.21");
  })
  .run();

// What keeps an ordinary program alive must not keep a drained decider alive.
setInterval(() => undefined, 60_000);

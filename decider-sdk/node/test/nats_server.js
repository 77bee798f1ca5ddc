import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** A nats-server of the test's own: `url` to connect to, `stop()` when it is done. */
export class NatsServer {
  /** @param {import("node:child_process").ChildProcess} process @param {string} url */
  constructor(process, url) {
    this.process = process;
    this.url = url;
  }

  /**
   * Starts one on a free port, or on the port of one that was stopped.
   *
   * @param {{ port?: string, args?: string[], env?: Record<string, string> }} [options]
   */
  static async start({ port = "-1", args: more = [], env = {} } = {}) {
    const folder = mkdtempSync(join(tmpdir(), "sigbox-nats-"));
    const changed = watch(folder);
    const args = ["-a", "127.0.0.1", "-p", String(port), "--ports_file_dir", folder, ...more];
    const server = spawn(binary(), args, { stdio: "ignore", env: { ...process.env, ...env } });
    const gone = once(server, "exit").then(() => "exit");
    try {
      for (let url = addressIn(folder); ; url = addressIn(folder)) {
        if (url !== undefined) return new NatsServer(server, url);
        if ((await Promise.race([once(changed, "change"), gone])) === "exit") throw new Error("nats-server did not start");
      }
    } finally {
      changed.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }

  get port() {
    return new URL(this.url).port;
  }

  async stop() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exited;
  }
}

/** The address in the ports file, once it is written to its end. @param {string} folder */
function addressIn(folder) {
  const file = readdirSync(folder).find((name) => name.endsWith(".ports"));
  if (file === undefined) return undefined;
  try {
    return /** @type {string} */ (JSON.parse(readFileSync(join(folder, file), "utf8")).nats[0]);
  } catch {
    return undefined;
  }
}

function binary() {
  const local = fileURLToPath(new URL("../../../.local/bin/nats-server", import.meta.url));
  const onPath = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "nats-server"));
  const found = [process.env["NATS_SERVER_BIN"], ...onPath, local].find((path) => path !== undefined && existsSync(path));
  if (found === undefined) throw new Error("no nats-server: set NATS_SERVER_BIN or run scripts/bootstrap test");
  return found;
}

// @vscode/spdlog writes the log files and the text of every OutputChannel. It is native code that its npm package does
// not bring; this module has the same interface and appends.
export const spdlogStandIn = `
const { appendFileSync, mkdirSync } = require("node:fs");
const { dirname } = require("node:path");
const levels = ["trace", "debug", "info", "warning", "error", "critical"];

class Logger {
  #file; #level = 2; #raw = false;
  constructor(file) {
    this.#file = file;
    try {
      mkdirSync(dirname(file), { recursive: true });
      appendFileSync(file, "");
    } catch {}
  }
  #write(level, message) {
    if (level < this.#level || this.#file === undefined) return;
    const time = new Date().toISOString().replace("T", " ").replace("Z", "");
    const line = this.#raw ? message : time + " [" + levels[level] + "] " + message + "\\n";
    try {
      appendFileSync(this.#file, line);
    } catch {}
  }
  trace(message) { this.#write(0, message); }
  debug(message) { this.#write(1, message); }
  info(message) { this.#write(2, message); }
  warn(message) { this.#write(3, message); }
  error(message) { this.#write(4, message); }
  critical(message) { this.#write(5, message); }
  getLevel() { return this.#level; }
  setLevel(level) { this.#level = level; }
  clearFormatters() { this.#raw = true; }
  setPattern() {}
  flush() {}
  drop() { this.#file = undefined; }
}

exports.version = 0;
exports.setLevel = () => {};
exports.setFlushOn = () => {};
exports.createRotatingLogger = async (name, file) => new Logger(file);
exports.createAsyncRotatingLogger = async (name, file) => new Logger(file);
`;

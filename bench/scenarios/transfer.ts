import { run } from "../support/loadTools.ts";
import { type Running } from "../contenders/contender.ts";
import { type World } from "../support/world.ts";
import { costOf, type Figures, type Scenario } from "./scenario.ts";

const megabyte = 1e6;
const metrics = {
  rate: { title: "MB/s", unit: "", better: "higher" },
  cpu: { title: "CPU per MB", unit: "µs", better: "lower" },
} as const;

/** @param size bytes of the one body, or of each where it is fetched more than once */
export function download(size: number, protocol: "http1" | "http2" = "http1"): Scenario {
  return {
    id: protocol === "http1" ? `download-${size}` : `download-h2-${size}`,
    title: `Download of ${titleOf(size)} by ${protocol === "http1" ? "HTTP/1.1" : "HTTP/2"}`,
    metrics,
    suits: ({ tunnelsOnly, http2 }) => tunnelsOnly !== true && (protocol === "http1" || http2 === true),
    measure: async (contender, world) => {
      const { path } = await world.file(size);
      const url = world.origins[protocol] + path;
      const flag = protocol === "http1" ? "--http1.1" : "--http2";
      return transfer(contender, size, "speed_download", [flag, "--output", "/dev/null", url]);
    },
  };
}

export function upload(size: number): Scenario {
  return {
    id: `upload-${size}`,
    title: `Upload of ${titleOf(size)} by HTTP/1.1`,
    metrics,
    suits: ({ tunnelsOnly }) => tunnelsOnly !== true,
    measure: async (contender, world: World) => {
      const { file } = await world.file(size);
      const url = `${world.origins.streams}/upload`;
      return transfer(contender, size, "speed_upload", [
        "--http1.1",
        "--header",
        "Expect:",
        "--upload-file",
        file,
        "--output",
        "/dev/null",
        url,
      ]);
    },
  };
}

async function transfer(
  contender: Running,
  size: number,
  speed: string,
  args: readonly string[],
): Promise<Figures> {
  const { proxy } = contender;
  const through = proxy === undefined ? ["--noproxy", "*"] : ["--proxy", proxy.href];
  const { result, cpu } = await costOf(contender, () =>
    // The certificates that a peer shows are of its own authority; what is measured is the same either way.
    run([
      "curl",
      "--silent",
      "--show-error",
      "--fail",
      "--insecure",
      ...through,
      "--write-out",
      `%{${speed}}`,
      ...args,
    ]),
  );
  return { rate: Number(result) / megabyte, cpu: (cpu / (size / megabyte)) * 1e6 };
}

function titleOf(size: number): string {
  const units = ["bytes", "KB", "MB", "GB"];
  let unit = 0;
  let value = size;
  for (; value >= 1000; value /= 1000) {
    unit++;
  }
  return `${value} ${units[unit] ?? ""}`;
}

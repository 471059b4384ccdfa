import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Frame, type Page } from "playwright-core";

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** What axe-core finds in a page that is serious or worse, each with its first element. */
export async function accessibilityProblems(page: Page | Frame): Promise<string[]> {
  const axe = await readFile(fileURLToPath(import.meta.resolve("axe-core")), "utf8");
  await page.evaluate(`${axe}; undefined`);
  const violations = await page.evaluate<Violation[]>("axe.run().then(({ violations }) => violations)");
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(
      ({ id, nodes }) => `${id} (${nodes.length}): ${nodes[0]?.html ?? ""} ${nodes[0]?.failureSummary ?? ""}`,
    );
}

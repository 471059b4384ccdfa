import { errors } from "playwright-core";

/** Milliseconds that whatever the workbench is to show is waited for; its extension host may be starting. */
export const patience = 30_000;

/** Tries again for as long as an attempt ends in a timeout of Playwright's, within `patience`. */
export async function untilThere(attempt: () => Promise<void>): Promise<void> {
  for (const end = performance.now() + patience; ;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (!(error instanceof errors.TimeoutError) || performance.now() > end) {
        throw error;
      }
    }
  }
}

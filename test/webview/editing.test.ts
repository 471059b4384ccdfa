// A mapping that is changed in place while the host goes on telling what happens.
import assert from "node:assert/strict";
import type { EntryRow } from "../../src/shared/webviewProtocol.ts";
import { activityRow, DashboardPage, emptyState, entryRow } from "../support/dashboardPage.ts";

const hostOf = (index: number) => `host-${String(index).padStart(3, "0")}.example.com`;
const edited = hostOf(300);
const reference = "op://API Keys/Anthropic/credential";

/** Every row of the page is used all the time: each update has other states, and moves a row of its own. */
function entriesAt(update: number): EntryRow[] {
  return Array.from({ length: 500 }, (_, index) =>
    entryRow(hostOf(index), {
      state: { kind: "ready", lastUse: Date.UTC(2026, 0, 1) + ((index * 37 + update * 101) % 500) * 1_000 },
    }),
  );
}

describe("a row of 500 that is changed in place", function () {
  this.timeout(60_000);
  let dashboard: DashboardPage;
  let page: DashboardPage["page"];
  let updates = 0;
  const grid = () => page.getByRole("grid", { name: "Mappings and stored secrets" });
  const rows = () => grid().locator('[role="row"][data-key]');
  const form = () => page.getByRole("form", { name: `Change ${edited}` });
  const input = () => form().getByLabel("Secret reference").first();
  const button = (name: string) => page.getByRole("button", { name, exact: true });

  /** Of an expression about the `grid`. */
  const evaluate = (expression: string) =>
    page.evaluate<unknown>(`((grid) => ${expression})(document.querySelector(".secrets-grid .grid"))`);
  const keys = () => evaluate("[...grid.querySelectorAll('[data-key]')].map((row) => row.dataset.key)");
  const scrollTo = (index: number) => evaluate(`grid.scrollTop = ${index * 28}`);
  /** What the host says in a second: the list, how some of it fares, and requests, ten times. */
  const second = async () => {
    for (let batch = 0; batch < 10; batch++) {
      updates++;
      const entries = entriesAt(updates);
      await dashboard.send({ type: "patch", entries });
      await dashboard.send({
        type: "patch",
        states: entries.slice(0, 50).map(({ source, id, state }) => ({ source, id, state })),
        activity: Array.from({ length: 50 }, (_, index) =>
          activityRow(updates * 50 + index, { path: `/update/${updates}` }),
        ),
      });
    }
    await page.getByText(`/update/${updates}`, { exact: true }).first().waitFor();
  };

  before(async () => {
    dashboard = await DashboardPage.launch();
    ({ page } = dashboard);
  });
  after(async () => {
    await dashboard.close();
  });
  beforeEach(async () => {
    updates = 0;
    dashboard.complaints.length = 0;
    dashboard.handlers = { check: ({ draft }) => ({ hostname: draft.hostname }), complete: () => [] };
    dashboard.state = { ...emptyState, entries: entriesAt(0) };
    await page.setViewportSize({ width: 1280, height: 900 });
    await dashboard.open();
    await scrollTo(295);
    await button(`Edit: ${edited}`).click();
    await input().waitFor();
  });
  afterEach(() => {
    assert.deepEqual(dashboard.complaints, []);
  });

  for (const order of ["the host's order", "the order of use, in which it moves"]) {
    it(`keeps its text, its caret, its focus and its place, in ${order}`, async () => {
      if (order !== "the host's order") {
        await button("Last use").click();
      }
      await input().focus();
      await page.keyboard.press("Home");
      for (let place = 0; place < "op://".length; place++) {
        await page.keyboard.press("ArrowRight");
      }
      // The focus may have scrolled, of which the page hears with its next frame.
      await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
      const place = await evaluate("grid.scrollTop");
      const neighbours = await keys();
      for (const letter of "Team ") {
        await page.keyboard.type(letter);
        await second();
      }
      assert.equal(await input().inputValue(), reference.replace("op://", "op://Team "));
      await input().and(page.locator(":focus")).waitFor();
      assert.equal(await evaluate("document.activeElement.selectionStart"), "op://Team ".length);
      assert.equal(await evaluate("grid.scrollTop"), place);
      assert.deepEqual(await keys(), neighbours, "the rows around it are the same");
      assert.ok((await rows().count()) < 40);
      assert.ok((await page.locator("*").count()) < 2_000);
    });
  }

  it("is there with what was written when the person comes back from elsewhere in the list", async () => {
    await input().fill("op://written/but not/saved");
    for (const index of [0, 499, 250]) {
      await scrollTo(index);
      await rows()
        .filter({ hasText: hostOf(Math.min(index + 2, 499)) })
        .waitFor();
      await second();
      assert.ok((await rows().count()) < 40);
      const [first, last] = [await rows().first().boundingBox(), await rows().last().boundingBox()];
      assert.ok(first !== null && last !== null && first.y < last.y);
    }
    await page.getByLabel("Filter secrets").first().fill("nothing like it");
    await page.getByText("1 of 500 shown").waitFor();
    await page.getByLabel("Filter secrets").first().fill("");
    await page.getByRole("status").filter({ hasText: "500 shown" }).waitFor();
    await scrollTo(295);
    assert.equal(await input().inputValue(), "op://written/but not/saved");
    await page.keyboard.press("Escape");
  });

  it("costs an update what has changed: no element is made anew, and of the others nothing is touched", async () => {
    await page.evaluate(`
      window.made = 0;
      window.touched = new Set();
      new MutationObserver((records) => {
        for (const { target, addedNodes } of records) {
          const element = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
          window.touched.add(element.closest("[data-key]")?.dataset.key ?? element.closest("onecli-grid")?.className ?? element.tagName);
          window.made += [...addedNodes].filter((node) => node.nodeType === Node.ELEMENT_NODE).length;
        }
      }).observe(document.querySelector("onecli-secrets"), { subtree: true, childList: true, characterData: true, attributes: true });`);
    const state = { kind: "ready" as const, lastUse: Date.UTC(2026, 5, 1) };
    const [used = ""] = ((await keys()) as string[]).map((key) => key.replace("1password ", ""));
    const out = hostOf(10);
    await dashboard.send({
      type: "patch",
      states: [
        { source: "1password", id: out, state },
        { source: "1password", id: used, state },
      ],
    });
    await rows().filter({ hasText: used }).filter({ hasNotText: "Jan" }).waitFor();
    assert.deepEqual(await page.evaluate("[window.made, [...window.touched]]"), [0, [`1password ${used}`]]);
    await dashboard.send({
      type: "patch",
      entries: entriesAt(0).map((entry) => (entry.id === used ? { ...entry, state } : entry)),
    });
    await dashboard.send({ type: "patch", activity: [activityRow(1)] });
    await page.getByText("1 shown", { exact: true }).waitFor();
    assert.deepEqual(await page.evaluate("[window.made, [...window.touched]]"), [0, [`1password ${used}`]]);
  });
});

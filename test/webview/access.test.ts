// The dashboard's page for people who use the keyboard, enlarge it, or want nothing to move.
import assert from "node:assert/strict";
import { busyState, DashboardPage } from "../support/dashboardPage.ts";
import { colorThemes } from "../support/vscode/workbench.ts";

/** One stop of a walk by Tab. */
interface Stop {
  readonly name: string;
  /** It looks otherwise than without the focus. */
  readonly isMarked: boolean;
  /** In the window, whole, and nothing lies over its middle. */
  readonly isInSight: boolean;
}

/** Runs in the page. Trees of components are looked into; `looks` are those of what has no focus. */
const script = `
  window.inTree = (root = document) => [...root.querySelectorAll("*")].flatMap((element) =>
    [element, ...(element.shadowRoot === null ? [] : inTree(element.shadowRoot))]);
  const parentOf = (element) => element.parentElement ?? element.getRootNode().host ?? null;
  window.nameOf = (element) => {
    const row = element.dataset.key;
    const text = row ?? element.ariaLabel ?? element.labels?.[0]?.textContent ?? element.textContent;
    return [element.localName, text.trim().replace(/\\s+/g, " ").slice(0, 60)].join(" ");
  };
  const look = (element) => [element, parentOf(element), parentOf(element) && parentOf(parentOf(element))]
    .filter((one) => one !== null)
    .map((one) => {
      const { outlineStyle, outlineWidth, outlineColor, borderColor, boxShadow } = getComputedStyle(one);
      const outline = outlineStyle === "none" ? "" : [outlineStyle, outlineWidth, outlineColor].join();
      return [outline, borderColor, boxShadow].join("; ");
    }).join(" | ");
  window.controls = () => inTree().filter((element) =>
    element.matches("button, input, select, summary, a[href], [tabindex]") &&
    element.tabIndex >= 0 && !element.disabled && element.checkVisibility());
  window.startWalk = () => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
    window.looks = new Map(controls().map((element) => [element, look(element)]));
    window.reached = new Set();
  };
  window.stop = () => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    if (element === null || element === document.body || reached.has(element)) return null;
    reached.add(element);
    const { left, right, top, bottom } = element.getBoundingClientRect();
    const middle = [(left + right) / 2, (top + bottom) / 2];
    let hit = document.elementFromPoint(...middle);
    for (let inner = hit; inner !== null; ) {
      hit = inner;
      inner = hit.shadowRoot?.elementFromPoint(...middle) ?? null;
      if (inner === hit) break;
    }
    let at = hit;
    while (at !== null && at !== element) at = parentOf(at);
    return {
      name: nameOf(element),
      isMarked: look(element) !== looks.get(element),
      isInSight: at === element && left >= 0 && top >= 0 && right <= innerWidth + 1 && bottom <= innerHeight + 1,
    };
  };`;

describe("the dashboard's page, whoever uses it", function () {
  this.timeout(60_000);
  let dashboard: DashboardPage;
  let page: DashboardPage["page"];
  const button = (name: string) => page.getByRole("button", { name, exact: true });

  /** As VS Code shows it at this zoom, in an editor of so many real pixels. */
  const show = async (width: number, height: number, zoom: number) => {
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Emulation.setDeviceMetricsOverride", {
      width: width / zoom,
      height: height / zoom,
      deviceScaleFactor: zoom,
      mobile: false,
    });
  };
  /** Everything open: a row that is changed, the details of a request, the tables behind what is drawn. */
  const openAll = async () => {
    await page.getByText("All tools").click();
    await page.getByText("As a table").click();
    await page.locator(".secrets-grid [data-key]").first().focus();
    await page.keyboard.press("Space");
    await page.getByRole("group", { name: "Selected" }).waitFor();
    await page.locator(".activity-grid [data-key]").first().click();
    await page.getByRole("complementary").waitFor();
    await button("Edit: api.openai.com").click();
    await page.getByRole("form").getByLabel("Sent as").selectOption("header");
    await page.getByLabel("Value, with {value}").first().waitFor();
  };
  /** From the first control to the last, by Tab. */
  const walk = async (): Promise<Stop[]> => {
    await page.mouse.move(0, 0);
    await page.evaluate("startWalk()");
    const stops: Stop[] = [];
    for (;;) {
      await page.keyboard.press("Tab");
      const stop = await page.evaluate<Stop | null>("stop()");
      if (stop === null) {
        return stops;
      }
      stops.push(stop);
    }
  };

  /** Of a button's text and what is behind it, as WCAG 2 counts it. */
  const contrast = (name: string) =>
    page.evaluate<number>(
      `(() => {
        const base = [...document.querySelectorAll("vscode-button")]
          .find((one) => one.textContent.trim() === ${JSON.stringify(name)}).shadowRoot.querySelector(".base");
        const parse = (color) => color.match(/[0-9.]+/g).map(Number);
        const isOpaque = (color) => (parse(color)[3] ?? 1) === 1;
        let at = base;
        while (!isOpaque(getComputedStyle(at).backgroundColor)) at = at.parentElement ?? at.getRootNode().host;
        const luminance = (color) => parse(color).slice(0, 3)
          .map((part) => part / 255)
          .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
          .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
        const [low, high] = [getComputedStyle(base).color, getComputedStyle(at).backgroundColor]
          .map(luminance).sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
      })()`,
    );

  before(async () => {
    dashboard = await DashboardPage.launch();
    ({ page } = dashboard);
    await page.addInitScript(script);
  });
  after(async () => {
    await dashboard.close();
  });
  beforeEach(() => {
    dashboard.state = busyState(Date.now());
    dashboard.handlers = { check: () => ({ sentAs: "x-api-key: {value}" }), complete: () => [] };
  });

  for (const [width, zoom] of [
    [1280, 1],
    [1280, 2],
    [640, 2],
    [320, 1],
  ] as const) {
    it(`needs no mouse and no scrolling to the side, ${width} pixels wide at ${zoom * 100} %`, async () => {
      await show(width, 900, zoom);
      await dashboard.open();
      await openAll();
      const stops = await walk();
      const left = await page.evaluate("controls().filter((one) => !reached.has(one)).map(nameOf)");
      assert.deepEqual(left, [], "not reached");
      const named = (filter: (stop: Stop) => boolean) => stops.filter(filter).map(({ name }) => name);
      assert.deepEqual(
        named(({ isMarked }) => !isMarked),
        [],
        "the focus does not show",
      );
      assert.deepEqual(
        named(({ isInSight }) => !isInSight),
        [],
        "covered, or out of sight",
      );
      const wide = await page.evaluate(
        `[document.documentElement, ...inTree().filter((one) => one.matches("section, .grid, form, aside, .card, .toolbar"))]
          .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline")
          .map((one) => one.className || one.localName)`,
      );
      assert.deepEqual(wide, [], "wider than its place");
    });
  }

  for (const theme of colorThemes) {
    // Which axe cannot see: the text is in another tree than its ground.
    it(`has buttons that can be read in ${theme}, with the focus and without`, async () => {
      await show(1280, 900, 1);
      await dashboard.open(theme);
      for (const name of ["Disconnect", "Add Mapping"]) {
        assert.ok((await contrast(name)) >= 4.5, name);
        await button(name).focus();
        assert.ok((await contrast(name)) >= 4.5, `${name}, focused`);
      }
    });
  }

  it("moves nothing where the person wants less motion, whatever a style says", async () => {
    await show(1280, 900, 1);
    const moving = () =>
      page.evaluate(
        `inTree().filter((one) => {
          const { animationName, transitionDuration } = getComputedStyle(one);
          return animationName !== "none" || !/^0s(, 0s)*$/.test(transitionDuration);
        }).length + document.getAnimations().length`,
      );
    const moveAll = `
      const sheet = new CSSStyleSheet();
      sheet.replaceSync("@keyframes turn { to { rotate: 1turn } } * { animation: turn 1s infinite; transition: color 1s }");
      document.adoptedStyleSheets.push(sheet);`;
    try {
      await page.emulateMedia({ reducedMotion: "reduce" });
      await dashboard.open();
      await openAll();
      await button("Test: api.anthropic.com").click();
      assert.equal(await moving(), 0);
      await page.evaluate(moveAll);
      assert.equal(await moving(), 0);
      await page.emulateMedia({ reducedMotion: "no-preference" });
      assert.notEqual(await moving(), 0);
    } finally {
      await page.emulateMedia({ reducedMotion: null });
    }
  });
});

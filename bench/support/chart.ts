// Charts as SVG, for a page that may be light or dark.

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly text: string;
  readonly isOurs: boolean;
}

export interface Line {
  readonly label: string;
  readonly isOurs: boolean;
  readonly points: readonly { readonly label: string; readonly value: number; readonly text: string }[];
}

const width = 760;
const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.quiet { fill: #59636e }
.bar, .dot { fill: #8c959f } .line { stroke: #8c959f; fill: none; stroke-width: 2 }
.ours.bar, .ours.dot { fill: #0969da } .ours.line { stroke: #0969da }
.axis { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .quiet { fill: #9198a1 } .axis { stroke: #3d444d }
  .bar, .dot { fill: #656c76 } .line { stroke: #656c76 }
  .ours.bar, .ours.dot { fill: #4493f8 } .ours.line { stroke: #4493f8 }
}
</style>`;

/** One bar for each, all of one scale. */
export function barChart(title: string, note: string, bars: readonly Bar[]): string {
  const [left, right, row, top] = [150, 110, 30, 64];
  const largest = Math.max(...bars.map(({ value }) => value));
  const rows = bars.map(({ label, value, text, isOurs }, index) => {
    const y = top + index * row;
    const length = Math.max(1, (value / largest) * (width - left - right));
    return `<text x="${left - 10}" y="${y + 15}" text-anchor="end">${escape(label)}</text>
<rect class="${isOurs ? "ours " : ""}bar" x="${left}" y="${y}" width="${length.toFixed(1)}" height="20" rx="3"/>
<text class="quiet" x="${(left + length + 8).toFixed(1)}" y="${y + 15}">${escape(text)}</text>`;
  });
  return svg(title, note, top + bars.length * row + 8, rows.join("\n"));
}

/**
 * One line for each, over steps that are the same for all; both axes are logarithmic by their steps. The upright one shows a
 * decade at least, so that what hardly grows looks like it.
 */
export function lineChart(title: string, note: string, lines: readonly Line[]): string {
  const [left, right, top, height] = [60, 150, 70, 180];
  const logs = lines.flatMap(({ points }) => points.map(({ value }) => Math.log10(value)));
  const [least, most] = [Math.min(...logs), Math.max(...logs)];
  const margin = Math.max(0.1, (1 - (most - least)) / 2);
  const [low, high] = [least - margin, most + margin];
  const count = Math.max(...lines.map(({ points }) => points.length));
  const x = (index: number) => left + (index / Math.max(1, count - 1)) * (width - left - right);
  const y = (value: number) => top + height - ((Math.log10(value) - low) / (high - low)) * height;
  /** The upper one of two has its texts above it. */
  const isUpper = (line: Line, index: number) =>
    lines.every(
      (other) => other === line || (line.points[index]?.value ?? 0) > (other.points[index]?.value ?? 0),
    );
  const drawn = lines.map((line) => {
    const { label, isOurs, points } = line;
    const kind = isOurs ? "ours " : "";
    const path = points.map(({ value }, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    const dots = points.map(({ value, text }, index) => {
      const at = `x="${x(index).toFixed(1)}" y="${(y(value) + (isUpper(line, index) ? -9 : 20)).toFixed(1)}"`;
      return `<circle class="${kind}dot" cx="${x(index).toFixed(1)}" cy="${y(value).toFixed(1)}" r="4"/><text class="quiet" ${at} text-anchor="middle">${escape(text)}</text>`;
    });
    const last = points.length - 1;
    const beside = y(points[last]?.value ?? 1) + (isUpper(line, last) ? -9 : 20);
    return `<polyline class="${kind}line" points="${path}"/>${dots.join("")}
<text x="${width - right + 34}" y="${beside.toFixed(1)}">${escape(label)}</text>`;
  });
  const steps = (lines[0]?.points ?? []).map(
    ({ label }, index) =>
      `<text class="quiet" x="${x(index).toFixed(1)}" y="${top + height + 34}" text-anchor="middle">${escape(label)}</text>`,
  );
  const axis = `<line class="axis" x1="${left}" x2="${width - right}" y1="${top + height + 14}" y2="${top + height + 14}"/>`;
  return svg(title, note, top + height + 50, [axis, ...drawn, ...steps].join("\n"));
}

function svg(title: string, note: string, height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(title)}">
${style}
<text class="title" x="10" y="24">${escape(title)}</text>
<text class="quiet" x="10" y="44">${escape(note)}</text>
${content}
</svg>
`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

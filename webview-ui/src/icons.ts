import { svg, type TemplateResult } from "lit";

/** Strokes on a field of 16 by 16. */
const paths = {
  add: "M8 3v10M3 8h10",
  edit: "M3 13l.6-2.8L10.8 3l2.2 2.2-7.2 7.2L3 13z",
  trash: "M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5M6.8 7v4M9.2 7v4",
  test: "M6 2.5h4M6.8 2.5v4L3.3 13h9.4L9.2 6.5v-4M5 10h6",
  power: "M8 2.5v5M4.7 4.8a4.7 4.7 0 1 0 6.6 0",
  pause: "M5.5 3v10M10.5 3v10",
  play: "M5 3l8 5-8 5z",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5l3.2 3.2L13 4.5",
  cross: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  dot: "M8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6z",
  off: "M8 2.8a5.2 5.2 0 1 0 0 10.4A5.2 5.2 0 0 0 8 2.8zM4.4 4.4l7.2 7.2",
  warning: "M8 2.5l6 10.8H2L8 2.5zM8 6.5v3.2M8 11.2v.6",
  up: "M4 10l4-4 4 4",
  down: "M4 6l4 4 4-4",
  key: "M9.2 6.8L3 13v0M3 13h2.2M5 11l1.6 1.6M10.8 2.8a2.9 2.9 0 1 0 0 5.8 2.9 2.9 0 0 0 0-5.8z",
} as const;

export type IconName = keyof typeof paths;

/** Decoration: what it means is said beside it. */
export function icon(name: IconName): TemplateResult {
  return svg`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
    <path d=${paths[name]} fill="none" stroke="currentColor" stroke-width="1.3" stroke-linecap="round" stroke-linejoin="round" />
  </svg>`;
}

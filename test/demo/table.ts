/** Prints rows under their titles, columns as wide as their widest cell. */
export function printTable(titles: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  console.log();
  console.log(line(titles));
  console.log(line(widths.map((width) => "─".repeat(width))));
  rows.forEach((row) => console.log(line(row)));
  console.log();
}

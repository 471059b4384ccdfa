// Texts and formats in the language of the editor. The host hands the translations in; the English text is the key.

let texts: Readonly<Record<string, string>> = {};
let language = "en";

export function setLanguage(tag: string, translations: Readonly<Record<string, string>>): void {
  texts = translations;
  language = tag;
}

/** `{0}`, `{1}`, … stand for the arguments. */
export function t(text: string, ...values: readonly (string | number)[]): string {
  return (texts[text] ?? text).replace(/\{(\d+)\}/g, (whole, index: string) => {
    const value = values[Number(index)];
    return value === undefined ? whole : typeof value === "number" ? formatNumber(value) : value;
  });
}

export function formatNumber(value: number): string {
  return new Intl.NumberFormat(language).format(value);
}

const times = new Map<string, Intl.DateTimeFormat>();

/** @param at Unix milliseconds */
export function formatTime(at: number, seconds = true): string {
  const key = `${language} ${String(seconds)}`;
  let format = times.get(key);
  if (format === undefined) {
    format = new Intl.DateTimeFormat(language, { timeStyle: seconds ? "medium" : "short" });
    times.set(key, format);
  }
  return format.format(at);
}

export function formatDuration(ms: number): string {
  return ms < 1000
    ? unit(Math.round(ms), "millisecond", 0)
    : ms < 60_000
      ? unit(ms / 1000, "second", 1)
      : unit(ms / 60_000, "minute", 1);
}

export function formatBytes(bytes: number): string {
  return bytes < 1000
    ? unit(bytes, "byte", 0)
    : bytes < 1e6
      ? unit(bytes / 1e3, "kilobyte", 1)
      : bytes < 1e9
        ? unit(bytes / 1e6, "megabyte", 1)
        : unit(bytes / 1e9, "gigabyte", 1);
}

const units = new Map<string, Intl.NumberFormat>();

function unit(value: number, name: string, digits: number): string {
  const key = `${language} ${name} ${digits}`;
  let format = units.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(language, {
      style: "unit",
      unit: name,
      unitDisplay: "short",
      maximumFractionDigits: digits,
    });
    units.set(key, format);
  }
  return format.format(value);
}

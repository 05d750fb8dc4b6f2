/** Formats numbers, times and formats for people, in the browser's locale. Unknown values become "". */

const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/**
 * @param {number} value
 * @param {string} suffix "" or "-per-second"
 */
function formatByteUnit(value, suffix) {
  const least = suffix ? 1 : 0; // no speed is worth telling in bytes
  const step = value < 1000 ? least : Math.min(Math.floor(Math.log10(value) / 3), BYTE_UNITS.length - 1);
  const shown = value / 1000 ** step;
  return new Intl.NumberFormat(undefined, {
    style: "unit",
    unit: BYTE_UNITS[step] + suffix,
    unitDisplay: step === 0 ? "long" : "short",
    maximumFractionDigits: step < 2 || shown >= 100 ? 0 : 1,
  }).format(shown);
}

/** @param {unknown} value @returns {value is number} */
function isAmount(value) {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

/**
 * @param {unknown} value bytes
 * @returns {string} "84.2 MB"
 */
export function formatBytes(value) {
  return isAmount(value) ? formatByteUnit(value, "") : "";
}

/**
 * @param {unknown} value bytes a second
 * @returns {string} "2.4 MB/s"
 */
export function formatSpeed(value) {
  return isAmount(value) ? formatByteUnit(value, "-per-second") : "";
}

/** @param {number} value @param {string} unit */
function formatUnit(value, unit) {
  return new Intl.NumberFormat(undefined, { style: "unit", unit, unitDisplay: "short" }).format(value);
}

/**
 * @param {unknown} value seconds
 * @returns {string} "14 sec", "2 min, 5 sec", "1 hr, 20 min"
 */
export function formatTimeSpan(value) {
  if (!isAmount(value)) return "";
  const seconds = Math.ceil(value);
  if (seconds < 60) return formatUnit(seconds, "second");
  const minutes = seconds < 600 ? Math.floor(seconds / 60) : Math.ceil(seconds / 60);
  const parts =
    minutes < 60
      ? [[minutes, "minute"], [seconds < 600 ? seconds % 60 : 0, "second"]]
      : [[Math.floor(minutes / 60), "hour"], [minutes % 60, "minute"]];
  const words = parts.filter(([amount]) => amount).map(([amount, unit]) => formatUnit(Number(amount), String(unit)));
  return new Intl.ListFormat(undefined, { type: "unit", style: "short" }).format(words);
}

/**
 * @param {unknown} value seconds
 * @returns {string} a video's length, "3:05" or "1:02:03"
 */
export function formatLength(value) {
  if (!isAmount(value)) return "";
  const seconds = Math.round(value);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

/**
 * @param {unknown} value
 * @returns {string} "42%"
 */
export function formatPercent(value) {
  return isAmount(value)
    ? new Intl.NumberFormat(undefined, { style: "percent" }).format(Math.floor(value) / 100)
    : "";
}

/**
 * @param {unknown} value an RFC 3339 time
 * @returns {Date | null}
 */
export function parseTime(value) {
  const date = typeof value === "string" ? new Date(value) : null;
  return date && !Number.isNaN(date.getTime()) ? date : null;
}

/**
 * @param {Date} date
 * @returns {string} the time of day, with the day where it isn't today
 */
export function formatClock(date) {
  const today = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(undefined, {
    dateStyle: today ? undefined : "medium",
    timeStyle: "short",
  }).format(date);
}

const CONTAINERS = { mp4: "MP4", webm: "WebM", mkv: "MKV", m4a: "M4A", mp3: "MP3" };

/**
 * @param {{quality?: string, container?: string} | null | undefined} format
 * @returns {string} "Up to 1080p · MP4"
 */
export function describeFormat(format) {
  if (!format?.quality) return "";
  const fixed = { best: "Best quality", audio: "Audio only" };
  const quality = fixed[/** @type {keyof typeof fixed} */ (format.quality)] ?? `Up to ${format.quality}p`;
  const container = CONTAINERS[/** @type {keyof typeof CONTAINERS} */ (format.container)];
  return container ? `${quality} · ${container}` : quality;
}

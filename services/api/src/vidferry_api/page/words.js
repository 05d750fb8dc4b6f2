/** The words for a job's state. */

import { formatBytes } from "./format.js";
import { hasEnded, isListRefused } from "./job.js";

/** @typedef {import("./job.js").Job} Job */

export const CHIPS = {
  queued: "Waiting",
  processing: "In progress",
  completed: "Ready",
  failed: "Failed",
  cancelled: "Cancelled",
  gone: "Not found",
  locked: "Locked",
  refused: "Not connected",
  reconnecting: "Reconnecting…",
};

/** the counts of a batch, in the order in which they are told */
const COUNTED = { completed: "ready", processing: "in progress", queued: "waiting", failed: "failed", cancelled: "cancelled" };

/** @param {Job} job @returns {keyof typeof CHIPS} */
export function phaseOf(job) {
  if (job.gone) return "gone";
  if (job.locked) return "locked";
  if (!hasEnded(job)) {
    if (job.connection === "reconnecting") return "reconnecting";
    if (job.connection === "refused") return "refused";
  }
  return job.state.status in CHIPS ? job.state.status : "processing";
}

/** @param {Job} job @returns {string} why it failed, or "" */
export function reasonOf(job) {
  // The api's sentence tells a program how to go on; a person has a button for it.
  return isListRefused(job) ? "This URL leads to a list of videos." : String(job.state.error?.message ?? "");
}

/** @param {number} count @returns {string} "1 video", "10 videos" */
export function countVideos(count) {
  return `${count.toLocaleString()} ${count === 1 ? "video" : "videos"}`;
}

/** @param {Job} job a batch @returns {string} "10 videos" */
export function describeBatch(job) {
  const { total } = countsOf(job);
  if (typeof total === "number") return countVideos(total);
  return hasEnded(job) ? "" : "Reading the list";
}

/** @param {Job} job a batch @returns {string[]} ["3 ready", "2 in progress", "5 waiting", "84.2 MB"] */
export function listCounts(job) {
  const counts = countsOf(job);
  /** @type {Record<string, number>} */
  const told = { ...counts, queued: (counts.queued ?? 0) + (hasEnded(job) ? 0 : countUnmade(counts)) };
  const { size, downloaded_bytes: done } = job.state.batch ?? {};
  const words = Object.entries(COUNTED).map(([name, word]) => (told[name] > 0 ? `${told[name].toLocaleString()} ${word}` : ""));
  // What was in the bucket has a size, and was not downloaded.
  const bytes = Math.max(size ?? 0, done ?? 0);
  return [...words, bytes ? formatBytes(bytes) : ""];
}

/** @param {Job} job a look that has found a list @returns {string} "A list of 24 videos · A pilot" */
export function describeList({ state }) {
  const { entry_count: count, uploader } = state.probe;
  if (count === 0) return "This list is empty.";
  const list = count == null ? "A list of videos" : `A list of ${countVideos(count)}`;
  return uploader ? `${list} · ${uploader}` : list;
}

/** @param {Job} job @returns {number} how many videos of a batch that has ended can be tried again */
export function countRetryable(job) {
  const counts = countsOf(job);
  return (counts.failed ?? 0) + (counts.cancelled ?? 0) + countUnmade(counts);
}

/** @param {Record<string, any>} counts @returns {number} the videos for which there is no job yet */
function countUnmade({ total, made }) {
  return Math.max(0, (total ?? 0) - (made ?? 0));
}

/** @param {Job} job @returns {Record<string, any>} */
function countsOf(job) {
  return job.state.batch?.counts ?? {};
}

/**
 * A job as the page knows it, whether it stands in the list or in a batch.
 *
 * @typedef {object} Job
 * @property {string} id
 * @property {"download" | "batch" | "probe"} kind
 * @property {string} url the address that was pasted
 * @property {import("./api.js").Format | null} format
 * @property {string} wsUrl
 * @property {Record<string, any>} state the newest message's data
 * @property {number} progress the progress to show, which never decreases within an attempt
 * @property {boolean} stored whether the video was found in the bucket
 * @property {import("./progress.js").WatchState | "idle"} connection
 * @property {boolean} locked whether it can't be read without another key
 * @property {boolean} gone whether the service does not know the job, or no longer does
 * @property {number} seq
 * @property {"" | "cancel" | "retry" | "look" | "take"} pendingAction the action whose request has not been answered yet
 * @property {string} problem why the last action failed
 * @property {{body: string, key: string} | null} unanswered the last request of it that may have succeeded
 * @property {boolean} fresh whether this page has just created it for a person, and goes on by itself: from a list to a look
 * @property {boolean} unfolded whether the videos of a batch are shown
 * @property {boolean} followed whether another job of the list goes on with what it left: a retry, or the other videos of a page
 * @property {{close: () => void} | null} watch
 */

import { newKey } from "./api.js";
import { hasEndStatus } from "./progress.js";

const STORED_STAGES = new Set(["filename", "link", "metadata", "response"]);
/** the fields of the state that not every message repeats */
const KEPT_FIELDS = ["title", "thumbnail", "parent", "batch", "probe"];
const KINDS = new Set(["download", "batch", "probe"]);

/**
 * @param {Job} job
 * @returns {boolean} whether its state is final
 */
export function hasEnded(job) {
  return job.gone || hasEndStatus(job.state);
}

/**
 * @param {Job} job
 * @returns {boolean} whether it failed and waits for an automatic retry
 */
export function isWaitingToRetry(job) {
  return !hasEnded(job) && job.state.status === "queued" && Boolean(job.state.retry_at);
}

/**
 * @param {Job} job
 * @returns {boolean} whether it failed because its URL leads to a list of videos
 */
export function isListRefused(job) {
  return job.kind === "download" && job.state.status === "failed" && job.state.error?.code === "playlist";
}

/**
 * @param {Job} job
 * @returns {boolean} whether it is a look that has found a list
 */
export function isList(job) {
  return job.kind === "probe" && job.state.status === "completed" && job.state.probe?.is_list === true;
}

/**
 * @param {{id: string, kind?: string, url?: string, format?: any, title?: string, ws_url: string, unfolded?: boolean, followed?: boolean}} entry
 *   title: until the service tells one
 * @returns {Job}
 */
export function newJob({ id, kind, url, format, title, ws_url, unfolded, followed }) {
  return {
    id,
    kind: asKind(kind),
    url: String(url ?? ""),
    format: format ?? null,
    wsUrl: ws_url,
    state: { status: "queued", stage: "queued", message: "", title: title ? String(title) : null },
    progress: 0,
    stored: false,
    connection: "idle",
    locked: false,
    gone: false,
    seq: -1,
    pendingAction: "",
    problem: "",
    unanswered: null,
    fresh: false,
    unfolded: unfolded === true,
    followed: followed === true,
    watch: null,
  };
}

/**
 * Applies a document that the API returned: the part that never changes, and the state.
 *
 * @param {Job} job
 * @param {Record<string, any>} record
 */
export function applyRecord(job, record) {
  job.kind = asKind(record.kind ?? job.kind);
  job.url = record.url ?? job.url;
  job.format = record.format ?? job.format;
  job.wsUrl = record.ws_url ?? job.wsUrl;
  job.locked = job.gone = false;
  applyState(job, record, true);
}

/**
 * Applies a new state. A message without seq can't be ordered and is ignored. One with a lower seq
 * only counts if it is the first one of a connection or a read.
 *
 * @param {Job} job
 * @param {Record<string, any>} data
 * @param {boolean} first
 */
export function applyState(job, data, first) {
  if (typeof data.seq !== "number" || (!first && data.seq <= job.seq)) return;
  const sameAttempt = (data.attempt ?? 0) === (job.state.attempt ?? 0);
  const progress = Math.min(100, Math.max(0, Number(data.progress) || 0));
  job.seq = data.seq;
  if (hasEndStatus(data)) job.problem = "";
  job.progress = sameAttempt ? Math.max(job.progress, progress) : progress;
  job.stored = STORED_STAGES.has(data.stage) || (job.stored && sameAttempt) || data.result?.reused === true;
  const known = job.state;
  job.state = { ...data };
  for (const name of KEPT_FIELDS) job.state[name] = data[name] ?? known[name];
}

/**
 * Runs an action of a person on a job, one at a time. If it fails, the job's `problem` says why.
 *
 * @template T
 * @param {Job} job
 * @param {Exclude<Job["pendingAction"], "">} what
 * @param {() => Promise<T>} act
 * @param {{onChange: (job: Job) => void, onStale: (job: Job) => Promise<void>}} hooks
 *   onStale: the job is not as it was shown, so its current state is to be read
 */
export async function runAction(job, what, act, { onChange, onStale }) {
  if (job.pendingAction) return;
  job.pendingAction = what;
  job.problem = "";
  onChange(job);
  try {
    const result = await act();
    job.unanswered = null;
    return result;
  } catch (refusal) {
    const problem = /** @type {import("./api.js").Problem} */ (refusal);
    if (!problem.mayHaveSucceeded) job.unanswered = null;
    if (what !== "take" && what !== "look" && (problem.status === 404 || problem.status === 409)) await onStale(job);
    else job.problem = problem.message;
  } finally {
    job.pendingAction = "";
    onChange(job);
  }
}

/**
 * The Idempotency-Key of a request. One that is repeated, because its first answer was lost, has the same key.
 *
 * @param {{unanswered: Job["unanswered"]}} holder
 * @param {unknown} request
 */
export function keyFor(holder, request) {
  const body = JSON.stringify(request);
  if (holder.unanswered?.body !== body) holder.unanswered = { body, key: newKey() };
  return holder.unanswered.key;
}

/** @param {unknown} kind @returns {Job["kind"]} one of tomorrow is shown as a download */
function asKind(kind) {
  return KINDS.has(String(kind)) ? /** @type {Job["kind"]} */ (kind) : "download";
}

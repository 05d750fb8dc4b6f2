/**
 * The person's jobs: which there are (kept in the browser's storage), and what is known of each.
 *
 * @typedef {object} Job
 * @property {string} id
 * @property {string} url the address that was pasted
 * @property {import("./api.js").Format | null} format
 * @property {string} wsUrl
 * @property {Record<string, any>} state the newest message's data
 * @property {number} progress what the bar shows: within one attempt it never goes back
 * @property {boolean} stored whether the video was found in the bucket
 * @property {import("./progress.js").WatchState | "idle"} connection
 * @property {boolean} gone whether the service doesn't know the job (any more)
 * @property {number} seq
 * @property {"" | "cancel" | "retry"} asking what was asked for and is not answered yet
 * @property {string} problem why what was asked for last was not done
 * @property {string} key the Idempotency-Key of its retry, as long as that may have been done
 * @property {{close: () => void} | null} watch
 */

import { cancelJob, newKey, orderDownload, Problem, readJob, retryJob } from "./api.js";
import { CloseCode, watchJob } from "./progress.js";

/** How many jobs the list keeps. */
export const BOUND = 50;

const ENDS = new Set(["completed", "failed", "cancelled"]);
const STORED_STAGES = new Set(["filename", "link", "metadata", "response"]);

/**
 * @param {Job} job
 * @returns {boolean} whether nothing more will come
 */
export function hasEnded(job) {
  return job.gone || ENDS.has(job.state.status);
}

/**
 * @param {Job} job
 * @returns {boolean} whether it failed and is tried again by itself, later
 */
export function isWaitingToRetry(job) {
  return !hasEnded(job) && job.state.status === "queued" && Boolean(job.state.retry_at);
}

/** Calls `onChange` after each change, with the job that changed, or without one where the list did. */
export class Jobs {
  /** @type {Job[]} newest first */
  list = [];
  #key = `vidferry:jobs:${new URL(".", document.baseURI).pathname}`;
  #onChange;

  /** @param {(job?: Job) => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#takeStored();
    addEventListener("storage", (event) => {
      if (event.key === this.#key || event.key === null) this.#takeStored();
    });
  }

  /**
   * Orders a download and puts it on top of the list. Throws a Problem where it is refused.
   *
   * @param {string} url
   * @param {import("./api.js").Format} format
   * @param {string} key
   */
  async add(url, format, key) {
    const accepted = await orderDownload(url, format, key);
    this.#enter(accepted, { url, format });
  }

  /** Cancels a job. What stands in the way is told by its `problem`. @param {Job} job */
  async cancel(job) {
    await this.#ask(job, "cancel", async () => {
      this.#take(job, await cancelJob(job.id), true);
      job.watch?.close();
    });
  }

  /**
   * Tries a job again: the new one takes its place in the list. What stands in the way is told by its `problem`.
   *
   * @param {Job} job one that failed or was cancelled
   * @returns {Promise<Job | undefined>} the new one
   */
  retry(job) {
    return this.#ask(job, "retry", async () => {
      job.key ||= newKey();
      const accepted = await retryJob(job.id, job.key);
      job.watch?.close();
      const fresh = this.#enter(accepted, job, job);
      fresh.state.title ??= job.state.title;
      return fresh;
    });
  }

  /**
   * @template T
   * @param {Job} job
   * @param {"cancel" | "retry"} what
   * @param {() => Promise<T>} act
   */
  async #ask(job, what, act) {
    if (job.asking) return;
    job.asking = what;
    job.problem = "";
    this.#onChange(job);
    try {
      return await act();
    } catch (refusal) {
      const problem = /** @type {Problem} */ (refusal);
      if (!problem.isOpen) job.key = "";
      // It is not as it was shown: that is told by what it is.
      if (problem.status === 404 || problem.status === 409) await this.#read(job);
      else job.problem = problem.message;
    } finally {
      job.asking = "";
      this.#onChange(job);
    }
  }

  /**
   * Puts a job that was accepted on top of the list, or into the place of another one.
   *
   * @param {import("./api.js").Accepted} accepted
   * @param {{url: string, format: import("./api.js").Format | null}} asked
   * @param {Job} [replaced]
   */
  #enter({ job_id: id, ws_url }, { url, format }, replaced) {
    const known = this.list.find((job) => job.id === id);
    const job = known ?? newJob({ id, url, format, ws_url });
    this.list = this.list.filter((other) => other !== job);
    const place = replaced ? this.list.indexOf(replaced) : -1;
    this.list.splice(Math.max(place, 0), place < 0 ? 0 : 1, job);
    for (const old of this.list.splice(BOUND)) old.watch?.close();
    this.#store();
    this.#onChange();
    if (!known) this.#watch(job);
    return job;
  }

  /** @param {Job} job */
  remove(job) {
    job.watch?.close();
    this.list = this.list.filter((other) => other !== job);
    this.#store();
    this.#onChange();
  }

  /** Makes the list what is stored: at the start, and when another tab changed it. */
  #takeStored() {
    const known = new Map(this.list.map((job) => [job.id, job]));
    /** @type {Job[]} */
    const added = [];
    this.list = this.#stored().map((entry) => {
      const job = known.get(entry.id) ?? newJob(entry);
      if (!known.delete(entry.id)) added.push(job);
      return job;
    });
    for (const job of known.values()) job.watch?.close();
    this.#onChange();
    for (const job of added) this.#read(job);
  }

  /** @returns {{id: string, url: string, format: any, ws_url: string}[]} */
  #stored() {
    try {
      const entries = JSON.parse(localStorage.getItem(this.#key) ?? "[]");
      const usable = entries.filter((/** @type {any} */ entry) => typeof entry?.id === "string" && typeof entry.ws_url === "string");
      return [...new Map(usable.map((/** @type {any} */ entry) => [entry.id, entry])).values()].slice(0, BOUND);
    } catch {
      return []; // no storage, or not ours: the list then lives as long as the page
    }
  }

  #store() {
    const entries = this.list.map(({ id, url, format, wsUrl }) => ({ id, url, format, ws_url: wsUrl }));
    try {
      localStorage.setItem(this.#key, JSON.stringify(entries));
    } catch {
      // see #stored
    }
  }

  /** Whatever but "unknown" goes wrong here, the socket tells the state too, and tries until it can. @param {Job} job */
  async #read(job) {
    try {
      const record = await readJob(job.id);
      job.url = record.url ?? job.url;
      job.format = record.format ?? job.format;
      job.wsUrl = record.ws_url ?? job.wsUrl;
      this.#take(job, record, true);
    } catch (problem) {
      const status = problem instanceof Problem ? problem.status : 0;
      job.gone = status === 404 || status === 410;
    }
    if (!this.list.includes(job)) return;
    this.#onChange(job);
    if (!hasEnded(job)) this.#watch(job);
  }

  /** @param {Job} job */
  #watch(job) {
    job.watch?.close();
    job.watch = watchJob(job.wsUrl, {
      onMessage: (message, first) => {
        this.#take(job, message.data, first);
        this.#onChange(job);
      },
      onState: (state, { code }) => {
        job.connection = state;
        job.gone = state === "refused" && code === CloseCode.NO_SUCH_JOB;
        this.#onChange(job);
      },
    });
  }

  /**
   * Takes over a state. A message without seq has no place among the others and is left out; one with a lower seq
   * counts only where it begins a new reading.
   *
   * @param {Job} job
   * @param {Record<string, any>} data
   * @param {boolean} first
   */
  #take(job, data, first) {
    if (typeof data.seq !== "number" || (!first && data.seq <= job.seq)) return;
    const sameAttempt = (data.attempt ?? 0) === (job.state.attempt ?? 0);
    const progress = Math.min(100, Math.max(0, Number(data.progress) || 0));
    job.seq = data.seq;
    if (ENDS.has(data.status)) job.problem = "";
    job.progress = sameAttempt ? Math.max(job.progress, progress) : progress;
    job.stored = STORED_STAGES.has(data.stage) || (job.stored && sameAttempt) || data.result?.reused === true;
    job.state = {
      ...data,
      title: data.title ?? job.state.title,
      thumbnail: data.thumbnail ?? job.state.thumbnail,
    };
  }
}

/**
 * @param {{id: string, url: string, format: any, ws_url: string}} entry
 * @returns {Job}
 */
function newJob({ id, url, format, ws_url }) {
  return {
    id,
    url: String(url ?? ""),
    format: format ?? null,
    wsUrl: ws_url,
    state: { status: "queued", stage: "queued", message: "" },
    progress: 0,
    stored: false,
    connection: "idle",
    gone: false,
    seq: -1,
    asking: "",
    problem: "",
    key: "",
    watch: null,
  };
}

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
 * @property {{close: () => void} | null} watch
 */

import { orderDownload, Problem, readJob } from "./api.js";
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
    const known = this.list.find((job) => job.id === accepted.job_id);
    const job = known ?? newJob({ id: accepted.job_id, url, format, ws_url: accepted.ws_url });
    this.list = [job, ...this.list.filter((other) => other !== job)];
    for (const old of this.list.splice(BOUND)) old.watch?.close();
    this.#store();
    this.#onChange();
    if (!known) this.#watch(job);
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
    watch: null,
  };
}

/**
 * The jobs in the list: their ids, kept in the browser's storage, and the newest state of each.
 *
 * @typedef {object} Job
 * @property {string} id
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
 * @property {"" | "cancel" | "retry"} pendingAction the action whose request has not been answered yet
 * @property {string} problem why the last action failed
 * @property {string} key the Idempotency-Key of its retry, while the retry may have succeeded
 * @property {{close: () => void} | null} watch
 */

import { cancelJob, createDownload, newKey, Problem, readJob, retryJob } from "./api.js";
import { CloseCode, watchJob } from "./progress.js";

/** How many jobs the list keeps. */
export const MAX_JOBS = 50;

const END_STATUSES = new Set(["completed", "failed", "cancelled"]);
const STORED_STAGES = new Set(["filename", "link", "metadata", "response"]);

/**
 * @param {Job} job
 * @returns {boolean} whether its state is final
 */
export function hasEnded(job) {
  return job.gone || END_STATUSES.has(job.state.status);
}

/**
 * @param {Job} job
 * @returns {boolean} whether it failed and waits for an automatic retry
 */
export function isWaitingToRetry(job) {
  return !hasEnded(job) && job.state.status === "queued" && Boolean(job.state.retry_at);
}

/** The list of jobs. It calls `onChange` with each job that changed, and without a job if the list itself changed. */
export class Jobs {
  /** @type {Job[]} newest first */
  list = [];
  #key = `vidferry:jobs:${new URL(".", document.baseURI).pathname}`;
  #onChange;

  /** @param {(job?: Job) => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#loadList();
    addEventListener("storage", (event) => {
      if (event.key === this.#key || event.key === null) this.#loadList();
    });
  }

  /**
   * Creates a job and puts it on top of the list. Throws a Problem if the request fails.
   *
   * @param {string} url
   * @param {import("./api.js").Format} format
   * @param {string} key
   */
  async add(url, format, key) {
    const accepted = await createDownload(url, format, key);
    this.#insertJob(accepted, { url, format });
  }

  /** Cancels a job. If that fails, the job's `problem` says why. @param {Job} job */
  async cancel(job) {
    await this.#runAction(job, "cancel", async () => {
      this.#applyState(job, await cancelJob(job.id), true);
      job.watch?.close();
    });
  }

  /**
   * Retries a job: the new one takes its place in the list. If that fails, the old job's `problem` says why.
   *
   * @param {Job} job one that failed or was cancelled
   * @returns {Promise<Job | undefined>} the new one
   */
  retry(job) {
    return this.#runAction(job, "retry", async () => {
      job.key ||= newKey();
      const accepted = await retryJob(job.id, job.key);
      job.watch?.close();
      const created = this.#insertJob(accepted, job, job);
      created.state.title ??= job.state.title;
      return created;
    });
  }

  /**
   * @template T
   * @param {Job} job
   * @param {"cancel" | "retry"} what
   * @param {() => Promise<T>} act
   */
  async #runAction(job, what, act) {
    if (job.pendingAction) return;
    job.pendingAction = what;
    job.problem = "";
    this.#onChange(job);
    try {
      return await act();
    } catch (refusal) {
      const problem = /** @type {Problem} */ (refusal);
      if (!problem.mayHaveSucceeded) job.key = "";
      // The job is not as it was shown, so its current state is read.
      if (problem.status === 404 || problem.status === 409) await this.#refreshJob(job);
      else job.problem = problem.message;
    } finally {
      job.pendingAction = "";
      this.#onChange(job);
    }
  }

  /**
   * Puts a new job on top of the list, or in the place of the one that it replaces.
   *
   * @param {import("./api.js").Accepted} accepted
   * @param {{url: string, format: import("./api.js").Format | null}} asked
   * @param {Job} [replaced]
   */
  #insertJob({ job_id: id, ws_url }, { url, format }, replaced) {
    const known = this.list.find((job) => job.id === id);
    const job = known ?? newJob({ id, url, format, ws_url });
    this.list = this.list.filter((each) => each !== job);
    const index = replaced ? this.list.indexOf(replaced) : -1;
    this.list.splice(Math.max(index, 0), index < 0 ? 0 : 1, job);
    for (const old of this.list.splice(MAX_JOBS)) old.watch?.close();
    this.#saveList();
    this.#onChange();
    if (!known) this.#watch(job);
    return job;
  }

  /** @param {Job} job */
  remove(job) {
    job.watch?.close();
    this.list = this.list.filter((each) => each !== job);
    this.#saveList();
    this.#onChange();
  }

  /** Removes all jobs from the list. */
  clear() {
    for (const job of this.list) job.watch?.close();
    this.list = [];
    this.#saveList();
    this.#onChange();
  }

  /** Reads the jobs again that could not be read or watched before. */
  retryLocked() {
    for (const job of this.list) if (job.locked || job.connection === "refused") this.#refreshJob(job);
  }

  /** Reads a job again for fresh links, since the tickets in links expire. @param {Job} job */
  async renew(job) {
    await this.#readJob(job);
    this.#onChange(job);
  }

  /** Loads the list from the storage: at the start, and when another tab has changed it. */
  #loadList() {
    const known = new Map(this.list.map((job) => [job.id, job]));
    /** @type {Job[]} */
    const added = [];
    this.list = this.#readStorage().map((entry) => {
      const job = known.get(entry.id) ?? newJob(entry);
      if (!known.delete(entry.id)) added.push(job);
      return job;
    });
    for (const job of known.values()) job.watch?.close();
    this.#onChange();
    for (const job of added) this.#refreshJob(job);
  }

  /** @returns {{id: string, url: string, format: any, ws_url: string}[]} */
  #readStorage() {
    try {
      const entries = JSON.parse(localStorage.getItem(this.#key) ?? "[]");
      const usable = entries.filter((/** @type {any} */ entry) => typeof entry?.id === "string" && typeof entry.ws_url === "string");
      return [...new Map(usable.map((/** @type {any} */ entry) => [entry.id, entry])).values()].slice(0, MAX_JOBS);
    } catch {
      return []; // no storage, or not our data: the list then only lives as long as the page
    }
  }

  #saveList() {
    const entries = this.list.map(({ id, url, format, wsUrl }) => ({ id, url, format, ws_url: wsUrl }));
    try {
      localStorage.setItem(this.#key, JSON.stringify(entries));
    } catch {
      // see #readStorage
    }
  }

  /** Reads a job's state, and watches it from then on. @param {Job} job */
  async #refreshJob(job) {
    await this.#readJob(job);
    if (!this.list.includes(job)) return;
    this.#onChange(job);
    if (!hasEnded(job) && !job.locked) this.#watch(job);
  }

  /**
   * Reads a job's state and links. Other errors than those of the key and "not found" are ignored: the WebSocket sends
   * the state too, and retries.
   *
   * @param {Job} job
   */
  async #readJob(job) {
    try {
      const record = await readJob(job.id);
      job.url = record.url ?? job.url;
      job.format = record.format ?? job.format;
      job.wsUrl = record.ws_url ?? job.wsUrl;
      job.locked = job.gone = false;
      job.problem = "";
      this.#applyState(job, record, true);
    } catch (refusal) {
      const problem = refusal instanceof Problem ? refusal : new Problem("");
      job.gone = problem.status === 404 || problem.status === 410;
      job.locked = problem.status === 401;
      if (problem.status === 403) job.problem = problem.message;
    }
  }

  /** @param {Job} job */
  #watch(job) {
    job.watch?.close();
    job.watch = watchJob(job.wsUrl, {
      onMessage: (message, first) => {
        this.#applyState(job, message.data, first);
        this.#onChange(job);
      },
      onState: (state, { code }) => {
        job.connection = state;
        job.gone = state === "refused" && (job.gone || code === CloseCode.NO_SUCH_JOB);
        this.#onChange(job);
      },
      renewUrl: async () => {
        await this.#readJob(job);
        this.#onChange(job);
        return job.gone || job.locked ? null : job.wsUrl;
      },
    });
  }

  /**
   * Applies a new state. A message without seq can't be ordered and is ignored. One with a lower seq
   * only counts if it is the first one of a connection or a read.
   *
   * @param {Job} job
   * @param {Record<string, any>} data
   * @param {boolean} first
   */
  #applyState(job, data, first) {
    if (typeof data.seq !== "number" || (!first && data.seq <= job.seq)) return;
    const sameAttempt = (data.attempt ?? 0) === (job.state.attempt ?? 0);
    const progress = Math.min(100, Math.max(0, Number(data.progress) || 0));
    job.seq = data.seq;
    if (END_STATUSES.has(data.status)) job.problem = "";
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
    locked: false,
    gone: false,
    seq: -1,
    pendingAction: "",
    problem: "",
    key: "",
    watch: null,
  };
}

/** The jobs in the list: their ids, kept in the browser's storage, and the newest state of each. */

import { cancelJob, createJob, Problem, readJob, retryJob } from "./api.js";
import { applyRecord, applyState, hasEnded, isList, isListRefused, keyFor, newJob, runAction } from "./job.js";
import { CloseCode, watchJob } from "./progress.js";

/**
 * @typedef {import("./job.js").Job} Job
 * @typedef {{url: string, format: import("./api.js").Format | null, title?: string}} Asked
 * @typedef {Parameters<typeof runAction>[3]} Hooks
 * @typedef {{job: Job, inPlace: boolean}} Place where a new job stands: in the place of another one, or above it
 */

/** How many jobs the list keeps. */
export const MAX_JOBS = 50;

/** The list of jobs. It calls `onChange` with each job that changed, and without a job if the list itself changed. */
export class Jobs {
  /** @type {Job[]} newest first */
  list = [];
  #key = `vidferry:jobs:${new URL(".", document.baseURI).pathname}`;
  #onChange;
  #hooks;

  /** @param {(job?: Job) => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#hooks = { onChange, onStale: (/** @type {Job} */ job) => this.#refreshJob(job) };
    this.#loadList();
    addEventListener("storage", (event) => {
      if (event.key === this.#key || event.key === null) this.#loadList();
    });
  }

  /**
   * Creates a job and puts it on top of the list. Throws a Problem if the request fails.
   *
   * @param {"download" | "probe"} kind
   * @param {string} url
   * @param {import("./api.js").Format} format
   * @param {string} key the Idempotency-Key
   */
  async add(kind, url, format, key) {
    const accepted = await createJob(kind, { url, format }, key);
    this.#insertJob(accepted, { url, format }, { kind, fresh: true });
  }

  /** Cancels a job. If that fails, the job's `problem` says why. @param {Job} job */
  async cancel(job) {
    await runAction(
      job,
      "cancel",
      async () => {
        applyState(job, await cancelJob(job.id), true);
        job.watch?.close();
      },
      this.#hooks,
    );
  }

  /**
   * Retries a job: the new one takes its place in the list. That of a batch stands above it, because the old one has the
   * videos that are there. If that fails, the old job's `problem` says why.
   *
   * @param {Job} job one that failed or was cancelled
   * @returns {Promise<Job | undefined>} the new one
   */
  retry(job) {
    const send = () => retryJob(job.id, keyFor(job, "retry"));
    return this.#goOn(job, "retry", job.kind, send, { job, inPlace: job.kind !== "batch" });
  }

  /**
   * Retries one video of a batch, or looks at it where it is a list itself: the new job stands above the batch.
   *
   * @param {Job} batch
   * @param {Job} child
   * @param {(child: Job) => void} onChange
   * @returns {Promise<Job | undefined>} the new one
   */
  retryChild(batch, child, onChange) {
    const place = { job: batch, inPlace: false };
    const hooks = { ...this.#hooks, onChange };
    if (isListRefused(child)) return this.#create(child, "look", "probe", sameAs(child), place, hooks);
    return this.#goOn(child, "retry", "download", () => retryJob(child.id, keyFor(child, "retry")), place, hooks);
  }

  /**
   * Looks at what a job's URL leads to; the look takes its place in the list.
   *
   * @param {Job} job a download that failed because its URL leads to a list
   * @returns {Promise<Job | undefined>}
   */
  look(job) {
    return this.#create(job, "look", "probe", sameAs(job));
  }

  /**
   * Downloads videos of the list that a look has found, as a batch that takes its place in the list.
   *
   * @param {Job} job
   * @param {{limit: number, newest_first?: boolean}} choice
   * @returns {Promise<Job | undefined>}
   */
  take(job, choice) {
    return this.#create(job, "take", "batch", { playlist: job.url, ...choice, format: job.format ?? undefined });
  }

  /**
   * Downloads the other videos of a page, as a batch above the one that was downloaded.
   *
   * @param {Job} job
   * @param {string[]} urls
   * @returns {Promise<Job | undefined>}
   */
  takeOthers(job, urls) {
    return this.#create(job, "take", "batch", { urls, format: job.format ?? undefined }, { job, inPlace: false });
  }

  /**
   * @param {Job} job
   * @param {"look" | "take"} what
   * @param {Job["kind"]} kind of the new job
   * @param {Record<string, unknown>} body
   * @param {Place} [place]
   * @param {Hooks} [hooks]
   */
  #create(job, what, kind, body, place, hooks) {
    return this.#goOn(job, what, kind, () => createJob(kind, body, keyFor(job, [kind, body])), place, hooks);
  }

  /**
   * Creates a job that goes on with what another one left.
   *
   * @param {Job} job
   * @param {"retry" | "look" | "take"} what
   * @param {Job["kind"]} kind of the new job
   * @param {() => Promise<import("./api.js").Accepted>} send
   * @param {Place} [place]
   * @param {Hooks} [hooks]
   */
  #goOn(job, what, kind, send, place = { job, inPlace: true }, hooks = this.#hooks) {
    return runAction(
      job,
      what,
      async () => {
        const accepted = await send();
        job.followed = true;
        if (place.inPlace) job.watch?.close();
        const asked = { url: job.url, format: job.format, title: job.state.title };
        return this.#insertJob(accepted, asked, { kind, fresh: kind === "probe" }, place);
      },
      hooks,
    );
  }

  /**
   * Puts a new job on top of the list, or in the place of the one that it replaces, or above the one that it belongs to.
   *
   * @param {import("./api.js").Accepted} accepted
   * @param {Asked} asked
   * @param {{kind: Job["kind"], fresh: boolean}} is
   * @param {Place} [place]
   */
  #insertJob(accepted, { url, format, title }, { kind, fresh }, place) {
    const { job_id: id, ws_url } = accepted;
    const known = this.list.find((job) => job.id === id);
    const job = known ?? newJob({ id, kind, url, format, title, ws_url });
    job.fresh = fresh;
    if (!known) applyState(job, accepted, true);
    this.list = this.list.filter((each) => each !== job);
    const index = place ? this.list.indexOf(place.job) : -1;
    this.list.splice(Math.max(index, 0), index >= 0 && place?.inPlace ? 1 : 0, job);
    for (const old of this.list.splice(MAX_JOBS)) old.watch?.close();
    this.#saveList();
    this.#onChange();
    if (!known && !hasEnded(job)) this.#watch(job);
    else this.#followUp(job);
    return job;
  }

  /** Goes on where a job of this page has found what to do next. @param {Job} job */
  #followUp(job) {
    if (!job.fresh || !hasEnded(job)) return;
    if (isListRefused(job)) {
      job.fresh = false;
      this.look(job);
    } else if (job.kind === "probe" && job.state.status === "completed" && job.state.probe && !isList(job)) {
      job.fresh = false;
      this.#create(job, "take", "download", sameAs(job));
    }
  }

  /** @param {Job} job */
  remove(job) {
    job.watch?.close();
    this.list = this.list.filter((each) => each !== job);
    this.#saveList();
    this.#onChange();
  }

  /** Keeps whether a batch's videos are shown. @param {Job} job @param {boolean} unfolded */
  fold(job, unfolded) {
    job.unfolded = unfolded;
    this.#saveList();
    this.#onChange(job);
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

  /** @returns {{id: string, url: string, format: any, title?: string, ws_url: string}[]} */
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
    const entries = this.list.map(({ id, kind, url, format, state, wsUrl, unfolded, followed }) => ({
      id,
      kind,
      url,
      format,
      title: state.title ?? undefined,
      ws_url: wsUrl,
      unfolded,
      followed,
    }));
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
      applyRecord(job, await readJob(job.id));
      job.problem = "";
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
        applyState(job, message.data, first);
        this.#onChange(job);
        this.#followUp(job);
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
}

/** @param {Job} job @returns {{url: string, format?: import("./api.js").Format}} the request that asks for the same */
function sameAs({ url, format }) {
  return { url, format: format ?? undefined };
}

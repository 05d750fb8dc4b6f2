/** The jobs of a batch whose videos are shown: listed, and watched over one socket for all of them. */

import { cancelJob, createTicket, listBatch, Problem, readJob } from "./api.js";
import { applyRecord, applyState, hasEnded, newJob, runAction } from "./job.js";
import { watchJobs } from "./many.js";

/** @typedef {import("./job.js").Job} Job */

/** How many jobs of a batch are shown. */
export const MAX_CHILDREN = 1000;

/** ms between two lists of a batch whose jobs are still being made */
const RELIST_MS = 1000;
/** ms until a list that failed is read again */
const RETRY_MS = 5000;

const stream = watchJobs({
  openUrl: async () => {
    try {
      return (await createTicket()).ws_url;
    } catch (refusal) {
      if (refusal instanceof Problem && (refusal.status === 401 || refusal.status === 403)) return null;
      throw refusal;
    }
  },
});

/** The jobs of one batch. It calls `onChange` with each job that changed, and without a job if the list itself changed. */
export class Children {
  /** @type {Job[]} in the order of the batch */
  list = [];
  /** why they can't be listed */
  problem = "";
  listed = false;
  #batch;
  #onChange;
  #hooks;
  /** @type {Map<string, Job>} */
  #known = new Map();
  #open = false;
  #listing = false;
  #sawEnd = false;
  /** the token of the last page that was read: jobs that are made meanwhile come behind it */
  #lastPage = "";
  /** how many jobs the batch had made when they were listed last */
  #listedMade = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Job} batch @param {(child?: Job) => void} onChange */
  constructor(batch, onChange) {
    this.#batch = batch;
    this.#onChange = onChange;
    this.#hooks = { onChange, onStale: (/** @type {Job} */ child) => this.renew(child) };
  }

  /** Lists and watches them from now on. */
  open() {
    if (this.#open) return;
    this.#open = true;
    this.#list(true);
  }

  close() {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#timer);
    stream.remove(this.list.map(({ id }) => id));
  }

  /** Takes notice of a change of the batch: more jobs were made, or it has ended. */
  update() {
    if (!this.#open || this.#listing) return;
    if (hasEnded(this.#batch) && !this.#sawEnd) this.#list(true);
    else if (this.#made > this.#listedMade && !this.isFull) this.#timer ??= setTimeout(() => this.#list(false), RELIST_MS);
  }

  /** Lists them again: there may be another key. */
  retry() {
    if (this.#open) this.#list(true);
  }

  /** @param {Job} child */
  async cancel(child) {
    await runAction(child, "cancel", async () => applyState(child, await cancelJob(child.id), true), this.#hooks);
    if (this.#open) this.#watch(child);
  }

  /** Reads a job again: its links have expired, or it is not as it was shown. @param {Job} child */
  async renew(child) {
    try {
      applyRecord(child, await readJob(child.id));
    } catch (refusal) {
      const { status, message } = /** @type {Problem} */ (refusal);
      if (status === 404 || status === 410) child.gone = true;
      else child.problem = message;
    }
    this.#onChange(child);
  }

  get #made() {
    return Number(this.#batch.state.batch?.counts?.made) || 0;
  }

  /** whether further jobs are not shown */
  get isFull() {
    return this.#known.size >= MAX_CHILDREN;
  }

  /** @param {boolean} all whether jobs that are known are read again too */
  async #list(all) {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#listing = true;
    this.#sawEnd = hasEnded(this.#batch);
    this.#listedMade = this.#made;
    try {
      await this.#readPages(all);
      this.problem = "";
    } catch (refusal) {
      const { message, status } = /** @type {Problem} */ (refusal);
      this.problem = message;
      if (this.#open && status !== 401 && status !== 403) this.#timer = setTimeout(() => this.#list(all), RETRY_MS);
    }
    this.listed = true;
    this.#listing = false;
    this.#onChange();
    if (!this.problem) this.update();
  }

  /** @param {boolean} all false: only the last page that was read, and what follows it */
  async #readPages(all) {
    if (all) this.#lastPage = "";
    let token = this.#lastPage;
    do {
      this.#lastPage = token;
      const page = await listBatch(this.#batch.id, token);
      for (const record of page.jobs) this.#applyListed(record);
      token = page.next_page_token;
    } while (token && this.#open && !this.isFull);
    this.list = [...this.#known.values()].sort((one, other) => indexOf(one) - indexOf(other));
    if (this.#open) for (const child of this.list) this.#watch(child);
  }

  /** @param {Record<string, any>} record */
  #applyListed(record) {
    const known = this.#known.get(record.job_id);
    if (!known && this.isFull) return;
    const child = known ?? newJob({ id: record.job_id, ws_url: record.ws_url });
    if (!known || record.seq >= child.seq) applyRecord(child, record);
    this.#known.set(child.id, child);
  }

  /** @param {Job} child */
  #watch(child) {
    if (hasEnded(child)) stream.remove([child.id]);
    else {
      stream.add(child.id, {
        onMessage: (message, first) => {
          applyState(child, message.data, first);
          this.#onChange(child);
        },
        onGone: () => {
          child.gone = true;
          this.#onChange(child);
        },
      });
    }
  }
}

/** @param {Job} child */
function indexOf(child) {
  return child.state.parent?.index ?? 0;
}

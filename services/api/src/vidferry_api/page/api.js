/** The REST API, as far as the page needs it. Addresses are relative, so the page works below a path prefix. */

const PATIENCE = 30_000;
const OUTAGE = "Vidferry can’t reach its database at the moment. Try again in a few seconds.";

/**
 * A refusal, told in words for a person: the `detail` of an RFC 9457 problem document where the server sent one.
 */
export class Problem extends Error {
  /**
   * @param {string} detail
   * @param {number} status the HTTP status; 0 where there was no answer
   * @param {string} code the problem's own code, or ""
   */
  constructor(detail, status = 0, code = "") {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.code = code;
  }

  /** Whether what was asked for may have been done all the same: then it is asked for again under the same key. */
  get isOpen() {
    return this.status === 0 || this.status >= 500;
  }
}

/**
 * @typedef {{quality: string, container: string}} Format
 * @typedef {{job_id: string, status: string, status_url: string, ws_url: string, events_url: string}} Accepted
 */

/**
 * @param {string} url
 * @param {Format} format
 * @param {string} key the Idempotency-Key: the same one again makes no second job
 * @returns {Promise<Accepted>}
 */
export function orderDownload(url, format, key) {
  return call("api/download", {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": key },
    body: JSON.stringify({ url, format }),
  });
}

/**
 * @param {string} id
 * @returns {Promise<Record<string, any>>} the job and its state
 */
export function readJob(id) {
  return call(`api/jobs/${encodeURIComponent(id)}`, { cache: "no-store" });
}

/**
 * @param {string} id
 * @returns {Promise<Record<string, any>>} the job and its state, which is its last
 */
export function cancelJob(id) {
  return call(`api/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/**
 * @param {string} id a job that failed or was cancelled
 * @param {string} key as for orderDownload
 * @returns {Promise<Accepted>} the new one
 */
export function retryJob(id, key) {
  return call(`api/jobs/${encodeURIComponent(id)}/retry`, { method: "POST", headers: { "Idempotency-Key": key } });
}

/** crypto.randomUUID is missing where the page came over plain HTTP from another machine. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} address
 * @param {RequestInit} request
 */
async function call(address, request) {
  let answer;
  try {
    answer = await fetch(address, { ...request, signal: AbortSignal.timeout(PATIENCE) });
  } catch {
    throw new Problem("Vidferry can’t be reached. Check your connection and try again.");
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok && body) return body;
  const detail = body?.code === "redis_unavailable" ? OUTAGE : body?.detail || body?.title;
  throw new Problem(
    typeof detail === "string" ? detail : `Vidferry answered with an error (${answer.status}). Try again in a moment.`,
    answer.status,
    typeof body?.code === "string" ? body.code : "",
  );
}

/** The calls of the REST API that the page makes. URLs are relative, so that the page works below a path prefix. */

const TIMEOUT_MS = 30_000;
const KEY = `vidferry:key:${new URL(".", document.baseURI).pathname}`;
const OUTAGE = "Vidferry can’t reach its database at the moment. Try again in a few seconds.";

/**
 * A failed request with a message for people: the `detail` of the problem document (RFC 9457) if the server sent one.
 */
export class Problem extends Error {
  /**
   * @param {string} detail
   * @param {number} status the HTTP status; 0 without a response
   * @param {string} code the problem's own code, or ""
   */
  constructor(detail, status = 0, code = "") {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.code = code;
  }

  /** Whether the request may have succeeded all the same. It is then repeated with the same Idempotency-Key. */
  get mayHaveSucceeded() {
    return this.status === 0 || this.status >= 500;
  }
}

/** The API key or token that requests carry; null for none. It is kept in the browser's storage. */
let apiKey = readStoredKey();
let tellRefused = () => {};

/** @returns {boolean} whether requests carry a key */
export function hasKey() {
  return apiKey !== null;
}

/** @param {string} key */
export function keepKey(key) {
  apiKey = key;
  try {
    localStorage.setItem(KEY, key);
  } catch {
    // no storage: the key only lives as long as the page
  }
}

export function forgetKey() {
  apiKey = null;
  try {
    localStorage.removeItem(KEY);
  } catch {
    // see keepKey
  }
}

/** @param {() => void} listener called when a request was refused for want of a valid key */
export function onKeyRefused(listener) {
  tellRefused = listener;
}

/** @param {() => void} listener called when another tab has stored or forgotten a key */
export function onKeyChanged(listener) {
  addEventListener("storage", (event) => {
    if (event.key !== KEY && event.key !== null) return;
    apiKey = readStoredKey();
    listener();
  });
}

function readStoredKey() {
  try {
    return localStorage.getItem(KEY) || null;
  } catch {
    return null;
  }
}

/**
 * @returns {Promise<{mode: string, issuer?: string | null}>} what Vidferry asks for: `none`, `keys` or `oidc`
 */
export async function readAccess() {
  try {
    const access = await callApi("api/access", {}, null);
    return typeof access.mode === "string" ? access : { mode: "none" };
  } catch {
    return { mode: "none" }; // an older api; if it wants a key after all, the first request tells
  }
}

/**
 * @returns {Promise<{vidferry: string, workers: {yt_dlp: string | null}[]}>} which versions run, those of most workers first
 */
export function readVersions() {
  return callApi("api/version", { cache: "no-store" });
}

/**
 * Throws a Problem if the key is refused (401), or may not read jobs (403). A ticket costs the api a signature, and leaves
 * nothing behind.
 *
 * @param {string} key
 */
export async function checkKey(key) {
  await callApi("api/tickets", { method: "POST" }, key);
}

/**
 * Makes a ticket for all jobs of the key's owner.
 *
 * @returns {Promise<{ws_url: string}>} the URL of the socket that watches many jobs
 */
export function createTicket() {
  return callApi("api/tickets", { method: "POST" });
}

/**
 * @typedef {{quality: string, container: string}} Format
 * @typedef {{job_id: string, status: string, status_url: string, ws_url: string, events_url: string}} Accepted
 */

/** A look is shown like any job, so its creation does not wait for what it finds. */
const PATHS = { download: "api/download", batch: "api/batches", probe: "api/probes?wait=0" };

/**
 * @param {keyof typeof PATHS} kind
 * @param {Record<string, unknown>} body
 * @param {string} key the Idempotency-Key: repeated, it does not create a second job
 * @returns {Promise<Accepted>}
 */
export function createJob(kind, body, key) {
  return callApi(PATHS[kind], {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": key },
    body: JSON.stringify(body),
  });
}

/**
 * @param {string} batch the id of a batch
 * @param {string} pageToken of the page before; "" for the first page
 * @returns {Promise<{jobs: Record<string, any>[], next_page_token: string}>} a page of its jobs, in the order of its entries
 */
export function listBatch(batch, pageToken) {
  const query = new URLSearchParams({ batch, page_size: "200" });
  if (pageToken) query.set("page_token", pageToken);
  return callApi(`api/jobs?${query}`, { cache: "no-store" });
}

/**
 * @param {string} id
 * @returns {Promise<Record<string, any>>} the job and its state
 */
export function readJob(id) {
  return callApi(`api/jobs/${encodeURIComponent(id)}`, { cache: "no-store" });
}

/**
 * @param {string} id
 * @returns {Promise<Record<string, any>>} the job and its state, which is its last
 */
export function cancelJob(id) {
  return callApi(`api/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/**
 * @param {string} id a job that failed or was cancelled
 * @param {string} key as for createJob
 * @returns {Promise<Accepted>} the new one
 */
export function retryJob(id, key) {
  return callApi(`api/jobs/${encodeURIComponent(id)}/retry`, { method: "POST", headers: { "Idempotency-Key": key } });
}

/** Makes a key. Without HTTPS, crypto.randomUUID is only available on localhost. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} address
 * @param {RequestInit} request
 * @param {string | null} key
 */
async function callApi(address, request, key = apiKey) {
  const headers = key === null ? request.headers : { ...request.headers, Authorization: `Bearer ${key}` };
  let response;
  try {
    response = await fetch(address, { ...request, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new Problem("Vidferry can’t be reached. Check your connection and try again.");
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  if (response.status === 401 && key === apiKey) tellRefused();
  const detail = body?.code === "redis_unavailable" ? OUTAGE : body?.detail || body?.title;
  throw new Problem(
    typeof detail === "string" ? detail : `Vidferry answered with an error (${response.status}). Try again in a moment.`,
    response.status,
    typeof body?.code === "string" ? body.code : "",
  );
}

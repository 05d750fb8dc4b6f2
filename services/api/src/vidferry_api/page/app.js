/** Puts the page together: the form, the list, and a card for each job. */

import { hasKey, onKeyChanged, onKeyRefused, readAccess } from "./api.js";
import { createCard } from "./card.js";
import { isListRefused, isWaitingToRetry, keyFor } from "./job.js";
import { Jobs } from "./jobs.js";
import { isPlainlyList } from "./lists.js";

const CONTAINERS = {
  video: [["any", "Automatic"], ["mp4", "MP4"], ["webm", "WebM"], ["mkv", "MKV"]],
  audio: [["any", "Automatic"], ["m4a", "M4A"], ["mp3", "MP3"]],
};

/** @type {any} */
const form = document.getElementById("order");
const { url: urlInput, quality, container } = form.elements;
const submit = form.querySelector("button");
const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));
const announcements = /** @type {HTMLElement} */ (document.getElementById("news"));
const list = /** @type {HTMLElement} */ (document.getElementById("jobs"));

/** @type {Map<import("./job.js").Job, ReturnType<typeof createCard>>} */
const cards = new Map();
/** @type {Set<import("./job.js").Job>} */
const changedJobs = new Set();
let listChanged = true;
let drawScheduled = false;

const jobs = new Jobs((job) => {
  if (job) changedJobs.add(job);
  else listChanged = true;
  scheduleDraw();
});

/** Draws at most once per animation frame, however many messages arrive. */
function scheduleDraw() {
  if (drawScheduled) return;
  drawScheduled = true;
  requestAnimationFrame(() => {
    drawScheduled = false;
    if (listChanged) drawList();
    for (const job of changedJobs) cards.get(job)?.update();
    changedJobs.clear();
  });
}

function drawList() {
  listChanged = false;
  const current = new Set(jobs.list);
  const focused = document.activeElement?.closest(".card");
  const focusedIndex = focused ? [...list.children].indexOf(focused) : -1;
  for (const [job, card] of cards) {
    if (current.has(job)) continue;
    card.close();
    card.element.remove();
    cards.delete(job);
  }
  jobs.list.forEach((job, index) => {
    const card = cards.get(job) ?? createCard(job, cardActions);
    cards.set(job, card);
    const currentElement = list.children[index] ?? null;
    if (currentElement !== card.element) list.insertBefore(card.element, currentElement);
  });
  // The job that took the place of the focused one is what a person goes on with.
  if (focused && !focused.isConnected) cards.get(jobs.list[focusedIndex])?.focus();
  for (const id of ["empty", "privacy"]) {
    const part = /** @type {HTMLElement} */ (document.getElementById(id));
    part.hidden = (id === "empty") === jobs.list.length > 0;
  }
}

/** @param {import("./job.js").Job} job */
function removeJob(job) {
  const card = cards.get(job)?.element;
  const neighbour = card?.nextElementSibling ?? card?.previousElementSibling;
  jobs.remove(job);
  announce("Removed from the list.");
  /** @type {HTMLElement} */ (neighbour?.querySelector(".remove") ?? urlInput).focus();
}

/** @type {import("./card.js").CardActions} */
const cardActions = {
  onRemove: removeJob,
  onCancel: (job) => jobs.cancel(job),
  onRetry: retry,
  onRenew: (job) => jobs.renew(job),
  onTake: async (job, choice) => announceStart(await jobs.take(job, choice)),
  onTakeOthers: async (job, urls) => announceStart(await jobs.takeOthers(job, urls)),
  onFold: (job, unfolded) => jobs.fold(job, unfolded),
  onRetryChild: async (batch, child, onChange) => announceAgain(await jobs.retryChild(batch, child, onChange)),
  onAnnounce: announce,
};

/** Retries a job. A job that the service no longer knows is created again. @param {import("./job.js").Job} job */
async function retry(job) {
  if (isListRefused(job) || job.kind === "probe" || (job.gone && job.kind === "batch")) {
    await jobs.look(job);
  } else if (job.gone) {
    if (isBusy() || (await submitUrl("download", job.url, job.format ?? { quality: "1080", container: "any" }))) return;
    focusUrl();
  } else {
    announceAgain(await jobs.retry(job));
  }
}

/** @param {import("./job.js").Job | undefined} created */
function announceStart(created) {
  if (created) announce("Downloads started.");
}

/** @param {import("./job.js").Job | undefined} created */
function announceAgain(created) {
  if (created) announce("Download started again.");
}

/**
 * The last request without a response. If it is sent again, it has the same key, so that it can't create two jobs.
 *
 * @type {{unanswered: {body: string, key: string} | null}}
 */
const last = { unanswered: null };

/**
 * @param {"download" | "probe"} kind
 * @param {string} url
 * @param {import("./api.js").Format} format
 * @returns {Promise<boolean>} whether it was accepted
 */
async function submitUrl(kind, url, format) {
  setBusy(true);
  try {
    await jobs.add(kind, url, format, keyFor(last, [kind, url, format]));
    last.unanswered = null;
    showProblem("");
    announce(kind === "probe" ? "Looking at the list." : "Download started. Its steps appear in the list below.");
    return true;
  } catch (refusal) {
    const problem = /** @type {import("./api.js").Problem} */ (refusal);
    if (!problem.mayHaveSucceeded) last.unanswered = null;
    showProblem(problem.message);
    if (problem.status === 401) await askForKey(true);
    return false;
  } finally {
    setBusy(false);
  }
}

/** Focuses the URL, unless a person is asked for a key. */
function focusUrl() {
  if (!document.activeElement?.closest(".key")) urlInput.focus();
}

function isBusy() {
  return form.getAttribute("aria-busy") === "true";
}

/** @param {boolean} busy */
function setBusy(busy) {
  form.setAttribute("aria-busy", String(busy));
  submit.setAttribute("aria-disabled", String(busy));
  submit.textContent = busy ? "Sending…" : "Download video";
}

/** @param {string} text what is wrong with the input; "" for nothing */
function showProblem(text) {
  problem.textContent = text;
  urlInput.setAttribute("aria-invalid", String(Boolean(text)));
}

/** @param {string} text for a screen reader */
function announce(text) {
  announcements.textContent = text;
}

/**
 * The form for the API key, once it has been needed.
 *
 * @type {Promise<ReturnType<typeof import("./access.js").createAccess>> | null}
 */
let access = null;

function loadAccess() {
  access ??= import("./access.js").then(({ createAccess }) =>
    createAccess({
      onKey: (notice) => {
        showProblem("");
        problem.textContent = notice;
        retryLocked();
        showVersions();
      },
      onForget: () => jobs.clear(),
      onAnnounce: announce,
    }),
  );
  return access;
}

/** Shows in the footer which versions run. The page works without. */
function showVersions() {
  import("./versions.js").then((versions) => versions.showVersions()).catch(() => {});
}

/** Reads again what could not be read before, since there may be another key. */
function retryLocked() {
  jobs.retryLocked();
  for (const card of cards.values()) card.retry();
}

/** @param {boolean} focus whether a person has just asked for something that needs a key */
async function askForKey(focus) {
  try {
    (await loadAccess()).ask(focus);
  } catch {
    access = null; // the module could not be loaded; the next request tries again
  }
}

/** Adds https:// to a URL that was pasted without a scheme. @param {string} text */
function withScheme(text) {
  const trimmed = text.trim();
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) || !trimmed ? trimmed : `https://${trimmed}`;
}

function offerContainers() {
  const kind = quality.value === "audio" ? "audio" : "video";
  const chosen = container.value;
  container.replaceChildren(...CONTAINERS[kind].map(([value, name]) => new Option(name, value)));
  container.value = CONTAINERS[kind].some(([value]) => value === chosen) ? chosen : "any";
}

form.addEventListener("submit", async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  if (isBusy()) return;
  const url = withScheme(urlInput.value);
  if (!url) showProblem("Paste the URL of a video first.");
  else if (await submitUrl(isPlainlyList(url) ? "probe" : "download", url, { quality: quality.value, container: container.value })) urlInput.value = "";
  focusUrl();
});
urlInput.addEventListener("input", () => showProblem(""));
quality.addEventListener("change", offerContainers);
offerContainers();

onKeyRefused(() => askForKey(false));
onKeyChanged(async () => {
  (await access)?.update();
  retryLocked();
});
readAccess().then(async ({ mode, issuer }) => {
  if (mode !== "none") (await loadAccess()).name(issuer);
  if (mode === "none" || hasKey()) showVersions();
});

// Cards show when links expire, which happens while the page is open.
setInterval(() => {
  for (const job of jobs.list) changedJobs.add(job);
  scheduleDraw();
}, 30_000);

// Cards count down to the next try.
setInterval(() => {
  for (const job of jobs.list) if (isWaitingToRetry(job)) changedJobs.add(job);
  if (changedJobs.size) scheduleDraw();
}, 1000);

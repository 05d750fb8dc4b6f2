/** Puts the page together: the form, the list, and one card a job. */

import { newKey } from "./api.js";
import { createCard } from "./card.js";
import { isWaitingToRetry, Jobs } from "./jobs.js";

const CONTAINERS = {
  video: [["any", "Automatic"], ["mp4", "MP4"], ["webm", "WebM"], ["mkv", "MKV"]],
  audio: [["any", "Automatic"], ["m4a", "M4A"], ["mp3", "MP3"]],
};

/** @type {any} */
const form = document.getElementById("order");
const { url: address, quality, container } = form.elements;
const submit = form.querySelector("button");
const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));
const news = /** @type {HTMLElement} */ (document.getElementById("news"));
const list = /** @type {HTMLElement} */ (document.getElementById("jobs"));

/** @type {Map<import("./jobs.js").Job, ReturnType<typeof createCard>>} */
const cards = new Map();
/** @type {Set<import("./jobs.js").Job>} */
const changed = new Set();
let listChanged = true;
let scheduled = false;

const jobs = new Jobs((job) => {
  if (job) changed.add(job);
  else listChanged = true;
  schedule();
});

/** However many messages arrive, the page is drawn once a frame. */
function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    if (listChanged) drawList();
    for (const job of changed) cards.get(job)?.update();
    changed.clear();
  });
}

function drawList() {
  listChanged = false;
  const current = new Set(jobs.list);
  for (const [job, card] of cards) {
    if (current.has(job)) continue;
    card.element.remove();
    cards.delete(job);
  }
  jobs.list.forEach((job, place) => {
    const card = cards.get(job) ?? createCard(job, { onRemove: remove, onCancel: cancel, onAgain: again, onNews: tell });
    cards.set(job, card);
    const there = list.children[place] ?? null;
    if (there !== card.element) list.insertBefore(card.element, there);
  });
  for (const id of ["empty", "privacy"]) {
    const part = /** @type {HTMLElement} */ (document.getElementById(id));
    part.hidden = (id === "empty") === jobs.list.length > 0;
  }
}

/** @param {import("./jobs.js").Job} job */
function remove(job) {
  const card = cards.get(job)?.element;
  const neighbour = card?.nextElementSibling ?? card?.previousElementSibling;
  jobs.remove(job);
  tell("Removed from the list.");
  /** @type {HTMLElement} */ (neighbour?.querySelector(".remove") ?? address).focus();
}

/** @param {import("./jobs.js").Job} job */
function cancel(job) {
  jobs.cancel(job);
}

/** A job that the service doesn't know any more is ordered anew. @param {import("./jobs.js").Job} job */
async function again(job) {
  if (job.gone) {
    if (isBusy() || (await order(job.url, job.format ?? { quality: "1080", container: "any" }))) return;
    address.focus();
    return;
  }
  const fresh = await jobs.retry(job);
  if (!fresh) return;
  const held = cards.get(job)?.element.contains(document.activeElement);
  drawList();
  if (held) cards.get(fresh)?.focus();
  tell("Download started again.");
}

/**
 * What was sent last without an answer: sent again, it carries the same key, so it can't become two jobs.
 *
 * @type {{body: string, key: string} | null}
 */
let unanswered = null;

/**
 * @param {string} url
 * @param {import("./api.js").Format} format
 * @returns {Promise<boolean>} whether it was accepted
 */
async function order(url, format) {
  const body = JSON.stringify([url, format]);
  const sent = unanswered?.body === body ? unanswered : { body, key: newKey() };
  unanswered = sent;
  setBusy(true);
  try {
    await jobs.add(url, format, sent.key);
    unanswered = null;
    complain("");
    tell("Download started. Its steps appear in the list below.");
    return true;
  } catch (refusal) {
    const problem = /** @type {import("./api.js").Problem} */ (refusal);
    if (!problem.isOpen) unanswered = null;
    complain(problem.message);
    return false;
  } finally {
    setBusy(false);
  }
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

/** @param {string} text what is wrong with the order; "" for nothing */
function complain(text) {
  problem.textContent = text;
  address.setAttribute("aria-invalid", String(Boolean(text)));
}

/** @param {string} text for a screen reader */
function tell(text) {
  news.textContent = text;
}

/** An address copied without its scheme is one all the same. @param {string} text */
function completed(text) {
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
  const url = completed(address.value);
  if (!url) complain("Paste the URL of a video first.");
  else if (await order(url, { quality: quality.value, container: container.value })) address.value = "";
  address.focus();
});
address.addEventListener("input", () => complain(""));
quality.addEventListener("change", offerContainers);
offerContainers();

// Links expire while the page is open.
setInterval(() => {
  for (const job of jobs.list) changed.add(job);
  schedule();
}, 30_000);

// The time to the next try passes.
setInterval(() => {
  for (const job of jobs.list) if (isWaitingToRetry(job)) changed.add(job);
  if (changed.size) schedule();
}, 1000);

/** A job's card. It is made from the template in index.html, and only changes what differs. */

import { describeFormat, formatBytes, formatClock, formatLength, formatPercent, formatSpeed, formatTimeSpan, parseTime } from "./format.js";
import { hasKey } from "./api.js";
import { hasEnded, isWaitingToRetry } from "./jobs.js";

/** The steps of a job, and the share of the bar at which each begins. */
const NEW_VIDEO = [["Start", 5], ["Details", 10], ["Download", 20], ["Merge", 85], ["Upload", 92], ["Done", 100]];
const STORED_VIDEO = [["Start", 5], ["Details", 10], ["Found", 30], ["Link", 50], ["Metadata", 70], ["Done", 100]];

const CHIPS = {
  queued: "Waiting",
  processing: "In progress",
  completed: "Ready",
  failed: "Failed",
  cancelled: "Cancelled",
  gone: "Not found",
  locked: "Locked",
  refused: "Not connected",
  reconnecting: "Reconnecting…",
};

const GONE = "Vidferry no longer has a record of this job. A finished video may still be in the bucket.";
const LOCKED = "Enter an API key to see this job.";
const REFUSED = "Vidferry does not allow this page to follow the job’s progress.";

/**
 * @typedef {import("./jobs.js").Job} Job
 * @typedef {{onRemove: (job: Job) => void, onCancel: (job: Job) => void, onRetry: (job: Job) => void, onRenew: (job: Job) => Promise<void>, onAnnounce: (text: string) => void}} CardActions
 */

/**
 * @param {Job} job
 * @param {CardActions} actions
 * @returns {{element: HTMLElement, update: () => void, focus: () => void}}
 */
export function createCard(job, actions) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById("card"));
  const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const element = /** @type {HTMLElement} */ (fragment.firstElementChild);
  /** @type {Record<string, any>} */
  const parts = {};
  for (const part of element.querySelectorAll("[data-part]")) {
    parts[/** @type {HTMLElement} */ (part).dataset.part ?? ""] = part;
  }

  element.dataset.job = job.id;
  parts.title.id = `title-${job.id}`;
  for (const part of ["bar", "save", "copy", "cancel", "again", "remove"]) {
    parts[part].setAttribute("aria-describedby", parts.title.id);
  }
  parts.bar.setAttribute("aria-label", "Progress");
  parts.remove.setAttribute("aria-label", "Remove from list");
  parts.remove.addEventListener("click", () => actions.onRemove(job));
  parts.cancel.addEventListener("click", () => actions.onCancel(job));
  parts.again.addEventListener("click", () => actions.onRetry(job));
  parts.copy.addEventListener("click", async () => {
    const copied = await copyText(job.state.result.url);
    actions.onAnnounce(copied ? "Link copied." : "The browser did not allow copying the link.");
    if (copied) showBriefly(parts.copy, "Copied");
  });
  /** the thumbnail's URL that failed last */
  let failedPicture = "";
  parts.picture.addEventListener("error", async () => {
    parts.picture.hidden = true;
    if (!mayExpire(parts.picture.src) || parts.picture.src === failedPicture) return;
    failedPicture = parts.picture.src;
    await actions.onRenew(job);
  });
  parts.picture.addEventListener("load", () => (parts.picture.hidden = false));

  let renewing = false;
  parts.save.addEventListener("click", async (/** @type {MouseEvent} */ event) => {
    if (!event.isTrusted || !mayExpire(parts.save.href)) return;
    event.preventDefault();
    if (renewing) return;
    renewing = true;
    await actions.onRenew(job);
    renewing = false;
    update();
    if (!parts.save.hidden && !job.locked) parts.save.click();
  });

  function update() {
    const focused = element.contains(document.activeElement) ? document.activeElement : null;
    const phase = phaseOf(job);
    element.dataset.phase = phase;
    setText(parts.chip, CHIPS[phase]);
    parts.reused.hidden = !(phase === "completed" && job.state.result?.reused);
    showName(parts, job);
    showProgress(parts, job);
    showFailure(parts, job, phase);
    showFile(parts, job);
    showActions(parts, job);
    // If the focused button was hidden, the focus would jump to the top of the page.
    if (focused?.closest("[hidden]")) focus();
  }

  /** Focuses the first visible button. */
  function focus() {
    [parts.save, parts.cancel, parts.again, parts.remove].find((part) => !part.closest("[hidden]")).focus();
  }

  update();
  return { element, update, focus };
}

/** @param {Job} job @returns {keyof typeof CHIPS} */
function phaseOf(job) {
  if (job.gone) return "gone";
  if (job.locked) return "locked";
  if (!hasEnded(job)) {
    if (job.connection === "reconnecting") return "reconnecting";
    if (job.connection === "refused") return "refused";
  }
  return job.state.status in CHIPS ? job.state.status : "processing";
}

/** @param {Record<string, any>} parts @param {Job} job */
function showName(parts, job) {
  const { title, thumbnail, result } = job.state;
  const address = parseWebUrl(job.url);
  setText(parts.title, title || result?.title || job.url || "Video");
  setText(parts.source, address?.host.replace(/^www\./, "") ?? "");
  if (address) setAttribute(parts.source, "href", address.href);
  setText(parts.format, describeFormat(job.format));
  setText(parts.length, formatLength(result?.duration));
  parts.length.hidden = !parts.length.textContent;
  // The api serves the thumbnail, so it is loaded from the page's own origin.
  const picture = typeof thumbnail === "string" ? parseWebUrl(thumbnail) : null;
  if (picture) setAttribute(parts.picture, "src", location.origin + picture.pathname + picture.search);
}

/** @param {Record<string, any>} parts @param {Job} job */
function showProgress(parts, job) {
  const { state } = job;
  const ended = hasEnded(job);
  // A playlist's progress counts its parts and needs no total. A single file of unknown length stays at 20.
  const begun = NEW_VIDEO[2][1];
  const unmeasured = !ended && state.stage === "downloading" && state.total_bytes == null && job.progress <= begun;
  const whole = Math.floor(job.progress);
  setText(parts.message, ended && state.status !== "completed" ? "" : state.message || "Waiting for a worker");
  setText(parts.percent, unmeasured ? "" : formatPercent(whole));
  setText(parts.facts, listFacts(job).filter(Boolean).join(" · "));
  parts.bar.style.setProperty("--progress", String(job.progress));
  parts.bar.classList.toggle("unmeasured", unmeasured);
  setAttribute(parts.bar, "aria-valuetext", unmeasured ? `${formatBytes(state.downloaded_bytes)} so far` : formatPercent(whole));
  if (unmeasured) parts.bar.removeAttribute("aria-valuenow");
  else setAttribute(parts.bar, "aria-valuenow", String(whole));
  showSteps(parts.steps, job);
}

/** @param {Job} job @returns {string[]} */
function listFacts(job) {
  const { state } = job;
  const { result, downloaded_bytes: done, total_bytes: total, status } = state;
  if (status === "completed") return [formatBytes(result?.size), typeof result?.media_type === "string" ? result.media_type : ""];
  if (isWaitingToRetry(job)) return [nextTry(state)];
  if (status !== "processing") return [];
  const again = state.retries ? `Retry ${formatRetries(state)}` : "";
  if (state.stage !== "downloading" && state.stage !== "uploading") return [again];
  const size = formatBytes(done) && formatBytes(total) ? `${formatBytes(done)} of ${formatBytes(total)}` : formatBytes(done) && `${formatBytes(done)} so far`;
  const left = formatTimeSpan(state.eta);
  return [size, formatSpeed(state.speed), left && `${left} left`, again];
}

/** @param {Job["state"]} state @returns {string} "Next try in 12 sec (2 of 3)" */
function nextTry(state) {
  const seconds = ((parseTime(state.retry_at)?.getTime() ?? 0) - Date.now()) / 1000;
  return `${seconds > 0 ? `Next try in ${formatTimeSpan(seconds)}` : "Waiting for the next try"} (${formatRetries(state)})`;
}

/** @param {Job["state"]} state @returns {string} "2 of 3" */
function formatRetries({ retries, max_retries: all }) {
  return all ? `${retries} of ${all}` : String(retries);
}

/** @param {HTMLElement} list @param {Job} job */
function showSteps(list, job) {
  const steps = job.stored ? STORED_VIDEO : NEW_VIDEO;
  const names = steps.map(([name]) => name).join();
  if (list.dataset.names !== names) {
    list.dataset.names = names;
    list.replaceChildren(
      ...steps.map(([name]) => {
        const step = document.createElement("li");
        step.textContent = String(name);
        return step;
      }),
    );
  }
  const reached = steps.findLastIndex(([, from]) => job.progress >= Number(from));
  const running = !hasEnded(job);
  [...list.children].forEach((step, index) => {
    const current = running && index === reached;
    step.classList.toggle("passed", index <= reached && !current);
    step.classList.toggle("current", current);
    if (current) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  });
}

/** @param {Record<string, any>} parts @param {Job} job @param {string} phase */
function showFailure(parts, job, phase) {
  const { error, message } = job.state;
  const reasons = { gone: GONE, locked: LOCKED, refused: REFUSED, failed: error?.message || message || "The download failed." };
  const reason = phase in reasons ? reasons[/** @type {keyof typeof reasons} */ (phase)] : "";
  setText(parts.reason, reason);
  setText(parts.code, phase === "failed" && error?.code ? String(error.code) : "");
  parts.code.hidden = !parts.code.textContent;
  parts.trouble.hidden = !reason;
}

/** @param {Record<string, any>} parts @param {Job} job */
function showFile(parts, job) {
  const { status, result } = job.state;
  const completed = !job.gone && status === "completed" && result;
  const file = completed && parseWebUrl(result.file_url ?? result.url);
  const until = completed ? parseTime(result.expires_at) : null;
  const expired = until !== null && until.getTime() <= Date.now();
  if (file) setAttribute(parts.save, "href", file.href);
  parts.save.hidden = !file;
  setText(parts.save, job.format?.quality === "audio" ? "Save audio" : "Save video");
  parts.copy.hidden = !(completed && parseWebUrl(result.url)) || expired;
  setText(parts.expiry, until ? (expired ? "The link has expired. Saving creates a new one." : `Link works until ${formatClock(until)}`) : "");
}

/** @param {Record<string, any>} parts @param {Job} job */
function showActions(parts, job) {
  const { status } = job.state;
  parts.cancel.hidden = hasEnded(job) || job.connection === "refused";
  parts.again.hidden = !(job.gone ? job.url : status === "failed" || status === "cancelled");
  showBusy(parts.cancel, job.pendingAction === "cancel", "Cancel", "Cancelling…");
  showBusy(parts.again, job.pendingAction === "retry", "Try again", "Sending…");
  setText(parts.problem, job.problem);
  parts.arrival.hidden = [parts.save, parts.cancel, parts.again].every((part) => part.hidden);
}

/** Uses aria-disabled: `disabled` would lose the focus. @param {HTMLElement} button @param {boolean} busy @param {string} idle @param {string} word */
function showBusy(button, busy, idle, word) {
  setText(button, busy ? word : idle);
  setAttribute(button, "aria-disabled", String(busy));
}

/** Whether the link's ticket may have expired. @param {string} link */
function mayExpire(link) {
  return hasKey() || new URL(link).searchParams.has("ticket");
}

/** @param {unknown} text @returns {URL | null} only http and https URLs, which are safe to link to */
function parseWebUrl(text) {
  try {
    const address = new URL(String(text), document.baseURI);
    return address.protocol === "https:" || address.protocol === "http:" ? address : null;
  } catch {
    return null;
  }
}

/**
 * Without HTTPS, the clipboard API is only available on localhost: then a selected text field is copied.
 *
 * @param {string} text
 * @returns {Promise<boolean>}
 */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    field.value = text;
    field.className = "unseen";
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return copied;
  }
}

/** @param {HTMLElement} button @param {string} text */
function showBriefly(button, text) {
  const before = button.textContent === text ? button.dataset.before ?? "" : button.textContent ?? "";
  button.dataset.before = before;
  button.textContent = text;
  setTimeout(() => (button.textContent = before), 2000);
}

/** Leaves unchanged text alone, so that screen readers don't repeat it. @param {HTMLElement} part @param {string} text */
function setText(part, text) {
  if (part.textContent !== text) part.textContent = text;
}

/** @param {HTMLElement} part @param {string} name @param {string} value */
function setAttribute(part, name, value) {
  if (part.getAttribute(name) !== value) part.setAttribute(name, value);
}

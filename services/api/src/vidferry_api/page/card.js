/** A job's card. It is made from the template in index.html, and only changes what differs. */

import { copyTemplate, copyText, mayExpire, parseWebUrl, renewWhenFollowed, setAttribute, setText, showBriefly, showBusy } from "./dom.js";
import { describeFormat, formatBytes, formatClock, formatLength, formatPercent, formatSpeed, formatTimeSpan, parseTime } from "./format.js";
import { hasEnded, isList, isListRefused, isWaitingToRetry } from "./job.js";
import { CHIPS, countRetryable, countVideos, describeBatch, describeList, listCounts, phaseOf, reasonOf } from "./words.js";

/** The steps of a job, and the share of the bar at which each begins. */
const NEW_VIDEO = [["Start", 5], ["Details", 10], ["Download", 20], ["Merge", 85], ["Upload", 92], ["Done", 100]];
const STORED_VIDEO = [["Start", 5], ["Details", 10], ["Found", 30], ["Link", 50], ["Metadata", 70], ["Done", 100]];

const GONE = "Vidferry no longer has a record of this job. A finished video may still be in the bucket.";
const LOCKED = "Enter an API key to see this job.";
const NO_LOOK = "Vidferry does not keep what a URL leads to for long. Look again.";
const REFUSED = "Vidferry does not allow this page to follow the job’s progress.";

/**
 * @typedef {import("./job.js").Job} Job
 * @typedef {{element: HTMLElement, update: () => void, focus?: () => void, retry?: () => void, close?: () => void}} Contents
 *   what a card shows below: the videos of a batch, or the offer of a list
 * @typedef {object} CardActions
 * @property {(job: Job) => void} onRemove
 * @property {(job: Job) => void} onCancel
 * @property {(job: Job) => void} onRetry
 * @property {(job: Job) => Promise<void>} onRenew
 * @property {(job: Job, choice: import("./offer.js").Choice) => void} onTake
 * @property {(job: Job, urls: string[]) => void} onTakeOthers
 * @property {import("./batch.js").BatchActions["onFold"]} onFold
 * @property {import("./batch.js").BatchActions["onRetryChild"]} onRetryChild
 * @property {(text: string) => void} onAnnounce
 */

/**
 * @param {Job} job
 * @param {CardActions} actions
 * @returns {{element: HTMLElement, update: () => void, focus: () => void, retry: () => void, close: () => void}}
 *   retry: there may be another key. close: the card goes.
 */
export function createCard(job, actions) {
  const { element, parts } = copyTemplate("card");
  element.dataset.job = job.id;
  parts.title.id = `title-${job.id}`;
  for (const part of ["bar", "save", "copy", "cancel", "again", "others", "remove"]) {
    parts[part].setAttribute("aria-describedby", parts.title.id);
  }
  parts.bar.setAttribute("aria-label", "Progress");
  parts.remove.setAttribute("aria-label", "Remove from list");
  parts.remove.addEventListener("click", () => actions.onRemove(job));
  parts.cancel.addEventListener("click", () => actions.onCancel(job));
  parts.again.addEventListener("click", () => actions.onRetry(job));
  parts.others.addEventListener("click", () => actions.onTakeOthers(job, othersOf(job)?.urls ?? []));
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
  renewWhenFollowed(parts.save, async () => {
    await actions.onRenew(job);
    update();
    return !job.locked;
  });

  /** @type {Contents | null} */
  let contents = null;
  let loading = false;
  let closed = false;

  /** Most cards have no contents, so their modules are only loaded where they are needed. */
  async function loadContents() {
    if (contents || loading || !(job.kind === "batch" || isList(job))) return;
    loading = true;
    try {
      const made = await createContents(job, actions);
      if (closed) return; // nobody would close what it watches
      contents = made;
      parts.contents.replaceChildren(contents.element);
      const hadFocus = element.contains(document.activeElement);
      update();
      if (hadFocus) contents.focus?.();
    } catch {
      // a module could not be loaded; the next change tries again
    } finally {
      loading = false;
    }
  }

  function update() {
    const focused = element.contains(document.activeElement) ? document.activeElement : null;
    const phase = phaseOf(job);
    element.dataset.phase = phase;
    element.dataset.kind = job.kind;
    setText(parts.chip, chipOf(job, phase));
    parts.reused.hidden = !(phase === "completed" && job.state.result?.reused);
    showName(parts, job);
    showProgress(parts, job);
    showFailure(parts, job, phase);
    showFile(parts, job);
    showWarning(parts, job);
    showActions(parts, job);
    loadContents();
    parts.contents.hidden = !contents || job.gone || job.locked;
    if (parts.contents.hidden) contents?.close?.();
    else contents?.update();
    // If the focused button was hidden, the focus would jump to the top of the page.
    if (focused?.closest("[hidden]")) focus();
  }

  /** Focuses what a person does next: the offer of a list, or the first visible button. */
  function focus() {
    if (contents?.focus && !parts.contents.hidden) contents.focus();
    else [parts.save, parts.cancel, parts.again, parts.remove].find((part) => !part.closest("[hidden]")).focus();
  }

  function close() {
    closed = true;
    contents?.close?.();
  }

  update();
  return { element, update, focus, retry: () => contents?.retry?.(), close };
}

/** @param {Job} job a batch, or a look that has found a list @param {CardActions} actions @returns {Promise<Contents>} */
async function createContents(job, actions) {
  if (job.kind === "batch") return (await import("./batch.js")).createBatch(job, actions);
  return (await import("./offer.js")).createOffer(job, actions);
}

/** @param {Job} job @param {keyof typeof CHIPS} phase */
function chipOf(job, phase) {
  if (job.kind === "probe" && phase === "processing") return "Looking…";
  if (job.kind === "batch" && phase === "completed" && countRetryable(job)) return "Finished"; // not all are ready
  return job.kind === "probe" && phase === "completed" ? "Found" : CHIPS[phase];
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
  const begun = Number(NEW_VIDEO[2][1]);
  const unmeasured = !ended && state.stage === "downloading" && state.total_bytes == null && job.progress <= begun;
  const whole = Math.floor(job.progress);
  setText(parts.message, messageOf(job));
  setText(parts.percent, unmeasured ? "" : formatPercent(whole));
  setText(parts.facts, listFacts(job).filter(Boolean).join(" · "));
  parts.bar.style.setProperty("--progress", String(job.progress));
  parts.bar.classList.toggle("unmeasured", unmeasured);
  setAttribute(parts.bar, "aria-valuetext", unmeasured ? `${formatBytes(state.downloaded_bytes)} so far` : formatPercent(whole));
  if (unmeasured) parts.bar.removeAttribute("aria-valuenow");
  else setAttribute(parts.bar, "aria-valuenow", String(whole));
  showSteps(parts.steps, job);
}

/** @param {Job} job @returns {string} */
function messageOf(job) {
  const { status, message } = job.state;
  if (job.kind === "batch") return describeBatch(job);
  if (isList(job)) return describeList(job);
  if (hasEnded(job) && (status !== "completed" || job.kind === "probe")) return "";
  return message || "Waiting for a worker";
}

/** @param {Job} job @returns {string[]} */
function listFacts(job) {
  const { state } = job;
  if (job.kind === "batch") return listCounts(job);
  if (job.kind === "probe") return [];
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

/** @param {Job["state"]} state @returns {string} "Next try in 12 sec (2 of 3)", or of a site that pauses "Goes on in 12 sec" */
function nextTry(state) {
  const seconds = ((parseTime(state.retry_at)?.getTime() ?? 0) - Date.now()) / 1000;
  if (state.pause_code) return seconds > 0 ? `Goes on in ${formatTimeSpan(seconds)} at the earliest` : "Waiting for the site";
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
  const failed = reasonOf(job) || message || "The download failed.";
  const reasons = { gone: job.kind === "probe" ? NO_LOOK : GONE, locked: LOCKED, refused: REFUSED, failed };
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

/** Shows what a batch lacks, or offers the other videos of a page that has several. @param {Record<string, any>} parts @param {Job} job */
function showWarning(parts, job) {
  const others = job.gone ? null : othersOf(job);
  const lacks = job.gone ? "" : listLacks(job);
  parts.warning.hidden = !others && !lacks;
  if (!others) {
    setText(parts.warningText, lacks);
    parts.others.hidden = true;
    return;
  }
  const { videos, urls } = others;
  setText(parts.warningText, `This is 1 of ${countVideos(videos)} on the page.`);
  parts.others.hidden = !urls.length || job.followed;
  const word = urls.length === 1 ? "Download the other one" : `Download the other ${urls.length}`;
  showBusy(parts.others, job.pendingAction === "take", word, "Sending…");
}

/** @param {Job} job @returns {string} what a batch says that it lacks */
function listLacks({ state }) {
  const warnings = Array.isArray(state.batch?.warnings) ? state.batch.warnings : [];
  return warnings.map((/** @type {any} */ each) => String(each?.message ?? "")).join(" ");
}

/** @param {Job} job @returns {{videos: number, urls: string[]} | null} the videos of the page that were left */
function othersOf({ state }) {
  const warnings = Array.isArray(state.result?.warnings) ? state.result.warnings : [];
  const warning = warnings.find((/** @type {any} */ each) => each?.code === "several_videos");
  return warning ? { videos: warning.videos, urls: warning.other_urls ?? [] } : null;
}

/** @param {Record<string, any>} parts @param {Job} job */
function showActions(parts, job) {
  const again = againOf(job);
  parts.cancel.hidden = hasEnded(job) || job.connection === "refused";
  parts.again.hidden = !again;
  showBusy(parts.cancel, job.pendingAction === "cancel", job.kind === "batch" ? "Cancel all" : "Cancel", "Cancelling…");
  showBusy(parts.again, job.pendingAction === "retry" || job.pendingAction === "look", again, "Sending…");
  setText(parts.problem, job.problem);
  parts.arrival.hidden = !job.problem && [parts.save, parts.cancel, parts.again].every((part) => part.hidden);
}

/** @param {Job} job @returns {string} the word for another try; "" if there is nothing to try again */
function againOf(job) {
  if (job.gone) return job.url ? (job.kind === "download" ? "Try again" : "Look again") : "";
  if (isListRefused(job)) return "Choose videos";
  const { status } = job.state;
  const failures = countRetryable(job);
  if (job.kind === "batch" && hasEnded(job) && failures) return job.followed ? "" : `Retry ${countVideos(failures)}`;
  return status === "failed" || status === "cancelled" ? "Try again" : "";
}

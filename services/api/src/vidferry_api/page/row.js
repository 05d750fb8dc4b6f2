/** A row: one video of a batch whose videos are shown. */

import { copyTemplate, parseWebUrl, renewWhenFollowed, setAttribute, setText, showBusy } from "./dom.js";
import { formatBytes, formatLength, formatPercent, formatSpeed } from "./format.js";
import { hasEnded, isListRefused } from "./job.js";
import { CHIPS, phaseOf, reasonOf } from "./words.js";

/**
 * @typedef {import("./job.js").Job} Job
 * @typedef {object} RowActions
 * @property {(child: Job) => void} onCancel
 * @property {(child: Job) => void} onRetry
 * @property {(child: Job) => Promise<void>} onRenew
 */

/**
 * @param {Job} child
 * @param {RowActions} actions
 * @returns {{element: HTMLElement, update: () => void}}
 */
export function createRow(child, actions) {
  const { element, parts } = copyTemplate("row");
  parts.title.id = `title-${child.id}`;
  for (const part of ["bar", "save", "cancel", "again"]) parts[part].setAttribute("aria-describedby", parts.title.id);
  parts.cancel.addEventListener("click", () => actions.onCancel(child));
  parts.again.addEventListener("click", () => actions.onRetry(child));
  renewWhenFollowed(parts.save, async () => {
    await actions.onRenew(child);
    update();
    return !child.problem;
  });

  function update() {
    const focused = element.contains(document.activeElement) ? document.activeElement : null;
    const { status, title, result } = child.state;
    const phase = phaseOf(child);
    const file = phase === "completed" ? parseWebUrl(result?.file_url) : null;
    element.dataset.phase = phase;
    setText(parts.number, String(child.state.parent?.index ?? ""));
    setText(parts.title, title || result?.title || child.url || "Video");
    setText(parts.chip, CHIPS[phase]);
    setText(parts.facts, factsOf(child).filter(Boolean).join(" · "));
    setText(parts.reason, phase === "failed" ? reasonOf(child) : "");
    showBar(parts.bar, child, phase);
    if (file) setAttribute(parts.save, "href", file.href);
    parts.save.hidden = !file;
    parts.cancel.hidden = hasEnded(child);
    parts.again.hidden = child.followed || child.gone || !(status === "failed" || status === "cancelled");
    showBusy(parts.cancel, child.pendingAction === "cancel", "Cancel", "Cancelling…");
    showBusy(parts.again, child.pendingAction === "retry" || child.pendingAction === "look", isListRefused(child) ? "Choose videos" : "Try again", "Sending…");
    setText(parts.problem, child.problem);
    // If the focused button was hidden, the focus would jump to the top of the page.
    if (focused?.closest("[hidden]")) [parts.save, parts.again, element].find((part) => !part.hidden)?.focus();
  }

  update();
  return { element, update };
}

/** @param {HTMLElement} bar @param {Job} child @param {string} phase */
function showBar(bar, child, phase) {
  bar.hidden = phase !== "processing";
  bar.style.setProperty("--progress", String(child.progress));
  setAttribute(bar, "aria-valuenow", String(Math.floor(child.progress)));
}

/** @param {Job} child @returns {string[]} */
function factsOf({ state, progress }) {
  const { result, status } = state;
  if (status === "completed") return [formatLength(result?.duration), formatBytes(result?.size)];
  if (status === "processing") return [formatPercent(progress), formatSpeed(state.speed)];
  return [];
}

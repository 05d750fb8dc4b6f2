/** The videos of a batch below its card: a button that unfolds them, and their rows while they are shown. */

import { Children } from "./children.js";
import { copyTemplate, setText } from "./dom.js";
import { createRow } from "./row.js";

/**
 * @typedef {import("./job.js").Job} Job
 * @typedef {object} BatchActions
 * @property {(job: Job, unfolded: boolean) => void} onFold
 * @property {(batch: Job, child: Job, onChange: (child: Job) => void) => Promise<void>} onRetryChild
 */

/**
 * @param {Job} job a batch
 * @param {BatchActions} actions
 * @returns {{element: HTMLElement, update: () => void, retry: () => void, close: () => void}}
 *   retry: there may be another key. close: the card goes.
 */
export function createBatch(job, { onFold, onRetryChild }) {
  const { element, parts } = copyTemplate("batch");
  /** @type {Map<Job, ReturnType<typeof createRow>>} */
  const rows = new Map();
  /** @type {Set<Job>} */
  const changed = new Set();
  let listChanged = true;
  let drawScheduled = false;
  const children = new Children(job, scheduleDraw);
  parts.rows.id = `rows-${job.id}`;
  parts.fold.setAttribute("aria-controls", parts.rows.id);
  parts.fold.setAttribute("aria-describedby", `title-${job.id}`);
  parts.fold.addEventListener("click", () => onFold(job, !job.unfolded));

  /** Draws at most once per animation frame. @param {Job} [child] */
  function scheduleDraw(child) {
    if (child) changed.add(child);
    else listChanged = true;
    if (drawScheduled) return;
    drawScheduled = true;
    requestAnimationFrame(() => {
      drawScheduled = false;
      draw();
    });
  }

  function draw() {
    if (!job.unfolded) return;
    if (listChanged) drawList();
    for (const child of changed) rows.get(child)?.update();
    changed.clear();
  }

  function drawList() {
    listChanged = false;
    children.list.forEach((child, index) => {
      let row = rows.get(child);
      if (!row) {
        row = createRow(child, {
          onCancel: (child) => children.cancel(child),
          onRetry: (child) => onRetryChild(job, child, scheduleDraw),
          onRenew: (child) => children.renew(child),
        });
        rows.set(child, row);
      }
      row.update();
      const current = parts.rows.children[index] ?? null;
      if (current !== row.element) parts.rows.insertBefore(row.element, current);
    });
    setText(parts.problem, children.problem);
    const total = Number(job.state.batch?.counts?.total) || 0;
    const cut = children.isFull && total > children.list.length;
    setText(parts.note, !children.listed ? "Loading…" : cut ? `Only ${children.list.length.toLocaleString()} of them are shown.` : "");
  }

  function update() {
    parts.fold.setAttribute("aria-expanded", String(job.unfolded));
    setText(parts.foldText, job.unfolded ? "Hide videos" : "Show videos");
    parts.inside.hidden = !job.unfolded;
    if (!job.unfolded) {
      children.close();
      return;
    }
    children.open();
    children.update();
    draw();
  }

  return { element, update, retry: () => children.retry(), close: () => children.close() };
}

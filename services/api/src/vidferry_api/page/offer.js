/** What a look has found: a list of videos, and how many of them to download. */

import { copyTemplate, setText, showBusy } from "./dom.js";
import { formatLength } from "./format.js";
import { countVideos } from "./words.js";

/** How many videos are named, and how many are offered at first. */
const NAMED = 10;

/** The most videos that are offered if the service does not say how many a batch takes, as an older worker. */
const MAX_OFFERED = 1000;

/**
 * @typedef {import("./job.js").Job} Job
 * @typedef {{limit: number, newest_first?: boolean}} Choice
 */

/**
 * @param {Job} job a look that has found a list
 * @param {{onTake: (job: Job, choice: Choice) => void}} actions
 * @returns {{element: HTMLElement, update: () => void, focus?: () => void}} focus: unless there is nothing to choose
 */
export function createOffer(job, { onTake }) {
  const { element, parts } = copyTemplate("offer");
  const { entries = [], entry_count: count, batch_limit } = job.state.probe;
  const limit = typeof batch_limit === "number" ? batch_limit : MAX_OFFERED;
  const most = typeof count === "number" ? Math.min(count, limit) : limit;
  parts.limit.id = `limit-${job.id}`;
  parts.problem.id = `limit-problem-${job.id}`;
  parts.limitLabel.htmlFor = parts.limit.id;
  parts.limit.setAttribute("aria-describedby", parts.problem.id);
  parts.limit.max = String(most);
  parts.limit.value = String(Math.min(NAMED, most));
  parts.choice.hidden = most === 0;
  setText(parts.of, typeof count === "number" ? `of ${count.toLocaleString()}` : "");
  const named = entries.slice(0, NAMED);
  parts.entries.replaceChildren(...named.map(createEntry));
  parts.entries.hidden = !named.length;
  const others = typeof count === "number" ? count - named.length : 0;
  setText(parts.others, others > 0 ? `and ${others.toLocaleString()} more ${others === 1 ? "video" : "videos"}` : count == null ? "and more" : "");

  /** @returns {number} NaN unless it is a whole number that the list has */
  function chosen() {
    const limit = Number(parts.limit.value);
    return Number.isInteger(limit) && limit >= 1 && limit <= most ? limit : NaN;
  }

  function update() {
    const limit = chosen();
    const busy = job.pendingAction === "take";
    showBusy(parts.take, busy, Number.isNaN(limit) ? "Download videos" : `Download ${countVideos(limit)}`, "Sending…");
  }

  /** @param {string} text what is wrong with the number; "" for nothing */
  function showProblem(text) {
    setText(parts.problem, text);
    parts.limit.setAttribute("aria-invalid", String(Boolean(text)));
  }

  parts.limit.addEventListener("input", () => {
    showProblem("");
    update();
  });
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    const limit = chosen();
    if (Number.isNaN(limit)) {
      showProblem(`Choose a number from 1 to ${most.toLocaleString()}.`);
      parts.limit.focus();
    } else {
      onTake(job, parts.newest.checked ? { limit, newest_first: true } : { limit });
    }
  });
  update();
  return { element, update, focus: most > 0 ? () => parts.limit.select() : undefined };
}

/** @param {{index: number, title: string | null, url: string | null, duration: number | null}} entry */
function createEntry({ index, title, url, duration }) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.dir = "auto";
  name.textContent = title || url || `Video ${index}`;
  item.append(name, " ", formatLength(duration));
  return item;
}

/**
 * Follows many jobs over one WebSocket, through lost connections. The socket is open while there is a job to watch.
 *
 * The gateway bounds how many jobs a socket watches, so only the first ones are watched, and the next ones as those end.
 * A job resumes with its own cursor. `progress.js` has the reasons for the delays and for the asked pings.
 */

import { CloseCode, hasEndStatus, socketUrl } from "./progress.js";

/** How many jobs fit into one message of 4 KiB. */
const JOBS_PER_MESSAGE = 40;

/**
 * @typedef {object} Watcher
 * @property {(message: import("./progress.js").StatusMessage, first: boolean) => void} onMessage
 *   first: the first one since it was subscribed to, which is authoritative
 * @property {() => void} onGone the job does not exist, or no longer does
 * @property {string | null} cursor
 * @property {boolean} subscribed
 * @property {boolean} first
 */

/**
 * @param {object} options
 * @param {() => Promise<string | null>} options.openUrl returns the socket's URL for each connection, with a fresh ticket; null
 *   to give up until the next job is added. If it rejects, it is called again after a delay.
 * @param {number} [options.limit] how many jobs are watched at once
 * @param {number} [options.base] the first bound of the delay before the next connection, ms
 * @param {number} [options.cap] the largest bound of it, ms
 * @param {number} [options.silence] ms without any message after which the connection counts as broken
 */
export function watchJobs({ openUrl, limit = 150, base = 500, cap = 15_000, silence = 60_000 }) {
  /** @type {Map<string, Watcher>} those that are added first are watched first */
  const watchers = new Map();
  let opening = false;
  let failures = 0;
  let room = limit;
  let scheduled = false;
  /** @type {WebSocket | undefined} */
  let socket;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let watchdog;

  addEventListener("online", () => reconnectNow());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && timer !== undefined) reconnectNow();
  });

  return {
    /** Watches a job, unless it is watched. @param {string} id @param {Pick<Watcher, "onMessage" | "onGone">} watcher */
    add(id, watcher) {
      if (!watchers.has(id)) watchers.set(id, { ...watcher, cursor: null, subscribed: false, first: true });
      schedule();
    },
    /** @param {string[]} ids */
    remove(ids) {
      const left = ids.filter((id) => watchers.get(id)?.subscribed);
      for (const id of ids) watchers.delete(id);
      for (const some of chunks(left)) send({ type: "unsubscribe", jobs: some });
      schedule();
    },
  };

  /** Once for all jobs that are added or removed together. */
  function schedule() {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      if (!watchers.size) disconnect();
      else if (socket?.readyState === WebSocket.OPEN) subscribe();
      else if (!socket && !opening && timer === undefined) connect();
    });
  }

  async function connect() {
    timer = undefined;
    opening = true;
    try {
      const url = await openUrl();
      if (url && watchers.size) openSocket(url);
    } catch {
      retryLater(CloseCode.NONE);
    } finally {
      opening = false;
    }
  }

  /** @param {string} address */
  function openSocket(address) {
    const opened = new WebSocket(socketUrl(address, undefined));
    socket = opened;
    room = limit;
    for (const watcher of watchers.values()) watcher.subscribed = false;
    resetWatchdog();
    opened.onopen = () => {
      resetWatchdog();
      subscribe();
    };
    opened.onmessage = ({ data }) => {
      resetWatchdog();
      handleMessage(parseJson(data));
    };
    opened.onclose = ({ code }) => handleClose(code);
  }

  function subscribe() {
    const subscribed = [...watchers.values()].filter((watcher) => watcher.subscribed).length;
    const next = [...watchers].filter(([, watcher]) => !watcher.subscribed).slice(0, Math.max(0, room - subscribed));
    for (const some of chunks(next)) {
      for (const [, watcher] of some) Object.assign(watcher, { subscribed: true, first: true });
      send({ type: "subscribe", jobs: Object.fromEntries(some.map(([id, { cursor }]) => [id, cursor])) });
    }
  }

  /** @param {any} message */
  function handleMessage(message) {
    const id = message?.type === "status" ? message.data?.job_id : message?.job_id;
    const watcher = watchers.get(id);
    if (!watcher) return;
    if (message.type === "status") {
      failures = 0;
      if (typeof message.cursor === "string") watcher.cursor = message.cursor;
      const { first } = watcher;
      watcher.first = false;
      if (hasEndStatus(message.data)) watchers.delete(id);
      watcher.onMessage(message, first);
    } else if (message.type === "error") {
      handleError(message.code, id, watcher);
    }
    if (!watchers.has(id) || !watcher.subscribed) schedule();
  }

  /** @param {string} code @param {string} id @param {Watcher} watcher */
  function handleError(code, id, watcher) {
    watcher.subscribed = false;
    if (code === "too_many_jobs") {
      room = [...watchers.values()].filter((each) => each.subscribed).length;
    } else if (code === "ticket_expired") {
      handleClose(CloseCode.TICKET_EXPIRED);
    } else {
      watchers.delete(id);
      watcher.onGone();
    }
  }

  function resetWatchdog() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => {
      disconnect();
      handleClose(CloseCode.NONE);
    }, silence);
  }

  /** @param {number} code */
  function handleClose(code) {
    disconnect();
    if (code < CloseCode.FINAL) retryLater(code); // else it waits until another job is added
  }

  /** @param {number} code */
  function retryLater(code) {
    const tooMany = code === CloseCode.TOO_MANY;
    const delay = tooMany ? (cap / 2) * (1 + Math.random()) : Math.random() * Math.min(cap, base * 2 ** failures);
    if (!tooMany) failures += 1;
    if (watchers.size) timer = setTimeout(connect, delay);
  }

  function reconnectNow() {
    failures = 0;
    disconnect();
    schedule();
  }

  function disconnect() {
    clearTimeout(timer);
    clearTimeout(watchdog);
    timer = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    socket = undefined;
  }

  /** @param {unknown} message */
  function send(message) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }
}

/** @param {unknown} text */
function parseJson(text) {
  try {
    return JSON.parse(String(text));
  } catch {
    return null;
  }
}

/** @template T @param {T[]} items @returns {T[][]} */
function chunks(items) {
  return Array.from({ length: Math.ceil(items.length / JOBS_PER_MESSAGE) }, (_, index) =>
    items.slice(index * JOBS_PER_MESSAGE, (index + 1) * JOBS_PER_MESSAGE),
  );
}

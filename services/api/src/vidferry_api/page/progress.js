/**
 * Follows one job over its WebSocket, through lost connections. It depends on nothing else:
 *
 *     import { watchJob } from "./progress.js";
 *     const watch = watchJob(job.ws_url, {
 *       onMessage: (message) => console.log(message.data.stage, message.data.progress),
 *       onState: (state, { code }) => console.log(state, code),
 *     });
 *     // watch.close() to stop
 *
 * A connection that breaks is opened again after a random delay below a bound that doubles (exponential back-off with
 * full jitter, so that many clients don't reconnect at the same time), with the last message's cursor, so that nothing is
 * missed. It is opened immediately when the browser is online again or the page becomes visible again. Browsers report
 * neither a network that has vanished nor pings: so the server is asked to send each ping as a message too (`?pings=1`),
 * and a connection on which nothing arrives for long counts as broken.
 *
 * Where access isn't open, `ws_url` carries a ticket. Once that has expired, the server closes with 4401, and the job has to
 * be read again: `renewUrl` does so, and returns the new `ws_url`.
 *
 * @typedef {"connecting" | "live" | "reconnecting" | "ended" | "refused"} WatchState
 *   ended: the job's last state was received. refused: the server said not to try again; see the code.
 *
 * @typedef {object} StatusMessage
 * @property {string} type "status"; ignore what you don't know
 * @property {string} [cursor] the place in the job's messages, opaque
 * @property {string} [traceparent] W3C trace context
 * @property {Record<string, any>} data the job's state
 *
 * @typedef {object} WatchOptions
 * @property {(message: StatusMessage, first: boolean) => void} onMessage
 *   first: the first one over a new connection. It is authoritative even if its `seq` is lower
 *   than one seen before (it may have lost its latest writes).
 * @property {(state: WatchState, close: {code: number, reason: string}) => void} [onState]
 *   The close code is 0 if no connection was closed.
 * @property {() => Promise<string | null>} [renewUrl] returns the job's fresh `ws_url` when the ticket has expired; null to
 *   give up. If it rejects, it is called again after the next delay. Without it, an expired ticket is a refusal.
 * @property {string} [after] a cursor to resume from
 * @property {number} [base] the first bound of the delay, ms
 * @property {number} [cap] the largest bound of the delay, ms
 * @property {number} [silence] ms without any message after which the connection counts as broken: more than twice the time between two pings
 * @property {() => number} [random] from 0 to 1
 */

/** Codes by which the server closes; https://www.rfc-editor.org/rfc/rfc6455#section-7.4 */
export const CloseCode = Object.freeze({
  ENDED: 1000,
  /** never sent: the connection was lost without a close */
  NONE: 1006,
  /** the ticket in the URL; a fresh URL helps */
  TICKET_EXPIRED: 4401,
  TOO_MANY: 4429,
  /** this one and all above: don't try again */
  FINAL: 4500,
  /** it is missing, or for something else */
  TICKET_INVALID: 4501,
  NO_SUCH_JOB: 4504,
});

const END_STATUSES = new Set(["completed", "failed", "cancelled"]);
const NOT_CLOSED = Object.freeze({ code: 0, reason: "" });

/**
 * @param {string} wsUrl the job's `ws_url`
 * @param {WatchOptions} options
 * @returns {{close: () => void}}
 */
export function watchJob(wsUrl, options) {
  const { onMessage, onState = () => {}, base = 500, cap = 15_000, silence = 60_000, random = Math.random } = options;
  let url = wsUrl;
  let expired = false;
  /** the current call of renewUrl, so that the answer to an earlier one is ignored */
  let renewal = 0;
  let cursor = options.after;
  let failures = 0;
  let lastData = "";
  let ended = false;
  let stopped = false;
  /** @type {WebSocket | undefined} */
  let socket;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let watchdog;

  const listeners = new AbortController();
  addEventListener("online", () => reconnectNow(), { signal: listeners.signal });
  document.addEventListener("visibilitychange", handleVisibilityChange, { signal: listeners.signal });

  onState("connecting", NOT_CLOSED);
  connect();
  return { close: stop };

  function connect() {
    timer = undefined;
    if (expired) renewAndConnect();
    else openSocket();
  }

  async function renewAndConnect() {
    renewal += 1;
    const current = renewal;
    let fresh;
    try {
      fresh = await options.renewUrl?.();
    } catch {
      if (current === renewal && !stopped) retryLater(CloseCode.TICKET_EXPIRED, "the ticket could not be renewed");
      return;
    }
    if (current !== renewal || stopped) return;
    if (!fresh) {
      finish("refused", CloseCode.TICKET_EXPIRED, "");
      return;
    }
    url = fresh;
    expired = false;
    openSocket();
  }

  function openSocket() {
    let first = true;
    const opened = new WebSocket(socketUrl(url, cursor));
    socket = opened;
    resetWatchdog();
    opened.onopen = () => {
      resetWatchdog();
      onState("live", NOT_CLOSED);
    };
    opened.onmessage = ({ data }) => {
      resetWatchdog();
      const message = parseMessage(data);
      if (!message) return;
      failures = 0;
      if (typeof message.cursor === "string") cursor = message.cursor;
      if (typeof message.data.seq === "number") ended = hasEndStatus(message.data);
      // After a reconnect the server sends the state again, even if it has not changed.
      if (data !== lastData) onMessage(message, first);
      lastData = data;
      first = false;
    };
    opened.onclose = ({ code, reason }) => handleClose(code, reason);
  }

  function resetWatchdog() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => {
      disconnect();
      handleClose(CloseCode.NONE, "nothing was heard");
    }, silence);
  }

  /** @param {number} code @param {string} reason */
  function handleClose(code, reason) {
    clearTimeout(watchdog);
    if (ended || code === CloseCode.ENDED) finish("ended", code, reason);
    else if (code >= CloseCode.FINAL || (code === CloseCode.TICKET_EXPIRED && !options.renewUrl)) {
      finish("refused", code, reason);
    } else {
      expired = code === CloseCode.TICKET_EXPIRED;
      retryLater(code, reason);
    }
  }

  /** @param {number} code @param {string} reason */
  function retryLater(code, reason) {
    timer = setTimeout(connect, nextDelay(code));
    onState("reconnecting", { code, reason });
  }

  /** @param {number} code */
  function nextDelay(code) {
    if (code === CloseCode.TOO_MANY) return cap / 2 + (random() * cap) / 2;
    const bound = Math.min(cap, base * 2 ** failures);
    failures += 1;
    return random() * bound;
  }

  /** After a change of network an open socket may be dead without notice, so it is replaced too. */
  function reconnectNow() {
    if (stopped) return;
    failures = 0;
    disconnect();
    if (ended) {
      finish("ended", NOT_CLOSED.code, NOT_CLOSED.reason);
      return;
    }
    onState("reconnecting", NOT_CLOSED);
    connect();
  }

  function handleVisibilityChange() {
    if (document.visibilityState === "visible" && timer !== undefined) reconnectNow();
  }

  function disconnect() {
    clearTimeout(timer);
    clearTimeout(watchdog);
    timer = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  function stop() {
    stopped = true;
    listeners.abort();
    disconnect();
  }

  /** @param {WatchState} state @param {number} code @param {string} reason */
  function finish(state, code, reason) {
    stop();
    onState(state, { code, reason });
  }
}

/** @param {Record<string, any>} data @returns {boolean} whether it is the state of a job that has ended */
export function hasEndStatus(data) {
  return END_STATUSES.has(data.status);
}

/**
 * @param {string} wsUrl absolute, or relative to the page
 * @param {string | undefined} cursor
 */
export function socketUrl(wsUrl, cursor) {
  const url = new URL(wsUrl, document.baseURI);
  // A page loaded over TLS must not open a plain WebSocket, even if the server was told http by a proxy.
  const secure = url.protocol === "https:" || url.protocol === "wss:" || location.protocol === "https:";
  url.protocol = secure ? "wss:" : "ws:";
  url.searchParams.set("pings", "1");
  if (cursor) url.searchParams.set("after", cursor);
  return url;
}

/**
 * @param {unknown} text
 * @returns {StatusMessage | null} null if it is not a status message
 */
function parseMessage(text) {
  try {
    const message = JSON.parse(String(text));
    const isStatus = message?.type === "status" && typeof message.data === "object" && message.data !== null;
    return isStatus ? message : null;
  } catch {
    return null;
  }
}

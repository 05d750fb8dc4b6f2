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
 * full jitter, so that many clients don't come back at the same moment), with the last message's cursor, so nothing is
 * missed. It is opened at once when the browser is online again or the page is seen again. A browser does not tell of a
 * network that has gone without a word, nor of pings: the server is asked to say each ping (`?pings=1`), and where
 * nothing is heard for long the connection counts as broken.
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
 *   first: the first one over a new connection. What the server sends then is authoritative even where `seq` is lower
 *   than one seen before (it may have lost its latest writes).
 * @property {(state: WatchState, close: {code: number, reason: string}) => void} [onState]
 *   The close code is 0 where no connection was closed.
 * @property {string} [after] a cursor to go on from
 * @property {number} [base] the first bound of the delay, ms
 * @property {number} [cap] the largest bound of the delay, ms
 * @property {number} [silence] how long nothing may be heard, ms: more than twice the time between two pings
 * @property {() => number} [random] from 0 to 1
 */

/** Codes by which the server closes; https://www.rfc-editor.org/rfc/rfc6455#section-7.4 */
export const CloseCode = Object.freeze({
  ENDED: 1000,
  /** never sent: there was no close */
  NONE: 1006,
  TOO_MANY: 4429,
  /** this one and all above: don't try again */
  FINAL: 4500,
  NO_SUCH_JOB: 4504,
});

const ENDS = new Set(["completed", "failed", "cancelled"]);
const NOT_CLOSED = Object.freeze({ code: 0, reason: "" });

/**
 * @param {string} wsUrl the job's `ws_url`
 * @param {WatchOptions} options
 * @returns {{close: () => void}}
 */
export function watchJob(wsUrl, options) {
  const { onMessage, onState = () => {}, base = 500, cap = 15_000, silence = 60_000, random = Math.random } = options;
  let cursor = options.after;
  let failures = 0;
  let known = "";
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
  document.addEventListener("visibilitychange", whenSeen, { signal: listeners.signal });

  onState("connecting", NOT_CLOSED);
  connect();
  return { close: stop };

  function connect() {
    timer = undefined;
    let first = true;
    const mine = new WebSocket(socketAddress(wsUrl, cursor));
    socket = mine;
    heard();
    mine.onopen = () => {
      heard();
      onState("live", NOT_CLOSED);
    };
    mine.onmessage = ({ data }) => {
      heard();
      const message = parse(data);
      if (!message) return;
      failures = 0;
      if (typeof message.cursor === "string") cursor = message.cursor;
      if (typeof message.data.seq === "number") ended = ENDS.has(message.data.status);
      // Who comes back is told the state again, also where nothing has changed.
      if (data !== known) onMessage(message, first);
      known = data;
      first = false;
    };
    mine.onclose = ({ code, reason }) => closed(code, reason);
  }

  function heard() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => {
      disconnect();
      closed(CloseCode.NONE, "nothing was heard");
    }, silence);
  }

  /** @param {number} code @param {string} reason */
  function closed(code, reason) {
    clearTimeout(watchdog);
    if (ended || code === CloseCode.ENDED) finish("ended", code, reason);
    else if (code >= CloseCode.FINAL) finish("refused", code, reason);
    else {
      timer = setTimeout(connect, delay(code));
      onState("reconnecting", { code, reason });
    }
  }

  /** @param {number} code */
  function delay(code) {
    if (code === CloseCode.TOO_MANY) return cap / 2 + (random() * cap) / 2;
    const bound = Math.min(cap, base * 2 ** failures);
    failures += 1;
    return random() * bound;
  }

  /** After a change of networks an open socket may be dead without a word, so it is replaced too. */
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

  function whenSeen() {
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

/**
 * @param {string} wsUrl absolute, or relative to the page
 * @param {string | undefined} cursor
 */
function socketAddress(wsUrl, cursor) {
  const address = new URL(wsUrl, document.baseURI);
  // A page that came over TLS may not open a plain socket, whatever a proxy made the server believe.
  const secure = address.protocol === "https:" || address.protocol === "wss:" || location.protocol === "https:";
  address.protocol = secure ? "wss:" : "ws:";
  address.searchParams.set("pings", "1");
  if (cursor) address.searchParams.set("after", cursor);
  return address;
}

/**
 * @param {unknown} text
 * @returns {StatusMessage | null} null for what is no status message
 */
function parse(text) {
  try {
    const message = JSON.parse(String(text));
    const isStatus = message?.type === "status" && typeof message.data === "object" && message.data !== null;
    return isStatus ? message : null;
  } catch {
    return null;
  }
}

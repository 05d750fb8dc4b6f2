/**
 * Asks for an API key, and forgets it. The page loads this module only where Vidferry wants a key.
 */

import { checkKey, forgetKey, hasKey, keepKey, Problem } from "./api.js";

const USABLE = /^[\x21-\x7e]+$/;

/**
 * @typedef {object} AccessActions
 * @property {(notice: string) => void} onKey a key was given; notice: what it does not allow, or ""
 * @property {() => void} onForget the key was forgotten
 * @property {(text: string) => void} onAnnounce tells a screen reader
 */

/**
 * Makes the form that asks for the key, and the button that forgets it.
 *
 * @param {AccessActions} actions
 * @returns {{ask: (focus: boolean) => void, update: () => void, name: (issuer: string | null | undefined) => void}}
 *   ask: a request was refused. update: the key may be another one. name: whose tokens can be used too.
 */
export function createAccess({ onKey, onForget, onAnnounce }) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById("access"));
  const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  /** @type {any} */
  const form = fragment.querySelector("form");
  const forget = /** @type {HTMLButtonElement} */ (fragment.querySelector("button.forget"));
  const input = /** @type {HTMLInputElement} */ (form.elements.key);
  const problem = /** @type {HTMLElement} */ (form.querySelector(".problem"));
  const submit = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
  let refused = false;
  form.hidden = forget.hidden = true;
  document.querySelector("main")?.prepend(form);
  document.querySelector(".brand")?.append(forget);

  form.addEventListener("submit", async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if (submit.getAttribute("aria-disabled") === "true") return;
    const key = input.value.trim();
    if (!USABLE.test(key)) {
      showProblem(key ? "A key has no spaces and no special characters. Copy it again." : "Paste your key first.");
      input.focus();
      return;
    }
    setBusy(true);
    const refusal = await refusalOf(key);
    setBusy(false);
    if (refusal && refusal.status !== 403) {
      showProblem(refusal.status === 401 ? "Vidferry does not know this key. Check it, or ask for a new one." : refusal.message);
      input.focus();
      return;
    }
    keepKey(key);
    const hadFocus = form.contains(document.activeElement);
    update();
    if (hadFocus) document.getElementById("url")?.focus();
    onAnnounce("The key is kept in this browser.");
    onKey(refusal?.message ?? "");
  });
  input.addEventListener("input", () => showProblem(""));
  forget.addEventListener("click", () => {
    forgetKey();
    onForget();
    update();
    input.focus();
    onAnnounce("The key and the list were removed from this browser.");
  });

  function update() {
    refused = false;
    input.value = "";
    showProblem("");
    show();
  }

  function show() {
    form.hidden = hasKey() && !refused;
    forget.hidden = !hasKey();
  }

  /** @param {string} text what is wrong with the key; "" for nothing */
  function showProblem(text) {
    problem.textContent = text;
    input.setAttribute("aria-invalid", String(Boolean(text)));
  }

  /** @param {boolean} busy */
  function setBusy(busy) {
    submit.setAttribute("aria-disabled", String(busy));
    submit.textContent = busy ? "Checking…" : "Use this key";
  }

  return {
    ask(focus) {
      if (hasKey() && !refused) {
        refused = true;
        showProblem("The key no longer works. Enter another one.");
      }
      show();
      if (focus) input.focus();
    },
    update,
    name(issuer) {
      const part = /** @type {HTMLElement} */ (form.querySelector("[data-part=issuer]"));
      part.textContent = issuer ? ` A token of ${issuer} works too.` : "";
      show();
    },
  };
}

/** @param {string} key @returns {Promise<Problem | null>} why the key can't be used, or not for everything */
async function refusalOf(key) {
  try {
    await checkKey(key);
    return null;
  } catch (refusal) {
    return /** @type {Problem} */ (refusal);
  }
}

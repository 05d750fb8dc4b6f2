/** What the parts of the page share: parts of templates, changes of what is shown, and links. */

import { hasKey } from "./api.js";

/**
 * @param {string} id of a template in index.html
 * @returns {{element: HTMLElement, parts: Record<string, any>}} its copy, and its elements by `data-part`
 */
export function copyTemplate(id) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  const element = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
  /** @type {Record<string, any>} */
  const parts = {};
  for (const part of element.querySelectorAll("[data-part]")) {
    parts[/** @type {HTMLElement} */ (part).dataset.part ?? ""] = part;
  }
  return { element, parts };
}

/** Leaves unchanged text alone, so that screen readers don't repeat it. @param {HTMLElement} part @param {string} text */
export function setText(part, text) {
  if (part.textContent !== text) part.textContent = text;
}

/** @param {HTMLElement} part @param {string} name @param {string} value */
export function setAttribute(part, name, value) {
  if (part.getAttribute(name) !== value) part.setAttribute(name, value);
}

/** Uses aria-disabled: `disabled` would lose the focus. @param {HTMLElement} button @param {boolean} busy @param {string} idle @param {string} word */
export function showBusy(button, busy, idle, word) {
  setText(button, busy ? word : idle);
  setAttribute(button, "aria-disabled", String(busy));
}

/** @param {unknown} text @returns {URL | null} only http and https URLs, which are safe to link to */
export function parseWebUrl(text) {
  try {
    const address = new URL(String(text), document.baseURI);
    return address.protocol === "https:" || address.protocol === "http:" ? address : null;
  } catch {
    return null;
  }
}

/** Whether the link's ticket may have expired. @param {string} link */
export function mayExpire(link) {
  return hasKey() || new URL(link).searchParams.has("ticket");
}

/**
 * Renews a link to a file when it is followed, where its ticket may have expired.
 *
 * @param {HTMLAnchorElement} link
 * @param {() => Promise<boolean>} renew reads the job, and shows its links; false where they could not be renewed
 */
export function renewWhenFollowed(link, renew) {
  let renewing = false;
  link.addEventListener("click", async (event) => {
    if (!event.isTrusted || !mayExpire(link.href)) return;
    event.preventDefault();
    if (renewing) return;
    renewing = true;
    const renewed = await renew();
    renewing = false;
    if (renewed && !link.hidden) link.click();
  });
}

/**
 * Without HTTPS, the clipboard API is only available on localhost: then a selected text field is copied.
 *
 * @param {string} text
 * @returns {Promise<boolean>}
 */
export async function copyText(text) {
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
export function showBriefly(button, text) {
  const before = button.textContent === text ? button.dataset.before ?? "" : button.textContent ?? "";
  button.dataset.before = before;
  button.textContent = text;
  setTimeout(() => (button.textContent = before), 2000);
}

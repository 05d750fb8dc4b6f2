/** The page's footer: which versions run. A person names them where something fails. */

import { readVersions } from "./api.js";

/** Shows them, where the key allows that. An older api does not tell them. */
export async function showVersions() {
  const footer = /** @type {HTMLElement} */ (document.getElementById("versions"));
  try {
    const { vidferry, workers } = await readVersions();
    const ytDlp = workers[0]?.yt_dlp;
    footer.textContent = ytDlp ? `Vidferry ${vidferry} · yt-dlp ${ytDlp}` : `Vidferry ${vidferry}`;
    footer.hidden = false;
  } catch {
    footer.hidden = true;
  }
}

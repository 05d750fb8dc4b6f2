/** Which URLs lead to a list of videos, as far as the URL alone tells. */

const YOUTUBE = /(^|\.)youtube\.com$/;
const YOUTUBE_LIST = /^\/(@[^/]+|(channel|c|user)\/[^/]+)(\/(featured|videos|shorts|streams|podcasts|playlists))?\/?$/;
const LIST = /\/(playlists?(\/[^/.]+)?|feed|rss|[^/]+\.(rss|atom))\/?$/i;

/**
 * Whether a URL plainly leads to a list. Only where this is sure: any other URL is sent as a video at once, and fails with
 * the code `playlist` if it is a list after all.
 *
 * @param {string} text
 */
export function isPlainlyList(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    return false;
  }
  if (url.searchParams.has("v")) return false;
  return LIST.test(url.pathname) || (YOUTUBE.test(url.hostname) && YOUTUBE_LIST.test(url.pathname));
}

// Keeps the page's own files, so that it opens without its server; and isolates the page where its server does not.
// @ts-check
const KEPT = "lutra-@VERSION@";
const FILES = [".", "index.html", "page.css", "report.css", "page.js", "fields.js", "probe.js", "worker.js", "workers.js", "carrier.js", "known.json", "engine/lutra_web.js", "engine/lutra_web_bg.wasm"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  const old = (names) => Promise.all(names.filter((name) => name.startsWith("lutra-") && name !== KEPT).map((name) => caches.delete(name)));
  event.waitUntil(caches.keys().then(old).then(() => self.clients.claim()));
});
/** An answer with the headers by which a browser lets a page use threads. @param {Response} response */
function isolated({ body, status, statusText, headers }) {
  const more = new Headers(headers);
  more.set("Cross-Origin-Opener-Policy", "same-origin");
  more.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(body, { status, statusText, headers: more });
}
self.addEventListener("fetch", (event) => {
  const own = event.request.method === "GET" && new URL(event.request.url).origin === self.location.origin;
  const found = () => caches.match(event.request, { cacheName: KEPT, ignoreSearch: true }).then((kept) => kept ?? fetch(event.request));
  if (own) event.respondWith(found().then(isolated));
});

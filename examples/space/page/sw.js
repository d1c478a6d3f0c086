// Keeps the page's own files, so that a second visit needs no network; a new build is a new name.
// What is asked of the Hub is none of its business and passes by.
const NAME = "__NAME__";
const FILES = __FILES__;

self.addEventListener("install", (event) => {
  const kept = caches.open(NAME).then((cache) => cache.addAll(["./", ...FILES]));
  event.waitUntil(kept.then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = caches.keys().then((names) =>
    Promise.all(
      names.filter((name) => name.startsWith("hfkv-") && name !== NAME).map((name) => caches.delete(name)),
    ),
  );
  event.waitUntil(old.then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const mine = url.origin === location.origin && url.pathname.startsWith(new URL("./", location).pathname);
  if (event.request.method !== "GET" || !mine) return;
  event.respondWith(
    caches
      .open(NAME)
      .then((cache) => cache.match(event.request, { ignoreSearch: true }))
      .then((found) => found ?? fetch(event.request)),
  );
});

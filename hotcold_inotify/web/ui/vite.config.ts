import { defineConfig } from "vite";

// The server's content security policy lets in nothing but its own files: no inline script, no data address.
export default defineConfig({
  build: {
    target: "es2022",
    outDir: "dist",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 500, // hls.js, loaded with the first device that is opened
  },
  // `npm run dev` shows the page of the sources on the data of a `hotcold serve` beside it.
  server: { proxy: { "/api": "http://127.0.0.1:8080", "/host": "http://127.0.0.1:8080", "/login": "http://127.0.0.1:8080" } },
});

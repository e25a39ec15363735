// hls.js ships one set of types, and none beside its light build (no DRM, no subtitles, no ads: nothing that we play).
declare module "hls.js/light" {
  export * from "hls.js";
  export { default } from "hls.js";
}

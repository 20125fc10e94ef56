// Bundles the pages into the folder that the argument names: plain files, no inline script or style.
import { cpSync } from "node:fs";
import { build } from "esbuild";

const [, , folder] = process.argv;
await build({
  entryPoints: ["src/main.tsx", "src/style.css"],
  outdir: folder,
  bundle: true,
  splitting: true, // the map and its countries are loaded when they are asked for
  format: "esm",
  target: "es2023",
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: true,
  legalComments: "linked",
  chunkNames: "part-[hash]",
  logLevel: "warning",
});
for (const file of ["index.html", "icon.svg"]) cpSync(`src/${file}`, `${folder}/${file}`);

/**
 * Checks the library and compiles it for Node: `node build.mjs SOURCES OUT TOOLS`. SOURCES is clients/arkts, OUT gets
 * `js/`, TOOLS has `node_modules`. Three judges:
 *
 * 1. the ArkTS linter of npm's `ohos-typescript`, Huawei's fork of TypeScript, over every `.ets` of core and adapters;
 * 2. that compiler's own type check of the same files, without Node's types: the core calls no platform;
 * 3. TypeScript, stricter than ArkTS asks for, over everything, which writes `js/`.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';

const [sources, room, tools] = process.argv.slice(2).map((path) => resolve(path));
const ts = createRequire(join(tools, 'package.json'))('ohos-typescript');

/** What DevEco Studio's loader sets, without the components of a user interface: this library has none. */
const ETS = {
  render: { method: [], decorator: [] },
  components: [],
  libs: [],
  extend: { decorator: [], components: [] },
  styles: { decorator: '', component: { name: '', type: '', instance: '' }, property: '' },
  concurrent: { decorator: 'Concurrent' },
  customComponent: '',
  propertyDecorators: [],
  emitDecorators: [],
  syntaxComponents: { paramsUICallback: [], attrUICallback: [] },
};

/** What this linter must refuse: were it silent, its silence about the library would say nothing. */
const NOT_ARKTS = `
export function f(x: any): number { const o = { a: 1 }; const { a } = o; for (const k in o) { delete (o as any)[k]; } return a; }
`;
const RULES = ['arkts-no-any-unknown', 'arkts-no-untyped-obj-literals', 'arkts-no-destruct-decls', 'arkts-no-for-in', 'arkts-no-delete'];

function findings(files) {
  const options = {
    target: ts.ScriptTarget.ES2021,
    module: ts.ModuleKind.CommonJS,
    moduleResolution: ts.ModuleResolutionKind.NodeJs,
    lib: ['lib.es2021.d.ts'],
    types: [],
    baseUrl: sources,
    paths: { '@kit.*': ['stubs/kit.*.d.ts'] },
    strict: true,
    noEmit: true,
    ets: ETS,
  };
  const host = ts.createIncrementalCompilerHost(options);
  const program = ts.createIncrementalProgram({ rootNames: [...files, join(sources, 'stubs/globals.d.ts')], options, host });
  const found = [
    ...program.getOptionsDiagnostics(),
    ...program.getSyntacticDiagnostics(),
    ...program.getSemanticDiagnostics(),
    ...ts.ArkTSLinter_1_1.runArkTSLinter(program, undefined, undefined, 'ArkTS_1_1'),
  ];
  return found.map((one) => {
    const place = one.file === undefined ? '' : `${basename(one.file.fileName)}:${one.file.getLineAndCharacterOfPosition(one.start).line + 1}: `;
    return place + ts.flattenDiagnosticMessageText(one.messageText, '\n');
  });
}

function lint() {
  const bad = join(room, 'not_arkts.ets');
  writeFileSync(bad, NOT_ARKTS);
  const told = findings([bad]).join('\n');
  const silent = RULES.filter((rule) => !told.includes(rule));
  const files = ['core', 'adapters'].flatMap((folder) =>
    readdirSync(join(sources, folder)).filter((name) => name.endsWith('.ets')).map((name) => join(sources, folder, name)));
  const found = [...silent.map((rule) => `The linter does not know ${rule}.`), ...findings(files)];
  if (found.length > 0) {
    console.error(found.join('\n'));
    process.exit(1);
  }
  return files.length;
}

/** TypeScript wants its own endings; what the files say is the same. */
function copy() {
  rmSync(join(room, 'src'), { recursive: true, force: true });
  rmSync(join(room, 'js'), { recursive: true, force: true });
  for (const folder of ['core', 'adapters', 'stubs', 'tests']) {
    mkdirSync(join(room, 'src', folder), { recursive: true });
    for (const name of readdirSync(join(sources, folder))) {
      cpSync(join(sources, folder, name), join(room, 'src', folder, name.replace(/\.ets$/, '.ts')));
    }
  }
  const settings = JSON.parse(readFileSync(join(sources, 'tsconfig.json'), 'utf8'));
  settings.compilerOptions.typeRoots = [join(tools, 'node_modules/@types')];
  writeFileSync(join(room, 'tsconfig.json'), JSON.stringify(settings));
}

const linted = lint();
copy();
try {
  execFileSync(process.execPath, [join(tools, 'node_modules/typescript/bin/tsc'), '-p', room], { stdio: 'inherit' });
} catch {
  process.exit(1);
}
writeFileSync(join(room, 'js', 'package.json'), '{"type":"commonjs"}\n');
const lines = readdirSync(join(sources, 'core')).map((name) => readFileSync(join(sources, 'core', name), 'utf8').split('\n').length);
console.log(`ArkTS: ${linted} files without a finding; the core has ${lines.reduce((sum, one) => sum + one, 0)} lines`);

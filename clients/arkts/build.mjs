/**
 * Checks the library and compiles it for Node, in a room of its own: `node build.mjs SOURCES`, from the room, which has
 * `node_modules`. SOURCES is clients/arkts. Three judges:
 *
 * 1. the ArkTS linter of npm's `ohos-typescript`, Huawei's fork of TypeScript, over every `.ets` of core and adapters;
 * 2. that compiler's own type check of the same files, without Node's types: the core calls no platform;
 * 3. TypeScript, stricter than ArkTS asks for, over everything, which writes `js/`.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';

const sources = resolve(process.argv[2] ?? '.');
const room = process.cwd();
const ts = createRequire(join(room, 'package.json'))('ohos-typescript');

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

function lint() {
  const files = ['core', 'adapters'].flatMap((folder) =>
    readdirSync(join(sources, folder)).filter((name) => name.endsWith('.ets')).map((name) => join(sources, folder, name)));
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
  const program = ts.createIncrementalProgram({ rootNames: files, options, host });
  const found = [
    ...program.getOptionsDiagnostics(),
    ...program.getSyntacticDiagnostics(),
    ...program.getSemanticDiagnostics(),
    ...ts.ArkTSLinter_1_1.runArkTSLinter(program, undefined, undefined, 'ArkTS_1_1'),
  ];
  for (const one of found) {
    const place = one.file === undefined ? '' : `${basename(one.file.fileName)}:${one.file.getLineAndCharacterOfPosition(one.start).line + 1}: `;
    console.error(place + ts.flattenDiagnosticMessageText(one.messageText, '\n'));
  }
  if (found.length > 0) {
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
  cpSync(join(sources, 'tsconfig.json'), join(room, 'tsconfig.json'));
}

const linted = lint();
copy();
try {
  execFileSync(process.execPath, [join(room, 'node_modules/typescript/bin/tsc'), '-p', room], { stdio: 'inherit' });
} catch {
  process.exit(1);
}
writeFileSync(join(room, 'js', 'package.json'), '{"type":"commonjs"}\n');
const lines = readdirSync(join(sources, 'core')).map((name) => readFileSync(join(sources, 'core', name), 'utf8').split('\n').length);
console.log(`ArkTS: ${linted} files without a finding; the core has ${lines.reduce((sum, one) => sum + one, 0)} lines`);

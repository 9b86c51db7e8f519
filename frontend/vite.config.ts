import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

const OUT = resolve(import.meta.dirname, '../src/reelwright/web/static/dist');
const SMALLEST = 512;

/** Writes `.gz` and `.br` beside every text file that shrinks, so that the server compresses nothing itself. */
function precompressed(): Plugin {
  return {
    name: 'precompressed',
    apply: 'build',
    async writeBundle(options, bundle) {
      const files = Object.keys(bundle).filter((name) => /\.(js|css|svg|json|webmanifest)$/.test(name));
      await Promise.all(files.map((name) => compress(resolve(options.dir ?? OUT, name))));
    },
  };
}

async function compress(path: string): Promise<void> {
  const content = await readFile(path);
  if (content.length < SMALLEST) return;
  const [gz, br] = await Promise.all([
    promisify(gzip)(content, { level: 9 }),
    promisify(brotliCompress)(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
  ]);
  if (gz.length < content.length) await writeFile(`${path}.gz`, gz);
  if (br.length < content.length) await writeFile(`${path}.br`, br);
}

/** Writes into the service worker which build it belongs to. */
function named(): Plugin {
  return {
    name: 'named',
    apply: 'build',
    generateBundle(_options, bundle) {
      const build = createHash('sha256').update(Object.keys(bundle).sort().join()).digest('hex').slice(0, 12);
      const worker = bundle['sw.js'];
      if (worker?.type === 'chunk') worker.code = worker.code.replaceAll('__BUILD__', build);
    },
  };
}

export default defineConfig({
  base: './', // wherever the pages mount the folder: chunks find each other by their own address
  publicDir: false,
  plugins: [named(), precompressed()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    manifest: 'manifest.json',
    license: { fileName: 'licenses.md' },
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // a strict content security policy allows no data: scripts or fonts
    reportCompressedSize: false,
    chunkSizeWarningLimit: 800, // kB: shaka-player is one piece, and loaded only to play
    rolldownOptions: {
      checks: { bundlerTimings: false },
      input: { main: resolve(import.meta.dirname, 'src/main.ts'), sw: resolve(import.meta.dirname, 'src/sw.ts') },
      output: {
        entryFileNames: (chunk) => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'), // the worker's address must stay
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
  test: { environment: 'node', include: ['tests/**/*.test.ts'] },
} as Parameters<typeof defineConfig>[0]);

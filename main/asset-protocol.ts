import { readFile } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';

/** The app's pages live at `app://hartbox/…`, a scheme that serves the built renderer and nothing else. */
export const APP_SCHEME = 'app';
export const APP_ORIGIN = 'app://hartbox';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/**
 * Scripts and everything else only from ourselves, no connections. Inline styles are needed by xterm, which writes
 * style elements; they cannot load anything.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** File below `root` that a URL names, or undefined if it names none that we serve. */
export function assetPath(root: string, url: string): string | undefined {
  let path: string;
  try {
    const parsed = new URL(url);
    if (parsed.protocol !== `${APP_SCHEME}:` || parsed.host !== 'hartbox') return undefined;
    path = decodeURIComponent(parsed.pathname);
  } catch {
    return undefined;
  }
  if (path.includes('\0') || path.includes('\\')) return undefined;
  const file = normalize(join(root, path === '/' ? 'index.html' : path));
  const inside = file.startsWith(normalize(root) + sep);
  return inside && Object.hasOwn(types, extname(file)) ? file : undefined;
}

/** Answer a request for `app://…`. */
export async function serveAsset(root: string, request: { url: string; method: string }): Promise<Response> {
  const file = request.method === 'GET' ? assetPath(root, request.url) : undefined;
  if (file === undefined) return new Response('Not found', { status: 404 });
  try {
    return new Response(new Uint8Array(await readFile(file)), {
      headers: {
        'content-type': types[extname(file)],
        'content-security-policy': contentSecurityPolicy,
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      },
    });
  } catch {
    return new Response('Not found', { status: 404 });
  }
}

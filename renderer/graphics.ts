import type { Graphics } from '../engine/doctor/host';

/** What WebGL draws with in this window. */
export function graphicsOfWindow(): Graphics {
  const gl = document.createElement('canvas').getContext('webgl2', { antialias: false });
  if (!gl) return { renderer: null };
  try {
    const names = gl.getExtension('WEBGL_debug_renderer_info');
    return { renderer: String(gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER)).slice(0, 1000) };
  } finally {
    // A page may have some sixteen of these only.
    gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}

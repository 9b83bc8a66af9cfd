/** What a guest's picture is drawn on, as it comes: parts of it, RGBA, opaque. */
export interface ScreenSurface {
  /** From now on it has so many pixels, and is black. */
  resize(width: number, height: number): void;
  write(x: number, y: number, width: number, height: number, pixels: Uint8ClampedArray<ArrayBuffer>): void;
  /** Have on the canvas what was written, now and not with the next frame. */
  flush(): void;
  /** Draw it once more as it is: a film has a picture only where one is drawn. */
  again(): void;
}

/** A triangle that covers all of the canvas. */
const EVERYWHERE = `#version 300 es
void main() {
  gl_Position = vec4(vec2((gl_VertexID << 1) & 2, gl_VertexID & 2) * 2.0 - 1.0, 0.0, 1.0);
}`;
/** The picture as it is, its first row uppermost. */
const PIXEL_BY_PIXEL = `#version 300 es
precision highp float;
uniform sampler2D picture;
out vec4 colour;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  colour = vec4(texelFetch(picture, ivec2(at.x, textureSize(picture, 0).y - 1 - at.y), 0).rgb, 1.0);
}`;

/**
 * One texture, of which with each frame the part that changed is drawn. Also where WebGL is software this is the fastest: writing to an
 * accelerated canvas without it makes Chromium wait for its graphics process (13 to 45 writes of 240 KiB a second with SwiftShader on two busy
 * cores; 460 to 740 to a texture), and one in memory is uploaded as a whole for each frame.
 */
class WebglSurface implements ScreenSurface {
  #texture: WebGLTexture | null = null;
  /** What is to get onto the canvas. */
  #dirty: { left: number; top: number; right: number; bottom: number } | undefined;
  #frame: number | undefined;

  constructor(private readonly gl: WebGL2RenderingContext) {
    const program = gl.createProgram();
    for (const [type, source] of [
      [gl.VERTEX_SHADER, EVERYWHERE],
      [gl.FRAGMENT_SHADER, PIXEL_BY_PIXEL],
    ] as const) {
      const shader = gl.createShader(type);
      // The context is lost, which is told by an event.
      if (!shader) continue;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
  }

  resize(width: number, height: number): void {
    const { gl } = this;
    [gl.canvas.width, gl.canvas.height] = [width, height];
    gl.deleteTexture(this.#texture);
    this.#texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.#texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, height);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.viewport(0, 0, width, height);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.#dirty = undefined;
  }

  write(x: number, y: number, width: number, height: number, pixels: Uint8ClampedArray<ArrayBuffer>): void {
    const { gl } = this;
    const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, x, y, width, height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    const { left = x, top = y, right = 0, bottom = 0 } = this.#dirty ?? {};
    this.#dirty = {
      left: Math.min(left, x),
      top: Math.min(top, y),
      right: Math.max(right, x + width),
      bottom: Math.max(bottom, y + height),
    };
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.flush();
    });
  }

  again(): void {
    const { width, height } = this.gl.canvas;
    if (this.#texture) this.#dirty = { left: 0, top: 0, right: width, bottom: height };
    this.flush();
  }

  flush(): void {
    if (!this.#dirty) return;
    const { gl } = this;
    const { left, top, right, bottom } = this.#dirty;
    this.#dirty = undefined;
    gl.enable(gl.SCISSOR_TEST);
    // Rows of the canvas count from below.
    gl.scissor(left, gl.canvas.height - bottom, right - left, bottom - top);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }
}

class CanvasSurface implements ScreenSurface {
  constructor(private readonly context: CanvasRenderingContext2D) {}

  resize(width: number, height: number): void {
    [this.context.canvas.width, this.context.canvas.height] = [width, height];
  }

  write(x: number, y: number, width: number, height: number, pixels: Uint8ClampedArray<ArrayBuffer>): void {
    this.context.putImageData(new ImageData(pixels, width, height), x, y);
  }

  flush(): void {
    // It is there at once.
  }

  again(): void {
    this.context.putImageData(this.context.getImageData(0, 0, 1, 1), 0, 0);
  }
}

/** The best that there is for a canvas; undefined where it can show nothing. `withWebgl`: unless that has failed. */
export function surfaceOf(canvas: HTMLCanvasElement, { withWebgl }: { withWebgl: boolean }): ScreenSurface | undefined {
  // What is on it stays, since only parts of it are drawn anew.
  const gl = withWebgl ? canvas.getContext('webgl2', { alpha: false, antialias: false, depth: false, preserveDrawingBuffer: true }) : null;
  if (gl) return new WebglSurface(gl);
  // Kept where it is written: else each write would wait for the graphics process.
  const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
  return context ? new CanvasSurface(context) : undefined;
}

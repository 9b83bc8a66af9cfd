export interface Film {
  stream: MediaStream;
  end: () => void;
}

/** What a guest's picture is drawn on, as it comes: parts of it, RGBA, opaque. */
export interface ScreenSurface {
  /** What is to be in the page, as large as the picture is to be shown. */
  readonly element: HTMLElement;
  /** From now on it has so many pixels, and is black. */
  resize(width: number, height: number): void;
  write(x: number, y: number, width: number, height: number, pixels: Uint8ClampedArray<ArrayBuffer>): void;
  /** Draw all of it in another size. */
  copyTo(context: CanvasRenderingContext2D, width: number, height: number): void;
  /** What it shows from now on. */
  film(): Film;
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

/** For a graphics processor: one texture, of which with each frame the part that changed is drawn. */
class WebglSurface implements ScreenSurface {
  #texture: WebGLTexture | null = null;
  /** What is to get onto the canvas. */
  #dirty: { left: number; top: number; right: number; bottom: number } | undefined;
  #frame: number | undefined;

  constructor(
    readonly element: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
  ) {
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
    const { gl, element } = this;
    [element.width, element.height] = [width, height];
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
      this.#flush();
    });
  }

  copyTo(context: CanvasRenderingContext2D, width: number, height: number): void {
    this.#flush();
    context.drawImage(this.element, 0, 0, width, height);
  }

  film(): Film {
    return filmOf(this.element);
  }

  again(): void {
    const { width, height } = this.element;
    if (this.#texture) this.#dirty = { left: 0, top: 0, right: width, bottom: height };
    this.#flush();
  }

  #flush(): void {
    if (!this.#dirty) return;
    const { gl, element } = this;
    const { left, top, right, bottom } = this.#dirty;
    this.#dirty = undefined;
    gl.enable(gl.SCISSOR_TEST);
    // Rows of the canvas count from below.
    gl.scissor(left, element.height - bottom, right - left, bottom - top);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }
}

/** Rows of a strip. */
const STRIP = 64;

/**
 * For a processor: canvases in memory, one below the other. Chromium copies a canvas as a whole for each frame in which a part of it
 * changed, so that a small change is to be in a small canvas. 1280 × 800 on a core of 2026 (AMD EPYC): 31 ms of all its processes for a
 * frame that changes everywhere and 4.8 for one that changes in a tenth; by WebGL in software 70 and 21 to 34.
 */
class StripSurface implements ScreenSurface {
  readonly element = document.createElement('div');
  #strips: CanvasRenderingContext2D[] = [];
  #size = { width: 0, height: 0 };
  #film: CanvasRenderingContext2D | undefined;

  constructor() {
    this.element.className = 'screen-strips';
  }

  resize(width: number, height: number): void {
    this.#size = { width, height };
    this.#strips = [];
    for (let top = 0; top < height; top += STRIP) {
      this.#strips.push(inMemory(width, Math.min(STRIP, height - top)));
    }
    this.element.replaceChildren(...this.#strips.map(({ canvas }) => canvas));
    for (const { canvas } of this.#strips) canvas.style.flexGrow = `${canvas.height}`;
    if (this.#film) [this.#film.canvas.width, this.#film.canvas.height] = [width, height];
  }

  write(x: number, y: number, width: number, height: number, pixels: Uint8ClampedArray<ArrayBuffer>): void {
    const image = new ImageData(pixels, width, height);
    const last = Math.floor((y + height - 1) / STRIP);
    // What lies outside of a canvas is not drawn.
    for (let strip = Math.floor(y / STRIP); strip <= last; strip++) this.#strips[strip]?.putImageData(image, x, y - strip * STRIP);
    this.#film?.putImageData(image, x, y);
  }

  copyTo(context: CanvasRenderingContext2D, width: number, height: number): void {
    const zoom = { x: width / this.#size.width, y: height / this.#size.height };
    context.save();
    context.scale(zoom.x, zoom.y);
    for (const [strip, { canvas }] of this.#strips.entries()) context.drawImage(canvas, 0, strip * STRIP);
    context.restore();
  }

  film(): Film {
    const { width, height } = this.#size;
    const whole = inMemory(Math.max(1, width), Math.max(1, height));
    this.copyTo(whole, width, height);
    this.#film = whole;
    const { stream, end } = filmOf(whole.canvas);
    return {
      stream,
      end: () => {
        end();
        this.#film = undefined;
      },
    };
  }

  again(): void {
    this.#film?.putImageData(this.#film.getImageData(0, 0, 1, 1), 0, 0);
  }
}

/** A black canvas that is kept where it is written: else each write would wait for the graphics process. */
function inMemory(width: number, height: number): CanvasRenderingContext2D {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
  if (!context) throw new Error('a new canvas has a 2D context');
  return context;
}

function filmOf(canvas: HTMLCanvasElement): Film {
  const stream = canvas.captureStream();
  return {
    stream,
    end: () => {
      for (const track of stream.getTracks()) track.stop();
    },
  };
}

/** The best that there is here. `onLost`: WebGL has failed, and with it what was drawn is lost; without it, WebGL is not tried. */
export function newSurface(onLost?: () => void): ScreenSurface {
  const canvas = document.createElement('canvas');
  const gl = onLost
    ? canvas.getContext('webgl2', {
        ...{ alpha: false, antialias: false, depth: false },
        // What is on it stays, since only parts of it are drawn anew.
        preserveDrawingBuffer: true,
        // Not where it is software.
        failIfMajorPerformanceCaveat: true,
      })
    : null;
  if (!onLost || !gl) return new StripSurface();
  canvas.addEventListener('webglcontextlost', onLost);
  return new WebglSurface(canvas, gl);
}

/** Writes ONNX models for tests: as much of onnx.proto, a protobuf schema, as these need. */

type Field = [number: number, value: number | string | Uint8Array];

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 128);
  }
}

function message(...fields: Field[]): Uint8Array {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === 'number') return Buffer.from([...varint(number * 8), ...varint(value)]);
      const bytes = typeof value === 'string' ? Buffer.from(value) : value;
      return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);
    }),
  );
}

export interface OnnxNode {
  operator: string;
  inputs: string[];
  outputs: string[];
  /** Attributes that are lists of whole numbers. */
  numbers?: Readonly<Record<string, readonly number[]>>;
  /** Attributes that are graphs, for If and Loop. */
  graphs?: Readonly<Record<string, OnnxGraph>>;
}

/** Of floats, unless the type is given by ONNX's number. */
export interface OnnxValue {
  name: string;
  dimensions: (number | string)[];
  type?: number;
}

export interface OnnxGraph {
  nodes: OnnxNode[];
  inputs: OnnxValue[];
  outputs: OnnxValue[];
  /** Weights, of floats unless the type is given; `data` are the bytes. */
  weights?: { name: string; dimensions: number[]; type?: number; data: Uint8Array }[];
}

function value({ name, dimensions, type = 1 }: OnnxValue): Uint8Array {
  const shape = message(...dimensions.map((size): Field => [1, typeof size === 'number' ? message([1, size]) : message([2, size])]));
  return message([1, name], [2, message([1, message([1, type], [2, shape])])]);
}

function graph({ nodes, inputs, outputs, weights = [] }: OnnxGraph): Uint8Array {
  return message(
    ...nodes.map(
      ({ operator, inputs: from, outputs: to, numbers = {}, graphs = {} }): Field => [
        1,
        message(
          ...from.map((name): Field => [1, name]),
          ...to.map((name): Field => [2, name]),
          [4, operator],
          ...Object.entries(numbers).map(([name, all]): Field => [5, message([1, name], [20, 7], ...all.map((one): Field => [8, one]))]),
          ...Object.entries(graphs).map(([name, body]): Field => [5, message([1, name], [20, 5], [6, graph(body)])]),
        ),
      ],
    ),
    [2, 'test'],
    ...weights.map(
      ({ name, dimensions, type = 1, data }): Field => [
        5,
        message(...dimensions.map((size): Field => [1, size]), [2, type], [8, name], [9, data]),
      ],
    ),
    ...inputs.map((one): Field => [11, value(one)]),
    ...outputs.map((one): Field => [12, value(one)]),
  );
}

/** A model of operator set 17. */
export function onnxModel(content: OnnxGraph): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(message([1, 8], [2, 'hartbox tests'], [7, graph(content)], [8, message([1, ''], [2, 17])]));
}

function floats(length: number, of: (at: number) => number): Uint8Array {
  return new Uint8Array(Float32Array.from({ length }, (_, at) => of(at)).buffer);
}

/**
 * As much work as a small network that tells what is on a picture: `x`, 3 × 224 × 224, to `y`, 1000 classes, by convolutions of 3 × 3 that
 * halve the picture, with some 250 million multiplications and 8 MB of weights, which mean nothing.
 */
export function pictureModel(): Uint8Array<ArrayBuffer> {
  const channels = [3, 32, 64, 128, 256, 512];
  const nodes: OnnxNode[] = [];
  const weights: NonNullable<OnnxGraph['weights']> = [];
  let from = 'x';
  for (let at = 1; at < channels.length; at++) {
    const [less, more] = [channels[at - 1], channels[at]];
    const scale = 1 / Math.sqrt(9 * less);
    weights.push({ name: `W${at}`, dimensions: [more, less, 3, 3], data: floats(9 * less * more, (i) => scale * ((i % 7) - 3)) });
    nodes.push({ operator: 'Conv', inputs: [from, `W${at}`], outputs: [`c${at}`], numbers: { pads: [1, 1, 1, 1], strides: [2, 2] } });
    nodes.push({ operator: 'Relu', inputs: [`c${at}`], outputs: [`r${at}`] });
    from = `r${at}`;
  }
  nodes.push({ operator: 'GlobalAveragePool', inputs: [from], outputs: ['mean'] });
  nodes.push({ operator: 'Flatten', inputs: ['mean'], outputs: ['flat'] });
  nodes.push({ operator: 'MatMul', inputs: ['flat', 'W'], outputs: ['y'] });
  weights.push({ name: 'W', dimensions: [512, 1000], data: floats(512 * 1000, (i) => ((i % 11) - 5) / 64) });
  return onnxModel({
    nodes,
    inputs: [{ name: 'x', dimensions: [1, 3, 224, 224] }],
    outputs: [{ name: 'y', dimensions: [1, 1000] }],
    weights,
  });
}

/** y = x · W + b, of floats: x has 1 × `inputs`, W `inputs` × `outputs`. */
export function linearModel(
  inputs: number,
  outputs: number,
  weight: (at: number) => number,
  bias: (at: number) => number,
): Uint8Array<ArrayBuffer> {
  return onnxModel({
    nodes: [
      { operator: 'MatMul', inputs: ['x', 'W'], outputs: ['p'] },
      { operator: 'Add', inputs: ['p', 'b'], outputs: ['y'] },
    ],
    inputs: [{ name: 'x', dimensions: ['rows', inputs] }],
    outputs: [{ name: 'y', dimensions: ['rows', outputs] }],
    weights: [
      { name: 'W', dimensions: [inputs, outputs], data: floats(inputs * outputs, weight) },
      { name: 'b', dimensions: [outputs], data: floats(outputs, bias) },
    ],
  });
}

/** Runs for ever: a loop whose condition stays true. */
export function endlessModel(): Uint8Array<ArrayBuffer> {
  return onnxModel({
    nodes: [
      {
        operator: 'Loop',
        inputs: ['', 'go', 'x'],
        outputs: ['y'],
        graphs: {
          body: {
            nodes: [
              { operator: 'Identity', inputs: ['again'], outputs: ['next'] },
              { operator: 'Sin', inputs: ['a'], outputs: ['c'] },
            ],
            inputs: [
              { name: 'turn', dimensions: [], type: 7 },
              { name: 'again', dimensions: [], type: 9 },
              { name: 'a', dimensions: [1] },
            ],
            outputs: [
              { name: 'next', dimensions: [], type: 9 },
              { name: 'c', dimensions: [1] },
            ],
          },
        },
      },
    ],
    inputs: [{ name: 'x', dimensions: [1] }],
    outputs: [{ name: 'y', dimensions: [1] }],
    weights: [{ name: 'go', dimensions: [], type: 9, data: Uint8Array.of(1) }],
  });
}

/** Makes as many floats as it is told: x says how many, y is as long. */
export function hungryModel(): Uint8Array<ArrayBuffer> {
  return onnxModel({
    nodes: [
      { operator: 'ConstantOfShape', inputs: ['x'], outputs: ['z'] },
      { operator: 'ReduceSum', inputs: ['z'], outputs: ['y'] },
    ],
    inputs: [{ name: 'x', dimensions: [1], type: 7 }],
    outputs: [{ name: 'y', dimensions: [1] }],
  });
}

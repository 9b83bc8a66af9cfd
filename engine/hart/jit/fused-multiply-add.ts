import { Emitter, F64_TYPE, type F64 } from '../../wasm/emitter';
import { ModuleBuilder, type FunctionType } from '../../wasm/module-builder';

/** A module with a function `madd`: (a, b, c) → a × b + c by relaxed_madd. */
export function relaxedMultiplyAdd(): Uint8Array<ArrayBuffer> {
  const type: FunctionType = { parameters: [F64_TYPE, F64_TYPE, F64_TYPE], results: [F64_TYPE] };
  const e = new Emitter(type.parameters);
  const splat = (i: number) => e.f64x2.splat(e.get(e.parameter<F64>(i)));
  e.f64x2.extract0(e.f64x2.relaxed_madd(splat(0), splat(1), splat(2)));
  const module = new ModuleBuilder();
  module.addFunction(type, e, 'madd');
  return module.build();
}

let fuses: boolean | undefined;

/** Whether relaxed_madd is to be had and rounds once on this computer; it is either fused always or never (relaxed SIMD proposal). */
export function fusesMultiplyAdd(): boolean {
  if (fuses === undefined) {
    const code = relaxedMultiplyAdd();
    const tiny = 2 ** -30;
    fuses = WebAssembly.validate(code);
    if (fuses) {
      const { madd } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports as {
        madd: (a: number, b: number, c: number) => number;
      };
      fuses = madd(1 + tiny, 1 - tiny, -1) === -(tiny ** 2);
    }
  }
  return fuses;
}

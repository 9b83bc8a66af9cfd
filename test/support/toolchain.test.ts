import { expect, it } from 'vitest';
import { engines } from '../../package.json';
import { isNodeIn } from '../../resources/setup/toolchain.mjs';

it('knows which Node the tools run on', () => {
  const supported = ['20.19.0', '20.20.2', '22.13.0', '22.22.1', '24.0.0', '24.15.0', '25.1.0', '26.0.0'];
  const others = ['18.20.4', '20.18.3', '21.7.0', '22.12.0', '23.11.0'];
  expect(supported.filter((version) => !isNodeIn(engines.node, version))).toEqual([]);
  expect(others.filter((version) => isNodeIn(engines.node, version))).toEqual([]);
});

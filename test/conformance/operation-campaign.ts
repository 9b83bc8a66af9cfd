import { Random } from '../support/random';
import { runInEngine } from './engine';
import { compareOperations, describeOutcome, buildOperationProgram } from './operation-program';
import { randomAccesses, randomPrivileged, randomTables } from './operation-generator';
import { oracle, runInQemu } from './qemu';

export interface OperationResult {
  operations: number;
  failures: string[];
}

const OPERATIONS = 5000;
const KINDS = ['pages', 'bytes', 'csrs'] as const;

/** Compares programs of random privileged operations with qemu-system-riscv64. */
export function runOperationCampaign(helpers: WebAssembly.Module, seed: number, programs: number): OperationResult {
  const result: OperationResult = { operations: 0, failures: [] };
  for (let i = 0; i < programs; i++) {
    const random = new Random(seed * 1000 + i);
    const kind = KINDS[i % KINDS.length];
    const tables = randomTables(random);
    const operations = kind === 'csrs' ? randomPrivileged(random, OPERATIONS) : randomAccesses(random, OPERATIONS, kind === 'pages');
    const program = buildOperationProgram(operations, tables);
    const expected = runInQemu(program.image);
    const found = runInEngine(helpers, program.image, 'interpreted', oracle().off).memory;
    result.operations += operations.length;
    const { outcomes, memory } = compareOperations(program, expected, found);
    for (const outcome of outcomes) result.failures.push(`program ${i} (${kind}): ${describeOutcome(outcome)}`);
    for (const line of memory) result.failures.push(`program ${i} (${kind}): ${line}`);
  }
  return result;
}

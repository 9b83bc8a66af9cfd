import { runTrialMachine } from './trial-machine';

// A process of its own, which may die: V8 aborts where a flag brings out a fault of its own. It says of a flag that it does not know so
// on stderr. See v8-verdict.ts.
await runTrialMachine(process.argv.slice(2));
process.exit(0);

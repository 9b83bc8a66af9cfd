import { writeSync } from 'node:fs';
import { runTrialMachine } from './trial-machine';
import { announce, PARENT_ON_STDIN } from './v8-verdict';

// A process of its own, which may die: V8 aborts where a flag brings out a fault of its own. It says of a flag that it does not know so
// on stderr. See v8-verdict.ts.
// Whoever started it may be killed meanwhile.
if (process.env[PARENT_ON_STDIN]) process.stdin.on('end', () => process.exit(1)).resume();

const result = await runTrialMachine(process.argv.slice(2));
writeSync(process.stdout.fd, announce(result));
process.exit(0);

import type { BrowserWindow, Dialog } from 'electron';
import type { Diagnosis } from '../engine/doctor/doctor';
import type { Graphics } from '../engine/doctor/host';
import { VmError } from '../engine/errors/vm-error';
import { writeOutput } from '../engine/host/output-file';
import type { V8Verdict } from '../engine/threads/v8-verdict-schema';
import type { Locale } from './contract';
import type { RequestHandlers } from './ipc';
import { messages } from './messages';

export interface DoctorRequestsOptions {
  dataFolder: string;
  verdict: () => Promise<V8Verdict>;
  dialog: Pick<Dialog, 'showSaveDialog'>;
  window: () => BrowserWindow | undefined;
  locale: () => Locale;
}

/** Answers to the requests about the Doctor. Its code is loaded when it is wanted. */
export function doctorRequests({
  dataFolder,
  verdict,
  dialog,
  window,
  locale,
}: DoctorRequestsOptions): Pick<RequestHandlers, 'doctor.diagnose' | 'doctor.save-report'> {
  let last: Diagnosis | undefined;
  return {
    'doctor.diagnose': async (graphics: Graphics) => {
      const [{ diagnose }, { nodeHost }] = await Promise.all([import('../engine/doctor/doctor'), import('../engine/doctor/node-host')]);
      last = await diagnose(nodeHost({ dataFolder, verdict, graphics }));
      return last;
    },
    'doctor.save-report': async () => {
      if (!last) throw new VmError('Internal', 'There is no diagnosis yet that a report could be made of.');
      const { reportName, files } = messages[locale()];
      const options: Electron.SaveDialogOptions = {
        defaultPath: `${reportName}.txt`,
        filters: [{ name: files.report, extensions: ['txt'] }],
      };
      const parent = window();
      const { filePath } = await (parent ? dialog.showSaveDialog(parent, options) : dialog.showSaveDialog(options));
      if (!filePath) return null;
      const [{ reportText }, { privateDetails, reportFacts }] = await Promise.all([
        import('../engine/doctor/report'),
        import('../engine/doctor/node-host'),
      ]);
      await writeOutput(filePath, reportText(last, reportFacts(), await privateDetails()), {}, 'The report could not be written');
      return filePath;
    },
  };
}

import type { Option } from '../../engine/settings/option';
import { optionOf } from '../../engine/settings/settings';

/** The setting `kernel` where it is no kernel that a box starts from, but a program by itself. */
export const programOption: Option = {
  ...optionOf('kernel')!,
  key: 'program',
  label: 'Program',
  help: 'ELF file, flat binary, Intel hex file, uImage or FIT',
};

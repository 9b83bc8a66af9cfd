import { nearest } from '../../settings/nearest';
import { optionNamed, QEMU_OPTIONS } from './option-table';
import { QemuError } from './qemu-error';
import { Wanted } from './wanted';

/**
 * What a command line of `qemu-system-riscv64` asks for, without its first word. Options have one dash or two; a word that is none is the
 * image of a first drive. Throws QemuError.
 */
export function readCommandLine(words: readonly string[]): Wanted {
  const wanted = new Wanted();
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    if (!word.startsWith('-') || word === '-') {
      optionNamed('hda')?.read(wanted, word, word);
      continue;
    }
    const option = optionNamed(word.replace(/^--?/, ''));
    if (!option) throw new QemuError(word, `invalid option${suggestion(word)}`);
    if (option.takes === undefined) {
      option.read(wanted, '', word);
      continue;
    }
    if (++at === words.length) throw new QemuError(word, `requires an argument: ${word} ${option.takes}`);
    if (option.lists !== undefined && /(^|,)(help|\?)$/.test(words[at])) wanted.show(option.lists);
    else option.read(wanted, words[at], `${word} ${words[at]}`);
  }
  return wanted;
}

function suggestion(word: string): string {
  const names = QEMU_OPTIONS.flatMap((option) => option.names.map((name) => name.slice(1)));
  const name = word.replace(/^--?/, '');
  // Of a few letters many are near.
  const near = name.length > 3 ? nearest(name, names) : undefined;
  return near === undefined ? '' : `; did you mean -${near}?`;
}

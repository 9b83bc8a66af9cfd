import { command } from '../command';

export const SETUP = command({
  name: 'setup',
  summary: 'fetch and build the built-in Linux',
  usage: ['[OPTIONS]'],
  about: 'It is 112 MB from a Debian mirror, once; then boxes start at once.',
  more: '\nHARTBOX_HOME in the environment says where Hartbox keeps boxes and downloads.',
  options: { json: { type: 'flag', help: 'print the paths of its kernel, initramfs and firmware as JSON' } },
});

export const DOCTOR = command({
  name: 'doctor',
  summary: 'look at this computer for what keeps boxes from running, or makes them slow',
  usage: ['[OPTIONS]'],
  about: `Looks at Node and its JavaScript engine, processors and memory, the disk of the data folder (which it writes up to 32 MiB to), boxes and what was left by work that was ended, mirrors, proxies and ports. What is as it should be is shown with --all.`,
  more: '\nExit codes: 0 boxes can run, 1 a problem was found, 2 the command line is wrong, 125 the report cannot be written.',
  options: {
    all: { type: 'flag', short: 'a', help: 'also what is as it should be' },
    json: { type: 'flag', help: 'as JSON, all of it, with personal details' },
    report: {
      type: 'value',
      value: 'FILE',
      isFile: true,
      help: 'write all to FILE, to be attached to a bug report: without the name of the user, the home folder, the name of this computer, and passwords in addresses',
    },
  },
});

export const QEMU = command({
  name: 'qemu',
  summary: 'run a machine by a command line of qemu-system-riscv64',
  usage: ['[QEMU OPTIONS]'],
  about: `What there is not here is refused by name. \`hartbox qemu -help\` lists all options of QEMU and what each does here; with -verbose you see what makes no difference. \`hartbox-qemu\` is the same in one word: make qemu QEMU=hartbox-qemu

  hartbox qemu -machine virt -nographic -kernel Image -append console=ttyS0
  hartbox qemu -machine virt -bios none -kernel kernel -smp 3 -nographic -s -S`,
  more: `
The exit code is that of QEMU: what the guest gave to the test finisher (its low 8 bits), 0 after a poweroff, Ctrl-A x or a signal, 1 where it could not be done.`,
  options: {},
  isForeign: true,
  arguments: ['file'],
});

export const SCHEMA = command({
  name: 'schema',
  summary: 'print the JSON Schema of settings files',
  usage: [''],
  about: 'Editors complete and check settings files by it.',
  options: {},
});

export const COMPLETION = command({
  name: 'completion',
  summary: 'print what makes the shell complete commands, options and boxes',
  usage: ['bash|zsh|fish'],
  about: `To have it in every shell:
  bash  echo 'source <(hartbox completion bash)' >> ~/.bashrc
  zsh   echo 'source <(hartbox completion zsh)' >> ~/.zshrc
  fish  hartbox completion fish > ~/.config/fish/completions/hartbox.fish`,
  options: {},
  // `completion words …` is for the scripts: what follows is the command line that is being typed.
  endsAtFirst: true,
});

export const HELP = command({
  name: 'help',
  summary: 'help on a command or on the settings of a box',
  usage: ['[COMMAND] [--markdown]', 'options [--markdown]', 'KEY'],
  about: `\`hartbox help run\` is the same as \`hartbox run --help\`. \`hartbox help options\` explains all settings of a box, \`hartbox help memory\` one of them.`,
  options: { markdown: { type: 'flag', help: 'as Markdown; without COMMAND a reference of all commands and settings' } },
  arguments: ['command'],
});

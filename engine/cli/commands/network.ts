import { command } from '../command';
import { JSON_ROW } from './rows';

export const NETWORK = command({
  name: 'network',
  summary: 'show the network adapters and flows of a box that runs, forward ports, pull cables',
  usage: ['COMMAND BOX [ARGUMENTS]'],
  about: 'What they are connected to stands in its settings: see `hartbox help network`.',
  options: {},
  isGroup: true,
});

export const NETWORK_LIST = command({
  name: 'network list',
  summary: 'show its adapters, and what went through them',
  usage: ['BOX [OPTIONS]'],
  options: { json: JSON_ROW },
  arguments: ['box'],
});

export const NETWORK_FLOWS = command({
  name: 'network flows',
  summary: 'show what the guest talks with through NAT',
  usage: ['BOX [OPTIONS]'],
  options: { json: JSON_ROW },
  arguments: ['box'],
});

export const NETWORK_FORWARDS = command({
  name: 'network forwards',
  summary: 'show the ports of this computer that lead to the guest',
  usage: ['BOX [OPTIONS]'],
  options: { json: JSON_ROW },
  arguments: ['box'],
});

export const NETWORK_FORWARD = command({
  name: 'network forward',
  summary: 'let a port of this computer lead to the guest, until the box is switched off',
  usage: ['BOX HERE:GUEST'],
  about:
    '2222:22 is port 2222 of this computer and port 22 of the guest; udp:5353:53 the same for UDP; *:8080:80 is for other computers too; 0:80 takes any port that is free and prints it. To have it always: `hartbox set BOX network=nat,forward=2222:22`.',
  options: {},
  arguments: ['box', 'word'],
});

export const NETWORK_UNFORWARD = command({
  name: 'network unforward',
  summary: 'forward a port no more; connections that stand stay',
  usage: ['BOX HERE:GUEST'],
  options: {},
  arguments: ['box', 'word'],
});

export const NETWORK_UP = command({
  name: 'network up',
  summary: 'put the cable of an adapter in',
  usage: ['BOX [ID]'],
  about: 'ID is that of `hartbox network list`; a box with one adapter needs none.',
  options: {},
  arguments: ['box', 'word'],
});

export const NETWORK_DOWN = command({
  name: 'network down',
  summary: 'pull the cable of an adapter out, until the box is switched off',
  usage: ['BOX [ID]'],
  about: 'ID is that of `hartbox network list`; a box with one adapter needs none.',
  options: {},
  arguments: ['box', 'word'],
});

export const NETWORK_LINE = command({
  name: 'network line',
  summary: 'make the line of an adapter slow, long or bad, until the box is switched off',
  usage: ['BOX [ID] [OPTIONS]'],
  about:
    'For experiments; packets both ways are meant. What is not named stays as it is, 0 ends it; without options what the line does is shown. ID is that of `hartbox network list`; a box with one adapter needs none. To have it always: `hartbox set BOX network=nat,rate=2000,delay=50,loss=1`.',
  options: {
    rate: { type: 'value', value: 'KBIT', help: 'so many kbit/s go through; what would wait longer than 200 ms for its turn is lost' },
    delay: { type: 'value', value: 'MS', help: 'each packet is so many milliseconds under way' },
    loss: { type: 'value', value: 'PERCENT', help: 'so many of a hundred packets are lost' },
  },
  arguments: ['box', 'word'],
});

export const CAPTURE = command({
  name: 'capture',
  summary: 'write what goes through the network adapters of a box that runs to a file',
  usage: ['BOX -o FILE [OPTIONS]'],
  about:
    'The file is one of pcapng, as Wireshark, tshark and tcpdump read it; one of that name is replaced. It ends with Ctrl-C, or with the box.',
  options: {
    output: { type: 'value', short: 'o', value: 'FILE', isFile: true, help: 'the file' },
    timeout: { type: 'value', value: 'SECONDS', help: 'end after so long' },
  },
  arguments: ['box'],
});

const SSH_PORT = { type: 'value', value: 'PORT', help: 'where the server in the box listens  [22]' } as const;

const SSH_OPTION = { type: 'value', short: 'o', multiple: true, value: 'NAME=VALUE', help: 'an option of ssh_config(5)' } as const;

const SSH_IDENTITY = {
  type: 'value',
  short: 'i',
  value: 'FILE',
  help: 'the private key to show, if it is not one of those that ssh takes by itself',
  isFile: true,
} as const;

export const SSH = command({
  name: 'ssh',
  summary: 'a shell or a command in a box that runs, where an SSH server runs in it',
  usage: ['[OPTIONS] [USER@]BOX [COMMAND…]'],
  about:
    "It is this computer's own ssh that does it, by a port that leads into the box and is made where there is none. The keys by which the box is known stay in its folder. Without USER it is whom the box's setting --ssh-user names: the user that it was made with, else root.",
  options: { port: SSH_PORT, identity: SSH_IDENTITY, option: SSH_OPTION },
  arguments: ['box', 'word'],
  endsAtFirst: true,
});

export const COPY = command({
  name: 'cp',
  summary: 'copy files to and from a box that runs, where an SSH server runs in it',
  usage: ['[OPTIONS] FILE… [USER@]BOX:PATH', '[OPTIONS] [USER@]BOX:PATH… FILE'],
  about: "It is this computer's own scp that does it; see hartbox ssh. A file whose name has a colon is written with its folder: ./a:b",
  options: {
    port: SSH_PORT,
    identity: SSH_IDENTITY,
    option: SSH_OPTION,
    recursive: { type: 'flag', short: 'r', help: 'folders with all that is in them' },
    legacy: { type: 'flag', help: 'by the old protocol of scp, for servers that have no SFTP' },
  },
  arguments: ['file'],
});

import { command } from '../command';
import { JSON_ROW } from './rows';

export const IMAGE = command({
  name: 'image',
  summary: 'systems that boxes can be made of, ready to use',
  usage: ['COMMAND [OPTIONS]'],
  options: {},
  isGroup: true,
});

export const IMAGE_LIST = command({
  name: 'image list',
  summary: 'show what there is, what it takes, and what is on this computer',
  usage: ['[--json]'],
  about: 'To make a box of one: hartbox create NAME --image IMAGE',
  options: { json: { type: 'flag', help: 'as JSON, sizes in bytes' } },
});

export const IMAGE_FETCH = command({
  name: 'image fetch',
  summary: 'fetch an image, or make it of its packages, so that boxes of it are made in seconds',
  usage: ['IMAGE [OPTIONS]'],
  about:
    'Debian is made here of the packages of a Debian mirror, by a machine that nobody sees. What was fetched stays when it is ended with Ctrl-C, and the next time goes on from there.',
  options: {
    update: { type: 'flag', help: 'once more, where the servers have something newer; boxes that are there keep what they have' },
    log: { type: 'flag', help: 'print what the machine prints that makes the image' },
    json: { type: 'flag', help: 'print where it lies and what it takes as JSON' },
  },
  arguments: ['image'],
});

export const IMAGE_INFO = command({
  name: 'image info',
  summary: 'show what an image is, where it comes from and where it lies',
  usage: ['IMAGE [--json]'],
  options: { json: JSON_ROW },
  arguments: ['image'],
});

export const IMAGE_REMOVE = command({
  name: 'image remove',
  summary: 'delete an image from this computer; boxes that were made of it stay whole',
  usage: ['IMAGE', '--cache'],
  options: { cache: { type: 'flag', help: 'instead of an image what was fetched and is kept for images to come' } },
  arguments: ['image'],
});

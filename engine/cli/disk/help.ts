const CODES = `
Exit codes: 0 done, 2 the command line is wrong, 125 it could not be done: the message says why.
`;

export const DISK_HELP = `Make and look after disk images: raw files and qcow2.

Usage: hartbox disk COMMAND [OPTIONS]

Commands:
  create   make an empty disk image
  info     show what an image is
  check    look for damage in a qcow2 image, and repair it
  resize   change the size of a disk
  convert  copy a disk into a new image, of the other format or compressed
  commit   write what an image has of its own into its backing file

Each has a --help of its own. No machine may use an image while it is changed.
`;

export const CREATE_HELP = `Make an empty disk image. It takes little space until it is written to.

Usage: hartbox disk create FILE [SIZE] [OPTIONS]

SIZE is 20G, 512M and the like, or a number of bytes; with --backing it may be left out.

Options:
  -f, --format raw|qcow2    [qcow2]
  -b, --backing FILE        show what this disk has until it is overwritten; it must not change any more
      --backing-format raw|qcow2
      --cluster-size SIZE   of qcow2, 512 to 2M  [64K]
      --extended-l2         32 subclusters in each cluster: less to copy over a backing file
      --lazy-refcounts      let QEMU put off some writes
      --refcount-bits N     1, 2, 4 … 64  [16]
      --compat 2|3          version of qcow2  [3]
      --json                print what \`disk info --json\` prints
  -h, --help
${CODES}`;

export const INFO_HELP = `Show what a disk image is: size, format, backing file, snapshots.

Usage: hartbox disk info FILE [--format raw|qcow2] [--json]
${CODES}`;

export const CHECK_HELP = `Look for damage in a qcow2 image.

Usage: hartbox disk check FILE [OPTIONS]

Options:
      --repair[=leaks]  set right what can be (make a copy first); with leaks, only give back space that nobody uses
      --format raw|qcow2
      --json            counts of \`corruptions\` and \`leaks\`: \`found\`, and \`left\` after a repair
  -h, --help

Exit codes: 0 nothing is wrong (any more), 1 the image is damaged, 3 only space is lost, 2 the command line is wrong, 125 it could
not be checked.
`;

export const RESIZE_HELP = `Change the size of a disk. The guest's partitions and file systems stay as they are.

Usage: hartbox disk resize FILE SIZE|+SIZE [OPTIONS]

Options:
      --shrink           let a raw disk lose its end (a qcow2 disk cannot)
      --format raw|qcow2
      --json
  -h, --help
${CODES}`;

export const CONVERT_HELP = `Copy what a disk shows, with all of its backing files, into a new image. Zeroes take no space there.

Usage: hartbox disk convert FROM TO [OPTIONS]

Options:
  -f, --format raw|qcow2    of the new image  [qcow2]
      --from-format raw|qcow2
  -c, --compress            compress it (qcow2)
      --force               replace TO if it exists, once the copy is complete
      --cluster-size SIZE, --extended-l2, --lazy-refcounts, --refcount-bits N, --compat 2|3
                            as for create
      --json
  -h, --help

Interrupted, it leaves TO as it was.
${CODES}`;

export const COMMIT_HELP = `Write what an image has of its own into its backing file. The image is empty then and shows the same.

Usage: hartbox disk commit FILE [--json]

Other images over the same backing file lose their base. Interrupted, FILE still shows what it did: commit it again.
${CODES}`;

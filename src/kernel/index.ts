/**
 * Kernels of zones. A zone boots a kernel of its own, and whatever that comes from, it is looked at here on the host and never
 * run here: a kernel's image is a compressed ELF file behind a header, a module is an ELF file that says in a section what
 * it needs, a Debian package is an archive of archives.
 *
 *     installKernel    a package, a directory, an OCI image or a file -> ROOT/kernels/NAME
 *     openKernel       one of those, or a file of the user's, as a `Kernel`
 *     openUmlKernel    User-Mode Linux, whose kernel is a program
 *     assembleInitramfs    a kernel, an init and names of modules -> what the kernel unpacks and starts
 *
 * Packages and images come from outside: any bytes give a kernel or a typed error, in bounded memory.
 *
 *     ar, deb            packages                   bz-image, vmlinux, elf     kernels
 *     modinfo, modules   what modules need          draft, source, apt         putting one together
 *     cache, place       what is installed          file                       what is not
 *
 * Why Debian's cloud kernel, and what goes into the initramfs: doc/decision/0016-kernels.md.
 */
export { defaultPackage } from './apt.ts';
export { type AssembledInitramfs, type AssembleOptions, assembleInitramfs } from './assemble.ts';
export { type KernelSummary, listKernels, removeKernel, setDefaultKernel } from './cache.ts';
export { KernelError } from './error.ts';
export type { KernelFiles } from './image-source.ts';
export { type InstallKernelOptions, installKernel } from './install.ts';
export type { Kernel, KernelModule, KernelModules } from './kernel.ts';
export { type OpenKernelOptions, openKernel } from './open.ts';
export type { KernelProgress } from './progress.ts';
export type { KernelOrigin } from './record.ts';
export { type OpenUmlKernelOptions, openUmlKernel } from './uml.ts';

/**
 * Five images such as GPU and machine learning programs come in, each over 1 GB, and a sixth that differs from `torch` in
 * its last layer alone:
 *
 *     cuda        nearly everything in one layer of CUDA libraries
 *     torch       seven layers: Python, MKL, CUDA, PyTorch, an application
 *     science     Python packages with their tests and compiled modules: some eighty thousand small files
 *     many        a layer for each of some thirty packages: PyTorch, MKL, compilers
 *     rebuilt     upper layers delete tests and documentation, change owners (and so hold files again), replace a library
 *     torch-next
 */
export const recipes = ['cuda', 'torch', 'science', 'many', 'rebuilt', 'torch-next'] as const;
export type Recipe = (typeof recipes)[number];

/** Raise when a recipe makes something else. */
export const recipesVersion = 2;

const names = (text: string): readonly string[] => text.trim().split(/\s+/);

const system = names(`
  apt base-files bash bsdutils coreutils dash debianutils diffutils dpkg findutils grep gzip libapt-pkg6.0 libc-bin libc6
  libgcc-s1 libicu72 libncursesw6 libpcre2-8-0 libssl3 libstdc++6 libsystemd0 login mount openssl passwd perl-base sed tar
  tzdata util-linux zlib1g`);
const python = names(
  'libpython3.11 libpython3.11-minimal libpython3.11-stdlib python3-pip python3-setuptools',
);
const numeric = names(`
  libopenblas0-pthread liblapack3 python3-numpy python3-pandas python3-pandas-lib python3-scipy python3-sklearn
  python3-sklearn-lib`);
const mkl = names('libmkl-avx2 libmkl-core libmkl-intel-lp64 libmkl-intel-thread libmkl-rt');
const torch = names('libtorch1.13 python3-torch python3-torchaudio python3-torchvision');
const torchCuda = names('libcudart11.0 libcufft10 libcupti11.8 libnvrtc11.2');
const frames = names(`
  python3-matplotlib python3-plotly python3-skimage python3-skimage-lib python3-statsmodels python3-statsmodels-lib
  python3-sympy`);
const more = names(`
  python3-astropy python3-botocore python3-dask python3-distributed python3-django python3-gensim python3-h5py-serial
  python3-networkx python3-nltk python3-notebook python3-numba python3-pyside2.qtwidgets python3-spyder
  python3-sqlalchemy python3-tables python3-tables-lib python3-tornado python3-twisted python3-vtk9 python3-xarray`);
const compilers = names(`
  cargo cpp-12 gcc-12 g++-12 libstdc++-12-dev libstd-rust-1.63 libllvm14 libllvm15 libclang-cpp14`);

/** What each layer installs. Of `rebuilt`, the last one is what a library is replaced by; see layers.ts. */
export const layersOf: Record<Recipe, readonly (readonly string[])[]> = {
  cuda: [system, python, names('libcublas11 libcublaslt11 libcudart11.0 libcurand10 libcusparse11')],
  torch: [system, python, numeric, mkl, torchCuda, torch, names('python3-django python3-plotly')],
  'torch-next': [system, python, numeric, mkl, torchCuda, torch, names('python3-botocore python3-plotly')],
  science: [system, [...python, 'libpython3.11-testsuite'], numeric, [...frames, ...more], ['libvtk9.1']],
  many: [system, ...[...python, ...numeric, ...mkl, ...torch, ...compilers].map(name => [name])],
  rebuilt: [system, python, numeric, ['libcusolver11'], frames, ['libcusolvermg11']],
};
